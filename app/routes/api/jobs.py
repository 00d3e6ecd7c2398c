"""Jobs: what workers do, as it goes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio
from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from fastapi import Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.database import transaction
from app.models.columns import JobState
from app.routes.api.router import api_router
from app.routes.api.shapes import BIGGEST, ItemId, JobOut, Slug
from app.security import SessionDep, TokenAdmin, TokenReader
from app.services import jobs, projects

router = api_router("jobs")

LOOK_SECONDS = 0.5  # between two looks at the events
STREAM_SECONDS = 600.0  # then the client reconnects, so that nobody watches on with rights that have ended
LOOKERS = 8  # threads that look for all streams of a process; the ones that answer requests are left alone
_lookers: RunVar[CapacityLimiter] = RunVar("tutelage_lookers")


@router.get("/projects/{project}/jobs")
def list_jobs(session: SessionDep, user: TokenReader, project: Slug) -> list[JobOut]:
    """The latest jobs of a project, newest first."""
    found = projects.get_project(session, project)
    return [JobOut.model_validate(job) for job in jobs.list_jobs(session, found.id)]


@router.get("/jobs/{job_id}")
def show_job(session: SessionDep, user: TokenReader, job_id: ItemId) -> JobOut:
    """State, progress and result."""
    return JobOut.model_validate(jobs.get_job(session, job_id))


@router.post("/jobs/{job_id}/cancel")
def cancel_job(session: SessionDep, user: TokenAdmin, job_id: ItemId) -> JobOut:
    """Cancel a queued job, or ask the worker of a running one to stop."""
    return JobOut.model_validate(jobs.request_cancel(session, job_id, user))


def watched_job(session: SessionDep, user: TokenReader, job_id: ItemId) -> int:
    """The id of a job that there is. Its session ends before the stream begins."""
    return jobs.get_job(session, job_id).id


def last_seen(
    last_event_id: Annotated[
        str | None, Header(description="Sequence number after which to go on; browsers send it by themselves.")
    ] = None,
) -> int:
    """Where to go on; anything that is no number of ours starts at the beginning."""
    text = last_event_id or ""
    return min(int(text), BIGGEST) if text.isascii() and text.isdecimal() and len(text) < 20 else 0


@router.get("/jobs/{job_id}/events", response_class=EventSourceResponse)
async def stream_events(
    job_id: Annotated[int, Depends(watched_job, scope="function")],
    after: Annotated[int, Depends(last_seen)],
) -> AsyncIterator[ServerSentEvent]:
    """The job as it goes (Server-Sent Events): `progress` events, one `state` at each change, and `end` at its end."""
    end, state = anyio.current_time() + STREAM_SECONDS, ""
    while anyio.current_time() < end:
        job, events = await to_thread.run_sync(look, job_id, after, limiter=_limiter())
        if job.state != state:
            state = job.state
            yield ServerSentEvent(event="state", data={"state": state, "attempts": job.attempts})
        for seq, payload in events:
            after = seq
            yield ServerSentEvent(event="progress", id=str(seq), data=payload)
        if not events and state in ENDED:
            yield ServerSentEvent(event="end", data=job)
            return
        if not events:
            await anyio.sleep(LOOK_SECONDS)


ENDED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


def look(job_id: int, after: int) -> tuple[JobOut, list[tuple[int, dict[str, Any]]]]:
    """The job, then the events beyond `after`: in this order, an ended job has no more events than these."""
    with transaction() as session:
        job = JobOut.model_validate(jobs.get_job(session, job_id))
        return job, [(event.seq, event.payload) for event in jobs.list_events(session, job_id, after)]


def _limiter() -> CapacityLimiter:
    try:
        return _lookers.get()
    except LookupError:
        limiter = CapacityLimiter(LOOKERS)
        _lookers.set(limiter)
        return limiter
