"""What every test may ask for: a real Postgres made by the migrations, a real Redis, a session, a client.

    database    DATABASE_URL of a migrated, empty database; everything that reads the environment points at it
    session     a SQLAlchemy session on it; `session.commit()` is for real
    settings    the Settings of the test: its home is a folder of its own, its secret key is set
    redis_url   REDIS_URL of an empty Redis, set in the environment
    base_model  a folder that passes for a base model; tiny_model is a real one that trains in seconds
    client      a TestClient on create_app(), on `database`; same origin, redirects not followed

One Postgres and one Redis run for a whole pytest process and end with it, however it ends. The database is migrated
once and emptied before each test that asks for it. Tests that ask for none of these start nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis
from sqlalchemy.orm import Session

import app.models  # noqa: F401  (so that Base knows every table)
from app.database import Base, get_engine, session_factory
from app.local import schema, throwaway
from app.local.postgres import Postgres
from app.settings import Settings, get_settings

if TYPE_CHECKING:
    from fastapi.testclient import TestClient


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test sees the settings of whoever runs it, nor those of the test before."""
    for name in list(os.environ):
        if name.startswith("TUTELAGE_") or name in ("DATABASE_URL", "REDIS_URL"):
            monkeypatch.delenv(name)
    throwaway.forget()
    yield
    throwaway.forget()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server, holding the migrated database."""
    with throwaway.postgres() as server:
        with throwaway.pointed_at(server.url()):
            schema.upgrade()
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    with throwaway.redis() as server:
        yield server.url


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    monkeypatch.setenv("TUTELAGE_HOME", str(tmp_path))
    monkeypatch.setenv("TUTELAGE_SECRET_KEY", "a key for tests only, of 32 characters or more")
    get_settings.cache_clear()
    return get_settings()


@pytest.fixture(scope="session")
def wipe_database(postgres: Postgres) -> Iterator[Callable[[], None]]:
    """Over one connection for all tests: a new one would read every table's description anew, which takes longest."""
    connection = psycopg.connect(postgres.url())

    def wipe_anyway() -> None:
        nonlocal connection
        try:
            wipe(connection)
        except psycopg.OperationalError:  # a test ended every connection
            connection = psycopg.connect(postgres.url())
            wipe(connection)

    yield wipe_anyway
    connection.close()


@pytest.fixture
def database(
    postgres: Postgres, wipe_database: Callable[[], None], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    wipe_database()
    monkeypatch.setenv("DATABASE_URL", postgres.url())
    throwaway.forget()
    yield postgres.url()
    get_engine().dispose()
    throwaway.forget()


def wipe(connection: psycopg.Connection[tuple[str]]) -> None:
    """Empty every table and restart every sequence that was used: ten times quicker than a new database."""
    tables = [table.name for table in Base.metadata.sorted_tables]
    filled = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in tables)
    with connection.transaction():
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.execute("SET LOCAL session_replication_role = replica")  # neither foreign keys nor triggers object
        for (name,) in connection.execute(filled).fetchall():
            connection.execute(f"DELETE FROM {name}")
        connection.execute(
            "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)"
            " FROM pg_sequences WHERE last_value IS NOT NULL"
        )


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    with session_factory()() as session:
        yield session


@pytest.fixture
def redis_url(redis_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    client = redis.Redis.from_url(redis_server)
    client.flushall()
    client.close()
    monkeypatch.setenv("REDIS_URL", redis_server)
    get_settings.cache_clear()
    return redis_server


@pytest.fixture
def base_model(tmp_path: Path) -> str:
    """A folder that names an allowed architecture; the application never looks further than this."""
    from tests.seed import base_model_folder

    return str(base_model_folder(tmp_path / "base"))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model of a few thousand random weights, with its tokenizer."""
    from tests.training.conftest import make_model, make_tokenizer

    folder = tmp_path_factory.mktemp("models") / "tiny"
    tokenizer = make_tokenizer()
    make_model("llama", len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def client(database: str) -> Iterator[TestClient]:
    from fastapi.testclient import TestClient

    from app.main import create_app

    with TestClient(
        create_app(),
        base_url=get_settings().url,
        headers={"Sec-Fetch-Site": "same-origin"},
        follow_redirects=False,
    ) as client:
        yield client
