"""What an experiment is: what the papers say, what is measured, and when that counts as reproduced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.paper.lab import Lab
from benchmarks.paper.measure import Figure

Point = list[float]  # x, y, and where there is an interval its lower and upper end


@dataclass
class Result:
    """Plain numbers: figures by name (those with % in their name are shares of 100), and curves by name."""

    figures: dict[str, Figure] = field(default_factory=dict)
    curves: dict[str, list[Point]] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """A sentence that is shown where the figure's whole interval lies above `above`."""

    sentence: str
    figure: str
    above: float = 0.0

    def verdict(self, figure: Figure) -> str:
        """`shown`, `not shown` where the interval holds the bound, `the contrary` where it lies below."""
        if figure[1] > self.above:
            return "shown"
        return "the contrary" if figure[2] < self.above else "not shown"


@dataclass(frozen=True)
class Chart:
    """Some of the curves as one plot."""

    title: str
    x: str
    y: str
    curves: tuple[str, ...]


@dataclass(frozen=True)
class Experiment:
    """One letter of docs/results.md."""

    key: str
    title: str
    paper: str  # what the papers report
    here: str  # what is done here, and what is smaller or other than there
    run: Callable[[Lab], Result]
    claims: tuple[Claim, ...]
    charts: tuple[Chart, ...] = ()
    notes: str = ""  # what was tried where something did not reproduce
