from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules import qualification_items as items
from app.rules import qualifications as rules
from app.rules.qualifications import Score, Standing

FLAGS = ["rude", "violent", "sexual", "opinion"]
flag_sets = st.sets(st.sampled_from(FLAGS))
ranks = st.integers(2, 9).flatmap(lambda k: st.lists(st.integers(1, k), min_size=k, max_size=k))
two_ranks = st.integers(2, 9).flatmap(lambda k: st.tuples(*[st.lists(st.integers(1, k), min_size=k, max_size=k)] * 2))


def test_flags_agree_box_by_box() -> None:
    assert rules.flags_score(["rude"], ["rude", "violent"], FLAGS) == Score(3, 4)
    assert rules.flags_score([], [], FLAGS) == Score(4, 4)


@given(flag_sets, flag_sets)
def test_flags_agreement_is_the_same_both_ways_and_whole_for_oneself(one: set[str], other: set[str]) -> None:
    assert rules.flags_score(one, other, FLAGS) == rules.flags_score(other, one, FLAGS)
    assert rules.flags_score(one, one, FLAGS) == Score(4, 4)
    assert rules.flags_score(one, set(FLAGS) - one, FLAGS) == Score(0, 4)


@pytest.mark.parametrize(
    ("said", "gold", "points"),
    [
        ([1, 2, 3], [1, 2, 3], 3),
        ([3, 2, 1], [1, 2, 3], 0),
        ([1, 1, 1], [1, 2, 3], 1.5),  # no statement about three pairs that have one
        ([1, 2, 3], [1, 1, 1], 1.5),
        ([1, 1, 3], [1, 1, 3], 3),
        ([2, 1, 3], [1, 1, 3], 2.5),
        ([1, 3, 2], [1, 2, 3], 2),
    ],
)
def test_rankings_agree_pair_by_pair_with_half_a_point_for_a_tie(
    said: list[int], gold: list[int], points: float
) -> None:
    assert rules.ranking_score(said, gold) == Score(points, 3)


@given(two_ranks)
def test_ranking_agreement_is_symmetric_bounded_and_turns_round(both: tuple[list[int], list[int]]) -> None:
    said, gold = both
    score = rules.ranking_score(said, gold)
    assert score == rules.ranking_score(gold, said)
    assert score.out_of == len(gold) * (len(gold) - 1) // 2
    assert 0 <= score.points <= score.out_of
    turned = [-place for place in said]
    ties = sum(a == b == 0 for a, b in _signs(said, gold))
    # Turned round, agreements become contradictions; what is tied in both agrees either way.
    assert score.points + rules.ranking_score(turned, gold).points == score.out_of + ties


def _signs(said: list[int], gold: list[int]) -> list[tuple[int, int]]:
    pairs = [(i, j) for i in range(len(gold)) for j in range(i)]
    return [(said[i] - said[j], gold[i] - gold[j]) for i, j in pairs]


@given(ranks)
def test_places_become_ranks_that_say_the_same(places: list[int]) -> None:
    made = items.normal_ranks(places)
    assert items.ranks_problem(made, len(places)) is None
    assert rules.ranking_score(made, places).points == len(places) * (len(places) - 1) / 2
    assert items.normal_ranks(made) == made
    assert sorted(at for tier in items.tiers_of(made) for at in tier) == list(range(len(places)))


@given(st.integers(0, 9), st.integers(1, 10**9), st.integers(1, 10**9))
def test_the_order_shown_is_a_shuffle_that_stays(count: int, attempt: int, item: int) -> None:
    order = rules.shown_order(count, attempt, item)
    assert sorted(order) == list(range(count))
    assert order == rules.shown_order(count, attempt, item)


def test_every_pair_and_box_weighs_alike() -> None:
    figure = rules.agreement_figure("ranking", [Score(1, 1), Score(18, 36)], 0.5)
    assert (figure["value"], figure["met"]) == (19 / 37, True)


@given(st.integers(0, 400), st.integers(1, 400))
def test_a_part_is_met_exactly_from_its_cut_off_on(points: int, boxes: int) -> None:
    figure = rules.agreement_figure("flags", [Score(min(points, boxes), boxes)], 0.75)
    assert figure["met"] == (4 * min(points, boxes) >= 3 * boxes)


def test_ratings_average_by_answer_then_over_answers() -> None:
    assert rules.mean_rating([[7, 5], [4]]) == 5
    assert rules.mean_rating([[], [6]]) == 6
    assert rules.mean_rating([[], []]) is None
    figure = rules.demonstration_figure([[7], []], 1, 6)
    assert (figure["value"], figure["met"], figure["note"]) == (7, None, "1 of 2 still to be rated.")
    assert rules.demonstration_figure([[7, 6], [6]], 1, 6)["met"]
    assert rules.demonstration_figure([[6], [5]], 1, 6)["met"] is False


def figure(part: str, value: float | None, cutoff: float | None, met: bool | None) -> Any:
    return rules.Figure(part=part, value=value, points=None, out_of=1, cutoff=cutoff, met=met, note="")


def test_one_part_missed_fails_and_names_itself_even_while_others_wait() -> None:
    waiting = figure("demonstration", None, 6, None)
    verdict = rules.decide([figure("flags", 0.7496, 0.75, False), waiting])
    assert verdict == rules.Verdict("failed", "Flags: 74.9 %, below the cut-off of 75 %.")
    assert rules.decide([figure("flags", 0.8, 0.75, True), waiting]).state == "waiting"
    passed = rules.decide([figure("flags", 0.8, 0.75, True), figure("ranking", 0.4, None, True)])
    assert passed == rules.Verdict("passed", "Flags: 80 %, cut-off 75 %. Rankings: 40 %.")


