"""The pretraining text of a project: what there is, the next version from a file, and versions that a training read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import UploadFile
from starlette.responses import StreamingResponse

from app.errors import AppError, Conflict, Invalid
from app.models import Checkpoint, PretrainingSet, Project
from app.pages import render
from app.plots import headline
from app.routes.api.pretraining import send_texts
from app.routes.prompts import file_lines, read_upload
from app.rules.pretraining import format_of
from app.security import Admin, Researcher, SessionDep
from app.services import pretraining, projects
from app.services.pretraining_figures import (
    SHOWN,
    PretrainingFigures,
    Reading,
    ShownText,
    list_readings,
    list_texts,
    look_at,
)
from app.translation import gettext as _

router = APIRouter()
After = Annotated[int, Query(ge=0, le=2**31 - 1)]


@dataclass
class PretrainingPage:
    """What templates/pretraining/show.html prints."""

    project: Project
    found: PretrainingSet | None
    present: bool  # whether this is the project's page, and not that of one version
    figures: PretrainingFigures | None
    readings: list[Reading]
    texts: list[ShownText]
    more: str
    versions: list[PretrainingSet]
    checkpoints: list[Checkpoint]
    headlines: dict[int, str]
    imported: bool = False
    deleted: bool = False
    problem: dict[str, Any] | None = None


@router.get("/projects/{slug}/pretraining")
def show_pretraining(
    request: Request,
    session: SessionDep,
    user: Researcher,
    slug: str,
    after: After = 0,
    imported: bool = False,
    deleted: bool = False,
) -> HTMLResponse:
    project = projects.get_project(session, slug)
    page = _page(session, project, pretraining.current_set(session, project.id), after)
    page.imported, page.deleted = imported, deleted
    return render(request, "pretraining/show.html", page)


@router.get("/pretraining-sets/{set_id}")
def show_pretraining_set(
    request: Request, session: SessionDep, user: Researcher, set_id: int, after: After = 0
) -> HTMLResponse:
    """One version, such as a checkpoint's."""
    found = pretraining.get_set(session, set_id)
    page = _page(session, session.get_one(Project, found.project_id), found, after)
    page.present = False
    return render(request, "pretraining/show.html", page)


@router.get("/pretraining-sets/{set_id}/texts.jsonl")
def download_pretraining(session: SessionDep, user: Researcher, set_id: int) -> StreamingResponse:
    return send_texts(session, user, set_id)


@router.post("/projects/{slug}/pretraining/import")
def import_pretraining(
    request: Request,
    session: SessionDep,
    user: Admin,
    slug: str,
    file: Annotated[UploadFile, Depends(read_upload, scope="function")],
    add: bool = False,
) -> Response:
    """All texts of the file, or none; what is wrong is told line by line."""
    project = projects.get_project(session, slug)
    format = format_of(file.filename or "")
    try:
        if format is None:
            raise Invalid(_("Choose a file whose name ends in .txt or .jsonl: by this it is read."))
        with session.begin_nested():
            pretraining.import_texts(session, project, file_lines(file.file), user, format=format, add=add)
    except Invalid as error:
        return _refused(request, session, project, error, file.filename)
    return RedirectResponse(f"/projects/{slug}/pretraining?imported=true", status_code=303)


@router.post("/projects/{slug}/pretraining/delete")
def delete_pretraining(request: Request, session: SessionDep, user: Admin, slug: str) -> Response:
    project = projects.get_project(session, slug)
    try:
        pretraining.delete_set(session, project, user)
    except Conflict as error:
        return _refused(request, session, project, error)
    return RedirectResponse(f"/projects/{slug}/pretraining?deleted=true", status_code=303)


def _refused(
    request: Request, session: Session, project: Project, error: AppError, file: str | None = None
) -> HTMLResponse:
    page = _page(session, project, pretraining.current_set(session, project.id))
    page.problem = {"detail": error.detail, "errors": error.extra.get("errors", []), "file": file or _("the file")}
    return render(request, "pretraining/show.html", page, status=error.status)


def _page(session: Session, project: Project, found: PretrainingSet | None, after: int = 0) -> PretrainingPage:
    there = found is not None and pretraining.has_texts(found)
    figures = look_at(session, project, found) if found is not None and there else None
    texts = list_texts(session, found, after) if found is not None else []
    checkpoints = pretraining.trained_with(session, found) if found is not None else []
    return PretrainingPage(
        project=project,
        found=found,
        present=True,
        figures=figures,
        readings=list_readings(project, figures.lengths if figures else []),
        texts=texts,
        more=f"?after={texts[-1].number}" if len(texts) == SHOWN and found and texts[-1].number < found.texts else "",
        versions=pretraining.list_sets(session, project.id),
        checkpoints=checkpoints,
        headlines={each.id: headline(each.kind, each.metrics) for each in checkpoints},
    )
