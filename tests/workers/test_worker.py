"""Real Celery workers on a real Postgres and Redis: they start, are killed, paused, drained, cut off, and go on."""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from sqlalchemy import text

from app import queue
from app.database import get_engine, transaction
from app.local import schema, throwaway
from app.local.postgres import Postgres
from app.local.redis import Redis
from app.services import jobs
from app.settings import get_settings
from tests.workers.conftest import (
    SHORT_LEASE,
    Worker,
    assert_never_two_at_once,
    await_state,
    create_job,
    eventually,
    folder_of,
    load,
    recorded,
    starts,
)

Start = Callable[..., Worker]
Add = Callable[..., int]
SECONDS_10: dict[str, Any] = {"steps": 200, "seconds": 0.05}
SECONDS_2: dict[str, Any] = {"steps": 40, "seconds": 0.05}


def training_of(job_id: int, attempt: int = 1) -> psutil.Process:
    """The training process of an attempt, once it has made some progress."""
    eventually(lambda: len(starts(job_id)) >= attempt and (folder_of(job_id) / "state" / "step").exists())
    return psutil.Process(starts(job_id)[-1])


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_message_starts_a_waiting_job_at_once(redis_url: str, start_worker: Start, add_job: Add) -> None:
    start_worker(TUTELAGE_POLL_SECONDS="60").ready()
    delays = []
    for _ in range(12):
        added = time.monotonic()
        job_id = add_job(steps=1)
        eventually(lambda job_id=job_id: load(job_id).state != "queued")
        delays.append(time.monotonic() - added)
        await_state(job_id, "succeeded")
    print(f"from commit to claim: median {sorted(delays)[6]:.3f} s, worst {max(delays):.3f} s")
    assert sorted(delays)[6] < 0.5, "it waited for a look of its own, not for the message"


def test_fifty_messages_for_one_job_make_one_run(redis_url: str, start_worker: Start, add_job: Add) -> None:
    workers = [start_worker(TUTELAGE_POLL_SECONDS="60") for _ in range(3)]
    for worker in workers:
        worker.ready()
    job_id = add_job(steps=10, seconds=0.1)
    for _ in range(50):
        queue.wake(None, job_id)
    assert await_state(job_id, "succeeded").attempts == 1
    for _ in range(10):
        queue.wake(None, job_id)
    time.sleep(0.5)
    assert (len(starts(job_id)), recorded(job_id), load(job_id).epoch) == (1, 1, 1)


def test_a_dead_child_is_replaced_within_five_seconds(redis_url: str, start_worker: Start, add_job: Add) -> None:
    start_worker()
    job_id = add_job(**SECONDS_2)
    training_of(job_id).kill()
    killed = time.monotonic()
    training_of(job_id, attempt=2)
    took = time.monotonic() - killed
    print(f"a dead child's job ran again after {took:.2f} s")
    assert took < 5
    assert await_state(job_id, "succeeded").attempts == 2
    assert recorded(job_id) == 1


def test_a_killed_worker_leaves_no_child_and_its_successor_goes_on_at_once(
    redis_url: str, start_worker: Start, add_job: Add
) -> None:
    """With the long lease and the slow polling of production: on its own host a dead worker is recognised."""
    worker = start_worker(TUTELAGE_POLL_SECONDS="5")
    job_id = add_job(**SECONDS_2)
    training = training_of(job_id)
    worker.send(signal.SIGKILL)
    worker.process.wait()
    killed = time.monotonic()
    eventually(lambda: gone(training))
    print(f"the child of a killed worker was gone after {time.monotonic() - killed:.2f} s")
    start_worker(TUTELAGE_POLL_SECONDS="5")
    training_of(job_id, attempt=2)
    took = time.monotonic() - killed
    print(f"a restarted worker ran its predecessor's job after {took:.2f} s")
    assert took < 15
    job = await_state(job_id, "succeeded")
    assert (job.attempts, recorded(job_id)) == (2, 1)
    assert_never_two_at_once(job_id)


def test_a_worker_lost_with_its_host_is_replaced_when_its_lease_ends(
    short_lease: None, redis_url: str, start_worker: Start, add_job: Add
) -> None:
    worker = start_worker()
    job_id = add_job(**SECONDS_2)
    training_of(job_id)
    worker.send(signal.SIGKILL)
    with transaction() as session:
        session.execute(text("UPDATE jobs SET owner = 'another-host/x/1:1:1' WHERE id = :id"), {"id": job_id})
    killed = time.monotonic()
    start_worker()
    training_of(job_id, attempt=2)
    took = time.monotonic() - killed
    print(f"a job of a lost host ran again after {took:.2f} s with a lease of {SHORT_LEASE} s")
    assert took < SHORT_LEASE + 5
    assert await_state(job_id, "succeeded").attempts == 2
    assert recorded(job_id) == 1


def test_a_worker_that_was_paused_past_its_lease_changes_nothing(
    short_lease: None, redis_url: str, start_worker: Start, add_job: Add
) -> None:
    paused = start_worker()
    job_id = add_job(steps=60, seconds=0.05)
    training = training_of(job_id)
    paused.send(signal.SIGSTOP)
    eventually(lambda: gone(training))  # its guard saw no beat
    start_worker()
    eventually(lambda: load(job_id).epoch > 1)
    paused.send(signal.SIGCONT)
    job = await_state(job_id, "succeeded")
    eventually(lambda: "It is no longer ours" in paused.text())
    assert (load(job_id).result, recorded(job_id)) == ({"steps": 60}, 1)
    assert (load(job_id).epoch, job.owner) == (job.epoch, None)
    assert_never_two_at_once(job_id)


