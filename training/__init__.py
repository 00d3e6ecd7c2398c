"""The learning wing: pure torch and transformers on job folders; see docs/training.md.

Waiting OpenMP threads must sleep, not spin: on a machine whose cores others use as well, spinning made training up
to fifty times slower (measured). libgomp reads this when torch is imported, so it stands before everything else.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
