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

from app.database import get_engine, session_factory
from app.local.postgres import Postgres
from app.local.redis import Redis
from app.settings import get_settings

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
    """A throw-away Postgres, with this process pointed at it."""
    with postgres() as server, pointed_at(server.url()):
        yield


@contextmanager
def pointed_at(url: str) -> Iterator[None]:
    """Let DATABASE_URL name this database, and drop the connections to it at the end."""
    before = os.environ.get("DATABASE_URL")
    os.environ["DATABASE_URL"] = url
    forget()
    try:
        yield
    finally:
        get_engine().dispose()
        del os.environ["DATABASE_URL"]
        if before is not None:
            os.environ["DATABASE_URL"] = before
        forget()


def forget() -> None:
    """Forget what was read from the environment, and what was made of it."""
    for cached in (get_settings, get_engine, session_factory):
        cached.cache_clear()
