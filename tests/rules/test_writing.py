"""What an answer may hold, what is noticed about it, and how few-shot prompts and chats are expanded."""

from __future__ import annotations

from typing import Any

import pytest

from app.rules.answer_warnings import answer_warnings, usual, wants_more
from app.rules.demonstrations import (
    clamp_share,
    clean_sources,
    clean_turns,
    sources_problem,
    text_problem,
    turns_problem,
)
from app.rules.exports import demonstration_to_trl, expand_turns, said
from app.rules.languages import differ, language_of, script_of
from app.rules.prompts import expand_few_shot, opening, written_split

ASK = [{"role": "user", "content": "Who bakes the bread?"}]
ROUND = [{"role": "user", "content": "And who eats it?"}, {"role": "assistant", "content": "The village."}]
ENGLISH = "The baker gets up at four and bakes the bread that you eat with your soup in the evening."
GERMAN = "Der Bäcker steht um vier auf und backt das Brot, das du mit der Suppe am Abend isst und nicht vergisst."
GREEK = "Ο φούρναρης ξυπνά στις τέσσερις και ψήνει το ψωμί για όλο το χωριό."


@pytest.mark.parametrize(
    ("turns", "word"),
    [
        ([{"role": "assistant", "content": "x"}], "user"),
        ([ROUND[0]], "ends with the user"),
        ([ROUND[0], {"role": "assistant", "content": " "}], "answer in round 2 is empty"),
        ([{"role": "user", "content": ""}, ROUND[1]], "message of the user in round 2 is empty"),
        ([*ROUND, *ROUND, {"role": "user"}], "Turn 5"),
        (ROUND * 51, "100 turns"),
        ("text", "100 turns"),
    ],
)
def test_turns_that_carry_nothing_on_are_refused_in_words(turns: Any, word: str) -> None:
    assert word in (turns_problem(turns, chat=True) or "")


def test_turns_belong_to_chats_only() -> None:
    assert turns_problem(ROUND * 3, chat=True) is None
    assert turns_problem(None, chat=False) is None
    assert "one answer" in (turns_problem(ROUND, chat=False) or "")
    assert clean_turns([{"role": "user", "content": " a\n"}]) == [{"role": "user", "content": "a"}]
    assert clean_turns([]) is None


def test_the_length_of_all_turns_together_is_bounded() -> None:
    long = [ROUND[0], {"role": "assistant", "content": "x" * 99_999}]
    assert "longer than 100,000" in (text_problem("Two", long) or "")
    assert "zero byte" in (text_problem("a", [{"role": "user", "content": "\x00"}]) or "")
    assert "empty" in (text_problem(" \n") or "")
    assert text_problem("x" * 100_000) is None


@pytest.mark.parametrize(
    "url",
    ["", "example.org", "javascript:alert(1)", "ftp://example.org/a", "https://", "https:///path", "http://a b/",
     "https://[::1", "https://x:99999/", "https://e.org/\n", "https://" + "x" * 2000, "data:text/html,x", 7, None],
)  # fmt: skip
def test_only_web_addresses_are_sources(url: Any) -> None:
    if url == "https://e.org/\n":
        assert clean_sources([{"url": url}]) == [{"url": "https://e.org/", "note": ""}]
    else:
        assert "no address" in (sources_problem([{"url": url}]) or "")


def test_sources_are_ten_at_most_and_each_address_once() -> None:
    good = {"url": "https://example.org/a?b=ç#d", "note": "p. 3"}
    assert sources_problem([good] * 10) is None
    assert "10" in (sources_problem([good] * 11) or "")
    assert "note" in (sources_problem([{**good, "note": "x" * 501}]) or "")
    assert sources_problem([{**good, "more": 1}]) is not None
    assert clean_sources([good, {"url": f" {good['url']} ", "note": "again"}]) == [good]


@pytest.mark.parametrize(
    ("told", "kept"), [(0.62, 0.62), (-3, 0.0), (7.5, 1.0), (float("inf"), 1.0), (float("nan"), None), (None, None)]
)
def test_the_pasted_share_is_held_between_nothing_and_all(told: float | None, kept: float | None) -> None:
    assert clamp_share(told) == kept


def test_scripts_and_small_words_tell_languages_apart() -> None:
    assert script_of(GREEK) == "Greek"
    assert script_of("这个村子里谁烤面包?") == "Chinese or Japanese"
    assert script_of("3.14 = ?") is None
    assert (language_of(ENGLISH), language_of(GERMAN)) == ("English", "German")
    assert language_of("Marta bakes bread.") is None
    assert differ(ENGLISH, GREEK) == ("Latin letters", "Greek letters")
    assert differ(ENGLISH, GERMAN) == ("English", "German")
    assert differ(ENGLISH, ENGLISH[:40]) is None
    assert differ(ENGLISH, "def f(x): return x") is None


