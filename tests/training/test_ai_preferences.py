"""From a judge's log-probabilities to a ranking, on numbers worked by hand; and what the judge is asked."""

from __future__ import annotations

import math

import pytest

from training.ai_preferences import (
    Asked,
    label_probability,
    mean_wins,
    position_bias,
    ranks_with_ties,
    win_probabilities,
)
from training.constitution import critique_question, draw_principles, pair_question, revision_question


def test_a_label_probability_is_the_softmax_of_the_two() -> None:
    assert label_probability(math.log(0.3), math.log(0.1)) == pytest.approx(0.75)
    assert label_probability(-2.0, -2.0) == 0.5
    assert label_probability(-900.0, 0.0) == pytest.approx(0.0)


def test_both_orders_are_averaged_by_hand() -> None:
    # Response 0 shown first: .9 for (A). Shown second: .4 for (A), which is response 1, so .6 for response 0.
    p = win_probabilities(2, [Asked(0, 1, 0.9), Asked(1, 0, 0.4)])
    assert p[0][1] == pytest.approx((0.9 + 0.6) / 2)
    assert p[1][0] == pytest.approx(0.25)


def test_a_judge_that_only_likes_the_first_place_says_nothing() -> None:
    asked = [Asked(i, j, 0.97) for i, j in ((0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1))]
    p = win_probabilities(3, asked)
    assert [p[i][j] for i in range(3) for j in range(3) if i != j] == pytest.approx([0.5] * 6)
    assert ranks_with_ties(mean_wins(p), 0.0) == [1, 1, 1]
    assert position_bias(asked).first == pytest.approx(0.97)
    assert position_bias(asked).changed == 1.0


def test_a_bias_for_a_place_cancels_beside_a_preference() -> None:
    # A preference of .7 for response 0, and .2 more for whatever comes first.
    p = win_probabilities(2, [Asked(0, 1, 0.9), Asked(1, 0, 0.3 + 0.2)])
    assert p[0][1] == pytest.approx(0.7)


def test_principles_are_averaged_as_orders_are() -> None:
    one = [Asked(0, 1, 0.9), Asked(1, 0, 0.1)]  # .9
    other = [Asked(0, 1, 0.4), Asked(1, 0, 0.8)]  # (.4 + .2) / 2 = .3
    assert win_probabilities(2, [*one, *other])[0][1] == pytest.approx(0.6)


def test_mean_wins_by_hand() -> None:
    p = [[0.5, 0.8, 0.9], [0.2, 0.5, 0.6], [0.1, 0.4, 0.5]]
    assert mean_wins(p) == pytest.approx([0.85, 0.4, 0.25])
    assert sum(mean_wins(p)) / 3 == pytest.approx(0.5)


def test_what_was_never_asked_is_even() -> None:
    assert win_probabilities(2, []) == [[0.5, 0.5], [0.5, 0.5]]
    assert position_bias([]).first == 0.5


def test_ties_lie_within_the_margin_of_the_best_of_their_tier() -> None:
    assert ranks_with_ties([0.85, 0.4, 0.25], 0.05) == [1, 2, 3]
    assert ranks_with_ties([0.25, 0.4, 0.85], 0.2) == [2, 2, 1]
    assert ranks_with_ties([0.60, 0.56, 0.52, 0.48], 0.05) == [1, 1, 3, 3]  # .52 is .08 from the best: no chain
    assert ranks_with_ties([0.55, 0.5], 0.05) == [1, 1]  # at the margin they tie
    assert ranks_with_ties([0.5, 0.5], 0.0) == [1, 1]


def test_principles_are_drawn_by_seed_and_prompt_alone() -> None:
    drawn = [draw_principles(16, 3, 0, f"p{n}") for n in range(60)]
    assert drawn == [draw_principles(16, 3, 0, f"p{n}") for n in range(60)]
    assert all(len(set(own)) == 3 for own in drawn)
    assert {number for own in drawn for number in own} == set(range(16))
    assert drawn != [draw_principles(16, 3, 1, f"p{n}") for n in range(60)]
    assert draw_principles(4, 0, 0, "p") == draw_principles(4, 9, 0, "p") == [0, 1, 2, 3]


def test_the_questions_hold_all_that_they_are_about() -> None:
    said = [{"role": "user", "content": "Who bakes?"}]
    text = pair_question(said, "Be kind.", "Ada does.", "Nobody.")[0]["content"]
    assert "User: Who bakes?" in text
    assert "Be kind." in text
    assert text.index("(A) Ada does.") < text.index("(B) Nobody.")
    assert critique_question(said, "Nobody.", "Be kind.")[:2] == [*said, {"role": "assistant", "content": "Nobody."}]
    revision = revision_question(said, "Nobody.", "Be kind.", "It is curt.")
    assert [turn["role"] for turn in revision] == ["user", "assistant", "user", "assistant", "user"]
    assert revision[3]["content"] == "It is curt."
