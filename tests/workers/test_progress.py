"""Following progress.jsonl while a program writes, is killed, resumes and takes lines back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.progress import Progress
from workers.progress import Tail, parse, thin


def steps(rows: list[dict[str, object]]) -> list[object]:
    return [row["step"] for row in rows]


def write(path: Path, first: int, last: int) -> None:
    progress = Progress(path.parent)
    for step in range(first, last + 1):
        progress.write(step, 100, "train", {"loss": 1 / (step + 1)}, always=True)


def test_each_line_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    tail = Tail(path)
    assert tail.read() == []
    write(path, 1, 2)
    assert steps(tail.read()) == [1, 2]
    assert tail.read() == []
    write(path, 3, 3)
    assert steps(tail.read()) == [3]


def test_a_torn_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    tail = Tail(path)
    line = json.dumps({"step": 1, "of": 2, "phase": "train", "metrics": {}}) + "\n"
    path.write_text(line[:20])
    assert tail.read() == []
    path.write_text(line + line[:5])
    assert steps(tail.read()) == [1]


@pytest.mark.parametrize("seen_between", [True, False])
def test_a_resumed_program_takes_lines_back(tmp_path: Path, seen_between: bool) -> None:
    """Whether we look between the rewind and the next line or not, each new line comes once."""
    path = tmp_path / "progress.jsonl"
    write(path, 1, 8)
    tail = Tail(path)
    Progress(tmp_path).rewind(5)
    if seen_between:
        assert tail.read() == []
    progress = Progress(tmp_path)
    progress.write(6, 100, "train", {"loss": 0.5}, always=True)
    assert steps(tail.read()) == [6]
    progress.write(7, 100, "train", {"loss": 0.4}, always=True)
    assert steps(tail.read()) == [7]


def test_lines_that_a_resumed_program_repeats_exactly_are_not_told_twice(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    write(path, 1, 8)
    tail = Tail(path)
    Progress(tmp_path).rewind(5)
    write(path, 6, 10)
    assert steps(tail.read()) == [9, 10]


def test_an_attempt_that_only_appends_is_followed_too(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    write(path, 1, 3)
    tail = Tail(path)
    write(path, 4, 4)
    assert steps(tail.read()) == [4]


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"3", b'{"step": 1}', b'{"step": "x", "of": 1, "phase": "p"}', b"\xff\xfe", b"[" * 50_000,
     b'{"step": 1, "of": 1, "phase": "p", "metrics": []}', b" " * 200_000],
)  # fmt: skip
def test_what_is_no_progress_is_left_out(line: bytes) -> None:
    assert parse(line) is None


def test_what_postgres_cannot_hold_is_cleaned() -> None:
    line = (
        b'{"step": 1, "of": 2, "phase": "a\\u0000\\ud800b", "metrics": {"x": NaN, "y": 1e999, "z\\u0000": 1, "w": "t"}}'
    )
    assert parse(line) == {
        "step": 1, "of": 2, "phase": "a?b", "metrics": {"x": None, "y": None, "z": 1, "w": None},
    }  # fmt: skip


def test_thinning_keeps_the_last_line_of_each_phase() -> None:
    rows = [{"phase": phase, "step": step} for step, phase in enumerate("aaabba")]
    assert [row["step"] for row in thin(rows)] == [2, 4, 5]
