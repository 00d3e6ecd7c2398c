"""A labeler's way through a qualification: begin, topics, practice with feedback, the test, the result.

Every page works as plain forms; static/js/qualifications/item.js adds keys and keeps drafts on the server.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request
from fastapi.responses import HTMLResponse, Response
from starlette.datastructures import FormData

from app.errors import Conflict, Invalid
from app.models import Project
from app.models.columns import AttemptState
from app.pages import render
from app.routes.forms import read_form, see_other
from app.routes.qualification_pages import (
    address_after,
    item_address,
    next_address,
    render_attempt,
    render_item,
    render_result,
    render_start,
)
from app.routes.qualification_sheets import answer_from_form, make_feedback, make_sheet, said_so_far, shown_answer
from app.security import CurrentUser, SessionDep
from app.services import projects, qualification_attempts

router = APIRouter()


@router.get("/projects/{slug}/qualification")
def show_start(request: Request, session: SessionDep, user: CurrentUser, slug: str) -> HTMLResponse:
    return render_start(request, session, user, projects.get_project(session, slug))


@router.post("/projects/{slug}/qualification")
def begin(request: Request, session: SessionDep, user: CurrentUser, slug: str) -> Response:
    """A new attempt, or the one that is under way."""
    project = projects.get_project(session, slug)
    try:
        attempt = qualification_attempts.begin_attempt(session, project, user)
    except Conflict as error:
        return render_start(request, session, user, project, error.detail)
    return see_other(next_address(qualification_attempts.load_sitting(session, attempt.id, user)))


@router.get("/qualification-attempts/{attempt_id}")
def show_attempt(request: Request, session: SessionDep, user: CurrentUser, attempt_id: int) -> Response:
    """How far she is, or how it went."""
    sitting = qualification_attempts.load_sitting(session, attempt_id, user)
    if sitting.attempt.state == AttemptState.IN_PROGRESS:
        return render_attempt(request, session, sitting)
    return render_result(request, session, user, sitting)


@router.get("/qualification-attempts/{attempt_id}/topics")
def show_topics(request: Request, session: SessionDep, user: CurrentUser, attempt_id: int) -> Response:
    sitting = qualification_attempts.load_sitting(session, attempt_id, user)
    project = session.get_one(Project, sitting.attempt.project_id)
    return render(request, "qualifications/topics.html", project=project, sitting=sitting)


@router.post("/qualification-attempts/{attempt_id}/topics")
def state_topics(
    session: SessionDep, user: CurrentUser, attempt_id: int, form: Annotated[FormData, Depends(read_form)]
) -> Response:
    topics = [str(topic) for topic in form.getlist("topic")]
    return see_other(next_address(qualification_attempts.state_topics(session, attempt_id, user, topics)))


@router.get("/qualification-attempts/{attempt_id}/items/{number}")
def show_item(
    request: Request, session: SessionDep, user: CurrentUser, attempt_id: int, number: int, again: bool = False
) -> Response:
    """The question; a practice item that is answered shows the feedback, or with `again` an empty sheet."""
    sitting = qualification_attempts.load_sitting(session, attempt_id, user)
    if sitting.attempt.state != AttemptState.IN_PROGRESS:
        return see_other(f"/qualification-attempts/{attempt_id}")
    question = qualification_attempts.find_question(sitting, number)
    if not question.practice and any(one.practice and not one.answered for one in sitting.questions):
        return see_other(f"/qualification-attempts/{attempt_id}")
    flags = sitting.qualification.flags
    drafted = question.answer is not None and isinstance(question.answer.draft, dict)
    sheet = make_sheet(question, flags, said_so_far(question) if drafted or not again else {})
    if question.practice and not again and question.answer is not None and question.answer.answer is not None:
        sheet = make_sheet(question, flags, shown_answer(question, question.answer.answer))
        sheet.feedback = make_feedback(question, flags, question.answer.answer)
    return render_item(request, session, sitting, question, sheet)


@router.post("/qualification-attempts/{attempt_id}/items/{number}")
def answer_item(
    request: Request,
    session: SessionDep,
    user: CurrentUser,
    attempt_id: int,
    number: int,
    form: Annotated[FormData, Depends(read_form)],
) -> Response:
    """Practice: back to the item, which now shows the feedback. Test: on to the next one."""
    sitting = qualification_attempts.load_sitting(session, attempt_id, user)
    question = qualification_attempts.find_question(sitting, number)
    said = answer_from_form(question.item, form)
    try:
        with session.begin_nested():
            qualification_attempts.give_answer(session, attempt_id, user, number, said)
    except Invalid as error:
        sheet = make_sheet(question, sitting.qualification.flags, said)
        return render_item(request, session, sitting, question, sheet, error.detail)
    if question.practice:
        return see_other(item_address(attempt_id, number))
    return see_other(address_after(sitting, question))


@router.put("/qualification-attempts/{attempt_id}/items/{number}/draft")
def put_draft(
    session: SessionDep, user: CurrentUser, attempt_id: int, number: int, draft: Annotated[Any, Body()]
) -> dict[str, Any]:
    """What the page holds by now. There is no lease, so nothing to hold longer."""
    saved_at = qualification_attempts.keep_draft(session, attempt_id, user, number, draft)
    return {"saved_at": saved_at, "expires_at": None}


@router.post("/qualification-attempts/{attempt_id}/send")
def send(request: Request, session: SessionDep, user: CurrentUser, attempt_id: int) -> Response:
    try:
        qualification_attempts.submit_attempt(session, attempt_id, user)
    except Conflict as error:
        sitting = qualification_attempts.load_sitting(session, attempt_id, user)
        if sitting.attempt.state != AttemptState.IN_PROGRESS:
            raise
        return render_attempt(request, session, sitting, error.detail)
    return see_other(f"/qualification-attempts/{attempt_id}")
