"""Pretraining text over the API: import, look, delete, download. JSONL or plain text, streamed, all or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Query
from fastapi import Request as HttpRequest
from pydantic import Field
from sqlalchemy.orm import Session
from starlette.responses import Response, StreamingResponse

from app.database import transaction
from app.errors import NotFound
from app.models import PretrainingSet, Project, User
from app.routes.api.exports import DOWNLOAD, attachment, download_name, in_chunks
from app.routes.api.prompts import jsonl_body, request_lines
from app.routes.api.router import api_router
from app.routes.api.shapes import ItemId, PretrainingSetOut, Slug
from app.security import SessionDep, TokenAdmin, TokenReader
from app.services import audit, pretraining, projects
from app.services.pretraining_figures import look_at
from app.translation import gettext as _

router = api_router("pretraining")

BODY = jsonl_body(
    '{"text": "The baker of Mossbrook is up before the geese."}\n',
    "One JSON object a line with `text`; other members are passed over. With `format=text` plain text, in which blank "
    "lines divide the texts.",
)
FileFormat = Annotated[Literal["jsonl", "text"], Query(description="What the body is.")]


class PretrainingOut(PretrainingSetOut):
    """The version that the next training reads."""

    tokens: int | None = Field(description="About so many, by a look at some texts; null: not known here.")


@router.get("/projects/{project}/pretraining")
def show_pretraining(session: SessionDep, user: TokenReader, project: Slug) -> PretrainingOut:
    """The present version of the pretraining text; 404 where there is none."""
    found = projects.get_project(session, project)
    current = pretraining.current_set(session, found.id)
    if current is None:
        raise NotFound(_("This project has no pretraining text."))
    shown = PretrainingSetOut.model_validate(current).model_dump()
    return PretrainingOut(**shown, tokens=look_at(session, found, current).tokens)


@router.get("/projects/{project}/pretraining-sets")
def list_pretraining(session: SessionDep, user: TokenReader, project: Slug) -> list[PretrainingSetOut]:
    """Every version, newest first."""
    found = projects.get_project(session, project)
    return [PretrainingSetOut.model_validate(each) for each in pretraining.list_sets(session, found.id)]


@router.put("/projects/{project}/pretraining", openapi_extra=BODY)
def replace_pretraining(
    request: HttpRequest, session: SessionDep, user: TokenAdmin, project: Slug, format: FileFormat = "jsonl"
) -> PretrainingSetOut:
    """Make these texts the next version. When a row is refused nothing is stored, and `errors` lists the lines."""
    return _import(request, session, user, project, format, add=False)


@router.post("/projects/{project}/pretraining", status_code=201, openapi_extra=BODY)
def add_pretraining(
    request: HttpRequest, session: SessionDep, user: TokenAdmin, project: Slug, format: FileFormat = "jsonl"
) -> PretrainingSetOut:
    """Make the next version of the present texts and, behind them, these."""
    return _import(request, session, user, project, format, add=True)


def _import(
    request: HttpRequest, session: Session, user: User, slug: str, format: str, *, add: bool
) -> PretrainingSetOut:
    project = projects.get_project(session, slug)
    with request_lines(request) as lines:
        made = pretraining.import_texts(session, project, lines, user, format=format, add=add)
    return PretrainingSetOut.model_validate(made)


@router.delete("/projects/{project}/pretraining", status_code=204)
def delete_pretraining(session: SessionDep, user: TokenAdmin, project: Slug) -> Response:
    """Let the project have none. 409 while its settings ask for some. What a training was given is kept."""
    pretraining.delete_set(session, projects.get_project(session, project), user)
    return Response(status_code=204)


@router.get("/pretraining-sets/{set_id}")
def show_pretraining_set(session: SessionDep, user: TokenReader, set_id: ItemId) -> PretrainingSetOut:
    """One version, also of those before."""
    return PretrainingSetOut.model_validate(pretraining.get_set(session, set_id))


@router.get("/pretraining-sets/{set_id}/texts.jsonl", response_class=StreamingResponse, responses=DOWNLOAD)
def download_pretraining(session: SessionDep, user: TokenReader, set_id: ItemId) -> StreamingResponse:
    """The texts of a version, byte for byte as the jobs that were given it read them."""
    return send_texts(session, user, set_id)


def send_texts(session: Session, user: User, set_id: int) -> StreamingResponse:
    """The download, noted in the audit log. Raises NotFound where the texts were deleted."""
    found = pretraining.get_set(session, set_id)
    pretraining.check_texts(found)
    project = session.get_one(Project, found.project_id)
    audit.record(session, user, "export", f"project:{project.id}", kind="pretraining", version=found.version)
    name = download_name(project, "pretraining", f"version-{found.version}", datetime.now(UTC))
    return attachment(name, in_chunks(_lines(found)))


def _lines(found: PretrainingSet) -> Iterator[str]:
    with transaction() as session:
        yield from pretraining.stream_lines(session, found)
