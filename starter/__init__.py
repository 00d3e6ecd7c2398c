"""The built-in world: a village, a corpus about it, a tiny language model, and a judge that knows every fact.

Waiting threads must sleep rather than spin where cores are shared (see `training`); libgomp reads this when torch is
imported.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
