"""What changed between two versions of a Markdown text, for people to read. Asked by services/guidelines.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

KEPT, ADDED, REMOVED = "kept", "added", "removed"
SKIPPED = "skipped"
AROUND = 2  # unchanged lines shown beside a change
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\s\u3040-\u30ff\u3400-\u9fff]+|\s+")  # Chinese by the character
LIKE = 0.5  # two lines at least this alike are shown as one line that was edited


@dataclass(frozen=True)
class Piece:
    """A run of words: kept, added or removed."""

    kind: str
    text: str


@dataclass(frozen=True)
class Line:
    """A line of the comparison; a `skipped` one stands for unchanged lines that are left out."""

    kind: str  # kept, added, removed, edited, skipped
    pieces: list[Piece]
    count: int = 1  # lines that it stands for


def compare_texts(before: str, after: str) -> list[Line]:
    """The lines of `after` with what was added, removed or edited in them; unchanged stretches are left out."""
    return _shorten(list(_lines(before.splitlines(), after.splitlines())))


def _lines(before: list[str], after: list[str]) -> Iterator[Line]:
    for operation, i, to_i, j, to_j in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if operation == "equal":
            yield from (Line(KEPT, [Piece(KEPT, text)]) for text in after[j:to_j])
        else:
            yield from _changed(before[i:to_i], after[j:to_j])


def _changed(before: list[str], after: list[str]) -> Iterator[Line]:
    """Lines that follow each other pairwise and are alike were edited; the others came or went."""
    both = min(len(before), len(after))
    for old, new in zip(before[:both], after[:both], strict=True):
        pieces = _words(old, new)
        kept = sum(len(piece.text) for piece in pieces if piece.kind == KEPT)
        if 2 * kept >= LIKE * (len(old) + len(new)):
            yield Line("edited", pieces)
        else:
            yield Line(REMOVED, [Piece(REMOVED, old)])
            yield Line(ADDED, [Piece(ADDED, new)])
    yield from (Line(REMOVED, [Piece(REMOVED, text)]) for text in before[both:] if text.strip())
    yield from (Line(ADDED, [Piece(ADDED, text)]) for text in after[both:] if text.strip())


def _words(before: str, after: str) -> list[Piece]:
    old, new = WORD.findall(before), WORD.findall(after)
    pieces = []
    for operation, i, to_i, j, to_j in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if operation == "equal":
            pieces.append(Piece(KEPT, "".join(new[j:to_j])))
            continue
        if to_i > i:
            pieces.append(Piece(REMOVED, "".join(old[i:to_i])))
        if to_j > j:
            pieces.append(Piece(ADDED, "".join(new[j:to_j])))
    return pieces


def _shorten(lines: list[Line]) -> list[Line]:
    """Leave out what is far from every change."""
    changed = [number for number, line in enumerate(lines) if line.kind != KEPT]
    near = {number + step for number in changed for step in range(-AROUND, AROUND + 1)}
    short: list[Line] = []
    for number, line in enumerate(lines):
        if number in near:
            short.append(line)
        elif short and short[-1].kind == SKIPPED:
            short[-1] = Line(SKIPPED, [], short[-1].count + 1)
        else:
            short.append(Line(SKIPPED, []))
    return short if changed else []
