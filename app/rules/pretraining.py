"""Pretraining text: what a row of it must hold, how plain text falls into texts, and which settings ask for some.

Asked by services/pretraining.py, and by services/projects.py and rounds.py before anything is trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.rules.prompts import text_problem
from app.translation import gettext as _

MARK = b"\xef\xbb\xbf"  # with which some editors open a file of UTF-8
Read = tuple[int, str, str | None]  # the line on which a text begins, the text, what is wrong with it


def format_of(name: str) -> str | None:
    """How a file of this name is read: one JSON object a line, or plain text; None for any other."""
    _stem, _dot, ending = name.lower().rpartition(".")
    return {"jsonl": "jsonl", "ndjson": "jsonl", "txt": "text"}.get(ending) if _dot else None


def row_problem(row: Any) -> str | None:
    """Why a row of JSONL is refused; None when it is sound. Members beside `text` are nobody's concern."""
    if not isinstance(row, dict):
        return _("Each line must be a JSON object.")
    text = row.get("text")
    if not isinstance(text, str) or not text.strip():
        return _("`text` must be a text that is not empty.")
    return text_problem({"text": text})


def split_plain(lines: Iterable[bytes], longest: int) -> Iterator[Read]:
    """The texts of plain text: blank lines divide them, a single line break stays in its text.

    Of a text above `longest` bytes no more is held than that. What is wrong is told of the line at fault.
    """
    held: list[str] = []
    begun, size, problem = 0, 0, None
    for number, line in enumerate(lines, start=1):
        line = (line.removeprefix(MARK) if number == 1 else line).rstrip(b"\r\n")
        if not line.strip():
            if begun:
                yield begun, "\n".join(held), problem
            begun, held, size, problem = 0, [], 0, None
            continue
        begun = begun or number
        size += len(line) + 1
        if problem is not None:
            continue
        if size > longest + 1:
            held, problem = [], _("The text that begins here is longer than %(most)s bytes.") % {"most": longest}
            continue
        text, problem = _decode(line)
        held.append(text)
        begun = begun if problem is None else number
    if begun:
        yield begun, "\n".join(held), problem


def _decode(line: bytes) -> tuple[str, str | None]:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return "", _("The line is no text in UTF-8.")
    return text, text_problem({"text": text})


def asked_for_by(recipe: Mapping[str, Any], kind: str) -> bool:
    """Whether a job of this kind mixes in pretraining text, by the project's settings (PPO-ptx)."""
    coefficient = recipe.get(kind, {}).get("ptx_coef", 0)
    return isinstance(coefficient, int | float) and coefficient > 0
