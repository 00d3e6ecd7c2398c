from __future__ import annotations

import pytest

from app.rules.label_schemas import (
    DEFAULT_PROMPT_FLAGS,
    DEFAULT_RESPONSE_FLAGS,
    Fields,
    Flag,
    default_fields,
    describe_changes,
    field_problems,
    flags_to_lines,
    parse_flags,
)

RUDE = Flag(key="rude", label="Rude")


def fields(*response_flags: Flag, **changes: object) -> Fields:
    made = default_fields(response_flags=list(response_flags))
    return Fields(**{**made, **changes})  # type: ignore[typeddict-item]  # the changes are of its keys


def messages(*flags: Flag) -> str:
    return " ".join(problem["message"] for problem in field_problems(fields(*flags)))


def test_the_defaults_are_sound_and_ask_what_instructgpt_asked() -> None:
    assert field_problems(default_fields()) == []
    assert len(DEFAULT_RESPONSE_FLAGS) == 11
    assert len(DEFAULT_PROMPT_FLAGS) == 9


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([RUDE, Flag(key="rude", label="Impolite")], "The key rude is there twice."),
        ([RUDE, Flag(key="harsh", label="rude ")], "“rude” is there twice."),
        ([Flag(key="Rude", label="Rude")], "“Rude” is no key"),
        ([Flag(key="1st", label="First")], "“1st” is no key"),
        ([Flag(key="x" * 41, label="Long")], "is no key"),
        ([Flag(key="rude", label=" ")], "The flag rude has no label."),
        ([Flag(key="rude", label="R" * 81)], "at most 80 characters"),
        ([Flag(key="rude", label="Ru\nde")], "one line"),
        ([Flag(key=f"flag_{n}", label=f"Flag {n}") for n in range(21)], "At most 20 flags; these are 21."),
    ],
)
def test_a_schema_that_cannot_be_published_says_why(flags: list[Flag], words: str) -> None:
    assert words in messages(*flags)


def test_twenty_flags_of_eighty_characters_are_fine() -> None:
    assert messages(*(Flag(key=f"flag_{n}", label=f"{n:080d}") for n in range(20))) == ""


def test_a_problem_names_its_field() -> None:
    assert [p["field"] for p in field_problems(fields(prompt_flags=[RUDE, RUDE]))] == ["prompt_flags", "prompt_flags"]


def test_a_line_with_a_key_rewords_and_one_without_finds_its_old_key() -> None:
    known = [Flag(key="made_up", label="Hallucination")]
    assert parse_flags("made_up: Invents facts\n\n  Hallucination \nToo long!", known) == [
        {"key": "made_up", "label": "Invents facts"},
        {"key": "made_up", "label": "Hallucination"},
        {"key": "too_long", "label": "Too long!"},
    ]


def test_words_without_latin_letters_get_a_key_that_no_older_flag_had() -> None:
    known = [Flag(key="flag_1", label="错误")]
    assert [flag["key"] for flag in parse_flags("冒犯\n1984", known)] == ["flag_2", "flag_1984"]


def test_a_colon_after_something_else_than_a_key_belongs_to_the_label() -> None:
    assert parse_flags("Wrong: not true\nharm:", []) == [
        {"key": "wrong_not_true", "label": "Wrong: not true"},
        {"key": "harm", "label": "harm:"},
    ]


def test_flags_read_back_as_they_were_printed() -> None:
    assert parse_flags(flags_to_lines(DEFAULT_PROMPT_FLAGS), []) == DEFAULT_PROMPT_FLAGS


def test_changes_are_told_a_sentence_each() -> None:
    harsh, kind = Flag(key="harsh", label="Harsh"), Flag(key="kind", label="Kind")
    before = fields(RUDE, harsh)
    after = fields(kind, Flag(key="rude", label="Impolite"), ratings=False, confidence=True, prompt_flags=[])
    told = describe_changes(before, after)
    assert told[:5] == [
        "Asks for no ratings any more.",
        "Asks how sure the labeler is.",
        "New flag of a response: Kind (kind).",
        "Took out a flag of a response: Harsh (harsh).",
        "Reworded a flag of a response: “Rude” is now “Impolite” (rude).",
    ]
    assert len(told) == 5 + len(DEFAULT_PROMPT_FLAGS)
    assert describe_changes(before, fields(harsh, RUDE)) == ["Put each flag of a response in another order."]
    assert describe_changes(before, before) == []
