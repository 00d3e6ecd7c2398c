"""Jobs: work that outlives a request, as rows. Postgres is the truth; a message only wakes a worker.

Rounds and routes create, list and cancel jobs; workers/ claims, beats, reports and ends them. A worker holds a job by
its epoch: each of its writes says `WHERE id = :id AND epoch = :mine AND state = 'running'` and answers whether that
held, so a worker that was paused past its lease can change nothing. Leases run by the database's clock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import queue
from app.errors import Conflict, NotFound
from app.models import Job, JobEvent, User
from app.models.columns import JobState
from app.services import audit
from app.settings import get_settings
from app.translation import gettext as _
from app.translation import mark

ENDED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class Beat(NamedTuple):
    """What a worker learns of the job it runs: whether it lost it, and whether somebody asked to cancel it."""

    lost: bool
    cancel: bool


def input_hash(kind: str, spec: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON of what is to be done: the same work has the same hash."""
    canonical = json.dumps([kind, spec], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


# --- for rounds and routes ---------------------------------------------------------------------------------------


def create_job(
    session: Session,
    project_id: int,
    kind: str,
    spec: dict[str, Any],
    *,
    round_id: int | None = None,
    created_by_id: int | None = None,
    device: str = queue.ANY,
) -> Job:
    """Queue a job, and wake a worker once the caller has committed.

    A round never does the same work twice: the same (round, kind, input hash) answers the row that is there.
    """
    digest = input_hash(kind, spec)
    values = {
        "project_id": project_id,
        "round_id": round_id,
        "kind": kind,
        "device": device,
        "spec": spec,
        "input_hash": digest,
        "created_by_id": created_by_id,
        "progress": {},
    }
    created: Job | None = session.scalar(insert(Job).values(**values).on_conflict_do_nothing().returning(Job))
    if created is not None:
        queue.wake(session, created.id, device)
        return created
    same = select(Job).where(Job.round_id == round_id, Job.kind == kind, Job.input_hash == digest)
    return session.scalars(same).one()


def get_job(session: Session, job_id: int) -> Job:
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound(_("There is no job %(id)s.") % {"id": job_id})
    return job


def list_jobs(session: Session, project_id: int, limit: int = 50) -> list[Job]:
    """The newest jobs of a project first."""
    return list(session.scalars(select(Job).where(Job.project_id == project_id).order_by(Job.id.desc()).limit(limit)))


def list_events(session: Session, job_id: int, after: int = 0, limit: int = 1000) -> list[JobEvent]:
    """Progress beyond sequence number `after`. A resumed job may tell a step again; the later event counts."""
    query = select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.seq > after)
    return list(session.scalars(query.order_by(JobEvent.seq).limit(limit)))


_ENDED_ALREADY = {
    "succeeded": mark("Job %(id)s has already ended: it succeeded."),
    "failed": mark("Job %(id)s has already ended: it failed."),
    "cancelled": mark("Job %(id)s has already ended: it was cancelled."),
}


def request_cancel(session: Session, job_id: int, user: User | None) -> Job:
    """Cancel a queued job at once; ask the worker of a running one to stop it. Raises Conflict when it has ended."""
    job = session.get(Job, job_id, with_for_update=True, populate_existing=True)
    if job is None:
        raise NotFound(_("There is no job %(id)s.") % {"id": job_id})
    if job.state in ENDED:
        raise Conflict(_(_ENDED_ALREADY[job.state]) % {"id": job_id})
    if job.state == JobState.QUEUED:
        job.state = JobState.CANCELLED
        job.finished_at = session.scalar(select(func.now()))
    if not job.cancel_requested:
        job.cancel_requested = True
        audit.record(session, user, "job.cancel", f"job {job_id}", kind=job.kind)
    session.flush()
    wake_workers(session)  # the round that waits for it moves on
    return job


def wake_workers(session: Session) -> None:
    """Once the caller has committed, let workers look at the rounds now rather than at their next turn."""
    queue.wake(session, 0)


# --- for workers: taking a job -----------------------------------------------------------------------------------


