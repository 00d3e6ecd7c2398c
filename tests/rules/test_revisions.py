from __future__ import annotations

from app.rules.revisions import describe_changes, letters_of, order_in_letters, same_content

LETTERS = letters_of(["x", "y", "z"])


def test_order_is_told_in_the_letters_that_she_saw() -> None:
    assert order_in_letters([["z"], ["y", "x"]], LETTERS) == "C › A = B"
    assert order_in_letters([["gone"]], LETTERS) == "?"


def test_changes_of_a_ranking_are_told_one_by_one() -> None:
    before = {
        "tiers": [["x"], ["y", "z"]],
        "ratings": {"x": {"overall": 6, "flags": []}, "y": {"overall": 3, "flags": ["hate_speech"]}},
        "comment": None,
        "seconds": 10.0,
    }
    after = {
        "tiers": [["y"], ["x"], ["z"]],
        "ratings": {"x": {"overall": 6, "flags": ["made_up"]}, "y": {"overall": 7, "flags": []}, "z": {"overall": 1}},
        "comment": "Because.",
        "seconds": 99.0,
    }
    assert describe_changes(before, after, LETTERS) == [
        "order A › B = C became B › A › C",
        "reason added",
        "flag “made up” set on A",
        "B rated 7, before 3",
        "flag “hate speech” taken from B",
        "C rated 1, before nothing",
    ]
    assert describe_changes(after, {**after, "comment": "Why not."}, LETTERS) == ["reason changed"]
    assert describe_changes(after, {**after, "comment": None}, LETTERS) == ["reason removed"]


def test_changes_of_a_text_are_counted_in_words() -> None:
    assert describe_changes({"text": "One."}, {"text": "One or two."}, {}) == ["1 word became 3 words"]


def test_a_column_that_nobody_told_this_rule_of_is_named_all_the_same() -> None:
    assert describe_changes({"own_words": []}, {"own_words": ["unclear"]}, {}) == ["own words added"]


def test_flags_of_the_prompt_and_confidence_are_told() -> None:
    before, after = {"prompt_flags": [], "confidence": 3}, {"prompt_flags": ["intent_unclear"], "confidence": 8}
    assert describe_changes(before, after, {}) == [
        "confidence 3 became 8",
        "flag “intent unclear” set on the prompt",
    ]


def test_time_spent_is_no_change_of_what_is_said() -> None:
    assert same_content({"text": "One.", "seconds": 1.0}, {"text": "One.", "seconds": 9.0})
    assert not same_content({"text": "One.", "seconds": 1.0}, {"text": "Two.", "seconds": 1.0})
    assert describe_changes({"text": "One.", "seconds": 1.0}, {"text": "One.", "seconds": 9.0}, {}) == []
