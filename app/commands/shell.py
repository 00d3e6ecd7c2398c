"""What every command needs: a transaction on the right database, and errors as one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def fail(reason: object) -> typer.Exit:
    """One line for the terminal, and the exit to raise."""
    typer.echo(f"tutelage: {reason}", err=True)
    return typer.Exit(1)


def connect() -> None:
    """Find the database of a command that needs one: DATABASE_URL, else the installation that runs on this home."""
    from app.local.home import read_running
    from app.settings import get_settings

    settings = get_settings()
    if settings.database_url is not None:
        return
    running = read_running(settings.home)
    if running is None:
        raise fail(f"nothing runs on {settings.home.resolve()}. Start it with `make run`, or set DATABASE_URL.")
    os.environ.update(DATABASE_URL=running.database_url, REDIS_URL=running.redis_url)
    get_settings.cache_clear()


@contextmanager
def database() -> Iterator[Session]:
    """One transaction; an AppError ends the command with its sentence and keeps nothing."""
    from app.database import transaction
    from app.errors import AppError

    connect()
    try:
        with transaction() as session:
            yield session
    except AppError as error:
        for problem in error.extra.get("errors", []):
            where = f"line {problem['line']}: " if "line" in problem else ""
            typer.echo(f"  {where}{problem['message']}", err=True)
        raise fail(error.detail) from error
