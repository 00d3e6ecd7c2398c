"""The labelers of a project, where it is not open to everybody. For admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.models import Project
from app.pages import render
from app.security import Admin, SessionDep
from app.services import members, projects, users
from app.translation import gettext as _

router = APIRouter()


@router.get("/projects/{slug}/members")
def list_members(request: Request, session: SessionDep, user: Admin, slug: str) -> HTMLResponse:
    return _members_page(request, session, projects.get_project(session, slug))


@router.post("/projects/{slug}/members")
def add_member(
    request: Request, session: SessionDep, user: Admin, slug: str, user_id: Annotated[str, Form(max_length=20)] = ""
) -> Response:
    project = projects.get_project(session, slug)
    try:
        person = users.get_user(session, int(user_id) if user_id.isdecimal() else 0)
    except NotFound:
        return _members_page(request, session, project, problem=_("Choose somebody from the list."))
    members.add_member(session, project, person, user)
    return RedirectResponse(f"/projects/{slug}/members", status_code=303)


@router.post("/projects/{slug}/members/{user_id}/remove")
def remove_member(request: Request, session: SessionDep, user: Admin, slug: str, user_id: int) -> Response:
    project = projects.get_project(session, slug)
    try:
        members.remove_member(session, project, user_id, user)
    except NotFound as error:
        return _members_page(request, session, project, problem=error.detail)
    return RedirectResponse(f"/projects/{slug}/members", status_code=303)


def _members_page(request: Request, session: Session, project: Project, problem: str | None = None) -> HTMLResponse:
    return render(
        request,
        "members/list.html",
        project=project,
        people=members.list_members(session, project),
        others=members.list_others(session, project),
        problem=problem,
        status=422 if problem else 200,
    )
