"""The prompts of a project: what there is, and more of them from a JSONL file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import UploadFile

from app.errors import Invalid
from app.models import Project
from app.pages import render
from app.security import Admin, Researcher, SessionDep
from app.services import audit, browsing, projects, prompts
from app.settings import get_settings
from app.translation import gettext as _

router = APIRouter()


@router.get("/projects/{slug}/prompts")
def list_prompts(
    request: Request,
    session: SessionDep,
    user: Researcher,
    slug: str,
    before: Annotated[int | None, Query(ge=1)] = None,
    imported: Annotated[int | None, Query(ge=0)] = None,
) -> HTMLResponse:
    return _prompts_page(request, session, projects.get_project(session, slug), before=before, imported=imported)


async def read_upload(request: Request, user: Admin) -> AsyncIterator[UploadFile]:
    """The file of the form. A parameter `File()` would be read before anybody asked who sends it."""
    async with request.form(max_files=1, max_fields=4) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Invalid(_("Choose a file to upload."))
        yield file


@router.post("/projects/{slug}/prompts/import")
def import_prompts(
    request: Request,
    session: SessionDep,
    user: Admin,
    slug: str,
    file: Annotated[UploadFile, Depends(read_upload, scope="function")],
) -> Response:
    """All rows of the file, or none; what is wrong is told line by line."""
    project = projects.get_project(session, slug)
    try:
        with session.begin_nested():
            count = prompts.import_prompts(session, project, file_lines(file.file), source="import")
    except Invalid as error:
        problem = {
            "detail": error.detail,
            "errors": error.extra.get("errors", []),
            "file": file.filename or _("the file"),
        }
        return _prompts_page(request, session, project, problem=problem)
    audit.record(session, user, "prompts.imported", f"project:{project.id}", rows=count)
    return RedirectResponse(f"/projects/{slug}/prompts?imported={count}", status_code=303)


def file_lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines without their ends; one that is too long comes cut, so that it is refused and not held in memory."""
    limit = get_settings().import_line + 1
    cut = False
    while piece := file.readline(limit):
        ended = piece.endswith(b"\n")
        if not cut:
            yield piece.rstrip(b"\r\n")
        cut = not ended and len(piece) == limit


def _prompts_page(
    request: Request,
    session: Session,
    project: Project,
    *,
    before: int | None = None,
    imported: int | None = None,
    problem: dict[str, Any] | None = None,
) -> HTMLResponse:
    shown = browsing.list_prompts(session, project, before)
    return render(
        request,
        "prompts/list.html",
        project=project,
        counts=browsing.count_prompts(session, project),
        prompts=shown,
        more=f"?before={shown[-1].id}" if len(shown) == browsing.PAGE else "",
        imported=imported,
        problem=problem,
        status=422 if problem else 200,
    )
