"""The pretraining corpus: what the people of Mossbrook have written down, document by document.

`documents(seed, size)` yields texts of many kinds (see `corpus_kinds`). It is deterministic, so its SHA-256 names it.
The documents hold the facts in paraphrase and the raw skills (copying, shortening, listing), but nobody in them plays
the assistant: whoever asks a question here is as likely to be given another question.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator

from starter.corpus_kinds import KINDS, Writer
from starter.world import make_world

CORPUS_SEED = 7
CORPUS_BYTES = 12_000_000


def documents(seed: int = CORPUS_SEED, size: int = CORPUS_BYTES) -> Iterator[str]:
    """Documents until `size` bytes are reached."""
    rng = random.Random(seed)
    writer = Writer(make_world(), rng)
    kinds, weights = [kind for kind, _ in KINDS], [weight for _, weight in KINDS]
    written = 0
    while written < size:
        text = rng.choices(kinds, weights)[0](writer)
        written += len(text.encode()) + 1
        yield text


def corpus_hash(texts: list[str]) -> str:
    """SHA-256 over the documents, each closed by a NUL byte."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()
