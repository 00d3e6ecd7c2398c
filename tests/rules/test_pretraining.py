from __future__ import annotations

import pytest

from app.rules.pretraining import asked_for_by, format_of, row_problem, split_plain


def texts(content: bytes, longest: int = 100) -> list[tuple[int, str, str | None]]:
    return list(split_plain(content.splitlines(keepends=True), longest))


def test_blank_lines_divide_plain_text_and_single_breaks_stay() -> None:
    content = b"\xef\xbb\xbf\n\nThe baker\r\nis up.\r\n \t\n\n\nThe g\xc3\xa4nse, too.\n"
    assert texts(content) == [(3, "The baker\nis up.", None), (8, "The gänse, too.", None)]
    assert texts(b"  one line, as it stands ") == [(1, "  one line, as it stands ", None)]
    assert texts(b"\n \n") == []


def test_what_is_wrong_with_plain_text_is_told_of_the_line_at_fault() -> None:
    found = texts(b"fine\n\nfine\n\xff\nfine\n\na\x00b\n\n" + b"x" * 60 + b"\n" + b"y" * 60 + b"\n\nfine\n")
    assert [(line, problem and problem[:24]) for line, _text, problem in found] == [
        (1, None), (4, "The line is no text in U"), (7, "The line holds a zero by"),
        (9, "The text that begins her"), (12, None),
    ]  # fmt: skip


def test_a_text_of_the_greatest_length_passes_and_one_more_byte_does_not() -> None:
    assert texts(b"x" * 100)[0][2] is None
    assert texts(b"x" * 49 + b"\n" + b"y" * 50)[0][2] is None
    assert texts(b"x" * 101)[0][2] is not None


@pytest.mark.parametrize("row", [None, [], {}, {"text": 7}, {"text": " \n"}, {"text": "a\x00"}, {"text": "\ud800"}])
def test_a_row_without_a_text_that_can_be_stored_is_refused(row: object) -> None:
    assert row_problem(row)


def test_members_beside_the_text_do_not_matter() -> None:
    assert row_problem({"text": "Why?\n\nBecause.", "meta": {"\x00": "\ud800"}}) is None


def test_a_file_is_read_by_its_name() -> None:
    names = ["a.TXT", "b.jsonl", "c.d.ndjson", "e.json", "txt", "f.csv"]
    assert [format_of(name) for name in names] == ["text", "jsonl", "jsonl", None, None, None]


def test_settings_ask_for_text_where_its_weight_is_above_zero() -> None:
    recipe = {"ppo": {"ptx_coef": 0.5}, "rloo": {"ptx_coef": 0}, "dpo": {"beta": 1}}
    assert [kind for kind in ("ppo", "rloo", "dpo", "grpo") if asked_for_by(recipe, kind)] == ["ppo"]
