"""Stands in for training where the subject is the supervisor: does what `config.json` says, and leaves traces.

    {"steps": n, "seconds": s a step, "at": {"3": "kill" | "exit:1" | "spin" | "print:..."} }

Traces in the folder: `starts.txt` (a line a start), `overlap.txt` (if two ever ran at once), `state/step` (resumed).
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

stopping = False


def on_term(*_: Any) -> None:
    global stopping
    stopping = True


def main() -> int:
    folder = Path(sys.argv[1])
    config = json.loads((folder / "config.json").read_text())
    signal.signal(signal.SIGTERM, on_term)
    with (folder / "starts.txt").open("a") as starts:
        starts.write(f"{os.getpid()}\n")
    alone = (folder / "alone").open("w")
    try:
        fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        (folder / "overlap.txt").write_text("two at once\n")
    if (folder / "run.json").exists():
        return 0
    state = folder / "state" / "step"
    state.parent.mkdir(exist_ok=True)
    step = int(state.read_text()) if state.exists() else 0
    while step < config.get("steps", 1):
        step += 1
        act(config.get("at", {}).get(str(step), ""))
        time.sleep(config.get("seconds", 0.02))
        tell(folder, {"step": step, "of": config.get("steps", 1), "phase": "train", "metrics": {"loss": 1 / step}})
        if config.get("saves", True):
            save(state, str(step))
        if stopping and not config.get("deaf"):
            return 75
    (folder / "run.json").write_text(json.dumps({"steps": step}))
    return 0


def act(what: str) -> None:
    word, _, rest = what.partition(":")
    if word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif word == "fail":
        print("Traceback (most recent call last): ...")
        print(rest, file=sys.stderr)
        sys.exit(1)
    elif word == "spin":
        time.sleep(600)
    elif word == "offspring":  # left behind in our group
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], pass_fds=())
    elif word == "environment":
        print(json.dumps(dict(os.environ)), flush=True)


def tell(folder: Path, row: dict[str, Any]) -> None:
    with (folder / "progress.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")


def save(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text)
    part.rename(path)


if __name__ == "__main__":
    sys.exit(main())
