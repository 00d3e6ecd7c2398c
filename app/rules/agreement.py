"""How far two rankings of the same responses say the same, and how sure a share of them is.

Pairs and ties follow InstructGPT (2203.02155, 3.5): a pair that is tied states nothing. So a pair counts where at least
one of the two rankings orders it; both alike is 1, opposed is 0, and a tie against an order is a half, what a coin
would get. Against a gold item only the pairs that the gold item orders count. Asked by services/reliability.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

Tiers = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Pairs:
    """How many pairs were compared, and how many of them agree; a tie against an order is half of one."""

    alike: float = 0.0
    of: int = 0

    def __add__(self, other: Pairs) -> Pairs:
        return Pairs(self.alike + other.alike, self.of + other.of)

    @property
    def share(self) -> float | None:
        return self.alike / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        return wilson(self.alike, self.of)


@dataclass(frozen=True)
class Flags:
    """Flags that had to be set and were (found), had to be and were not (missed), must not be and were (wrong)."""

    found: int = 0
    missed: int = 0
    wrong: int = 0

    def __add__(self, other: Flags) -> Flags:
        return Flags(self.found + other.found, self.missed + other.missed, self.wrong + other.wrong)

    @property
    def precision(self) -> float | None:
        return self.found / (self.found + self.wrong) if self.found + self.wrong else None

    @property
    def recall(self) -> float | None:
        return self.found / (self.found + self.missed) if self.found + self.missed else None


@dataclass(frozen=True)
class Distance:
    """Sum of distances between ratings, and of how many."""

    total: float = 0.0
    of: int = 0

    def __add__(self, other: Distance) -> Distance:
        return Distance(self.total + other.total, self.of + other.of)

    @property
    def mean(self) -> float | None:
        return self.total / self.of if self.of else None


def signs(tiers: Tiers) -> dict[tuple[str, str], int]:
    """(one, other) -> 1 where one is better, -1 where the other is, 0 where they tie; names of a pair in order."""
    place = {key: number for number, tier in enumerate(tiers) for key in tier}
    return {
        (one, other): (place[one] < place[other]) - (place[one] > place[other])
        for one, other in combinations(sorted(place), 2)
    }


def pairs_with_gold(gold: Tiers, given: Tiers) -> Pairs:
    """Over the pairs that the gold item orders."""
    said = signs(given)
    return _sum((want, said[pair]) for pair, want in signs(gold).items() if want and pair in said)


def pairs_between(one: Tiers, other: Tiers) -> Pairs:
    """Over the pairs that at least one of them orders; the same whichever comes first."""
    return pairs_of_signs(signs(one), signs(other))


def pairs_of_signs(one: Mapping[tuple[str, str], int], other: Mapping[tuple[str, str], int]) -> Pairs:
    return _sum((sign, other[pair]) for pair, sign in one.items() if pair in other and (sign or other[pair]))


def _sum(compared: Iterable[tuple[int, int]]) -> Pairs:
    credits = [1 - abs(one - other) / 2 for one, other in compared]
    return Pairs(sum(credits), len(credits))


def square_distance(one: Mapping[tuple[str, str], int], other: Mapping[tuple[str, str], int]) -> Distance:
    """Squared differences of two labelers' signs over all pairs: what `Alpha` sets against its expectation."""
    apart = [(sign - other[pair]) ** 2 for pair, sign in one.items() if pair in other]
    return Distance(float(sum(apart)), len(apart))


def flags_with_gold(
    gold: Mapping[str, Mapping[str, Sequence[str]]], ratings: Mapping[str, Any], asked: Iterable[str]
) -> Flags:
    """Over the flags that the gold item speaks of and that this labeler could set."""
    known, total = set(asked), Flags()
    for key, wanted in gold.items():
        has = set((ratings.get(key) or {}).get("flags") or [])
        must, must_not = set(wanted.get("must") or []) & known, set(wanted.get("must_not") or []) & known
        total += Flags(len(must & has), len(must - has), len(must_not & has))
    return total


def distance_from_ranges(ranges: Mapping[str, Sequence[int]], ratings: Mapping[str, Any]) -> Distance:
    """How far her ratings lie outside of what the gold item accepts; inside is 0."""
    total = Distance()
    for key, (low, high) in ranges.items():
        rated = (ratings.get(key) or {}).get("overall")
        if rated is not None:
            total += Distance(float(max(low - rated, rated - high, 0)), 1)
    return total


def distance_between(one: Mapping[str, Any], other: Mapping[str, Any]) -> Distance:
    """Over the responses that both rate."""
    total = Distance()
    for key in one.keys() & other.keys():
        first, second = one[key].get("overall"), other[key].get("overall")
        if first is not None and second is not None:
            total += Distance(float(abs(first - second)), 1)
    return total


def wilson(alike: float, of: int, z: float = 1.96) -> tuple[float, float] | None:
    """The 95 % score interval of a share (Wilson 1927): honest for few trials and near 0 and 1."""
    if not of:
        return None
    share, spread = alike / of, z * z / of
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / of + spread / (4 * of))
    return max(0.0, middle - half), min(1.0, middle + half)


class Alpha:
    """Krippendorff's alpha with the interval metric (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability).

    1 is perfect agreement, 0 what chance gives. `add` takes the values that a unit was given by its coders; units with
    one value are passed over. Sums only, so that any number of units costs the same memory.
    """

    def __init__(self) -> None:
        self.count, self.sum, self.squares, self.observed = 0, 0.0, 0.0, 0.0

    def add(self, values: Sequence[float]) -> None:
        if len(values) < 2:
            return
        total, squares = sum(values), sum(value * value for value in values)
        self.count += len(values)
        self.sum += total
        self.squares += squares
        self.observed += _differences(len(values), total, squares) / (len(values) - 1)

    def add_pair(self, given: Sequence[int]) -> None:
        """A pair of responses as `signs` tells it, both ways round: which response is named first says nothing."""
        self.add(given)
        self.add([-sign for sign in given])

    @property
    def expected(self) -> float | None:
        """Mean square difference of two values of whatever units; None where all are the same."""
        if self.count < 2:
            return None
        found = _differences(self.count, self.sum, self.squares) / (self.count * (self.count - 1))
        return found if found > 1e-12 else None

    @property
    def value(self) -> float | None:
        return None if self.expected is None else 1 - self.observed / self.count / self.expected


def _differences(count: int, total: float, squares: float) -> float:
    """Sum over ordered pairs of the squared difference."""
    return 2 * count * squares - 2 * total * total
