"""`tutelage up`: the whole installation under one command, until Ctrl-C. Called by app/cli.py.

Postgres and Redis first (unless DATABASE_URL or REDIS_URL names others), then migrations, the administrator and the
starter project, then the web server and the worker. From then on each process that dies is started again. Whatever
ends this process ends them all: they are tethered to it (tether.py).
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from app.errors import AppError
from app.local import StartError
from app.local.child import MARK, Child, end_strays
from app.local.health import await_page, port_is_free
from app.local.home import Home, Running
from app.local.postgres import Postgres
from app.local.programs import web_command, worker_command
from app.local.redis import Redis
from app.settings import ROOT, Settings, get_settings

LOUD = ("WARNING", "ERROR", "CRITICAL", "Traceback")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop(BaseException):
    """A signal asked us to stop."""


def say(line: str) -> None:
    try:
        print(line, flush=True)
    except OSError:  # the terminal is gone; what is left in the buffer must not fail once more when Python ends
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, sys.stdout.fileno())
        os.close(silent)


def up(began: float) -> None:
    """Start everything, print the address, keep it running; return once asked to stop and all has ended."""
    listen_for_stop()
    settings = get_settings()
    home = Home(settings.home)
    supervisor = Supervisor(home, settings)
    try:
        supervisor.start(began)
        supervisor.keep_alive()
    except Stop:
        say("\nStopping. Ctrl-C again stops at once.")
    except StartError:
        raise
    except Exception as error:  # nobody starting a program wants a traceback; whoever mends it finds it in the log
        (home.logs / "up.log").write_text(traceback.format_exc())
        reason = str(error).strip().splitlines() or [""]
        raise StartError(f"{type(error).__name__}: {reason[0]} (the whole of it: {home.logs / 'up.log'})") from error
    finally:
        supervisor.stop()
        home.close()


def listen_for_stop() -> None:
    def stop(signum: int, frame: FrameType | None) -> None:
        raise Stop

    for signum in SIGNALS:
        if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:  # nohup wants us to stay
            signal.signal(signum, stop)


class Terminal:
    """The terminal that we were started in. Its end is no signal to us when another process leads its session."""

    def __init__(self) -> None:
        self.poll = select.poll()
        if sys.stdout.isatty() and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            self.poll.register(sys.stdout, 0)  # nothing but its end

    def watch(self, seconds: float) -> None:
        """Wait so long; raise Stop when it closes meanwhile."""
        if self.poll.poll(seconds * 1000):
            raise Stop


class Supervisor:
    def __init__(self, home: Home, settings: Settings) -> None:
        self.home = home
        self.settings = settings
        self.postgres = Postgres(home.postgres, home.sockets, home.logs / "postgres.log", {}, say)
        self.redis = Redis(home.sockets, home.logs / "redis.log")
        self.children: list[Child] = []
        self.stopping = False

    def start(self, began: float) -> None:
        if not port_is_free(self.settings.host, self.settings.port):
            raise StartError(
                f"Port {self.settings.port} is taken by another program. "
                f"Choose another one: TUTELAGE_PORT={self.settings.port + 1} make run"
            )
        end_strays(self.home.path)
        self.home.heal_key()
        self.settings.key()  # made now, while it may be; with DATABASE_URL set it has to be given
        env = self.environment()
        logs = self.home.logs
        web = self.add(Child("web", web_command(), logs / "web.log", env, ROOT, waits=True))
        web.start()  # it imports the application meanwhile, and waits
        self.start_stores()
        link = prepare_database()
        web.go()
        await_page(web, self.settings)
        self.announce(time.monotonic() - began, link)
        command = worker_command(self.settings)
        self.add(Child("worker", command, logs / "worker.log", env, ROOT, grace=20)).start()

    def start_stores(self) -> None:
        """Postgres and Redis, side by side, where they are ours."""
        waits: list[Callable[[], None]] = []
        if self.settings.redis_url is None:
            broker = self.add(self.redis.child())
            broker.start()
            waits.append(lambda: self.redis.await_ready(broker))
        if self.settings.database_url is None:
            if not self.postgres.data.exists():
                say("Making a database (once) ...")
            self.postgres.prepare()
            server = self.add(self.postgres.child())
            server.start()
            waits.append(lambda: self.postgres.await_ready(server))
        import_database_code()  # while they start
        for wait in waits:
            wait()

    def environment(self) -> dict[str, str]:
        """What the children see, and from here on we ourselves; written down for commands in other terminals."""
        database, broker = self.settings.database_url, self.settings.redis_url
        urls = (
            database.get_secret_value() if database else self.postgres.url(),
            broker.get_secret_value() if broker else self.redis.url,
        )
        self.home.record(Running(os.getpid(), self.settings.url, *urls, str(self.home.sockets)))
        os.environ.update(
            DATABASE_URL=urls[0], REDIS_URL=urls[1], TUTELAGE_HOME=str(self.home.path), PYTHONUNBUFFERED="1"
        )
        get_settings.cache_clear()
        return {**os.environ, MARK: str(self.home.path)}

    def add(self, child: Child) -> Child:
        if child.name in ("web", "worker"):
            child.on_line = lambda line: self.hear(child, line)
        self.children.append(child)
        return child

    def hear(self, child: Child, line: str) -> None:
        if not self.stopping and any(word in line for word in LOUD):
            say(f"{child.name}: {line}")

    def announce(self, seconds: float, link: str | None) -> None:
        say(f"\nTutelage is ready: {self.settings.url}   (after {seconds:.1f} s)")
        if link is not None:
            say(f"Sign in as the administrator with this link, which works once:\n    {link}")
        say(f"Everything is kept in {self.home.path}; logs in {self.home.logs}. Ctrl-C stops it.\n")

    def keep_alive(self) -> None:
        """Start again whatever dies, a little later each time. Never returns; a signal ends it."""
        terminal = Terminal()
        while True:
            for child in self.children:
                if child.process is not None and not child.alive:
                    how = child.died()
                    delay = max(0.0, child.retry_at - time.monotonic())
                    say(f"{child.name} {how}; starting it again in {delay:.1f} s (log: {child.log})")
                    if child.deaths == 1 and "killed" not in how:
                        say(child.last_words())
                elif child.process is None and time.monotonic() >= child.retry_at:
                    child.start()
                    child.go()
            terminal.watch(0.2)

    def stop(self) -> None:
        """Stop the web server and the worker together, then Redis, then Postgres."""
        self.stopping = True
        for signum in SIGNALS:
            signal.signal(signum, self.stop_now)
        programs = [child for child in self.children if child.name in ("web", "worker")]
        asked = [(child, child.ask_to_stop()) for child in programs]
        for child, family in asked:
            child.wait_stopped(family)
        for child in reversed(self.children):
            if child not in programs:
                child.stop()

    def stop_now(self, signum: int, frame: FrameType | None) -> None:
        """The second Ctrl-C: no more patience. Postgres recovers from its log at the next start."""
        for child in self.children:
            child.grace = 0.0
            if child.process is not None and child.name != "postgres":
                with suppress(ProcessLookupError):
                    child.process.kill()


def import_database_code() -> None:
    """What `prepare_database` needs, imported ahead of it."""
    import app.local.schema
    import app.services.starter
    import app.services.users  # noqa: F401


def prepare_database() -> str | None:
    """Migrate; see to the administrator and the starter project; answers the administrator's link when it is new."""
    from app.database import get_engine, transaction
    from app.local import schema
    from app.services import starter, users

    schema.upgrade()
    with transaction() as session:
        link = users.ensure_admin(session)
    try:
        with transaction() as session:
            starter.seed(session)
    except AppError as error:
        say(f"The starter project was not made: {error.detail}")
    get_engine().dispose()  # we hold no connection while others work
    return link


def main(began: float) -> int:
    """Run `up`; a failure becomes one line on the terminal. For app/cli.py."""
    try:
        up(began)
    except Stop:  # before anything was started, or a second signal while the first was being heard
        return 0
    except StartError as error:
        print(f"tutelage: {error}", file=sys.stderr)
        return 1
    return 0
