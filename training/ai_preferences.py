"""From a judge's log-probabilities to a ranking: pure functions, tested by hand. For rlaif.py.

RLAIF, arXiv 2309.00267, section 2: the preference is the softmax of the labels' log-probabilities, and it is asked in
both orders and averaged, so that a judge that likes a place more than a response says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Asked:
    """A question's answer: of the responses `first` and `second`, shown in this order, P(label of the first)."""

    first: int
    second: int
    probability: float


def label_probability(first: float, second: float) -> float:
    """Softmax over the two labels' log-probabilities in nats: P(the first one's label), 0 to 1."""
    return 1 / (1 + math.exp(min(700.0, second - first)))


def win_probabilities(count: int, asked: Sequence[Asked]) -> list[list[float]]:
    """P(i is better than j), [K][K], with p[i][j] + p[j][i] = 1 and 1/2 where nothing was asked.

    It is the mean over all questions about i and j: both orders (RLAIF, section 2.1.1) and every principle.
    """
    sums = [[0.0] * count for _ in range(count)]
    times = [[0] * count for _ in range(count)]
    for one in asked:
        sums[one.first][one.second] += one.probability
        sums[one.second][one.first] += 1 - one.probability
        times[one.first][one.second] += 1
        times[one.second][one.first] += 1
    return [[sums[i][j] / times[i][j] if times[i][j] else 0.5 for j in range(count)] for i in range(count)]


def mean_wins(probabilities: Sequence[Sequence[float]]) -> list[float]:
    """How likely each response wins against another one of the K drawn at random, [K]; their mean is 1/2."""
    count = len(probabilities)
    return [sum(row[j] for j in range(count) if j != i) / (count - 1) for i, row in enumerate(probabilities)]


def ranks_with_ties(scores: Sequence[float], margin: float) -> list[int]:
    """Ranks [K], 1 for the best, equal numbers for ties: 1 + the number of responses in better tiers.

    Best first, a response joins the tier before it when its score lies at most `margin` below that tier's best one. The
    measure is the best, not the neighbour, so that small steps never tie the first with the last.
    """
    order = sorted(range(len(scores)), key=lambda at: (-scores[at], at))
    ranks = [0] * len(scores)
    best, rank = order[0], 1
    for place, at in enumerate(order):
        if scores[best] - scores[at] > margin + 1e-9:  # rounding parts no tie
            best, rank = at, place + 1
        ranks[at] = rank
    return ranks


@dataclass(frozen=True)
class PositionBias:
    """What the place says: the mean P(first label), .5 without bias; the share of pairs whose winner it changes."""

    first: float
    changed: float


def position_bias(asked: Sequence[Asked]) -> PositionBias:
    """Of questions that come in both orders, one after the other. Where none was asked: no bias."""
    if not asked:
        return PositionBias(0.5, 0.0)
    pairs = list(zip(asked[::2], asked[1::2], strict=True))
    changed = sum((one.probability - 0.5) * (other.probability - 0.5) > 0 for one, other in pairs)
    return PositionBias(sum(one.probability for one in asked) / len(asked), changed / len(pairs))
