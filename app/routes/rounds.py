"""The rounds of a project, newest first."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.pages import render
from app.routes.loop import PHASES
from app.security import Researcher, SessionDep
from app.services import jobs, projects, rounds

router = APIRouter()


@router.get("/projects/{slug}/rounds")
def list_rounds(request: Request, session: SessionDep, user: Researcher, slug: str) -> HTMLResponse:
    project = projects.get_project(session, slug)
    return render(
        request,
        "rounds/list.html",
        project=project,
        rounds=rounds.list_rounds(session, project.id),
        jobs=jobs.list_jobs(session, project.id, limit=100),
        phases=PHASES,
    )
