"""The home folder of a laptop installation (TUTELAGE_HOME): what lies in it and who holds it.

    postgres/     the database cluster          logs/         what each process says
    artifacts/    checkpoints, job folders      secret.key    the key of this installation
    lock          held while `tutelage up` runs running.json  how to reach what runs, while it runs

app/local/supervisor.py opens it; app/cli.py asks `read_running` where the database is.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from app.local import StartError

# A unix socket's path has at most 107 bytes on Linux, 103 on macOS; the longest name within is .s.PGSQL.5432.
LONGEST_SOCKET_FOLDER = 80
PLAIN_PATH = re.compile(r"[\w./+@-]+", re.ASCII)  # what Postgres, redis-py and kombu all read alike


@dataclass(frozen=True)
class Running:
    """How to reach the installation that runs on this home; in running.json, readable by its owner only."""

    pid: int
    url: str
    database_url: str
    redis_url: str
    sockets: str


class Home:
    """The folder, made and locked. `close` lets go of it."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        try:
            self._lay_out()
            self._lock = self._take_lock()
            self.sockets = self._socket_folder()
        except OSError as error:
            raise StartError(f"Cannot use the home folder {self.path}: {error.strerror or error}. "
                             "Set TUTELAGE_HOME to a folder that you can write to.") from error  # fmt: skip

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    def _lay_out(self) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("logs", "artifacts"):
            (self.path / name).mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.path):
            pass  # so that a folder that cannot be written to is found before anything starts

    def _take_lock(self) -> IO[str]:
        lock = (self.path / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            running = _recorded(self.path)
            where = f" at {running.url} (process {running.pid})" if running else ", and is just starting"
            raise StartError(f"Tutelage already runs on {self.path}{where}.") from None
        return lock

    def _socket_folder(self) -> Path:
        """In the home folder, or in a private folder with a short name where the path is too long or too odd."""
        before = _recorded(self.path)
        if before is not None:
            _remove_temporary(Path(before.sockets), self.path)
        folder = self.path / "sockets"
        if len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER and PLAIN_PATH.fullmatch(str(folder)):
            folder.mkdir(mode=0o700, exist_ok=True)
            return folder
        temporary = tempfile.gettempdir()
        return Path(tempfile.mkdtemp(prefix="tutelage-", dir=temporary if len(temporary) < 40 else "/tmp"))

    def heal_key(self) -> None:
        """Remove a key file that a crash left empty, so that it is made anew."""
        key = self.path / "secret.key"
        if key.exists() and len(key.read_text().strip()) < 32:
            key.unlink()

    def record(self, running: Running) -> None:
        fresh = self.path / "running.json.new"
        fresh.unlink(missing_ok=True)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(running), file)
        fresh.rename(self.path / "running.json")

    def close(self) -> None:
        with suppress(OSError):
            (self.path / "running.json").unlink(missing_ok=True)
            _remove_temporary(self.sockets, self.path)
        self._lock.close()


def read_running(path: Path) -> Running | None:
    """How to reach what runs on this home, or None where nothing does."""
    home = path.expanduser().resolve()
    with suppress(OSError), (home / "lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _recorded(home)
    return None


def _recorded(home: Path) -> Running | None:
    with suppress(OSError, ValueError, TypeError):
        return Running(**json.loads((home / "running.json").read_text()))
    return None


def _remove_temporary(sockets: Path, home: Path) -> None:
    if sockets.parent != home and sockets.name.startswith("tutelage-"):
        shutil.rmtree(sockets, ignore_errors=True)
