"""What the writing pages ask while she writes, and bettering a response of the model.

Tokens and warnings are answered as JSON to the scripts of static/js/writing/; the edit of a response is a page of its
own, by form or by script.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Body, Depends, Header, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from app.errors import Invalid
from app.models import Guideline, Project, User
from app.pages import render
from app.routes.answer_forms import AnswerFields, DetailsIn, answer_from_form, form_details
from app.routes.forms import read_form, see_other
from app.routes.task_pages import Turn, prompt_turns
from app.security import CurrentUser, SessionDep, zone_of
from app.services import answers, assignments, desk, drafts, edits, guidelines, projects, token_counts
from app.services.edits import Editable
from app.translation import gettext as _

router = APIRouter()


class TextIn(BaseModel):
    text: str = Field(max_length=200_000)
    assignment_id: int | None = Field(None, ge=1, le=2**63 - 1)  # whose prompt is counted too


class AnswerIn(DetailsIn):
    text: str = Field(max_length=200_000)


class EditIn(AnswerIn):
    seconds: float | None = None


@dataclass
class EditPage:
    project: Project
    completion_id: UUID
    assignment_id: int
    original: str
    turns: list[Turn]
    guideline: Guideline
    done_today: int
    key: UUID
    text: str
    sources: list[dict[str, str]]
    problem: str | None
    heading: str
    draft: Any = None
    saved_at: datetime | None = None
    ended: None = None
    undoable: None = None
    taken_back: None = None
    editing: bool = False
    chat: bool = False
    rounds: list[dict[str, str]] = field(default_factory=list)


@router.post("/projects/{slug}/tokens")
def count_tokens(session: SessionDep, user: CurrentUser, slug: str, body: TextIn) -> dict[str, Any]:
    """{tokens, prompt_tokens, limit, reason}"""
    return token_count(session, user, slug, body.text, body.assignment_id)


@router.post("/assignments/{assignment_id}/warnings")
def list_warnings(
    session: SessionDep, user: CurrentUser, assignment_id: int, body: AnswerIn
) -> dict[str, list[dict[str, str]]]:
    return {"warnings": answer_warnings(session, user, assignment_id, body.text, body.details())}


@router.get("/completions/{completion_id}/edit")
def show_edit(request: Request, session: SessionDep, user: CurrentUser, completion_id: UUID) -> HTMLResponse:
    """The response as a text to better, for the labeler who has ranked it."""
    editable = edits.load_editable(session, completion_id, user)
    if (edit := edits.find_edit(session, completion_id, user)) is not None:
        return render(request, "completions/edited.html", project=editable.project, edit=edit)
    return _edit_page(request, session, user, editable)


@router.put("/completions/{completion_id}/draft")
def put_draft(
    session: SessionDep, user: CurrentUser, completion_id: UUID, draft: Annotated[Any, Body()]
) -> dict[str, Any]:
    editable = edits.load_editable(session, completion_id, user)
    edits.refuse_second(session, completion_id, user)
    return {"saved_at": drafts.save_draft(session, editable.project, user, drafts.edit_place(completion_id), draft)}


@router.post("/completions/{completion_id}/edit")
def send_edit(
    request: Request,
    session: SessionDep,
    user: CurrentUser,
    completion_id: UUID,
    form: Annotated[FormData, Depends(read_form)],
) -> Response:
    """By form; a refused one comes back with its sentence and its text."""
    fields = answer_from_form(form)
    key = form_key(form)
    try:
        details = form_details(AnswerFields(sources=fields.sources))
        edits.submit_edit(session, completion_id, user, key, fields.text, details)
    except Invalid as error:
        editable = edits.load_editable(session, completion_id, user)
        return _edit_page(request, session, user, editable, fields, key, error.detail)
    return see_other(_after_edit(session, user, completion_id))


@router.post("/completions/{completion_id}/submission", status_code=201)
def submit_edit(
    session: SessionDep,
    user: CurrentUser,
    completion_id: UUID,
    body: EditIn,
    idempotency_key: Annotated[UUID, Header()],
) -> dict[str, Any]:
    """The same from the page's script."""
    row = edits.submit_edit(session, completion_id, user, idempotency_key, body.text, body.details(), body.seconds)
    return {"id": row.id, "next": _after_edit(session, user, completion_id)}


def token_count(session: Session, user: User, slug: str, text: str, assignment_id: int | None) -> dict[str, Any]:
    project = projects.get_project(session, slug)
    task = assignments.load_task(session, assignment_id, user) if assignment_id is not None else None
    if task is not None and task.project.id != project.id:
        raise Invalid(_("That task belongs to another project."))
    count = token_counts.count_tokens(project, text, task.prompt.messages if task else ())
    return {name: getattr(count, name) for name in ("tokens", "prompt_tokens", "limit", "reason")}


def answer_warnings(
    session: Session, user: User, assignment_id: int, text: str, details: answers.Details
) -> list[dict[str, str]]:
    task = assignments.load_task(session, assignment_id, user)
    found = answers.warn(session, task.project, task.prompt, text, details)
    return [{"key": warned.key, "text": warned.text} for warned in found]


def form_key(form: FormData) -> UUID:
    """The key that the page gave its form; a new one where it is spoilt."""
    try:
        return UUID(str(form.get("key", "")))
    except ValueError:
        return uuid4()


def _after_edit(session: Session, user: User, completion_id: UUID) -> str:
    """The ranking that she holds, or what there is to do."""
    return f"/projects/{edits.load_editable(session, completion_id, user).project.slug}/rank"


def _edit_page(
    request: Request,
    session: Session,
    user: User,
    editable: Editable,
    fields: AnswerFields | None = None,
    key: UUID | None = None,
    problem: str | None = None,
) -> HTMLResponse:
    completion, project = editable.completion, editable.project
    kept = drafts.find_draft(session, project, user, drafts.edit_place(completion.id))
    page = EditPage(
        project=project,
        completion_id=completion.id,
        assignment_id=editable.assignment.id,
        original=completion.text,
        turns=prompt_turns(editable.prompt),
        guideline=guidelines.get_guideline(session, project.id, editable.assignment.guideline_version),
        done_today=desk.count_done_today(session, user, zone_of(request)),
        key=key or uuid4(),
        text=fields.text if fields else completion.text,
        sources=fields.sources if fields else [],
        problem=problem,
        draft=kept.content if kept and not problem else None,
        saved_at=kept.saved_at if kept else None,
        heading=_("Write a better one"),
    )
    return render(request, "completions/edit.html", page, status=422 if problem else 200)
