"""Position bias: whether the place in which a response is shown decides over it. For researchers."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.pages import render
from app.security import Researcher, SessionDep
from app.services import positions, projects

router = APIRouter()


@router.get("/projects/{slug}/positions")
def show_positions(
    request: Request, session: SessionDep, user: Researcher, slug: str, simulated: bool = False
) -> HTMLResponse:
    project = projects.get_project(session, slug)
    reports, tied = positions.find_bias(session, project, simulated=simulated)
    return render(request, "positions/show.html", project=project, reports=reports, tied=tied, simulated=simulated)
