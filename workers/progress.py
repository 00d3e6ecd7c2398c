"""Follow a job's progress.jsonl and choose what becomes an event. For workers/run.py.

The file grows by whole lines (a torn last one waits). A resumed training first takes back the lines beyond its saved
state (training/progress.py, `rewind`), and from then on only appends; so until the first new line we compare the file
with what it held when the attempt began.
"""

from __future__ import annotations

import json
import time
from itertools import groupby
from pathlib import Path
from typing import Any

LONGEST_LINE = 100_000


class Tail:
    """Reads what is new each time it is asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.before = path.read_bytes() if path.exists() else b""
        self.offset: int | None = None if self.before else 0  # None: a rewind may still come
        self.seen = self._stamp()
        self.changed = time.monotonic()  # when the file last changed: a sign of life
        self.progressed = False  # whether this attempt wrote anything

    def read(self) -> list[dict[str, Any]]:
        """The lines that were added since the last call, those that cannot be understood left out."""
        stamp = self._stamp()
        if stamp == self.seen:
            return []
        self.seen, self.changed = stamp, time.monotonic()
        rows = [row for line in self._new_lines() if (row := parse(line)) is not None]
        self.progressed = self.progressed or bool(rows)
        return rows

    def _stamp(self) -> tuple[int, int]:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return (0, 0)
        return status.st_size, status.st_mtime_ns

    def _new_lines(self) -> list[bytes]:
        if self.offset is not None:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                content = file.read()
            whole = content[: content.rfind(b"\n") + 1]
            self.offset += len(whole)
            return whole.splitlines()
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        start = common_lines(self.before, whole)
        if start == len(whole):
            return []
        self.offset, self.before = len(whole), b""
        return whole[start:].splitlines()


def common_lines(before: bytes, after: bytes) -> int:
    """How many bytes of whole lines two files have in common at their start."""
    length = 0
    for old, new in zip(before.splitlines(keepends=True), after.splitlines(keepends=True), strict=False):
        if old != new:
            break
        length += len(new)
    return length


def parse(line: bytes) -> dict[str, Any] | None:
    """One line as `{"step", "of", "phase", "metrics"}`, made safe for JSONB; None when it is no progress."""
    if len(line) > LONGEST_LINE:
        return None
    try:
        # NaN and infinity have no place in JSON, and Postgres refuses them.
        row = json.loads(line, parse_constant=lambda _: None)
        metrics = {clean(name): number(value) for name, value in row.get("metrics", {}).items()}
        return {"step": int(row["step"]), "of": int(row["of"]), "phase": clean(row["phase"]), "metrics": metrics}
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


def clean(text: Any) -> str:
    return str(text).replace("\x00", "").encode("utf-8", "replace").decode()[:100]


def number(value: Any) -> float | int | None:
    """A finite number or None: `1e999` is read as infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < 1e300 else None


def thin(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of the lines of about a second, the last one of each phase: the final line of a phase is never lost."""
    return [list(run)[-1] for _, run in groupby(rows, key=lambda row: row["phase"])]
