"""Real workers on a real Postgres and Redis: `start_worker`, `add_job`, and waiting for what must come true."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.database import transaction
from app.local.child import Child
from app.local.programs import worker_command
from app.models import AuditEvent, Job, Project
from app.services import jobs
from app.settings import ROOT, get_settings

SHORT_LEASE = 6  # seconds, where a test waits for a lease to end; else the 30 of production
PATIENCE = 60.0


class Worker:
    """A Celery worker process with its log."""

    def __init__(self, log: Path, **environment: str) -> None:
        command = [
            "tests.workers.stand_in" if part == "workers.celery_app" else part
            for part in worker_command(get_settings())
        ]
        self.log = log
        self.child = Child("worker", command, log, {**os.environ, **environment}, ROOT, grace=20)
        self.child.start()
        assert self.child.process is not None
        self.process = self.child.process
        self.pid = self.process.pid

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.send(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def ready(self) -> Worker:
        """Once Celery listens to Redis."""
        eventually(lambda: " ready." in self.text())
        return self


def eventually(check: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """The first true answer of `check`; fails when there is none in time."""
    end = time.monotonic() + seconds
    while not (answer := check()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)
    return answer


def load(job_id: int) -> Job:
    with transaction() as session:
        return jobs.get_job(session, job_id)


def await_state(job_id: int, *states: str, seconds: float = PATIENCE) -> Job:
    try:
        eventually(lambda: load(job_id).state in states, seconds)
    except AssertionError:
        raise AssertionError(f"job {job_id} is {load(job_id).state}, not {states}") from None
    return load(job_id)


def recorded(job_id: int) -> int:
    """How often the job's result was recorded."""
    with transaction() as session:
        query = select(AuditEvent).where(AuditEvent.action == "test.recorded", AuditEvent.subject == f"job {job_id}")
        return len(session.scalars(query).all())


def folder_of(job_id: int) -> Path:
    return get_settings().artifacts_folder / "jobs" / str(job_id)


def starts(job_id: int) -> list[int]:
    """The process ids of the training processes that ever ran this job."""
    path = folder_of(job_id) / "starts.txt"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def assert_never_two_at_once(job_id: int) -> None:
    assert not (folder_of(job_id) / "overlap.txt").exists()


@pytest.fixture
def quick(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frequent looks for work."""
    monkeypatch.setenv("TUTELAGE_POLL_SECONDS", "0.5")
    get_settings.cache_clear()


@pytest.fixture
def short_lease(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUTELAGE_JOB_LEASE_SECONDS", str(SHORT_LEASE))
    get_settings.cache_clear()


@pytest.fixture
def start_worker(quick: None, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Start workers on the Redis and the database that the environment names by then; they end with the test."""
    workers: list[Worker] = []

    def start(**environment: str) -> Worker:
        workers.append(Worker(tmp_path / f"worker-{len(workers)}.log", **environment))
        return workers[-1]

    yield start
    for worker in workers:
        worker.process.kill()
        worker.child.stop()


@pytest.fixture
def add_job(database: str) -> Callable[..., int]:
    """Create a job as a service would; answers its id."""
    return create_job


def create_job(device: str = "any", **spec: Any) -> int:
    with transaction() as session:
        project = session.scalars(select(Project)).one_or_none()
        if project is None:
            project = Project(slug="p", name="P", base_model="none", recipe={})
            session.add(project)
            session.flush()
        return jobs.create_job(session, project.id, "sft", spec, device=device).id