def keys(asked: str, *answers: str, words: int = 40, **more: Any) -> list[str]:
    return [warned.key for warned in answer_warnings(asked, answers, words=words, **more)]


def test_another_language_is_noticed_unless_the_prompt_speaks_of_languages() -> None:
    assert keys(ENGLISH, GREEK) == ["other_language"]
    assert keys(ENGLISH, ENGLISH, GERMAN) == ["other_language"]
    assert keys(f"Translate this: {ENGLISH}", GERMAN) == []
    assert keys(f"Answer in Greek. {ENGLISH}", GREEK) == []


def test_a_short_answer_is_noticed_only_where_more_is_asked() -> None:
    assert keys("Explain why leaves turn red.", "Cold.", words=1) == ["far_too_short"]
    assert keys("Leaves.", "Cold.", words=1, use_case="generation") == ["far_too_short"]
    assert keys("Who bakes the bread?", "Marta.", words=1) == []
    assert keys("Classify this and explain nothing: bad.", "negative", words=1) == []
    assert keys("Write the name.", "Marta.", words=1, use_case="extraction") == []
    assert keys("Write a story about a girl who bakes.", "Once.", words=30, usual_words=200.0) == ["far_too_short"]
    assert keys("Write a story about a girl who bakes.", "Once.", words=40, usual_words=200.0) == []
    assert wants_more("How do I bake bread?", None)


def test_the_pasted_share_is_said_in_percent_and_nothing_blank_is_warned_about() -> None:
    (warned,) = answer_warnings("Hello.", ["x"], words=40, pasted_share=0.62)
    assert warned.text == "62 % of this was pasted; it is recorded with your answer."
    assert keys("Hello.", "x", pasted_share=0.19) == []
    assert keys("Explain it.", " ", words=0, pasted_share=1.0) == []


def test_what_is_usual_is_a_median_of_enough_answers() -> None:
    assert usual([5] * 19) is None
    assert usual([1] * 10 + [100] * 11) == 100
    assert usual([10] * 10 + [20] * 10) == 15


def test_k_pairs_make_k_examples_each_asked_once_after_the_others() -> None:
    pairs = [("burnt", "bad"), ("warm", "good"), ("late", "bad")]
    examples = expand_few_shot("Good or bad?", pairs)
    assert [(messages[-1]["content"], response) for messages, response in examples] == pairs
    assert [message["content"] for message in examples[1][0]] == ["Good or bad?\n\nburnt", "bad", "late", "bad", "warm"]
    for messages, _ in examples:
        assert [message["role"] for message in messages] == ["user", "assistant", "user", "assistant", "user"]
        assert sum("Good or bad?" in message["content"] for message in messages) == 1


def test_an_opening_needs_two_hundred_characters() -> None:
    assert opening([{"role": "user", "content": "x" * 199}]) is None
    assert opening([{"role": "user", "content": "x" * 200 + "y"}]) == "x" * 200


def test_an_author_never_straddles_splits() -> None:
    assert written_split(None, "training") == "train"
    assert written_split(None, "held_out") == "validation"
    assert written_split("train", "held_out") == "train"
    assert written_split("validation", "training") == "validation"


def test_a_chat_is_one_row_for_each_answer_in_the_job_folder() -> None:
    row = {"id": 4, "messages": ASK, "response": "Marta.", "split": "train", "turns": ROUND * 2}
    rows = list(expand_turns(row))
    assert [part["response"] for part in rows] == ["Marta.", "The village.", "The village."]
    assert [len(part["messages"]) for part in rows] == [1, 3, 5]
    assert all(part["messages"][-1]["role"] == "user" and part["id"] == 4 and "turns" not in part for part in rows)
    assert rows[2]["messages"] == [*ASK, {"role": "assistant", "content": "Marta."}, *ROUND, ROUND[0]]
    assert [len(pair["prompt"]) for pair in demonstration_to_trl(row)] == [1, 3, 5]
    assert list(expand_turns({"messages": ASK, "response": "x"})) == [{"messages": ASK, "response": "x"}]


def test_rows_from_before_a_member_existed_keep_their_bytes() -> None:
    assert said(turns=None, sources=[], pasted_share=0.0, warnings=["pasted"]) == {
        "pasted_share": 0.0,
        "warnings": ["pasted"],
    }
