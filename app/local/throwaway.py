"""A Postgres and a Redis that last as long as a block: for the tests and for `tutelage migrate --check`.

Postgres runs without fsync. Both are tethered, so they end with this process, however it ends; the folder that a
killed one leaves behind is removed by the next.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from app.local.postgres import Postgres
from app.local.redis import Redis

PREFIX = "tutelage-throwaway-"
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


@contextmanager
def folder() -> Iterator[Path]:
    """A private temporary folder that carries our process id; those of dead processes are removed first."""
    temporary = Path(tempfile.gettempdir() if len(tempfile.gettempdir()) < 40 else "/tmp")
    for left in temporary.glob(f"{PREFIX}*"):
        owner = left.name.removeprefix(PREFIX).split("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=temporary))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def postgres() -> Iterator[Postgres]:
    with folder() as home:
        (home / "sockets").mkdir(mode=0o700)
        server = Postgres(home / "data", home / "sockets", home / "log", QUICK, on_notice=lambda line: None)
        server.prepare()
        child = server.child()
        child.start()
        try:
            server.await_ready(child)
            yield server
        finally:
            child.stop()


@contextmanager
def redis() -> Iterator[Redis]:
    with folder() as home:
        server = Redis(home, home / "log")
        child = server.child()
        child.start()
        try:
            server.await_ready(child)
            yield server
        finally:
            child.stop()


@contextmanager
def database() -> Iterator[None]:
    """Point this process at a throw-away database for a while."""
    from app.database import get_engine, session_factory
    from app.settings import get_settings

    def forget() -> None:
        for cached in (get_settings, get_engine, session_factory):
            cached.cache_clear()

    before = os.environ.get("DATABASE_URL")
    with postgres() as server:
        os.environ["DATABASE_URL"] = server.url()
        forget()
        try:
            yield
        finally:
            get_engine().dispose()
            os.environ.pop("DATABASE_URL")
            if before is not None:
                os.environ["DATABASE_URL"] = before
            forget()