def test_sigterm_drains_without_charging_and_the_next_worker_resumes(
    redis_url: str, start_worker: Start, add_job: Add
) -> None:
    job_id = add_job(**SECONDS_10)
    worker = start_worker()
    training_of(job_id)
    asked = time.monotonic()
    assert worker.stop() == 0
    print(f"drained after {time.monotonic() - asked:.2f} s")
    job = load(job_id)
    assert (job.state, job.attempts, job.owner) == ("queued", 0, None)
    reached = int((folder_of(job_id) / "state" / "step").read_text())
    (folder_of(job_id) / "config.json").write_text(f'{{"steps": {reached + 5}}}')
    start_worker()
    job = await_state(job_id, "succeeded")
    assert (job.attempts, job.result, recorded(job_id)) == (1, {"steps": reached + 5}, 1)


def test_cancelling_reaches_a_running_job_and_outlives_its_worker(
    redis_url: str, start_worker: Start, add_job: Add
) -> None:
    worker = start_worker()
    first = add_job(**SECONDS_10)
    training = training_of(first)
    with transaction() as session:
        jobs.request_cancel(session, first, None)
    asked = time.monotonic()
    await_state(first, "cancelled")
    print(f"a running job was cancelled after {time.monotonic() - asked:.2f} s")
    assert gone(training)

    second, waiting = add_job(**SECONDS_10), add_job(**SECONDS_10)
    training_of(second)
    with transaction() as session:
        worker.send(signal.SIGKILL)
        jobs.request_cancel(session, second, None)
        jobs.request_cancel(session, waiting, None)
    assert load(waiting).state == "cancelled"
    start_worker()
    await_state(second, "cancelled")
    assert (len(starts(second)), starts(waiting)) == (1, [])


def test_work_goes_on_without_redis(
    start_worker: Start, add_job: Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker starts, works, drains and stops with Redis dead; Redis comes back, is emptied, goes again."""
    with throwaway.folder() as home:
        server = Redis(home, home / "log")
        monkeypatch.setenv("REDIS_URL", server.url)
        get_settings.cache_clear()
        worker = start_worker()
        added = time.monotonic()
        await_state(add_job(steps=1), "succeeded")
        print(f"a job ran {time.monotonic() - added:.2f} s after the worker was started without Redis")
        child = server.child()
        child.start()
        server.await_ready(child)
        worker.ready()
        await_state(add_job(steps=1), "succeeded")
        redis.Redis(unix_socket_path=str(server.socket)).flushall()
        await_state(add_job(steps=1), "succeeded")
        assert child.process is not None
        child.process.kill()
        child.process.wait()
        await_state(add_job(steps=1), "succeeded")
        running = add_job(**SECONDS_10)
        training_of(running)
        assert worker.stop() == 0
        assert load(running).attempts == 0
        child.stop()


def test_work_goes_on_after_postgres_was_away(
    short_lease: None, redis_url: str, start_worker: Start, tmp_path: Path
) -> None:
    """Down for longer than a lease: training is stopped in time, and goes on where it was once Postgres is back."""
    with throwaway.folder() as home:
        (home / "sockets").mkdir(mode=0o700)
        server = Postgres(home / "data", home / "sockets", home / "log", throwaway.QUICK, lambda line: None)
        server.prepare()
        child = server.child()
        child.start()
        server.await_ready(child)
        with throwaway.pointed_at(server.url()):
            schema.upgrade()
            job_id = create_job(steps=160, seconds=0.05)
            worker = start_worker()
            training = training_of(job_id)
            get_engine().dispose()
            child.stop()
            eventually(lambda: gone(training))
            time.sleep(SHORT_LEASE / 2)
            child.start()
            server.await_ready(child)
            job = await_state(job_id, "succeeded")
            assert (recorded(job_id), job.result) == (1, {"steps": 160})
            assert len(starts(job_id)) > 1
            assert_never_two_at_once(job_id)
            assert "Traceback" not in worker.text()
            assert len([line for line in worker.text().splitlines() if "WARNING" in line]) < 20
            assert worker.stop() == 0
        child.stop()


def test_no_secret_reaches_the_child_or_a_log(start_worker: Start, add_job: Add, database: str) -> None:
    """Planted in every place that holds one; the log is read after success, failure and a lost database connection."""
    planted = secrets.token_hex(16)
    worker = start_worker(
        DATABASE_URL=database.replace("@", f":{planted}@"),
        REDIS_URL=f"redis://:{planted}@127.0.0.1:1/0",  # nobody listens there, and Celery says so
        TUTELAGE_SECRET_KEY=planted,
        PGPASSWORD=planted,
        HF_TOKEN=planted,
        AWS_SECRET_ACCESS_KEY=planted,
    )
    told = add_job(steps=1, at={"1": "environment"})
    failed = add_job(steps=1, at={"1": "fail:broken"})
    await_state(told, "succeeded")
    assert await_state(failed, "failed").error == "broken"
    running = add_job(steps=1)
    with transaction() as session:
        session.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"))
    await_state(running, "succeeded")
    assert planted in "".join(psutil.Process(worker.pid).environ().values())
    assert worker.stop() == 0
    assert "127.0.0.1:1" in worker.text()
    assert '"PATH"' in (folder_of(told) / "log.txt").read_text()
    for path in (worker.log, *folder_of(told).rglob("*"), *folder_of(failed).rglob("*")):
        assert path.is_dir() or planted not in path.read_text(), path
    with transaction() as session:
        assert planted not in str(session.execute(text("SELECT error, progress, result, owner FROM jobs")).all())
