"""Reports of prompts: a labeler's report, and the list on which admins keep or retire what was reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from app.errors import Invalid
from app.models import Project
from app.pages import render
from app.routes.forms import see_other
from app.routes.labeling import refused_page
from app.security import Admin, CurrentUser, SessionDep
from app.services import assignments, projects, prompt_reports
from app.services.prompt_reports import ReportedPrompt

router = APIRouter()

Note = Annotated[str, Form(max_length=5000)]


@dataclass
class ReportsPage:
    project: Project
    reported: list[ReportedPrompt]
    resolved: bool
    waiting: int
    more: str


@router.post("/assignments/{assignment_id}/report")
def report_prompt(
    request: Request,
    session: SessionDep,
    user: CurrentUser,
    assignment_id: int,
    reason: Annotated[str, Form(max_length=40)] = "",
    note: Note = "",
) -> Response:
    """Report the prompt and go on with the task."""
    task = assignments.load_task(session, assignment_id, user)
    try:
        prompt_reports.report_prompt(session, assignment_id, user, reason, note)
    except Invalid as error:
        return refused_page(request, session, user, task, error)
    return see_other(f"/assignments/{assignment_id}?reported=true")


@router.get("/projects/{slug}/reports")
def list_reports(
    request: Request,
    session: SessionDep,
    user: Admin,
    slug: str,
    state: Literal["open", "answered"] = "open",
    before: Annotated[int | None, Query(ge=1)] = None,
) -> HTMLResponse:
    project, resolved = projects.get_project(session, slug), state == "answered"
    reported = prompt_reports.list_reported(session, project, resolved=resolved, before=before)
    page = ReportsPage(
        project=project,
        reported=reported,
        resolved=resolved,
        waiting=prompt_reports.count_open(session).get(project.id, 0),
        more=f"?state={state}&before={reported[-1].reports[0].id}" if len(reported) == prompt_reports.PAGE else "",
    )
    return render(request, "prompt_reports/list.html", page)


@router.post("/projects/{slug}/reports/{prompt_id}/keep")
def keep_prompt(session: SessionDep, user: Admin, slug: str, prompt_id: int, note: Note = "") -> Response:
    prompt_reports.keep_prompt(session, projects.get_project(session, slug), prompt_id, user, note)
    return see_other(f"/projects/{slug}/reports")


@router.post("/projects/{slug}/reports/{prompt_id}/retire")
def retire_prompt(session: SessionDep, user: Admin, slug: str, prompt_id: int, note: Note = "") -> Response:
    prompt_reports.retire_prompt(session, projects.get_project(session, slug), prompt_id, user, note)
    return see_other(f"/projects/{slug}/reports")


@router.post("/projects/{slug}/reports/{prompt_id}/restore")
def restore_prompt(session: SessionDep, user: Admin, slug: str, prompt_id: int) -> Response:
    prompt_reports.restore_prompt(session, projects.get_project(session, slug), prompt_id, user)
    return see_other(f"/projects/{slug}/reports?state=answered")
