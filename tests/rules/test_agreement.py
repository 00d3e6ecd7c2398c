"""How far two rankings say the same: pairs with ties, flags, ratings, intervals, Krippendorff's alpha."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules import agreement, gold_items
from app.rules.agreement import Alpha, Distance, Flags, Pairs


@st.composite
def rankings(draw: st.DrawFn) -> list[list[str]]:
    """A ranking with ties of A to E."""
    places = draw(st.lists(st.integers(1, 5), min_size=5, max_size=5))
    return [[name for name, own in zip("ABCDE", places, strict=True) if own == place] for place in sorted(set(places))]


@given(one=rankings())
def test_a_ranking_agrees_with_itself_in_every_pair_that_it_orders(one: list[list[str]]) -> None:
    pairs = agreement.pairs_between(one, one)
    assert pairs.alike == pairs.of


@given(one=rankings(), other=rankings())
def test_agreement_is_the_same_both_ways(one: list[list[str]], other: list[list[str]]) -> None:
    assert agreement.pairs_between(one, other) == agreement.pairs_between(other, one)


@given(one=rankings(), other=rankings())
def test_the_opposite_order_agrees_where_the_order_disagrees(one: list[list[str]], other: list[list[str]]) -> None:
    pairs, turned = agreement.pairs_between(one, other), agreement.pairs_between(one, other[::-1])
    assert pairs.of == turned.of
    assert pairs.alike + turned.alike == pairs.of


def test_a_tie_against_an_order_is_half_and_two_ties_are_nothing() -> None:
    assert agreement.pairs_between([["A"], ["B"]], [["A", "B"]]) == Pairs(0.5, 1)
    assert agreement.pairs_between([["A", "B"]], [["B", "A"]]) == Pairs(0, 0)
    assert agreement.pairs_between([["A"], ["B"]], [["B"], ["A"]]) == Pairs(0, 1)


def test_only_pairs_that_the_gold_item_orders_count() -> None:
    gold = [["A", "B"], ["C"]]
    assert agreement.pairs_with_gold(gold, [["B"], ["A"], ["C"]]) == Pairs(2, 2)
    assert agreement.pairs_with_gold(gold, [["A"], ["C"], ["B"]]) == Pairs(1, 2)
    assert agreement.pairs_with_gold(gold, [["A", "B", "C"]]) == Pairs(1, 2)


def test_flags_are_found_missed_or_wrong_among_those_that_were_asked() -> None:
    gold = {"A": {"must": ["rude", "gone"], "must_not": ["harm"]}, "B": {"must": ["rude"], "must_not": []}}
    said = {"A": {"flags": ["rude", "harm", "other"]}, "B": {"overall": 3}}
    flags = agreement.flags_with_gold(gold, said, ["rude", "harm", "other"])
    assert flags == Flags(found=1, missed=1, wrong=1)
    assert (flags.precision, flags.recall) == (0.5, 0.5)
    assert Flags().precision is None


def test_a_rating_within_the_range_is_not_off() -> None:
    ranges = {"A": [5, 7], "B": [1, 2], "C": [4, 4]}
    said = {"A": {"overall": 5}, "B": {"overall": 4}, "C": {"flags": []}}
    assert agreement.distance_from_ranges(ranges, said) == Distance(2.0, 2)


def test_ratings_are_compared_where_both_rate() -> None:
    one, other = {"A": {"overall": 5}, "B": {"overall": 2}}, {"A": {"overall": 3}, "C": {"overall": 7}}
    assert agreement.distance_between(one, other) == Distance(2.0, 1)


@pytest.mark.parametrize(
    ("alike", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (29, 29, 0.8830, 1.0)],
)
def test_wilson_matches_published_intervals(alike: int, of: int, low: float, high: float) -> None:
    """Newcombe 1998, Two-sided confidence intervals for the single proportion, table I, method 3."""
    interval = agreement.wilson(alike, of)
    assert interval == pytest.approx((low, high), abs=1e-4)


@given(of=st.integers(1, 500), share=st.floats(0, 1))
def test_the_interval_holds_the_share(of: int, share: float) -> None:
    interval = agreement.wilson(share * of, of)
    assert interval is not None
    assert 0 <= interval[0] <= share + 1e-9
    assert share - 1e-9 <= interval[1] <= 1


def test_alpha_matches_the_published_example() -> None:
    """Krippendorff 2011, section E: four observers, twelve units, missing values; interval data give 0.849."""
    units = [
        [1, 1, 1], [2, 2, 3, 2], [3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 3, 4],
        [4, 4, 4, 4], [1, 1, 2, 1], [2, 2, 2, 2], [5, 5, 5], [1, 1], [3],
    ]  # fmt: skip
    alpha = Alpha()
    for unit in units:
        alpha.add(unit)
    assert alpha.value == pytest.approx(0.849, abs=5e-4)


def test_alpha_of_pairs_without_ties_is_twice_the_share_less_one() -> None:
    alpha = Alpha()
    for number in range(1000):
        alpha.add_pair([1, 1] if number % 4 else [1, -1])
    assert alpha.value == pytest.approx(2 * 0.75 - 1, abs=0.002)


@given(st.lists(st.tuples(st.sampled_from([-1, 0, 1]), st.sampled_from([-1, 0, 1])), min_size=1, max_size=30))
def test_alpha_does_not_depend_on_which_response_is_named_first(pairs: list[tuple[int, int]]) -> None:
    one, turned = Alpha(), Alpha()
    for number, (first, second) in enumerate(pairs):
        one.add_pair([first, second])
        turned.add_pair([-first, -second] if number % 2 else [first, second])
    assert (one.value is None) == (turned.value is None)
    if one.value is not None:
        assert one.value == pytest.approx(turned.value)


def test_alpha_of_nothing_that_differs_is_not_told() -> None:
    alpha = Alpha()
    alpha.add_pair([0, 0])
    assert alpha.value is None


def score(given_tiers: list[list[str]], **gold: object) -> gold_items.Score:
    values: dict[str, object] = {"tiers": [["A"], ["B"], ["C"]], "ranges": {}, "flags": {}} | gold
    said = {"tiers": given_tiers, "ratings": {"A": {"overall": 6, "flags": ["rude"]}}}
    return gold_items.score_answer(**values, said=said, asked=["rude"])  # type: ignore[arg-type]


def test_more_than_half_of_the_pairs_get_a_gold_item() -> None:
    assert score([["A"], ["C"], ["B"]]).got_it
    assert not score([["A", "B", "C"]]).got_it  # who ties everything has said nothing
    assert not score([["C"], ["B"], ["A"]]).got_it


def test_an_item_without_pairs_is_got_by_flags_and_ratings() -> None:
    tied = [["A", "B", "C"]]
    assert score(tied, tiers=tied, flags={"A": {"must": ["rude"], "must_not": []}}, ranges={"A": [5, 7]}).got_it
    assert not score(tied, tiers=tied, flags={"A": {"must": [], "must_not": ["rude"]}}).got_it
    assert not score(tied, tiers=tied, ranges={"A": [1, 2]}).got_it


def test_an_item_that_most_people_miss_is_suspect_from_three_answers_on() -> None:
    assert gold_items.is_suspect(3, 1)
    assert not gold_items.is_suspect(2, 0)
    assert not gold_items.is_suspect(4, 2)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tiers": [["A"], ["B"]]}, "tiers"),
        ({"tiers": [["A", "B", "C"]]}, "tiers"),
        ({"ranges": {"A": [5, 3]}}, "ratings.A"),
        ({"ranges": {"A": [0, 3]}}, "ratings.A"),
        ({"ranges": {"X": [1, 3]}}, "ratings.X"),
        ({"flags": {"A": {"must": ["odd"], "must_not": []}}}, "flags.A"),
        ({"flags": {"A": {"must": ["rude"], "must_not": ["rude"]}}}, "flags.A"),
        ({"flags": {"X": {"must": ["rude"], "must_not": []}}}, "flags.X"),
        ({"explanation": "x" * 10_001}, "explanation"),
    ],
)
def test_what_no_labeler_could_be_measured_by_is_refused(change: dict[str, object], field: str) -> None:
    sound: dict[str, object] = {"tiers": [["A"], ["B", "C"]], "ranges": {}, "flags": {}, "explanation": ""}
    assert gold_items.answer_problems(list("ABC"), known_flags=["rude"], **sound) == []  # type: ignore[arg-type]
    problems = gold_items.answer_problems(list("ABC"), known_flags=["rude"], **(sound | change))  # type: ignore[arg-type]
    assert [each["field"] for each in problems] == [field]
