from __future__ import annotations

import json

import pytest

from app.rules.exports import demonstration_to_trl, label_split, pseudonym, ranking_to_trl, to_line
from app.rules.prompts import content_hash, row_messages, row_problem
from app.rules.sampling import sampling_plan

ASK = [{"role": "user", "content": "Who bakes the bread?"}]


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ([], "JSON object"),
        ({}, "either `messages` or `prompt`"),
        ({"prompt": 5}, "must be text"),
        ({"prompt": " "}, "no text"),
        ({"messages": []}, "at least one"),
        ({"messages": [{"role": "user"}]}, "exactly"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "robot"),
        ({"messages": [*ASK, {"role": "assistant", "content": "x"}]}, "user's"),
        ({"messages": ASK, "split": "test"}, "test"),
        ({"messages": ASK, "id": {"a": 1}}, "`id`"),
        ({"prompt": "a\x00b"}, "zero byte"),
        ({"prompt": "a", "response": "b\x00"}, "zero byte"),
        ({"prompt": "a", "use_case": "\ud800"}, "half a character"),
        ({"prompt": "a", "id": True}, "`id`"),
    ],
)
def test_refused_row_says_why(row: object, word: str) -> None:
    assert word in (row_problem(row) or "")


def test_text_that_speaks_of_a_zero_byte_is_fine() -> None:
    assert row_problem({"prompt": r"What does \u0000 mean in JSON?"}) is None


def test_plain_prompt_is_a_conversation_of_one_turn() -> None:
    assert row_problem({"prompt": "Who bakes the bread?", "id": 7, "use_case": "open_qa"}) is None
    assert row_messages({"prompt": "Who bakes the bread?"}) == ASK


def test_content_hash_ignores_key_order_only() -> None:
    turned = [{"content": "Who bakes the bread?", "role": "user"}]
    assert content_hash(ASK) == content_hash(turned)
    assert content_hash(ASK) != content_hash([{"role": "user", "content": "Who bakes the bread? "}])


def test_trl_rows_are_conversational_pairs_without_ties() -> None:
    row = {"messages": ASK, "responses": [{"text": "A"}, {"text": "B"}, {"text": "C"}], "ranks": [2, 1, 2]}
    pairs = list(ranking_to_trl(row))
    assert [(p["chosen"][0]["content"], p["rejected"][0]["content"]) for p in pairs] == [("B", "A"), ("B", "C")]
    assert list(demonstration_to_trl({"messages": ASK, "response": "Ada."})) == [
        {
            "prompt": ASK,
            "completion": [{"role": "assistant", "content": "Ada."}],
        }
    ]


def test_line_is_lossless_utf8() -> None:
    row = {"text": "面包\u2028‏خبز 🍞 \n"}
    line = to_line(row)
    assert line.count("\n") == 1
    assert json.loads(line) == row


def test_held_out_labels_never_train() -> None:
    assert label_split("train", "held_out") == "validation"
    assert label_split("train", "training") == "train"
    assert label_split("evaluation", "held_out") == "evaluation"


def test_pseudonym_is_stable_and_keyed() -> None:
    assert pseudonym(3, b"k" * 32) == pseudonym(3, b"k" * 32)
    assert pseudonym(3, b"k" * 32) != pseudonym(3, b"j" * 32)
    assert pseudonym(None, b"k" * 32) is None


@pytest.mark.parametrize(
    ("k", "anchor", "plan"), [(4, None, {9: 4}), (4, 9, {9: 4}), (4, 2, {9: 3, 2: 1}), (2, 2, {9: 2})]
)
def test_sampling_plan_keeps_an_anchor_from_three_on(k: int, anchor: int | None, plan: dict[int, int]) -> None:
    assert sampling_plan(k, 9, anchor) == plan
