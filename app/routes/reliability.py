"""Labelers and how far they can be relied on, with the gold items that this rests on. For researchers and admins."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.models import Project
from app.pages import render
from app.security import Researcher, SessionDep
from app.services import projects, reliability
from app.services.reliability import ENOUGH_PAIRS, Reliability

router = APIRouter()


@dataclass
class ReliabilityPage:
    project: Project
    found: Reliability
    enough: int
    marked: bool


@router.get("/projects/{slug}/labelers")
def show_reliability(
    request: Request, session: SessionDep, user: Researcher, slug: str, marked: bool = False
) -> HTMLResponse:
    project = projects.get_project(session, slug)
    page = ReliabilityPage(project, reliability.project_reliability(session, project), ENOUGH_PAIRS, marked)
    return render(request, "reliability/show.html", page)
