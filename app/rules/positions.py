"""Position bias: how often the response in each place was put on top, against its fair share.

Asked by services/positions.py. Plain arithmetic: no statistics library is a dependency of the application.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.rules.agreement import wilson


@dataclass(frozen=True)
class Position:
    """One place. `low` and `high` bound the share at 95 % (Wilson 1927)."""

    place: int  # 1 is the first that is seen
    on_top: int
    share: float
    low: float
    high: float
    seconds: float | None  # mean of those rankings whose log says

    def misses(self, expected: float) -> bool:
        return not self.low <= expected <= self.high


@dataclass(frozen=True)
class Bias:
    """All places of the tasks with `count` responses. Rankings whose top is a tie favour no place and are left out."""

    count: int
    rankings: int
    expected: float
    positions: list[Position]
    chi_square: float
    p_value: float


def position_bias(on_top: Sequence[int], seconds: Sequence[float | None] = ()) -> Bias:
    """From how often the response in each place was alone on top."""
    total, count = sum(on_top), len(on_top)
    means = list(seconds) or [None] * count
    positions = [
        Position(place, times, times / total if total else 0.0, *(wilson(times, total) or (0.0, 1.0)), means[place - 1])
        for place, times in enumerate(on_top, start=1)
    ]
    fair = total / count
    chi_square = sum((times - fair) ** 2 / fair for times in on_top) if total else 0.0
    return Bias(count, total, 1 / count, positions, chi_square, chi_square_tail(chi_square, count - 1))


def chi_square_tail(value: float, freedom: int) -> float:
    """The chance of a chi-square as large as this. Closed form for whole degrees of freedom.

    (Abramowitz and Stegun 1964, 26.4.4 and 26.4.5.)
    """
    if value <= 0:
        return 1.0
    half = value / 2
    if freedom % 2 == 0:
        term = total = math.exp(-half)
        for step in range(1, freedom // 2):
            term *= half / step
            total += term
        return min(1.0, total)
    total, term = math.erfc(math.sqrt(half)), math.exp(-half) * math.sqrt(half) / math.gamma(1.5)
    for step in range(1, (freedom - 1) // 2 + 1):
        total += term
        term *= half / (step + 0.5)
    return min(1.0, total)
