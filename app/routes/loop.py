"""The loop of a project at a glance, and two of its levers: pause, resume. The third is routes/launches.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from app.models import Project
from app.pages import render
from app.plots import Curve, RingStation, curves, headline, progress_share, ring, wanted_curves
from app.security import Admin, CurrentUser, SessionDep
from app.services import jobs, overview, projects, rounds
from app.services.overview import LoopOverview
from app.translation import gettext, mark

router = APIRouter()

EVENTS = 20_000  # of a job that are read for its curves
PHASES = {
    "collecting_demonstrations": mark("people are writing"),
    "sft": mark("fine-tuning"),
    "sampling": mark("sampling"),
    "collecting_rankings": mark("people are ranking"),
    "reward": mark("reward model"),
    "improvement": mark("improving the policy"),
    "finished": mark("finished"),
    "failed": mark("failed"),
}
STATION_PAGES = {"prompts": "/prompts", "collecting_demonstrations": "/data", "collecting_rankings": "/data"}


@dataclass
class LoopPage:
    """What templates/loop/overview.html prints."""

    project: Project
    overview: LoopOverview
    stations: list[RingStation]
    hrefs: dict[str, str]
    phase: str
    progress: float | None
    curves: list[Curve]
    wanted: Sequence[tuple[str, str]]  # the curves that the script may draw
    headlines: dict[int, str]
    problem: str | None


@router.get("/projects/{slug}")
def show_loop(request: Request, session: SessionDep, user: CurrentUser, slug: str) -> Response:
    """For researchers and admins; a labeler is led to her work."""
    project = projects.get_project(session, slug)
    if user.role == "labeler":
        return RedirectResponse(f"/projects/{slug}/label", status_code=303)
    return loop_page(request, session, project)


@router.post("/projects/{slug}/pause")
def pause(session: SessionDep, user: Admin, slug: str) -> Response:
    rounds.pause_loop(session, projects.get_project(session, slug), user)
    return RedirectResponse(f"/projects/{slug}", status_code=303)


@router.post("/projects/{slug}/resume")
def resume(session: SessionDep, user: Admin, slug: str) -> Response:
    rounds.resume_loop(session, projects.get_project(session, slug), user)
    return RedirectResponse(f"/projects/{slug}", status_code=303)


def loop_page(request: Request, session: Session, project: Project, problem: str | None = None) -> HTMLResponse:
    found = overview.loop_overview(session, project)
    job = found.job
    running = job is not None and job.state == "running"
    progress = progress_share(job.progress) if job is not None and running else None
    page = LoopPage(
        project=project,
        overview=found,
        stations=ring(found.stations, progress),
        hrefs=_hrefs(project, found),
        phase=gettext(PHASES[found.round.phase]) if found.round.phase in PHASES else found.round.phase,
        progress=progress,
        curves=curves(job.kind, (e.payload for e in jobs.list_events(session, job.id, limit=EVENTS)), most=3)
        if job is not None
        else [],
        wanted=wanted_curves(job.kind, 3) if job is not None else (),
        headlines={c.id: headline(c.kind, c.metrics) for c in found.checkpoints},
        problem=problem,
    )
    return render(request, "loop/overview.html", page, status=409 if problem else 200)


def _hrefs(project: Project, found: LoopOverview) -> dict[str, str]:
    """Every station opens the page that tells most of it."""
    hrefs = {}
    for station in found.stations:
        if station.state == "now" and found.job is not None:
            hrefs[station.key] = f"/jobs/{found.job.id}"
        elif station.checkpoint_id is not None:
            hrefs[station.key] = f"/checkpoints/{station.checkpoint_id}"
        else:
            hrefs[station.key] = f"/projects/{project.slug}" + STATION_PAGES.get(station.key, "/rounds")
    return hrefs
