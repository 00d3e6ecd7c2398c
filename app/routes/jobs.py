"""One job: state, progress, curves, what it printed; and its cancellation.

Pages follow a job live through the event stream of the API (GET /api/v1/jobs/{id}/events), which takes the session
cookie of our own pages.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.errors import Conflict
from app.models import Checkpoint, Job, Project, Round
from app.pages import render
from app.plots import Curve, curves, progress_share, wanted_curves
from app.routes.loop import EVENTS
from app.security import Admin, Researcher, SessionDep
from app.services import jobs
from app.services.outcomes import job_folder

router = APIRouter()

LOG_TAIL = 8_000  # bytes


@dataclass
class JobPage:
    project: Project
    job: Job
    round: Round | None
    checkpoint: Checkpoint | None
    progress: float | None
    curves: list[Curve]
    wanted: Sequence[tuple[str, str]]  # the curves that the script may draw
    log: str
    problem: str | None


@router.get("/jobs/{job_id}")
def show_job(request: Request, session: SessionDep, user: Researcher, job_id: int) -> HTMLResponse:
    return _job_page(request, session, job_id)


@router.post("/jobs/{job_id}/cancel")
def cancel_job(request: Request, session: SessionDep, user: Admin, job_id: int) -> Response:
    try:
        jobs.request_cancel(session, job_id, user)
    except Conflict as error:
        return _job_page(request, session, job_id, problem=error.detail)
    return RedirectResponse(f"/jobs/{job_id}", status_code=303)


def _job_page(request: Request, session: SessionDep, job_id: int, problem: str | None = None) -> HTMLResponse:
    job = jobs.get_job(session, job_id)
    made = job.result.get("checkpoint") if isinstance(job.result, dict) else None
    page = JobPage(
        project=session.get_one(Project, job.project_id),
        job=job,
        round=session.get(Round, job.round_id) if job.round_id is not None else None,
        checkpoint=session.get(Checkpoint, made) if isinstance(made, int) else None,
        progress=1.0 if job.state == "succeeded" else progress_share(job.progress),
        curves=curves(job.kind, (event.payload for event in jobs.list_events(session, job_id, limit=EVENTS))),
        wanted=wanted_curves(job.kind),
        log=_tail(job_folder(job) / "log.txt"),
        problem=problem,
    )
    return render(request, "jobs/show.html", page, status=409 if problem else 200)


def _tail(path: Path) -> str:
    """The end of what the program printed; empty where this machine has no such file."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - LOG_TAIL))
            text = file.read(LOG_TAIL).decode("utf-8", "replace")
    except OSError:
        return ""
    # A progress bar rewrites its line; what it last said is what counts.
    return "\n".join(line.rsplit("\r", 1)[-1] for line in text.splitlines() if line.strip())
