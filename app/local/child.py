"""One process that the supervisor keeps alive: started tethered, its output logged, stopped with all that it started.

Used by app/local/supervisor.py, and by tests/conftest.py for Postgres and Redis.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

import psutil

TETHER = Path(__file__).with_name("tether.py")
LOG_BYTES, LOG_FILES = 5_000_000, 3
STEADY_SECONDS = 60.0  # a process that lived so long may die anew without a longer wait
LONGEST_WAIT = 30.0

MARK = "TUTELAGE_STARTED_FOR"  # in the environment of what we start: the home folder that it works for


def end_strays(home: Path) -> None:
    """End what an earlier, killed run on this home left behind: on Linux the tether left nothing of the first
    generation, but a worker's own child may have stayed."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == str(home) and process.pid != os.getpid():
                process.kill()
                process.wait(5)


@dataclass
class Child:
    """How to run one process, and the run of it that is alive."""

    name: str
    command: list[str]
    log: Path
    env: dict[str, str] | None = None
    cwd: Path | None = None
    user: str = ""
    stop_signal: int = signal.SIGTERM
    orphan_signal: int = signal.SIGKILL  # what it gets when we are killed ourselves
    grace: float = 10.0  # seconds between stop_signal and SIGKILL
    on_line: Callable[[str], None] | None = None  # sees each line of its output
    waits: bool = False  # it waits for a line on standard input before it begins: see `go`
    process: subprocess.Popen[bytes] | None = None
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=20))
    started: float = 0.0
    deaths: int = 0
    retry_at: float = 0.0
    _reader: threading.Thread | None = None

    def start(self) -> None:
        """Start it. Call from the main thread: the tether is tied to the thread that starts."""
        tethered = [sys.executable, "-S", "-E", str(TETHER), str(os.getpid()), str(int(self.orphan_signal)), self.user]
        self.tail.clear()
        self.process = subprocess.Popen(
            [*tethered, *self.command],
            stdin=subprocess.PIPE if self.waits else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=self.env, cwd=self.cwd, start_new_session=True,
        )  # fmt: skip
        self.started = time.monotonic()
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), name=self.name, daemon=True)
        self._reader.start()

    def go(self) -> None:
        """Let a process that waits begin."""
        if self.process is not None and self.process.stdin is not None:
            with suppress(OSError), self.process.stdin as line:
                line.write(b"\n")

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def _read(self, output: IO[bytes]) -> None:
        handler = RotatingFileHandler(self.log, maxBytes=LOG_BYTES, backupCount=LOG_FILES, delay=True)
        handler.setFormatter(logging.Formatter("%(message)s"))
        with output:
            for raw in output:
                line = raw.decode(errors="replace").rstrip("\n")
                self.tail.append(line)
                handler.handle(logging.makeLogRecord({"msg": "%s", "args": (line,), "name": self.name}))
                if self.on_line is not None:
                    self.on_line(line)
        handler.close()

    def died(self) -> str:
        """Note that the process has ended, choose when to start it again, and say how it ended."""
        assert self.process is not None
        code = self.process.wait()
        self.kill_group()
        if time.monotonic() - self.started > STEADY_SECONDS:
            self.deaths = 0
        self.retry_at = time.monotonic() + min(0.5 * 2**self.deaths, LONGEST_WAIT)
        self.deaths += 1
        self.process = None
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"

    def last_words(self) -> str:
        """What it said last, for the message about its end."""
        if self._reader is not None:
            self._reader.join(timeout=1)
        return "\n".join(f"    {line}" for line in list(self.tail)[-12:])

    def ask_to_stop(self) -> list[psutil.Process]:
        """Send the stop signal; answer with all that it had started, to be looked for once it is gone."""
        if not self.alive or self.process is None:
            return []
        try:
            family = psutil.Process(self.process.pid).children(recursive=True)
            self.process.send_signal(self.stop_signal)
        except (psutil.Error, ProcessLookupError):
            return []
        return family

    def wait_stopped(self, family: list[psutil.Process]) -> None:
        """Give it its grace, then end it and whatever of its family is left."""
        if self.process is not None:
            try:
                self.process.wait(max(0.0, self.grace))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.kill_group()
        for relative in family:
            if relative.is_running():
                relative.kill()
        if self._reader is not None:
            self._reader.join(timeout=1)
        self.process = None

    def stop(self) -> None:
        self.wait_stopped(self.ask_to_stop())

    def kill_group(self) -> None:
        """End what the process left behind in its own group."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
