"""Second labels and reviews: which tasks get them, how far two orders differ, and what a decision does to the labels.

Asked by services/review_tasks.py, services/reviews.py and services/outcomes.py. A draw is a keyed hash of the task: the
same task always draws the same, and nobody who lacks the installation's key can tell which tasks are drawn.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations

from app import figures
from app.translation import gettext as _

LONGEST_COMMENT = 10_000
CHOICES = ("x", "y", "both", "own")  # as a reviewer sees them; X and Y are the two labels in the order drawn for her
Tiers = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Pair:
    """Two responses that two orders put differently. Each says which is better, or None for a tie."""

    one: str
    other: str
    first: str | None
    second: str | None

    @property
    def opposite(self) -> bool:
        return self.first is not None and self.second is not None


def is_drawn(key: bytes, what: str, task_id: int, rate: float) -> bool:
    """Whether a task is among the `rate` of all that are drawn for `what`. A higher rate only adds tasks."""
    digest = hmac.new(key, f"{what}:{task_id}".encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:8]) / 2**64 < rate


def labelers_wanted(key: bytes, task_id: int, overlap: int, second_label_rate: float) -> int:
    """How many labels a ranking task gets."""
    return overlap + is_drawn(key, "second-label", task_id, second_label_rate)


def differing_pairs(first: Tiers, second: Tiers, order: Sequence[str] = ()) -> list[Pair]:
    """The pairs on which two orders of the same responses do not say the same, named in `order`."""
    one, other = _rank_of(first), _rank_of(second)
    ids = [key for key in (order or sorted(one)) if key in one and key in other]
    pairs = (Pair(a, b, _better(one, a, b), _better(other, a, b)) for a, b in combinations(ids, 2))
    return [pair for pair in pairs if pair.first != pair.second]


def disagreement(first: Tiers, second: Tiers) -> float:
    """From 0, the same order, to 1, turned round: a pair turned round counts 1, a tie against an order 1/2.

    (Kendall's distance with the penalty 1/2 for ties: Fagin et al. 2004, Comparing and aggregating rankings with ties.)
    """
    count = sum(len(tier) for tier in first)
    differing = differing_pairs(first, second)
    return sum(1.0 if pair.opposite else 0.5 for pair in differing) / max(1, count * (count - 1) // 2)


def why_review(disagreement: float, above: float | None, drawn: bool) -> str | None:
    """The cause of a review of two labels, or None where nobody has to look at them."""
    if above is not None and disagreement > above:
        return "disagreement"
    return "sample" if drawn else None


def labels_swapped(key: bytes, review_id: int, user_id: int) -> bool:
    """Whether this reviewer sees the later label as X: drawn for each anew, so that neither place is a habit."""
    return is_drawn(key, f"review:{review_id}", user_id, 0.5)


def puts_aside(outcome: str) -> tuple[str, ...]:
    """Which of the two labels a decision puts aside: those neither train nor count any more."""
    return {"first": ("second",), "second": ("first",), "both": (), "own": ("first", "second")}[outcome]


def place_of(choice: str, swapped: bool) -> str:
    """What is stored of a choice: X and Y become the first and the second label."""
    return {"x": "second" if swapped else "first", "y": "first" if swapped else "second"}.get(choice, choice)


def choice_of(outcome: str, swapped: bool) -> str:
    return {"first": "y" if swapped else "x", "second": "x" if swapped else "y"}.get(outcome, outcome)


def decision_problems(outcome: str | None, comment: str | None) -> list[dict[str, str]]:
    """Everything that keeps a decision from being stored."""
    problems = []
    if outcome not in CHOICES:
        message = _("Choose which label is right, both, or an order of your own.")
        problems.append({"field": "choice", "message": message})
    said = (comment or "").strip()
    if not said:
        problems.append({"field": "comment", "message": _("Say why in a sentence: the two labelers read it.")})
    elif len(said) > LONGEST_COMMENT or "\x00" in said:
        message = _("Give at most %(most)s characters of text.") % {"most": figures.number(LONGEST_COMMENT)}
        problems.append({"field": "comment", "message": message})
    return problems


def _rank_of(tiers: Tiers) -> dict[str, int]:
    return {key: place for place, tier in enumerate(tiers) for key in tier}


def _better(rank: dict[str, int], a: str, b: str) -> str | None:
    return None if rank[a] == rank[b] else a if rank[a] < rank[b] else b


@dataclass(frozen=True)
class Week:
    """How far labelers agreed on the tasks that got their second label in one week; `start` is its Monday."""

    start: date
    pairs: int  # of labels that were compared
    agreement: float  # 1 less their mean disagreement


def weekly_agreement(pairs: Iterable[tuple[date, float]]) -> list[Week]:
    """Weeks, oldest first, of (day, disagreement) pairs of labels."""
    weeks: dict[date, list[float]] = {}
    for day, differ in pairs:
        weeks.setdefault(day - timedelta(days=day.weekday()), []).append(differ)
    return [Week(start, len(found), 1 - sum(found) / len(found)) for start, found in sorted(weeks.items())]
