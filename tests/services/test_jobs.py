"""Jobs as rows: creating, claiming by lease and epoch, cancelling, and refusing whoever lost its claim."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.database import session_factory, transaction
from app.errors import Conflict, NotFound
from app.models import AuditEvent, Job, Project, Round, User
from app.queue import queues_for
from app.services import jobs
from app.settings import get_settings

CPU, GPU = queues_for("cpu"), queues_for("gpu")


@pytest.fixture
def project_id(session: Session) -> int:
    project = Project(slug="jobs", name="Jobs", base_model="none", recipe={})
    session.add(project)
    session.commit()
    return project.id


@pytest.fixture
def round_id(session: Session, project_id: int) -> int:
    round_ = Round(project_id=project_id, number=1, phase="sft", phase_times={})
    session.add(round_)
    session.commit()
    return round_.id


@pytest.fixture
def add(session: Session, project_id: int) -> Callable[..., Job]:
    def add(kind: str = "sft", device: str = "any", **spec: Any) -> Job:
        job = jobs.create_job(session, project_id, kind, spec, device=device)
        session.commit()
        return job

    return add


@pytest.fixture
def claim(session: Session) -> Callable[..., Job]:
    def claim(owner: str = "host:1:1", devices: list[str] = CPU) -> Job:
        job = jobs.claim_job(session, owner, devices)
        session.commit()
        assert job is not None
        return job

    return claim


def end_lease(session: Session, job: Job) -> None:
    """Let the lease end, as it does when a worker says nothing for long enough."""
    session.execute(text("UPDATE jobs SET lease_until = now() - interval '1 s' WHERE id = :id"), {"id": job.id})
    session.commit()


def test_the_same_work_has_the_same_hash() -> None:
    assert jobs.input_hash("sft", {"a": 1, "b": [2]}) == jobs.input_hash("sft", {"b": [2], "a": 1})
    assert jobs.input_hash("sft", {"a": 1}) != jobs.input_hash("ppo", {"a": 1})
    assert jobs.input_hash("sft", {"a": 1}) != jobs.input_hash("sft", {"a": 2})


def test_a_round_does_the_same_work_once(session: Session, project_id: int, round_id: int) -> None:
    first = jobs.create_job(session, project_id, "sft", {"snapshot": 1, "parent": 2}, round_id=round_id)
    again = jobs.create_job(session, project_id, "sft", {"parent": 2, "snapshot": 1}, round_id=round_id)
    other = jobs.create_job(session, project_id, "sft", {"parent": 3, "snapshot": 1}, round_id=round_id)
    assert (again.id, again.state, again.progress) == (first.id, "queued", {})
    assert other.id != first.id


def test_asking_at_the_same_moment_creates_one_job(database: str, project_id: int, round_id: int) -> None:
    together = threading.Barrier(8)

    def create(_: int) -> int:
        with transaction() as session:
            together.wait()
            return jobs.create_job(session, project_id, "sft", {"snapshot": 1}, round_id=round_id).id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(create, range(8)))) == 1


def test_jobs_outside_rounds_may_repeat(add: Callable[..., Job]) -> None:
    assert add(n=1).id != add(n=1).id


def test_a_worker_is_woken_after_the_commit_and_not_before(session: Session, project_id: int, redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    jobs.create_job(session, project_id, "sft", {}, device="gpu")
    time.sleep(0.2)
    assert client.llen("gpu") == 0
    session.commit()
    assert any(client.llen("gpu") or time.sleep(0.02) for _ in range(250))


def test_claim_takes_the_oldest_and_counts_the_attempt(
    session: Session, add: Callable[..., Job], claim: Callable[..., Job]
) -> None:
    first, second = add(n=1), add(n=2)
    job = claim("host:7:7")
    assert (job.id, job.state, job.owner, job.epoch, job.attempts) == (first.id, "running", "host:7:7", 1, 1)
    seconds_left = session.scalar(select(func.extract("epoch", Job.lease_until - func.now())).where(Job.id == job.id))
    assert seconds_left == pytest.approx(get_settings().job_lease_seconds, abs=2)
    assert job.started_at is not None
    assert claim().id == second.id
    assert jobs.claim_job(session, "host:1:1", CPU) is None


def test_claim_leaves_jobs_of_other_devices(session: Session, add: Callable[..., Job]) -> None:
    job = add(device="gpu")
    assert jobs.claim_job(session, "host:1:1", CPU) is None
    claimed = jobs.claim_job(session, "host:1:1", GPU)
    assert claimed is not None
    assert claimed.id == job.id


def test_eight_claimers_of_one_job_make_one_run(database: str, add: Callable[..., Job]) -> None:
    for n in range(10):
        add(n=n)
        together = threading.Barrier(8)

        def claim(number: int, together: threading.Barrier = together) -> bool:
            with transaction() as session:
                together.wait()
                return jobs.claim_job(session, f"host:{number}:1", CPU) is not None

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(claim, range(8))) == 1


def test_eight_claimers_share_forty_jobs_without_a_double(database: str, add: Callable[..., Job]) -> None:
    wanted = {add(n=n).id for n in range(40)}

    def take_all(number: int) -> list[int]:
        taken = []
        while True:
            with transaction() as session:
                job = jobs.claim_job(session, f"host:{number}:1", CPU)
            if job is None:
                return taken
            taken.append(job.id)

    with ThreadPoolExecutor(8) as pool:
        taken = [job_id for part in pool.map(take_all, range(8)) for job_id in part]
    assert sorted(taken) == sorted(wanted)


def test_a_running_job_is_claimed_again_once_its_lease_has_ended(
    session: Session, add: Callable[..., Job], claim: Callable[..., Job]
) -> None:
    add()
    job = claim("host:1:1")
    assert jobs.claim_job(session, "host:2:2", CPU) is None
    end_lease(session, job)
    again = claim("host:2:2")
    assert (again.id, again.owner, again.epoch, again.attempts) == (job.id, "host:2:2", 2, 2)


def test_used_up_attempts_fail_with_a_sentence(
    session: Session, add: Callable[..., Job], claim: Callable[..., Job]
) -> None:
    job_id = add().id
    for _ in range(3):
        end_lease(session, claim())
    assert jobs.claim_job(session, "host:1:1", CPU) is None
    job = jobs.get_job(session, job_id)
    assert (job.state, job.attempts, job.owner, job.lease_until) == ("failed", 3, None, None)
    assert job.error == (
        "Its worker died or fell silent while running it; that was attempt 3 of 3, so it was given up."
    )
    assert job.finished_at is not None


@pytest.mark.parametrize("new_owner", [False, True])
def test_a_worker_that_lost_its_job_changes_nothing(
    session: Session, add: Callable[..., Job], claim: Callable[..., Job], new_owner: bool
) -> None:
    """Every write of a stale epoch is refused, both while a successor runs the job and after it has ended."""
    add()
    lost = claim("host:1:1")
    stale = lost.epoch
    end_lease(session, lost)
    job = claim("host:2:2")
    if not new_owner:
        assert jobs.finish_job(session, job.id, job.epoch, "succeeded", result={"of": "the successor"})
        session.commit()
    before = [tuple(row) for row in session.execute(text("SELECT * FROM jobs"))]
    for epoch in (stale, stale - 1):
        assert jobs.beat_job(session, job.id, epoch).lost
        assert jobs.watch_job(session, job.id, epoch).lost
        assert not jobs.append_progress(session, job.id, epoch, {"step": 9})
        assert jobs.hold_job(session, job.id, epoch) is None
        assert not jobs.finish_job(session, job.id, epoch, "failed", error="stale")
        assert not jobs.release_job(session, job.id, epoch)
        assert not jobs.put_back_job(session, job.id, epoch, "stale")
    session.commit()
    assert [tuple(row) for row in session.execute(text("SELECT * FROM jobs"))] == before
    assert jobs.list_events(session, job.id) == []


def test_a_beat_renews_the_lease(session: Session, add: Callable[..., Job], claim: Callable[..., Job]) -> None:
    add()
    job = claim()
    session.execute(text("UPDATE jobs SET lease_until = now() + interval '1 s'"))
    assert jobs.beat_job(session, job.id, job.epoch) == (False, False)
    session.commit()
    assert session.scalar(select(Job.lease_until > func.now() + text("interval '20 s'")))


def test_progress_is_numbered_and_the_latest_is_on_the_job(
    session: Session, add: Callable[..., Job], claim: Callable[..., Job]
) -> None:
    add()
    job = claim()
    for step in (1, 2, 3):
        assert jobs.append_progress(session, job.id, job.epoch, {"step": step})
        session.commit()
    events = jobs.list_events(session, job.id, after=1)
    assert [(event.seq, event.payload) for event in events] == [(2, {"step": 2}), (3, {"step": 3})]
    assert [event.seq for event in jobs.list_events(session, job.id, limit=1)] == [1]
    session.refresh(job)
    assert job.progress == {"step": 3}


def test_finishing_keeps_the_result(session: Session, add: Callable[..., Job], claim: Callable[..., Job]) -> None:
    add()
    job = claim()
    assert jobs.finish_job(session, job.id, job.epoch, "succeeded", result={"checkpoint": 1})
    session.commit()
    session.refresh(job)
    assert (job.state, job.result, job.owner, job.error) == ("succeeded", {"checkpoint": 1}, None, None)


def test_releasing_does_not_charge_the_attempt(
    session: Session, add: Callable[..., Job], claim: Callable[..., Job]
) -> None:
    add()
    for _ in range(5):
        job = claim()
        assert jobs.release_job(session, job.id, job.epoch)
        session.commit()
    assert (job.state, job.attempts, job.epoch) == ("queued", 0, 5)


def test_a_crash_is_charged_and_the_last_one_fails(
    session: Session, add: Callable[..., Job], claim: Callable[..., Job]
) -> None:
    add()
    states = []
    for _ in range(3):
        job = claim()
        assert jobs.put_back_job(session, job.id, job.epoch, "It was killed by SIGKILL")
        session.commit()
        states.append(job.state)
    assert states == ["queued", "queued", "failed"]
    assert job.error == "It was killed by SIGKILL; that was attempt 3 of 3, so it was given up."


def test_cancelling_a_queued_job_is_done_at_once_and_audited(session: Session, add: Callable[..., Job]) -> None:
    user = User(username="ada", name="Ada", role="admin", labeler_group="training")
    session.add(user)
    job = jobs.request_cancel(session, add().id, user)
    session.commit()
    assert (job.state, job.cancel_requested) == ("cancelled", True)
    assert job.finished_at is not None
    assert jobs.claim_job(session, "host:1:1", CPU) is None
    event = session.scalars(select(AuditEvent)).one()
    assert (event.action, event.user_id, event.subject) == ("job.cancel", user.id, f"job {job.id}")


def test_cancelling_a_running_job_asks_its_worker(
    session: Session, add: Callable[..., Job], claim: Callable[..., Job]
) -> None:
    add()
    job = claim()
    jobs.request_cancel(session, job.id, None)
    jobs.request_cancel(session, job.id, None)
    session.commit()
    assert job.state == "running"
    assert jobs.watch_job(session, job.id, job.epoch) == (False, True)
    assert jobs.beat_job(session, job.id, job.epoch) == (False, True)
    assert len(session.scalars(select(AuditEvent)).all()) == 1


@pytest.mark.parametrize("end", ["lease", "release", "crash"])
def test_a_cancel_outlives_the_worker(
    session: Session, add: Callable[..., Job], claim: Callable[..., Job], end: str
) -> None:
    add()
    job = claim()
    jobs.request_cancel(session, job.id, None)
    if end == "lease":
        end_lease(session, job)
    elif end == "release":
        jobs.release_job(session, job.id, job.epoch)
    else:
        jobs.put_back_job(session, job.id, job.epoch, "It crashed")
    assert jobs.claim_job(session, "host:2:2", CPU) is None
    session.commit()
    session.refresh(job)
    assert (job.state, job.error) == ("cancelled", None)


def test_a_job_that_ended_cannot_be_cancelled(
    session: Session, add: Callable[..., Job], claim: Callable[..., Job]
) -> None:
    add()
    job = claim()
    jobs.finish_job(session, job.id, job.epoch, "succeeded")
    session.commit()
    with pytest.raises(Conflict, match="already ended: it succeeded"):
        jobs.request_cancel(session, job.id, None)
    with pytest.raises(NotFound):
        jobs.request_cancel(session, 99, None)


def test_the_jobs_of_a_dead_worker_are_free_at_once(
    session: Session, add: Callable[..., Job], claim: Callable[..., Job]
) -> None:
    add(n=1), add(n=2)
    dead, living = claim("host/a:1:1"), claim("host/a:2:2")
    assert sorted(jobs.list_owners(session, "host/a")) == ["host/a:1:1", "host/a:2:2"]
    assert jobs.list_owners(session, "host/") == []
    assert jobs.expire_owner(session, "host/a:1:1") == 1
    assert claim("host/a:3:3").id == dead.id
    assert jobs.beat_job(session, living.id, living.epoch) == (False, False)


def test_claiming_does_not_wait_for_a_job_that_is_being_finished(
    session: Session, add: Callable[..., Job], claim: Callable[..., Job]
) -> None:
    """However long a result takes to record, nobody claims the job meanwhile, and nobody stands still."""
    add(n=1)
    job = claim()
    end_lease(session, job)
    with session_factory()() as finishing:
        assert jobs.hold_job(finishing, job.id, job.epoch) is not None
        assert jobs.claim_job(session, "host:2:2", CPU) is None
        assert jobs.expire_jobs(session) == []
        session.commit()
        assert jobs.finish_job(finishing, job.id, job.epoch, "succeeded")
        finishing.commit()
    session.refresh(job)
    assert (job.state, job.epoch) == ("succeeded", 1)
