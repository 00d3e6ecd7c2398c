"""A labeler's way through a qualification: begin, topics, practice with feedback, the test, the result.

Every page works as plain forms; static/js/qualifications/item.js adds keys and keeps drafts on the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import APIRouter, Body, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from app.errors import Conflict, Invalid
from app.models import Project, Qualification, QualificationAttempt, User
from app.models.columns import AttemptState
from app.pages import render
from app.routes.labeling import read_form
from app.routes.qualification_sheets import (
    Sheet,
    answer_from_form,
    make_feedback,
    make_sheet,
    said_so_far,
    shown_answer,
)
from app.rules import qualifications as rules
from app.rules.qualifications import Figure, Standing
from app.security import CurrentUser, SessionDep
from app.services import projects, qualification_attempts, qualifications
from app.services.qualification_attempts import Question, Sitting

router = APIRouter()


@dataclass
class StartPage:
    """What the qualification of a project asks of her, and where she stands."""

    project: Project
    qualification: Qualification | None
    standing: Standing
    left: int | None
    free: bool
    attempts: list[QualificationAttempt]
    counts: dict[str, int]  # part -> items of the test
    practice: int
    problem: str | None


@dataclass
class AttemptPage:
    """An attempt under way: what is done, what comes next."""

    project: Project
    sitting: Sitting
    next: str | None  # the address of what she has not done yet
    practice: list[Question]
    test: list[Question]
    problem: str | None


@dataclass
class ItemPage:
    project: Project
    qualification: Qualification
    sheet: Sheet
    at: str  # address of the item; drafts go below it
    attempt_at: str
    stage_number: int
    steps: list[Step]
    next: str
    last: bool
    saved_at: str
    problem: str | None
    preview: bool = False


@dataclass
class Step:
    """One mark of the row that shows how far she is."""

    number: int
    href: str | None
    done: bool
    now: bool


@dataclass
class ResultPage:
    project: Project
    attempt: QualificationAttempt
    reason: str
    figures: list[Figure]
    may_begin: bool
    left: int | None
    free: bool


def see_other(url: str) -> RedirectResponse:
    return RedirectResponse(url, status_code=303)


@router.get("/projects/{slug}/qualification")
def show_start(request: Request, session: SessionDep, user: CurrentUser, slug: str) -> HTMLResponse:
    return _start_page(request, session, user, projects.get_project(session, slug))


@router.post("/projects/{slug}/qualification")
def begin(request: Request, session: SessionDep, user: CurrentUser, slug: str) -> Response:
    """A new attempt, or the one that is under way."""
    project = projects.get_project(session, slug)
    try:
        attempt = qualification_attempts.begin_attempt(session, project, user)
    except Conflict as error:
        return _start_page(request, session, user, project, error.detail)
    return see_other(_next_address(qualification_attempts.load_sitting(session, attempt.id, user)))


@router.get("/qualification-attempts/{attempt_id}")
def show_attempt(request: Request, session: SessionDep, user: CurrentUser, attempt_id: int) -> Response:
    """How far she is, or how it went."""
    sitting = qualification_attempts.load_sitting(session, attempt_id, user)
    if sitting.attempt.state == AttemptState.IN_PROGRESS:
        return _attempt_page(request, session, sitting)
    return _result_page(request, session, user, sitting)


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
    return see_other(_next_address(qualification_attempts.state_topics(session, attempt_id, user, topics)))


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
    return _item_page(request, session, sitting, question, sheet)


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
        return _item_page(request, session, sitting, question, sheet, error.detail)
    if question.practice:
        return see_other(_item_address(attempt_id, number))
    return see_other(_after(sitting, question))


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
        return _attempt_page(request, session, sitting, error.detail)
    return see_other(f"/qualification-attempts/{attempt_id}")


def _item_address(attempt_id: int, number: int) -> str:
    return f"/qualification-attempts/{attempt_id}/items/{number}"


def _next_address(sitting: Sitting) -> str:
    """What she has not done yet. Between practice and test, and before she sends, the overview."""
    at = f"/qualification-attempts/{sitting.attempt.id}"
    if sitting.attempt.state != AttemptState.IN_PROGRESS:
        return at
    if sitting.asks_topics:
        return f"{at}/topics"
    first = next(iter(sitting.unanswered), None)
    begun = any(question.answered for question in sitting.questions)
    if first is None or (not first.practice and not begun and sitting.questions[0].practice):
        return at
    return _item_address(sitting.attempt.id, first.number)


def _after(sitting: Sitting, question: Question) -> str:
    """After an item: the next one of its stage, else the overview."""
    following = sitting.questions[question.number :]
    if following and following[0].practice == question.practice:
        return _item_address(sitting.attempt.id, following[0].number)
    return f"/qualification-attempts/{sitting.attempt.id}"


def _start_page(
    request: Request, session: Session, user: User, project: Project, problem: str | None = None
) -> HTMLResponse:
    standing = qualifications.find_standing(session, project, user)
    qualification = qualifications.qualification_in_force(session, project)
    items = qualification.items if qualification else []
    counts = {part: sum(i.kind == part and i.stage == "test" for i in items) for part in rules.PARTS}
    page = StartPage(
        project=project,
        qualification=qualification,
        standing=standing,
        left=rules.attempts_left(standing),
        free=rules.may_work(standing),
        attempts=list(qualification_attempts.own_attempts(session, project.id, user)),
        counts=counts,
        practice=sum(item.stage == "practice" for item in items),
        problem=problem,
    )
    return render(request, "qualifications/start.html", page, status=409 if problem else 200)


def _attempt_page(request: Request, session: Session, sitting: Sitting, problem: str | None = None) -> HTMLResponse:
    first = next(iter(sitting.unanswered), None)
    upcoming = _item_address(sitting.attempt.id, first.number) if first else None
    page = AttemptPage(
        project=session.get_one(Project, sitting.attempt.project_id),
        sitting=sitting,
        next=f"/qualification-attempts/{sitting.attempt.id}/topics" if sitting.asks_topics else upcoming,
        practice=[question for question in sitting.questions if question.practice],
        test=[question for question in sitting.questions if not question.practice],
        problem=problem,
    )
    return render(request, "qualifications/attempt.html", page, status=409 if problem else 200)


def _item_page(
    request: Request,
    session: Session,
    sitting: Sitting,
    question: Question,
    sheet: Sheet,
    problem: str | None = None,
) -> HTMLResponse:
    attempt_id = sitting.attempt.id
    stage = [one for one in sitting.questions if one.practice == question.practice]
    row = question.answer
    moments = [at for at in (row.draft_saved_at, row.answered_at) if at] if row else []
    upcoming = _after(sitting, question)
    page = ItemPage(
        project=session.get_one(Project, sitting.attempt.project_id),
        qualification=sitting.qualification,
        sheet=sheet,
        at=_item_address(attempt_id, question.number),
        attempt_at=f"/qualification-attempts/{attempt_id}",
        stage_number=1 + [one.number for one in stage].index(question.number),
        steps=[
            Step(one.number, _item_address(attempt_id, one.number), one.answered, one.number == question.number)
            for one in stage
        ],
        next=upcoming,
        last=not upcoming.startswith(f"/qualification-attempts/{attempt_id}/items"),
        saved_at=max(moments).isoformat() if moments else "",
        problem=problem,
    )
    return render(request, "qualifications/item.html", page, status=422 if problem else 200)


def _result_page(request: Request, session: Session, user: User, sitting: Sitting) -> HTMLResponse:
    project = session.get_one(Project, sitting.attempt.project_id)
    standing = qualifications.find_standing(session, project, user)
    page = ResultPage(
        project=project,
        attempt=sitting.attempt,
        reason=reason_shown(sitting.attempt),
        figures=figures_shown(sitting.attempt),
        may_begin=rules.begin_problem(standing) is None,
        left=rules.attempts_left(standing),
        free=rules.may_work(standing),
    )
    return render(request, "qualifications/result.html", page)


def reason_shown(attempt: QualificationAttempt) -> str:
    """Why it stands as it does, in the language of this request: from the stored figures, or what withdrew it."""
    if attempt.state == AttemptState.WITHDRAWN or not attempt.figures:
        return rules.retell(attempt.reason)
    return rules.decide([cast(Figure, figure) for figure in attempt.figures]).reason


def figures_shown(attempt: QualificationAttempt) -> list[Any]:
    """The stored figures, each with its value and cut-off in words and the share of the bar that they fill."""
    shown = []
    for figure in attempt.figures or []:
        top = rules.HIGHEST_RATING if figure["part"] == rules.DEMONSTRATION else 1
        words = {name: rules.value_words(figure["part"], figure[name]) for name in ("value", "cutoff")}
        name, note = rules.part_name(figure["part"]), rules.retell(figure["note"])
        shown.append({**figure, "words": words, "name": name, "note": note, "top": top})
    return shown
