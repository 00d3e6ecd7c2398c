"""When a labeler is measured: which of her next ranking tasks is a gold item, or one of her own again.

Asked by services/measures.py at the claim of a ranking. Everything follows from what she was given lately and from a
keyed hash, so that the same facts give the same answer and nobody without the key can tell what comes next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

from app.translation import gettext as _

GOLD: Literal["gold"] = "gold"
REPEAT: Literal["repeat"] = "repeat"
Measure = Literal["gold", "repeat"]

WINDOW = 100  # latest tasks that the shares are kept over: a changed rate holds after so many
MOST = 0.5  # of both rates together, since no two measuring tasks follow each other
REPEAT_AFTER = 10  # tasks given between a ranking and its repeat


def rate_problem(gold_rate: float, repeat_rate: float) -> tuple[str, str] | None:
    """(field, sentence) of the first thing that is wrong with the rates of a project."""
    for name, rate in (("gold_rate", gold_rate), ("repeat_rate", repeat_rate)):
        if not 0 <= rate <= MOST:
            return name, _("Give a share from 0 to half of the rankings.")
    if gold_rate + repeat_rate > MOST + 1e-9:
        return "repeat_rate", _("Gold items and repeats together may be half of the rankings at most.")
    return None


def luck(key: bytes, *facts: object) -> float:
    """A number in [0, 1) that only the holder of the key can foretell."""
    digest = hashlib.blake2b(repr(facts).encode(), key=key[:64], digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def draw_measure(recent: Sequence[str], gold_rate: float, repeat_rate: float, drawn: float) -> Measure | None:
    """What the next ranking task is to measure, if anything.

    `recent` holds the purposes of the tasks that she was given, newest first; the last WINDOW of them count. `drawn` is
    a number in [0, 1). Each kind is due by as much as its share lags behind its rate, and never more than three times
    as often as the rate says: a labeler is not flooded after a time without gold items.
    """
    if recent and recent[0] in (GOLD, REPEAT):
        return None
    free = 1 - gold_rate - repeat_rate  # of all tasks: those after which a draw is made
    gold = _due(recent[:WINDOW], GOLD, gold_rate, free)
    if drawn < gold:
        return GOLD
    return REPEAT if drawn < gold + _due(recent[:WINDOW], REPEAT, repeat_rate, free) else None


def _due(window: Sequence[str], purpose: str, rate: float, free: float) -> float:
    """The chance that keeps the share, corrected by what is missing or too much in the window."""
    missing = rate * len(window) - sum(given == purpose for given in window)
    return min(max(rate / free + missing, 0.0), 3 * rate)


def choose(ids: Sequence[int], drawn: float) -> int | None:
    """One of them by the draw, or None of none."""
    return ids[int(drawn * len(ids))] if ids else None


def old_enough(given: Sequence[int]) -> int | None:
    """The assignment before which her own tasks may come again: REPEAT_AFTER were given since. `given` newest first."""
    return given[REPEAT_AFTER - 1] if len(given) >= REPEAT_AFTER else None
