"""The pure functions of static/js/ranking/state.js, asked in the browser that will run them."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from app.static_files import static_url

TASK = {"ids": ["a", "b", "c", "d"], "max": 7, "best": "high"}


@pytest.fixture
def ask(page: Page) -> Any:
    page.goto("/sign-in")

    def run(body: str, *values: Any) -> Any:
        source = f"async ([url, task, values]) => {{ const s = await import(url); {body} }}"
        return page.evaluate(source, [static_url("js/ranking/state.js"), TASK, list(values)])

    return run


RATED = """let state = s.fresh(task);
  for (const [i, n] of [6, 4, 6, 2].entries()) state = s.rate(state, task, task.ids[i], n);"""


def test_ratings_propose_tiers_best_first(ask: Any) -> None:
    assert ask(f"{RATED} return s.proposal(state, task);") == [["a", "c"], ["b"], ["d"]]


def test_a_half_step_ties_and_the_next_one_passes(ask: Any) -> None:
    body = f"""{RATED} const one = s.step(state, task, 'd', -1), two = s.step(one, task, 'd', -1);
      return [one.tiers, two.tiers];"""
    assert ask(body) == [[["a", "c"], ["b", "d"]], [["a", "c"], ["d"], ["b"]]]


def test_a_step_beyond_the_end_changes_nothing(ask: Any) -> None:
    assert ask(f"{RATED} return s.step(state, task, 'd', 1) === state;")


def test_a_new_rating_replaces_the_proposal_but_never_an_order_made_by_hand(ask: Any) -> None:
    body = f"""{RATED} const lined = s.advance(state, task), moved = s.step(lined, task, 'b', 1);
      return [lined, moved].map((from) => s.rate(from, task, 'd', 7).tiers).concat(
        s.rate({{...moved, phase: 'ready'}}, task, 'd', 7).phase);"""
    proposed, by_hand, phase = ask(body)
    assert proposed == [["d"], ["a", "c"], ["b"]]
    assert by_hand == [["a", "c"], ["b", "d"]]
    assert phase == "order"


def test_a_contradiction_to_the_ratings_is_named(ask: Any) -> None:
    body = (
        f"{RATED} return [s.contradiction(state, task) ?? null, s.contradiction(s.toEnd(state, task, 'd', -1), task)];"
    )
    assert ask(body) == [None, "d"]


def test_a_draft_comes_back_as_the_same_state(ask: Any) -> None:
    body = f"""{RATED} state = s.toggleFlag(s.toEnd(s.advance(state, task), task, 'd', -1), 'a', 'y', ['x', 'y']);
      const draft = JSON.parse(JSON.stringify(s.toDraft(state, task, 'why', 12)));
      return [s.fromDraft(draft, task, ['x', 'y']), JSON.parse(JSON.stringify(state))];"""
    restored, state = ask(body)
    assert {**restored, "flags": {k: v for k, v in restored["flags"].items() if v}} == state


def test_a_draft_of_something_else_is_left_out(ask: Any) -> None:
    draft = {"tiers": [["z"], ["a"]], "ratings": {"z": {"overall": 3}, "a": {"overall": 99, "flags": ["nonsense"]}}}
    state = ask("return s.fromDraft(values[0], task, ['x']);", draft)
    assert (state["ratings"], state["tiers"], state["flags"]) == ({}, None, {"a": []})


def test_places_name_ranks_and_ties(ask: Any) -> None:
    names = ask("return s.places([['a', 'c'], ['b'], ['d']]);")
    assert names == {"a": "1st, 2 tied", "c": "1st, 2 tied", "b": "3rd", "d": "4th"}


def test_the_button_asks_how_sure_before_it_sends(ask: Any) -> None:
    body = f"""task.confidence = true; {RATED}
      const ready = s.advance(s.advance(state, task), task), told = s.answer(ready, 7);
      return [ready.phase, ready.sure, s.advance({{...ready, sure: false}}, task).sure, s.advance(told, task),
        s.submission(told, task, "", 1).confidence];"""
    assert ask(body) == ["ready", True, True, None, 7]


def test_where_confidence_is_not_asked_nothing_more_is_in_the_way(ask: Any) -> None:
    body = f"""{RATED} const ready = s.advance(s.advance(state, task), task);
      return [ready.sure, s.advance(ready, task), s.submission(ready, task, "", 1).confidence];"""
    assert ask(body) == [False, None, None]


def test_a_move_or_a_rating_leaves_the_question_how_sure_and_keeps_its_answer(ask: Any) -> None:
    body = f"""task.confidence = true; {RATED} const told = s.answer(s.advance(s.advance(state, task), task), 3);
      return [s.step(told, task, 'd', -1), s.rate(told, task, 'd', 5)].map((x) => [x.phase, x.sure, x.confidence]);"""
    assert ask(body) == [["order", False, 3], ["order", False, 3]]


def test_a_draft_brings_back_prompt_flags_and_confidence(ask: Any) -> None:
    body = f"""task.confidence = true; {RATED}
      state = s.answer(s.advance(s.advance(s.toggleFlag(state, 'P', 'vague', ['odd', 'vague']), task), task), 8);
      const draft = JSON.parse(JSON.stringify(s.toDraft(state, task, '', 1)));
      const back = s.fromDraft(draft, task, [], ['odd', 'vague']);
      return [draft.prompt_flags, draft.confidence, back.flags.P, back.confidence, back.phase, back.sure];"""
    assert ask(body) == [["vague"], 8, ["vague"], 8, "ready", True]


def test_a_draft_with_prompt_flags_or_confidence_that_are_not_asked_leaves_them_out(ask: Any) -> None:
    draft = {"prompt_flags": ["rude"], "confidence": 12, "page": {"sure": True}}
    state = ask("return s.fromDraft(values[0], {...task, confidence: true}, [], ['vague']);", draft)
    assert (state["flags"], state["confidence"], state["sure"]) == ({}, 0, False)
    assert ask("return s.fromDraft(values[0], task, [], []).confidence;", {"confidence": 5}) == 0
