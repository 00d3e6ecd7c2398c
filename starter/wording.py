"""How familiar and how usual a text's wording is, by the word pairs of Mossbrook's own writing; used by `judge`."""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache
from itertools import pairwise

SAMPLE_BYTES = 800_000
_WORD = re.compile(r"[A-Za-z'-]+|\d|[.!?,:]")


def tokens(text: str) -> list[str]:
    return ["<", *(word.lower() for word in _WORD.findall(text)), ">"]


@lru_cache(maxsize=1)
def _counts() -> tuple[Counter[tuple[str, str]], Counter[str]]:
    # Imported here: they need most of the package, and only when something is judged.
    from starter.corpus import documents
    from starter.demonstrations import demonstrations

    pairs: Counter[tuple[str, str]] = Counter()
    firsts: Counter[str] = Counter()
    texts = [str(row["response"]) for row in demonstrations()]
    for text in [*texts, *(line for d in documents(size=SAMPLE_BYTES) for line in d.split("\n"))]:
        words = tokens(text)
        pairs.update(pairwise(words))
        firsts.update(words[:-1])
    return pairs, firsts


def familiar_share(text: str) -> float:
    """Share of word pairs that Mossbrook has written before."""
    pairs, _ = _counts()
    words = tokens(text)
    here = list(pairwise(words))
    return sum(pair in pairs for pair in here) / len(here)


def typical(text: str) -> float:
    """0 to 1: how expected each word is after the one before, on average (a squashed mean log-probability)."""
    pairs, firsts = _counts()
    words = tokens(text)
    here = list(pairwise(words))
    mean = sum(math.log((pairs[pair] + 0.01) / (firsts[pair[0]] + 1.0)) for pair in here) / len(here)
    return 1.0 / (1.0 + math.exp(-(mean + 2.0)))
