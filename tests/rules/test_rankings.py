from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.rankings import (
    confidence_problems,
    prompt_flag_problems,
    ranking_problems,
    ranking_to_pairs,
    tiers_to_ranks,
)

ABC = ["a", "b", "c"]
RATED = {key: {"overall": 4, "flags": []} for key in ABC}


def problems(tiers: list[list[str]], ratings: dict | None = None, asks_ratings: bool = True) -> list[str]:
    return ranking_problems(
        tiers, RATED if ratings is None else ratings, ABC, asks_ratings=asks_ratings, flags=["rude", "false"]
    )


def test_ranking_with_ties_is_sound() -> None:
    assert problems([["b"], ["a", "c"]]) == []


@pytest.mark.parametrize(
    ("tiers", "word"),
    [
        ([], "empty"),
        ([["a"], [], ["b", "c"]], "empty"),
        ([["a"], ["b"]], "Not ranked yet: c"),
        ([["a", "b", "c", "d"]], "Not part of this task: d"),
        ([["a"], ["b", "a"], ["c"]], "more than once: a"),
    ],
)
def test_ranking_problems_name_the_response(tiers: list[list[str]], word: str) -> None:
    assert any(word in problem for problem in problems(tiers))


@pytest.mark.parametrize("overall", [0, 8, 3.5, "4", True])
def test_rating_must_be_a_whole_number_from_1_to_7(overall: object) -> None:
    ratings = {**RATED, "a": {"overall": overall, "flags": []}}
    assert any("from 1 to 7" in problem for problem in problems([ABC], ratings))


def test_unknown_flag_and_foreign_rating_are_refused() -> None:
    ratings = {**RATED, "a": {"overall": 3, "flags": ["rude", "odd"]}, "z": {"overall": 1}}
    found = " ".join(problems([ABC], ratings))
    assert "Unknown flags for a: odd" in found
    assert "not part of this task: z" in found


def test_ratings_are_needed_only_where_the_project_asks() -> None:
    assert any("Not rated yet" in problem for problem in problems([ABC], {}))
    assert problems([ABC], {}, asks_ratings=False) == []


def test_only_flags_that_are_asked_about_the_prompt_are_taken() -> None:
    assert prompt_flag_problems(["vague"], ["vague", "sensitive"]) == []
    assert prompt_flag_problems(["rude", "vague"], ["vague"]) == ["Unknown flags for the prompt: rude."]


@pytest.mark.parametrize("confidence", [0, 10, -1, 5.0, "5", True])
def test_confidence_must_be_a_whole_number_from_1_to_9(confidence: object) -> None:
    for asked in (True, False):
        assert confidence_problems(confidence, asked) == ["The confidence must be a whole number from 1 to 9."]


def test_confidence_is_needed_only_where_it_is_asked() -> None:
    assert confidence_problems(None, asked=False) == []
    assert "from 1 to 9" in confidence_problems(None, asked=True)[0]
    assert [confidence_problems(n, asked=True) for n in range(1, 10)] == [[]] * 9


def test_tiers_to_ranks_counts_like_a_competition() -> None:
    assert tiers_to_ranks([["b"], ["a", "d"], ["c"]], ["a", "b", "c", "d"]) == [2, 1, 4, 2]


def test_ranking_to_pairs_leaves_out_ties() -> None:
    assert ranking_to_pairs([2, 1, 2]) == [(1, 0), (1, 2)]


@given(st.lists(st.integers(1, 4), min_size=2, max_size=9))
def test_pairs_and_ties_together_are_all_pairs(ranks: list[int]) -> None:
    pairs = ranking_to_pairs(ranks)
    ties = sum(ranks[i] == ranks[j] for i in range(len(ranks)) for j in range(i))
    assert len(pairs) + ties == len(ranks) * (len(ranks) - 1) // 2
    assert all(ranks[chosen] < ranks[rejected] for chosen, rejected in pairs)
