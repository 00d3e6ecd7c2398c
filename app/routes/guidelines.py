"""Guidelines as pages: read, with what has changed, before going on; published in versions by admins."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from app.errors import Invalid
from app.models import Project, User
from app.models.columns import Role
from app.pages import render
from app.routes.desk import KINDS, next_url
from app.security import RANK, Admin, CurrentUser, SessionDep
from app.services import audit, guidelines, projects

router = APIRouter()

Way = Literal["rank", "write"]


@router.get("/projects/{slug}/guidelines")
def show_guidelines(
    request: Request,
    session: SessionDep,
    user: CurrentUser,
    slug: str,
    version: Annotated[int | None, Query(ge=1)] = None,
    then: Way | None = None,
) -> HTMLResponse:
    """The newest version, or the one asked for, after what it changes against the last one that she has read."""
    return _page(request, session, user, projects.get_project(session, slug), version, then)


@router.post("/projects/{slug}/guidelines/{version}/reading")
def note_reading(
    session: SessionDep, user: CurrentUser, slug: str, version: int, then: Annotated[Way | None, Form()] = None
) -> Response:
    """She has read it; on to the work that she was about to do."""
    project = projects.get_project(session, slug)
    guidelines.note_reading(session, guidelines.get_guideline(session, project.id, version), user)
    url = next_url(session, user, project, KINDS[then]) if then else f"/projects/{slug}/label"
    return RedirectResponse(url, status_code=303)


@router.post("/projects/{slug}/guidelines")
def publish_guidelines(
    request: Request, session: SessionDep, user: Admin, slug: str, text: Annotated[str, Form(max_length=200_000)] = ""
) -> Response:
    project = projects.get_project(session, slug)
    try:
        guideline = guidelines.publish_guideline(session, project, text.replace("\r\n", "\n"))
    except Invalid as error:
        return _page(request, session, user, project, None, None, typed=text, problem=error.detail)
    audit.record(session, user, "guidelines.published", f"project:{project.id}", version=guideline.version)
    return RedirectResponse(f"/projects/{slug}/guidelines", status_code=303)


def _page(
    request: Request,
    session: Session,
    user: User,
    project: Project,
    version: int | None,
    then: Way | None,
    *,
    typed: str | None = None,
    problem: str | None = None,
) -> HTMLResponse:
    versions = guidelines.list_guidelines(session, project.id)
    current = versions[0]
    shown = guidelines.get_guideline(session, project.id, version) if version else current
    read = guidelines.last_read(session, project.id, user)
    unread = version is None and (read is None or read.version < current.version)
    earlier = read if unread else next((each for each in versions if each.version == shown.version - 1), None)
    return render(
        request,
        "guidelines/show.html",
        project=project,
        guideline=shown,
        current=current,
        versions=versions,
        change=guidelines.compare_guidelines(earlier, shown),
        unread=unread,
        then=then,
        readers=guidelines.count_readers(session, project.id) if RANK[user.role] >= RANK[Role.ADMIN] else None,
        typed=current.text if typed is None else typed,
        problem=problem,
        status=422 if problem else 200,
    )
