"""The event stream of a job: resumes, ends with the job, and holds no database session while it waits."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import fastapi.routing
import pytest
from sqlalchemy.orm import Session

from app.database import get_engine, transaction
from app.models import Job, JobEvent, Project
from app.routes.api import jobs as routes
from app.services import jobs


@pytest.fixture
def job(session: Session, project: Project, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A running job with three events."""
    monkeypatch.setattr(routes, "LOOK_SECONDS", 0.02)
    made = jobs.create_job(session, project.id, "sft", {"parent": 1})
    made.state = "running"
    for seq in (1, 2, 3):
        session.add(JobEvent(job_id=made.id, seq=seq, payload={"step": seq, "of": 4}))
    session.commit()
    return made


def end(session: Session, job: Job, state: str = "succeeded") -> None:
    job.state, job.result = state, {"checkpoint": 5}
    session.commit()


def read(text: str) -> list[tuple[str, str | None, Any]]:
    """(event, id, data) of each event; comments left out."""
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["event"], fields.get("id"), json.loads(fields["data"])))
    return found


def test_stream_tells_all_and_ends_with_the_job(job: Job, session: Session, researcher: Any) -> None:
    end(session, job)
    answer = researcher.api.get(f"/jobs/{job.id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    events = read(answer.text)
    assert [(name, seq) for name, seq, _ in events] == [
        ("state", None), ("progress", "1"), ("progress", "2"), ("progress", "3"), ("end", None),
    ]  # fmt: skip
    assert events[1][2] == {"step": 1, "of": 4}
    assert events[-1][2]["result"] == {"checkpoint": 5}


@pytest.mark.parametrize(("seen", "first"), [("2", "3"), ("0", "1"), ("nonsense", "1"), ("-1", "1"), ("9" * 30, "1")])
def test_stream_resumes_after_the_last_event_seen(
    job: Job, session: Session, researcher: Any, seen: str, first: str
) -> None:
    end(session, job)
    answer = researcher.api.get(f"/jobs/{job.id}/events", headers={"Last-Event-ID": seen})
    assert next(seq for name, seq, _ in read(answer.text) if name == "progress") == first


def test_stream_follows_a_running_job(job: Job, researcher: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = threading.Semaphore(0)
    look = routes.look

    def look_and_tell(job_id: int, after: int) -> Any:
        found = look(job_id, after)
        looks.release()
        return found

    def work() -> None:
        looks.acquire()
        with transaction() as own:
            own.add(JobEvent(job_id=job.id, seq=4, payload={"step": 4, "of": 4}))
        looks.acquire()
        with transaction() as own:
            own.get_one(Job, job.id).state = "failed"

    monkeypatch.setattr(routes, "look", look_and_tell)
    worker = threading.Thread(target=work)
    worker.start()
    events = read(researcher.api.get(f"/jobs/{job.id}/events").text)
    worker.join()
    assert ("progress", "4", {"step": 4, "of": 4}) in events
    assert [data["state"] for name, _, data in events if name == "state"] == ["running", "failed"]
    assert events[-1][2]["state"] == "failed"


def test_stream_sends_heartbeats_and_holds_no_connection(
    job: Job, session: Session, researcher: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fastapi.routing, "_PING_INTERVAL", 0.05)
    monkeypatch.setattr(routes, "LOOK_SECONDS", 0.4)
    monkeypatch.setattr(routes, "STREAM_SECONDS", 1.0)
    session.close()
    held: list[int] = []

    def watch() -> None:
        for _ in range(40):
            time.sleep(0.02)
            held.append(get_engine().pool.checkedout())  # type: ignore[attr-defined]

    watcher = threading.Thread(target=watch)
    watcher.start()
    answer = researcher.api.get(f"/jobs/{job.id}/events")
    watcher.join()
    assert answer.text.count(": ping") >= 2
    assert held.count(0) > len(held) / 2  # between two looks nothing is held


def test_stream_of_an_unknown_job_is_404(researcher: Any, project: Project) -> None:
    assert researcher.api.get("/jobs/999/events").status_code == 404


def test_stream_is_not_for_labelers(job: Job, labeler: Any) -> None:
    assert labeler.api.get(f"/jobs/{job.id}/events").status_code == 404
