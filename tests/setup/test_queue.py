"""A wake-up leaves after the commit, and never at the cost of whoever saves."""

from __future__ import annotations

import json
import socket
import time
from base64 import b64decode

import pytest
import redis
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import queue
from app.settings import get_settings


def sent(url: str, device: str = "any") -> list[int]:
    """The ids of the jobs whose wake-ups wait in Redis, once all that was posted is sent."""
    queue._sender().waiting.join()
    with redis.Redis.from_url(url) as client:
        messages = [json.loads(raw) for raw in client.lrange(device, 0, -1)]
    assert all(message["headers"]["task"] == queue.RUN_JOB for message in messages)
    return sorted(json.loads(b64decode(message["body"]))[0][0] for message in messages)


@pytest.fixture(autouse=True)
def _undisturbed() -> None:
    queue._sender().quiet_until = 0


def test_a_wake_up_waits_for_the_commit(session: Session, redis_url: str) -> None:
    with session.begin_nested():
        session.execute(text("SELECT 1"))
        queue.wake(session, 1)
        queue.wake(session, 2, "gpu")
    assert sent(redis_url) == []
    session.commit()
    assert sent(redis_url) == [1]
    assert sent(redis_url, "gpu") == [2]
    session.commit()
    assert sent(redis_url) == [1]


def test_a_rollback_forgets_it(session: Session, redis_url: str) -> None:
    session.execute(text("SELECT 1"))
    queue.wake(session, 1)
    session.rollback()
    session.execute(text("SELECT 1"))
    session.commit()
    assert sent(redis_url) == []


def test_a_rolled_back_savepoint_keeps_the_others(session: Session, redis_url: str) -> None:
    session.execute(text("SELECT 1"))
    queue.wake(session, 1)
    with pytest.raises(ZeroDivisionError), session.begin_nested():
        raise ZeroDivisionError
    session.commit()
    assert sent(redis_url) == [1]


def test_without_redis_it_does_nothing(session: Session) -> None:
    assert get_settings().redis_url is None
    queue.wake(session, 1)
    assert not session.info
    queue.wake(None, 1)


def test_a_deaf_redis_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts the connection and never says a word."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{deaf.getsockname()[1]}/0")
        get_settings.cache_clear()
        jobs = 2 * queue.WAITING  # more than may wait: the rest is dropped
        began = time.monotonic()
        for job_id in range(jobs):
            queue.wake(None, job_id)
        assert (time.monotonic() - began) / jobs < 0.01
        queue._sender().waiting.join()
        assert time.monotonic() - began < jobs * queue.SEND_SECONDS / 10


def test_a_dead_redis_is_no_error(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("REDIS_URL", "unix:///nowhere/redis.sock")
    get_settings.cache_clear()
    queue.wake(None, 7)
    queue._sender().waiting.join()
    assert "No wake-up sent for job 7" in caplog.text
