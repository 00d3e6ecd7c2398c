"""A worker's side of its training process: start it behind its guard, pass on beats and orders. For workers/run.py."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from app.settings import ROOT, Settings
from workers import clock, locks
from workers.environment import child_environment, visible_gpus
from workers.guard import Order

LOCK_WAIT = 10.0
LAST_WORDS = 500  # characters of the last line of log.txt that become a job's error
CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


class Child:
    """One training process on one job folder, with all that it prints in log.txt."""

    def __init__(self, settings: Settings, program: str, folder: Path, epoch: int, stamp: float) -> None:
        environment = child_environment(os.environ, settings.hub_models)
        gpus: list[Path] = []
        if settings.device == "gpu":
            names = visible_gpus(os.environ)
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(names)  # exactly those that are locked
            gpus = locks.gpu_locks(names)
        order = Order(
            program=program,
            folder=str(folder),
            epoch=epoch,
            stamp=stamp,
            ask_after=settings.job_lease_seconds / 2,
            kill_after=settings.job_lease_seconds * 2 / 3,
            gpus=[str(path) for path in gpus],
            lock_wait=LOCK_WAIT,
        )
        self.log = folder / "log.txt"
        with self.log.open("ab") as log:
            self.log_start = log.tell()  # earlier attempts wrote up to here
            self.guard = subprocess.Popen(
                [sys.executable, "-S", "-m", "workers.guard", json.dumps(order)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=ROOT,
                start_new_session=True,
            )
        self.kill_since: float | None = None

    def wait(self, seconds: float) -> int | None:
        """The exit code (workers/guard.py), or None while it still runs after `seconds`."""
        try:
            return self.guard.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def beat(self, stamp: float) -> None:
        """The lease was renewed by a beat sent at `stamp`."""
        self._tell(f"beat {stamp:.3f}")

    def stop(self, seconds: float) -> None:
        """Ask it to save its state and exit; kill it when it takes longer than `seconds`."""
        self._tell(f"stop {seconds:.3f}")

    def kill(self) -> None:
        """End it now; when the guard does not see to that in time, the kernel will."""
        self._tell("kill")
        self.kill_since = self.kill_since or clock.now()
        if clock.now() - self.kill_since > 5:
            self.guard.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Let go of it: a guard that is still there ends it."""
        assert self.guard.stdin is not None
        with suppress(OSError):
            self.guard.stdin.close()

    def _tell(self, line: str) -> None:
        assert self.guard.stdin is not None
        with suppress(OSError, ValueError):  # it has ended, or is just being closed
            os.write(self.guard.stdin.fileno(), line.encode() + b"\n")

    def last_words(self) -> str:
        """The last line that this attempt printed: one sentence for a person (docs/job-folder.md), or nothing."""
        with self.log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self.log_start, end - 20_000))
            lines = [CONTROL.sub(" ", line).strip() for line in log.read().decode(errors="replace").splitlines()]
        spoken = [line for line in lines if line]
        return spoken[-1][:LAST_WORDS] if spoken else ""