def claim_job(session: Session, owner: str, devices: Sequence[str]) -> Job | None:
    """Take the oldest job that waits, or whose worker fell silent; None when there is nothing to do.

    `devices` are the values of `Job.device` that this worker serves (queue.queues_for). The attempt counts from here.
    """
    expire_jobs(session)
    candidate = (
        select(Job.id)
        .where(Job.device.in_(devices), _is_free(), Job.attempts < get_settings().job_attempts)
        .where(Job.cancel_requested.is_(False))
        .order_by(Job.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    claim = (
        update(Job)
        .where(Job.id == candidate)
        .values(
            state=JobState.RUNNING,
            owner=owner,
            epoch=Job.epoch + 1,
            attempts=Job.attempts + 1,
            lease_until=_new_lease(),
            started_at=func.coalesce(Job.started_at, func.now()),
        )
        .returning(Job)
    )
    return session.scalar(claim, execution_options={"populate_existing": True})


def expire_jobs(session: Session) -> list[Job]:
    """End what nobody runs and nobody may claim: cancelled jobs, and those whose attempts are used up."""
    limit = get_settings().job_attempts
    stuck = select(Job).where(_is_free(), or_(Job.cancel_requested, Job.attempts >= limit))
    jobs = list(session.scalars(stuck.with_for_update(skip_locked=True), execution_options={"populate_existing": True}))
    for job in jobs:
        _end(session, job, "Its worker died or fell silent while running it")
    session.flush()
    return jobs


def list_owners(session: Session, host: str) -> list[str]:
    """The workers of one host that hold a job now. An owner is named `host:...` (workers/owner.py)."""
    query = select(Job.owner).where(Job.state == JobState.RUNNING, Job.owner.startswith(f"{host}:", autoescape=True))
    return [owner for owner in session.scalars(query.distinct()) if owner]


def expire_owner(session: Session, owner: str) -> int:
    """End the leases of a worker that is known to be dead, so that nobody waits for them; answers how many."""
    held = (Job.state == JobState.RUNNING, Job.owner == owner, Job.lease_until > func.now())
    ended = update(Job).where(*held).values(lease_until=func.now()).returning(Job.id)
    return len(session.scalars(ended).all())


def _is_free() -> ColumnElement[bool]:
    """Queued, or running under a lease that has ended."""
    return or_(Job.state == JobState.QUEUED, and_(Job.state == JobState.RUNNING, Job.lease_until <= func.now()))


def _new_lease() -> ColumnElement[Any]:
    return func.clock_timestamp() + timedelta(seconds=get_settings().job_lease_seconds)


# --- for workers: while it runs ----------------------------------------------------------------------------------


def beat_job(session: Session, job_id: int, epoch: int) -> Beat:
    """Renew the lease."""
    renewal = update(Job).where(*_mine(job_id, epoch)).values(lease_until=_new_lease())
    cancel = session.scalar(renewal.returning(Job.cancel_requested))
    return Beat(lost=cancel is None, cancel=bool(cancel))


def watch_job(session: Session, job_id: int, epoch: int) -> Beat:
    """The same news without renewing the lease: cheap enough to ask every second."""
    cancel = session.scalar(select(Job.cancel_requested).where(*_mine(job_id, epoch)))
    return Beat(lost=cancel is None, cancel=bool(cancel))


def append_progress(session: Session, job_id: int, epoch: int, payload: dict[str, Any]) -> bool:
    """Append one event and make it the job's latest; False when the job is no longer ours."""
    held = session.scalar(update(Job).where(*_mine(job_id, epoch)).values(progress=payload).returning(Job.id))
    if held is None:
        return False
    # The update locks the job's row, so that two writers cannot take the same number.
    last = select(func.coalesce(func.max(JobEvent.seq), 0)).where(JobEvent.job_id == job_id).scalar_subquery()
    session.execute(insert(JobEvent).values(job_id=job_id, seq=last + 1, payload=payload))
    return True


def _mine(job_id: int, epoch: int) -> tuple[ColumnElement[bool], ...]:
    return Job.id == job_id, Job.epoch == epoch, Job.state == JobState.RUNNING


# --- for workers: the end ----------------------------------------------------------------------------------------


def hold_job(session: Session, job_id: int, epoch: int) -> Job | None:
    """The job, locked until the transaction ends, if it is still ours: before its result is recorded."""
    query = select(Job).where(*_mine(job_id, epoch)).with_for_update()
    return session.scalar(query, execution_options={"populate_existing": True})


def finish_job(
    session: Session, job_id: int, epoch: int, state: str, result: Any = None, error: str | None = None
) -> bool:
    """End the job. False when it is no longer ours: then the caller rolls back what it recorded."""
    ended = {
        "state": state,
        "result": result,
        "error": error,
        "finished_at": func.now(),
        "owner": None,
        "lease_until": None,
    }
    return session.scalar(update(Job).where(*_mine(job_id, epoch)).values(**ended).returning(Job.id)) is not None


def release_job(session: Session, job_id: int, epoch: int) -> bool:
    """Give the job back unharmed, as a worker does that is told to stop: the attempt is not charged."""
    job = hold_job(session, job_id, epoch)
    if job is None:
        return False
    job.attempts -= 1
    _give_back(session, job)
    return True


def put_back_job(session: Session, job_id: int, epoch: int, reason: str) -> bool:
    """Queue the job again after a crash, or fail it with `reason` (a clause without a full stop) if that was the last
    attempt."""
    job = hold_job(session, job_id, epoch)
    if job is None:
        return False
    if job.cancel_requested or job.attempts >= get_settings().job_attempts:
        _end(session, job, reason)
        session.flush()
    else:
        _give_back(session, job)
    return True


def _give_back(session: Session, job: Job) -> None:
    job.owner = job.lease_until = None
    if job.cancel_requested:
        _end(session, job, "")
    else:
        job.state = JobState.QUEUED
        queue.wake(session, job.id, job.device)
    session.flush()


def _end(session: Session, job: Job, reason: str) -> None:
    """Cancelled, if that was asked for, else failed: its attempts are used up."""
    job.state = JobState.CANCELLED if job.cancel_requested else JobState.FAILED
    if job.state == JobState.FAILED:
        job.error = f"{reason}; that was attempt {job.attempts} of {get_settings().job_attempts}, so it was given up."
    job.owner = job.lease_until = None
    job.finished_at = session.scalar(select(func.now()))
