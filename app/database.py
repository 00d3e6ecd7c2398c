"""Engine, sessions, and where a transaction begins and ends.

Routes depend on `SessionDep`, which commits before the response leaves; workers and the command line open
`transaction()`. Services take the session, flush, and never commit.
"""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine, MetaData, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from app.settings import get_settings

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


# A network that falls silent is noticed within half a minute, not when the kernel gives up.
PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)


def driver_url(url: str) -> str:
    """The same address with SQLAlchemy's name of the psycopg 3 driver."""
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


@lru_cache
def get_engine() -> Engine:
    settings = get_settings()
    if settings.database_url is None:
        raise RuntimeError("DATABASE_URL is not set. `make run` starts an embedded Postgres and sets it.")
    engine = create_engine(
        driver_url(settings.database_url.get_secret_value()),
        pool_size=settings.database_pool,
        max_overflow=settings.web_threads,
        pool_recycle=1800,
        pool_use_lifo=True,  # few connections that know all statements, rather than many that know some
        connect_args=PATIENCE | {"prepare_threshold": 2},
    )
    event.listen(engine, "checkout", _replace_dead)
    return engine


def _replace_dead(connection: Any, record: object, proxy: object) -> None:
    """A connection that the server has closed gets another in its place, without asking the server at every request.

    Nobody writes to an idle connection but to say that it ends, so that there is something to read.
    """
    look = select.poll()
    look.register(connection.fileno(), select.POLLIN)
    if connection.closed or look.poll(0):
        raise DisconnectionError("The database had closed this connection.")


@lru_cache
def session_factory() -> sessionmaker[Session]:
    return sessionmaker(get_engine(), expire_on_commit=False)


@contextmanager
def transaction() -> Iterator[Session]:
    """One transaction: committed at the end of the block, rolled back when it raises."""
    with session_factory().begin() as session:
        yield session
