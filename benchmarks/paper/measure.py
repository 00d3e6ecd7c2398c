"""Figures with bootstrap 95 % intervals: pure functions on one row a prompt.

Prompts are drawn anew, with all that belongs to them (their pairs, their samples), because what belongs to one prompt
is not independent. Every statistic here is a function of sums over prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb, hypot, sqrt
from statistics import mean as average
from statistics import stdev

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Figure = list[float]  # value, lower and upper end of the 95 % interval; or a value alone
DRAWS = 2000
TIE = 1e-9
# Student's t at .975 for 1, 2, ... degrees of freedom; beyond these the normal distribution is near enough.
T975 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)


def of_sums(columns: Sequence[Sequence[float]], statistic: Callable[[Array], Array], scale: float = 1.0) -> Figure:
    """A statistic of the columns' sums [..., C] over prompts, times `scale`, with its interval."""
    table = np.asarray(columns, dtype=np.float64).T  # [prompts, C]
    count = len(table)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=DRAWS).astype(np.float64) @ table
    with np.errstate(divide="ignore", invalid="ignore"):
        found = statistic(drawn) * scale
        value = float(statistic(table.sum(0)) * scale)
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return [value, float(low), float(high)]


def mean(values: Sequence[float], scale: float = 1.0) -> Figure:
    """The mean over prompts."""
    return of_sums([values, [1.0] * len(values)], lambda sums: sums[..., 0] / sums[..., 1], scale)


def ratio(tops: Sequence[float], bottoms: Sequence[float], scale: float = 1.0) -> Figure:
    """Sum of tops over sum of bottoms: a share of pairs, a loss a token."""
    return of_sums([tops, bottoms], lambda sums: sums[..., 0] / sums[..., 1], scale)


def ratio_gap(
    first: tuple[Sequence[float], Sequence[float]],
    second: tuple[Sequence[float], Sequence[float]],
    scale: float = 1.0,
) -> Figure:
    """The first ratio less the second, both over the same prompts."""
    return of_sums(
        [*first, *second], lambda sums: sums[..., 0] / sums[..., 1] - sums[..., 2] / sums[..., 3], scale
    )  # fmt: skip


def gap(first: Sequence[float], second: Sequence[float], scale: float = 1.0) -> Figure:
    """The mean difference, prompt by prompt."""
    return mean([a - b for a, b in zip(first, second, strict=True)], scale)


def points(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """1 where the first is better, 0 where the second is, a half for a tie."""
    return [0.5 if abs(a - b) < TIE else float(a > b) for a, b in zip(first, second, strict=True)]


def hits(scores: Sequence[float], ranks: Sequence[int]) -> tuple[float, float]:
    """Pairs of one prompt that the scores put in the ranks' order (1 is best; equal scores half), and all pairs."""
    right = pairs = 0.0
    for i, own in enumerate(ranks):
        for j, other in enumerate(ranks):
            if own < other:
                pairs += 1
                right += points([scores[i]], [scores[j]])[0]
    return right, pairs


def pair_loss(scores: Sequence[float], ranks: Sequence[int]) -> tuple[float, float]:
    """The reward model's loss -log sigma(better - worse), summed over the pairs of one prompt, and their number."""
    gaps = [scores[i] - scores[j] for i, own in enumerate(ranks) for j, other in enumerate(ranks) if own < other]
    return float(np.logaddexp(0.0, -np.asarray(gaps)).sum()), float(len(gaps))


def best_of(scores: Sequence[float], values: Sequence[float], n: int) -> float:
    """What the best of n by `scores` is worth in `values`, on average over all choices of n among these samples.

    With the samples in order of score, the i-th (from 1) is the best of comb(i - 1, n - 1) choices of comb(N, n).
    """
    order = sorted(range(len(scores)), key=lambda at: scores[at])
    every = comb(len(order), n)
    return sum(values[at] * (comb(i, n - 1) / every) for i, at in enumerate(order))


def over_seeds(figures: Sequence[Figure]) -> Figure:
    """The mean over seeds; of one seed its own interval.

    Of several it joins two that are independent: Student's, from how far the seeds lie apart, and the seeds' own, which
    more seeds do not narrow, for all are measured on the same held-out prompts.
    """
    if len(figures) == 1:
        return figures[0]
    values = [figure[0] for figure in figures]
    t = T975[len(values) - 2] if len(values) - 2 < len(T975) else 1.96
    own = average((figure[2] - figure[1]) / 2 if len(figure) > 1 else 0.0 for figure in figures)
    half = hypot(t * stdev(values) / sqrt(len(values)), own)
    return [average(values), average(values) - half, average(values) + half]
