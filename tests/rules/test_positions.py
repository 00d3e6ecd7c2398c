"""Position bias: shares, intervals and chi-square, against values worked elsewhere."""

from __future__ import annotations

import pytest

from app.rules.positions import chi_square_tail, position_bias


def test_shares_are_held_against_the_fair_one() -> None:
    bias = position_bias([40, 20, 20, 20])
    assert (bias.rankings, bias.expected, bias.chi_square) == (100, 0.25, 12.0)
    assert bias.p_value == pytest.approx(0.007383, abs=1e-6)
    assert [place.misses(bias.expected) for place in bias.positions] == [True, False, False, False]
    even = position_bias([25, 25, 25, 25])
    assert (even.chi_square, even.p_value) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("value", "freedom", "tail"),
    [
        (3.841459, 1, 0.05), (5.991465, 2, 0.05), (7.814728, 3, 0.05), (9.487729, 4, 0.05), (15.507313, 8, 0.05),
        (6.634897, 1, 0.01), (11.344867, 3, 0.01), (14.067140, 7, 0.05), (0.0, 3, 1.0),
    ],
)  # fmt: skip
def test_chi_square_tail_is_the_one_of_the_tables(value: float, freedom: int, tail: float) -> None:
    assert chi_square_tail(value, freedom) == pytest.approx(tail, abs=1e-6)


def test_nothing_counted_says_nothing() -> None:
    bias = position_bias([0, 0])
    assert (bias.chi_square, bias.p_value, bias.positions[0].share) == (0.0, 1.0, 0.0)
