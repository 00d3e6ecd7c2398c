"""What a labeler is shown of a change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.rules.guidelines import ADDED, KEPT, REMOVED, compare_texts

WORDS = ["", "Be kind.", "Be kind and true.", "Tie freely.", "长度不重要。", "- 7 glad"]
LINES = st.lists(st.sampled_from(WORDS), max_size=9)


def told(before: str, after: str) -> list[tuple[str, str]]:
    return [(line.kind, "".join(piece.text for piece in line.pieces)) for line in compare_texts(before, after)]


def test_an_edited_line_shows_its_words() -> None:
    (line,) = compare_texts("Rate each response alone.", "Rate every response alone.")
    assert [(piece.kind, piece.text) for piece in line.pieces] == [
        (KEPT, "Rate "), (REMOVED, "each"), (ADDED, "every"), (KEPT, " response alone."),
    ]  # fmt: skip


def test_chinese_is_compared_by_characters() -> None:
    (line,) = compare_texts("请先看安全。", "请先看真实。")
    assert [piece.text for piece in line.pieces if piece.kind == ADDED] == ["真实"]
    assert "".join(piece.text for piece in line.pieces if piece.kind != REMOVED) == "请先看真实。"


def test_unlike_lines_are_removed_and_added() -> None:
    assert told("Length is good.", "Ask whether it is true, then whether it could do harm.") == [
        (REMOVED, "Length is good."),
        (ADDED, "Ask whether it is true, then whether it could do harm."),
    ]


def test_what_is_far_from_a_change_is_left_out() -> None:
    before = "\n".join(f"Line {number}" for number in range(30))
    lines = compare_texts(before, before.replace("Line 15", "Line 15 and more"))
    assert [line.kind for line in lines] == ["skipped", "kept", "kept", "edited", "kept", "kept", "skipped"]
    assert (lines[0].count, lines[-1].count) == (13, 12)


def test_the_same_text_has_no_changes() -> None:
    assert compare_texts("Be kind.\n\nTie freely.", "Be kind.\n\nTie freely.") == []


@given(LINES, LINES)
def test_what_is_not_removed_is_the_new_text(before: list[str], after: list[str]) -> None:
    lines = compare_texts("\n".join(before), "\n".join(after))
    shown = [
        text
        for line in lines
        if line.kind != "skipped" and (text := "".join(piece.text for piece in line.pieces if piece.kind != REMOVED))
    ]
    rest = iter([line for line in after if line])
    assert all(any(text == line for line in rest) for text in shown)
