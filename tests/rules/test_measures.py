"""When a labeler is measured: the shares converge, nothing comes twice in a row, nobody without the key can tell."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rules import measures

RATES = st.sampled_from([0.0, 0.02, 0.05, 0.1, 0.2, 0.25])
KEY = b"a key"


def give(tasks: int, gold: float, repeat: float, labeler: int, before: list[str] | None = None) -> list[str]:
    """What one labeler is given where gold items and repeats never run out; newest first."""
    recent = list(before or [])
    for number in range(tasks):
        drawn = measures.luck(KEY, labeler, number)
        recent.insert(0, measures.draw_measure(recent[:200], gold, repeat, drawn) or "label")
    return recent


@settings(max_examples=25, deadline=None)
@given(gold=RATES, repeat=RATES, labeler=st.integers(0, 10**6))
def test_over_many_tasks_the_shares_are_the_rates(gold: float, repeat: float, labeler: int) -> None:
    recent = give(2000, gold, repeat, labeler)
    assert recent.count("gold") / 2000 == pytest.approx(gold, abs=0.03)
    assert recent.count("repeat") / 2000 == pytest.approx(repeat, abs=0.03)


@settings(max_examples=50, deadline=None)
@given(gold=st.floats(0, 0.5), share=st.floats(0, 1), labeler=st.integers(0, 10**6))
def test_two_measuring_tasks_never_follow_each_other(gold: float, share: float, labeler: int) -> None:
    recent = give(300, gold, (0.5 - gold) * share, labeler)
    assert not any(one != "label" and other != "label" for one, other in pairwise(recent))


@given(
    recent=st.lists(st.sampled_from(["label", "gold", "repeat"]), max_size=150), drawn=st.floats(0, 1, exclude_max=True)
)
def test_nothing_is_measured_where_the_rates_are_zero(recent: list[str], drawn: float) -> None:
    assert measures.draw_measure(recent, 0, 0, drawn) is None


@given(
    recent=st.lists(st.sampled_from(["label", "gold", "repeat", "review"]), max_size=150),
    drawn=st.floats(0, 1, exclude_max=True),
)
def test_the_same_facts_give_the_same_answer(recent: list[str], drawn: float) -> None:
    first = measures.draw_measure(recent, 0.2, 0.1, drawn)
    assert first == measures.draw_measure(list(recent), 0.2, 0.1, drawn)


def test_a_time_without_gold_items_is_not_made_up_for_at_once() -> None:
    after = give(100, 0.1, 0.0, labeler=4, before=["label"] * 500)[:100]
    assert 8 <= after.count("gold") <= 30


def test_a_changed_rate_holds_soon_whatever_came_before() -> None:
    after = give(400, 0.1, 0.0, labeler=5, before=["gold", "label"] * 500)[:300]
    assert after.count("gold") / 300 == pytest.approx(0.1, abs=0.03)


def test_labelers_are_not_measured_at_the_same_moments() -> None:
    patterns = {tuple(give(60, 0.2, 0.0, labeler)) for labeler in range(20)}
    assert len(patterns) == 20


def test_luck_depends_on_the_key() -> None:
    drawn = [measures.luck(key, 1, 2) for key in (b"one", b"two", b"one")]
    assert drawn[0] == drawn[2] != drawn[1]
    assert all(0 <= each < 1 for each in drawn)


@given(ids=st.lists(st.integers(), min_size=1, max_size=40), drawn=st.floats(0, 1, exclude_max=True))
def test_one_of_them_is_chosen(ids: list[int], drawn: float) -> None:
    assert measures.choose(ids, drawn) in ids


def test_none_of_none_is_chosen() -> None:
    assert measures.choose([], 0.3) is None


def test_a_ranking_comes_again_after_ten_tasks_at_the_earliest() -> None:
    assert measures.old_enough(list(range(9, 0, -1))) is None
    assert measures.old_enough([15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5]) == 6  # 5 has ten after it


@pytest.mark.parametrize(
    ("gold", "repeat", "field"),
    [
        (-0.1, 0, "gold_rate"),
        (0.51, 0, "gold_rate"),
        (float("nan"), 0, "gold_rate"),
        (0, 0.6, "repeat_rate"),
        (0.3, 0.3, "repeat_rate"),
    ],
)
def test_rates_that_cannot_be_kept_are_refused(gold: float, repeat: float, field: str) -> None:
    problem = measures.rate_problem(gold, repeat)
    assert problem is not None
    assert problem[0] == field


def test_rates_up_to_half_of_the_rankings_are_fine() -> None:
    assert measures.rate_problem(0.5, 0) is None
    assert measures.rate_problem(0.2, 0.3) is None