@given(st.floats(0, 1), st.integers(0, 100))
def test_a_missed_cut_off_never_reads_as_reached(value: float, percent: int) -> None:
    cutoff = percent / 100
    if value < cutoff - rules.SLACK:
        assert rules.value_words("flags", value) != rules.value_words("flags", cutoff)


def test_what_carelessness_scores() -> None:
    assert rules.careless_share("flags", [["rude"], []], FLAGS) == 7 / 8
    assert rules.careless_share("ranking", [[1, 2], [1, 1]], FLAGS) == 0.75
    assert rules.careless_share("ranking", [], FLAGS) is None


def test_what_was_missed_and_added_is_told() -> None:
    told = rules.flags_note([(["rude"], ["rude", "violent"]), (["sexual"], [])])
    assert told == "1 of the 2 flags that apply were found; 1 were set that do not apply."


LABELER = Standing(
    screened=True, sees_answers=False, simulated=False, held_out=False, exempt=False, passed=False, open=False
)


@pytest.mark.parametrize("why", ["sees_answers", "simulated", "held_out", "exempt", "passed"])
def test_who_may_work(why: str) -> None:
    assert not rules.may_work(LABELER)
    assert rules.may_work(replace(LABELER, **{why: True}))
    assert rules.may_work(replace(LABELER, screened=False))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"screened": False}, "asks for no qualification"),
        ({"passed": True}, "passed already"),
        ({"open": True}, "not decided yet"),
        ({"allowed": 2, "failed": 1}, None),
        ({"allowed": 2, "failed": 2}, "used all"),
        ({"allowed": 2, "failed": 2, "granted": 1}, None),
        ({"allowed": None, "failed": 50}, None),
        ({"exempt": True}, None),  # she may try all the same
    ],
)
def test_who_may_begin(changes: dict[str, Any], words: str | None) -> None:
    problem = rules.begin_problem(replace(LABELER, **changes))
    assert problem is None if words is None else words in str(problem)


@given(st.integers(0, 30), st.integers(1, 20), st.integers(0, 5), st.booleans())
def test_attempts_left_count_down_to_nothing(failed: int, allowed: int, granted: int, under_way: bool) -> None:
    standing = replace(LABELER, failed=failed, allowed=allowed, granted=granted, open=under_way)
    left = rules.attempts_left(standing)
    assert left is not None
    assert left >= 0
    assert left == 0 or left + failed + under_way == allowed + granted


SOUND: Any = {
    "kind": "ranking",
    "stage": "test",
    "messages": [{"role": "user", "content": "Who?"}],
    "responses": ["A", "B"],
    "gold": [1, 2],
    "explanation": "",
}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "essay"}, "kind"),
        ({"stage": "exam"}, "stage"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "assistant", "content": "Me."}]}, "messages"),
        ({"responses": ["A"]}, "responses"),
        ({"responses": ["A", " "]}, "responses"),
        ({"responses": ["A", "A"]}, "responses"),
        ({"responses": ["A", "B\x00"]}, "responses"),
        ({"gold": None}, "gold"),
        ({"gold": [1]}, "gold"),
        ({"gold": [0, 1]}, "gold"),
        ({"gold": [1, True]}, "gold"),
        ({"gold": [1, 3]}, "gold"),
        ({"kind": "flags", "responses": ["A"], "gold": ["shiny"]}, "gold"),
        ({"kind": "flags", "responses": ["A"], "gold": [["rude"]]}, "gold"),
        ({"kind": "flags", "gold": ["rude"]}, "responses"),
        ({"kind": "demonstration", "responses": [], "gold": []}, "gold"),
        ({"kind": "demonstration", "gold": None}, "responses"),
        ({"stage": "practice"}, "explanation"),
        ({"explanation": "x" * 20_001}, "explanation"),
        ({"explanation": 7}, "explanation"),
    ],
)
def test_an_unsound_item_names_the_field(changes: dict[str, Any], field: str) -> None:
    assert items.item_problems(SOUND, FLAGS) == []
    assert field in [problem["field"] for problem in items.item_problems({**SOUND, **changes}, FLAGS)]  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("kind", "answer", "sound"),
    [
        ("flags", {"flags": []}, True),
        ("flags", {"flags": ["shiny"]}, False),
        ("flags", {"flags": [{}]}, False),
        ("flags", {}, False),
        ("flags", [], False),
        ("ranking", {"ranks": [1, 1]}, True),
        ("ranking", {"ranks": [1, None]}, False),
        ("ranking", {"ranks": None}, False),
        ("demonstration", {"text": "Hello."}, True),
        ("demonstration", {"text": " "}, False),
        ("demonstration", {"text": None}, False),
        ("demonstration", {"text": "x" * 20_001}, False),
    ],
)
def test_what_is_an_answer(kind: str, answer: Any, sound: bool) -> None:
    assert (items.answer_problem(kind, answer, FLAGS, 2) is None) == sound


text = st.text(st.characters(codec="utf-8", exclude_characters="\n\r="), min_size=1).filter(str.strip)
turn = st.builds(dict, role=st.sampled_from(["system", "user", "assistant"]), content=text)


@given(st.lists(turn, min_size=1, max_size=5))
def test_a_conversation_reads_back_as_it_was_printed(messages: list[dict[str, str]]) -> None:
    assert items.parse_conversation(items.conversation_text(messages)) == messages


def test_text_without_marks_is_the_users() -> None:
    assert items.parse_conversation("One.\n\nTwo.") == [{"role": "user", "content": "One.\n\nTwo."}]
    assert items.parse_conversation("  \n") == []
