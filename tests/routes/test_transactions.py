"""A transaction ends before the response leaves: no 201 for what was not stored, no page from before the commit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, func, select, text
from sqlalchemy.orm import Session

from app.database import session_factory
from app.errors import Conflict, Overtaken
from app.models import AuditEvent, Project, User
from app.security import SessionDep
from app.services import audit
from app.settings import get_settings


def test_failed_commit_is_a_500_and_not_a_201(client: TestClient, admin: Any, session: Session) -> None:
    def fail(_: Session) -> None:
        raise RuntimeError("the disk is full of secrets")

    event.listen(session_factory(), "before_commit", fail)
    try:
        answer = admin.api.post("/users", json={"username": "marta"})
    finally:
        event.remove(session_factory(), "before_commit", fail)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secrets" not in answer.text
    assert session.scalar(select(User).where(User.username == "marta")) is None


def test_commit_comes_before_the_first_byte(client: TestClient, session: Session) -> None:
    """Seen from inside: when the response starts, another connection finds the row."""
    seen: list[int] = []

    @client.app.post("/probe/write", status_code=201)  # type: ignore[attr-defined]
    def write(own: SessionDep) -> None:
        audit.record(own, None, "probe", "probe")

    inner = client.app.router  # type: ignore[attr-defined]
    original = inner.__class__.__call__

    async def spy(self: Any, scope: Any, receive: Any, send: Any) -> None:
        async def send_and_look(message: Any) -> None:
            if message["type"] == "http.response.start" and scope["path"] == "/probe/write":
                with session_factory()() as other:
                    probes = select(func.count()).select_from(AuditEvent).where(AuditEvent.action == "probe")
                    seen.append(other.scalar(probes) or 0)
            await send(message)

        await original(self, scope, receive, send_and_look)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inner.__class__, "__call__", spy)
        assert client.post("/probe/write").status_code == 201
    assert seen == [1]


def test_errors_roll_back_but_for_those_that_keep_work(client: TestClient, session: Session) -> None:
    @client.app.post("/probe/{kept}")  # type: ignore[attr-defined]
    def refuse(own: SessionDep, kept: bool) -> None:
        audit.record(own, None, "probe", str(kept))
        raise (Overtaken if kept else Conflict)("No.")

    assert client.post("/probe/true").status_code == 409
    assert client.post("/probe/false").status_code == 409
    subjects = session.scalars(select(AuditEvent.subject).where(AuditEvent.action == "probe")).all()
    assert subjects == ["True"]


def test_many_slow_requests_do_not_starve_each_other(
    database: str, monkeypatch: pytest.MonkeyPatch, project: Project, labeler: Any
) -> None:
    """More requests at once than threads and connections together: all are answered."""
    from app.main import create_app

    monkeypatch.setenv("TUTELAGE_WEB_THREADS", "3")
    monkeypatch.setenv("TUTELAGE_DATABASE_POOL", "2")
    get_settings.cache_clear()
    app = create_app()
    barrier = threading.Barrier(24)

    @app.get("/probe/slow")
    def slow(own: SessionDep) -> dict[str, bool]:
        own.execute(text("SELECT pg_sleep(0.05)"))
        return {"ok": True}

    with TestClient(app, headers={"Authorization": f"Bearer {labeler.token}"}) as own, ThreadPoolExecutor(24) as pool:

        def ask(_: int) -> int:
            barrier.wait()
            assert own.get("/probe/slow").status_code == 200
            return own.get("/api/v1/projects").status_code

        assert list(pool.map(ask, range(24))) == [200] * 24


def test_health_answers_and_says_when_the_database_is_away(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    from app import security

    def away() -> Any:
        from sqlalchemy.exc import OperationalError

        raise OperationalError("SELECT 1", {}, Exception("connection refused"))

    monkeypatch.setattr(security, "session_factory", away)
    answer = client.get("/health", headers={"Accept": "application/json"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
