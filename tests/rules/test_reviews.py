"""Second labels and reviews: the draw, how far orders differ, what a decision does."""

from __future__ import annotations

from datetime import date

import pytest

from app.rules import reviews as rules

KEY = b"a key of the installation"
ABC = [["a"], ["b"], ["c"]]


def test_a_draw_is_the_same_every_time_and_follows_the_rate() -> None:
    drawn = [rules.is_drawn(KEY, "second-label", task, 0.2) for task in range(5000)]
    assert drawn == [rules.is_drawn(KEY, "second-label", task, 0.2) for task in range(5000)]
    assert 0.18 < sum(drawn) / 5000 < 0.22
    assert not any(rules.is_drawn(KEY, "second-label", task, 0.0) for task in range(500))
    assert all(rules.is_drawn(KEY, "second-label", task, 1.0) for task in range(500))


def test_a_draw_needs_the_key_and_its_own_purpose_and_a_higher_rate_only_adds() -> None:
    def draw(key: bytes, what: str, rate: float) -> set[int]:
        return {task for task in range(500) if rules.is_drawn(key, what, task, rate)}

    assert draw(KEY, "second-label", 0.3) != draw(b"another key", "second-label", 0.3)
    assert draw(KEY, "second-label", 0.3) != draw(KEY, "review", 0.3)
    assert draw(KEY, "review", 0.3) < draw(KEY, "review", 0.6)


def test_a_drawn_task_gets_one_labeler_more() -> None:
    assert rules.labelers_wanted(KEY, 1, 2, 0.0) == 2
    assert rules.labelers_wanted(KEY, 1, 2, 1.0) == 3


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (ABC, ABC, 0.0),
        (ABC, [["c"], ["b"], ["a"]], 1.0),
        (ABC, [["b"], ["a"], ["c"]], 1 / 3),
        (ABC, [["a", "b"], ["c"]], 1 / 6),
        ([["a", "b", "c"]], ABC, 0.5),
        ([["a", "b", "c"]], [["c", "a", "b"]], 0.0),
    ],
)
def test_disagreement_counts_pairs_and_a_tie_half(
    first: list[list[str]], second: list[list[str]], expected: float
) -> None:
    assert rules.disagreement(first, second) == pytest.approx(expected)
    assert rules.disagreement(second, first) == pytest.approx(expected)


def test_differing_pairs_say_who_says_what() -> None:
    pairs = rules.differing_pairs(ABC, [["b"], ["a", "c"]], order=["c", "b", "a"])
    assert [(p.one, p.other, p.first, p.second, p.opposite) for p in pairs] == [
        ("c", "a", "a", None, False),
        ("b", "a", "a", "b", True),
    ]


def test_a_review_is_made_above_the_limit_or_where_it_is_drawn() -> None:
    assert rules.why_review(0.5, above=0.3, drawn=False) == "disagreement"
    assert rules.why_review(0.3, above=0.3, drawn=False) is None
    assert rules.why_review(0.0, above=None, drawn=True) == "sample"
    assert rules.why_review(1.0, above=None, drawn=False) is None


def test_what_a_decision_puts_aside() -> None:
    assert {outcome: rules.puts_aside(outcome) for outcome in ("first", "second", "both", "own")} == {
        "first": ("second",), "second": ("first",), "both": (), "own": ("first", "second"),
    }  # fmt: skip


def test_labels_swap_places_for_half_of_the_reviewers() -> None:
    swapped = [rules.labels_swapped(KEY, 7, user) for user in range(1000)]
    assert 430 < sum(swapped) < 570


def test_what_she_sees_as_x_is_stored_as_the_label_that_it_is() -> None:
    for swapped in (True, False):
        for choice in rules.CHOICES:
            assert rules.choice_of(rules.place_of(choice, swapped), swapped) == choice
    assert (rules.place_of("x", False), rules.place_of("x", True)) == ("first", "second")


@pytest.mark.parametrize(
    ("choice", "comment", "fields"),
    [
        ("x", "X read the question.", []),
        ("x", "  ", ["comment"]),
        (None, "Because.", ["choice"]),
        ("neither", None, ["choice", "comment"]),
        ("both", "a\x00b", ["comment"]),
    ],
)
def test_a_decision_needs_a_choice_and_a_reason(choice: str | None, comment: str | None, fields: list[str]) -> None:
    assert [problem["field"] for problem in rules.decision_problems(choice, comment)] == fields


def test_agreement_is_told_week_by_week() -> None:
    monday, sunday, next_monday = date(2026, 11, 16), date(2026, 11, 22), date(2026, 11, 23)
    weeks = rules.weekly_agreement([(next_monday, 0.5), (monday, 0.0), (sunday, 1.0)])
    assert [(week.start, week.pairs, week.agreement) for week in weeks] == [(monday, 2, 0.5), (next_monday, 1, 0.5)]
