"""A real `tutelage up` on a folder of its own, for tests/setup."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil

READY = re.compile(r"is ready: (\S+)")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


PATIENCE = 120.0  # seconds; nothing takes so long, unless the machine is very busy


def until(true: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def hear_hangup() -> None:
    """Let SIGHUP end the process again where the tests themselves run under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Installation:
    """One run. `family` are all processes that it had started when last looked at."""

    def __init__(self, home: Path, port: int | None = None, terminal: int | None = None) -> None:
        self.home = home
        self.port = port or free_port()
        env = {name: value for name, value in os.environ.items() if not name.startswith("TUTELAGE_")}
        env.update(TUTELAGE_HOME=str(home), TUTELAGE_PORT=str(self.port))
        self.lines: list[str] = []
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "up"], env=env, stdin=subprocess.DEVNULL,
            stdout=terminal or subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            preexec_fn=hear_hangup,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append(line.rstrip("\n"))

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def ready(self, seconds: float = PATIENCE) -> float:
        """Wait for the address to be printed and to answer; answers the seconds since the start."""
        until(lambda: READY.search(self.output) is not None or self.process.poll() is not None, seconds)
        assert READY.search(self.output), self.output
        assert self.answers()
        return time.monotonic() - self.began

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as page:
                return bool(page.status == 200)
        except OSError:
            return False

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def named(self, part: str) -> list[psutil.Process]:
        """The direct children whose command line holds `part`."""
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if part in " ".join(child.cmdline())]

    def end(self, signum: int = signal.SIGINT) -> int:
        self.process.send_signal(signum)
        return self.wait()

    def wait(self, seconds: float = PATIENCE) -> int:
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code


def all_gone(family: list[psutil.Process], seconds: float = 0) -> list[str]:
    """The names of those still alive after so long: empty when all is well."""

    def alive() -> list[str]:
        return [" ".join(one.cmdline()) for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]

    until(lambda: not alive(), seconds)
    return alive()
