"""`progress.jsonl`: what a running program tells the application, one object a line, appended and flushed."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

LINES_PER_SECOND = 3.0


class Progress:
    """Appends `{"step", "of", "phase", "metrics"}`; drops lines that come too fast unless `always`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "progress.jsonl"
        self.silent = False  # on all ranks but the first
        self._last = 0.0
        self._phase = ""

    def rewind(self, step: int) -> None:
        """After a resume: drop lines beyond the state's step and a torn last line, so none comes twice."""
        if not self.path.exists():
            return
        kept = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            if row.get("step", 0) <= step:
                kept.append(line)
        partial = self.path.with_suffix(".partial")  # whoever reads meanwhile, or a kill, finds the file whole
        partial.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        partial.replace(self.path)

    def write(
        self, step: int, of: int, phase: str, metrics: dict[str, float] | None = None, always: bool = False
    ) -> None:
        """Append one line; numbers that are not finite become null, for JSON has no name for them."""
        if self.silent:
            return
        now = time.monotonic()
        fresh = phase != self._phase
        if not (always or fresh or step >= of) and now - self._last < 1 / LINES_PER_SECOND:
            return
        self._last, self._phase = now, phase
        clean = {k: round(float(v), 6) if math.isfinite(v) else None for k, v in (metrics or {}).items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "of": of, "phase": phase, "metrics": clean}) + "\n")
