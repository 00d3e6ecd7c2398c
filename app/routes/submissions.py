"""Sending a task: by the page's scripts as JSON to /submission, without scripts as a form to /send."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from app.errors import Invalid
from app.models import User
from app.models.columns import TaskKind
from app.routes.answer_forms import DetailsIn, answer_from_form, form_details
from app.routes.desk import next_task
from app.routes.forms import read_form, see_other
from app.routes.labeling import asked_of, render_task, task_page
from app.routes.one_thread import OneThread
from app.routes.task_pages import ranking_from_form
from app.rules.label_schemas import Fields
from app.security import CurrentUser, SessionDep
from app.services import assignments, demonstrations, rankings
from app.services.answers import Answer
from app.services.assignments import Task
from app.services.rankings import RankingDraft
from app.translation import gettext as _

router = APIRouter(route_class=OneThread)


class RatingIn(BaseModel):
    overall: int | None = None
    flags: list[str] = Field(default_factory=list)


class SubmissionIn(DetailsIn):
    """A label as the pages' scripts send it: `text` with its details, or `tiers` with what belongs to them."""

    text: str | None = None
    tiers: list[list[str]] | None = None
    ratings: dict[str, RatingIn] = Field(default_factory=dict)
    comment: str | None = None
    prompt_flags: list[str] = Field(default_factory=list)
    confidence: int | None = None
    seconds: float | None = None


@router.post("/assignments/{assignment_id}/submission", status_code=201)
def submit(
    session: SessionDep,
    user: CurrentUser,
    assignment_id: int,
    label: SubmissionIn,
    idempotency_key: Annotated[UUID, Header()],
) -> dict[str, Any]:
    """Store the label, claim the next task, and say where it is."""
    return _store(session, user, assignment_id, idempotency_key, content_sent(label), label.seconds)


def content_sent(label: SubmissionIn) -> RankingDraft | Answer:
    if label.tiers is not None:
        ratings = {key: rating.model_dump(exclude_none=True) for key, rating in label.ratings.items()}
        return RankingDraft(
            label.tiers, ratings, label.comment, label.prompt_flags, label.confidence, label.presentation
        )
    if label.text is not None:
        return Answer(label.text, label.details())
    raise Invalid(_("The submission holds neither a ranking nor a text."))


@router.post("/assignments/{assignment_id}/send")
def send_form(
    request: Request,
    session: SessionDep,
    user: CurrentUser,
    assignment_id: int,
    form: Annotated[FormData, Depends(read_form)],
) -> Response:
    """The same without scripts; a refused form comes back with its sentence and with everything that was in it."""
    task = assignments.load_task(session, assignment_id, user)
    try:
        key = UUID(str(form.get("key", "")))
    except ValueError:
        key = uuid4()
    try:
        content = content_of_form(task, asked_of(session, task), form)
        stored = _store(session, user, assignment_id, key, content, None)
    except Invalid as error:
        page = task_page(request, session, user, task, form=form, key=key, problem=error.detail)
        return render_task(request, page, status=422)
    return see_other(stored["next"])


def content_of_form(task: Task, asked: Fields, form: FormData) -> RankingDraft | Answer:
    if task.completions:
        return ranking_from_form(task, asked, form)
    answer = answer_from_form(form)
    return Answer(answer.text, form_details(answer))


def _store(
    session: Session,
    user: User,
    assignment_id: int,
    key: UUID,
    content: RankingDraft | Answer,
    seconds: float | None,
) -> dict[str, Any]:
    task = assignments.load_task(session, assignment_id, user)
    row = (
        demonstrations.submit_demonstration(session, assignment_id, user, key, content.text, seconds, content.details)
        if isinstance(content, Answer)
        else rankings.submit_ranking(session, assignment_id, user, key, content, seconds)
    )
    return {"id": row.id, **next_task(session, user, task.project, TaskKind(task.assignment.kind))}
