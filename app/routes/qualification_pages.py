"""The pages of a labeler's way through a qualification: what each shows, and where it leads on to.

Called by routes/qualification_attempts.py; researchers see items and figures as she does (routes/qualifications.py,
routes/qualification_reviews.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from fastapi import Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from app.models import Project, Qualification, QualificationAttempt, User
from app.models.columns import AttemptState
from app.pages import render
from app.routes.qualification_sheets import Sheet
from app.rules import qualifications as rules
from app.rules.qualifications import Figure, Standing
from app.services import qualification_attempts, qualification_standings, qualifications
from app.services.qualification_attempts import Question, Sitting


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


def item_address(attempt_id: int, number: int) -> str:
    return f"/qualification-attempts/{attempt_id}/items/{number}"


def next_address(sitting: Sitting) -> str:
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
    return item_address(sitting.attempt.id, first.number)


def address_after(sitting: Sitting, question: Question) -> str:
    """After an item: the next one of its stage, else the overview."""
    following = sitting.questions[question.number :]
    if following and following[0].practice == question.practice:
        return item_address(sitting.attempt.id, following[0].number)
    return f"/qualification-attempts/{sitting.attempt.id}"


def render_start(
    request: Request, session: Session, user: User, project: Project, problem: str | None = None
) -> HTMLResponse:
    standing = qualification_standings.find_standing(session, project, user)
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


def render_attempt(request: Request, session: Session, sitting: Sitting, problem: str | None = None) -> HTMLResponse:
    first = next(iter(sitting.unanswered), None)
    upcoming = item_address(sitting.attempt.id, first.number) if first else None
    page = AttemptPage(
        project=session.get_one(Project, sitting.attempt.project_id),
        sitting=sitting,
        next=f"/qualification-attempts/{sitting.attempt.id}/topics" if sitting.asks_topics else upcoming,
        practice=[question for question in sitting.questions if question.practice],
        test=[question for question in sitting.questions if not question.practice],
        problem=problem,
    )
    return render(request, "qualifications/attempt.html", page, status=409 if problem else 200)


def render_item(
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
    upcoming = address_after(sitting, question)
    page = ItemPage(
        project=session.get_one(Project, sitting.attempt.project_id),
        qualification=sitting.qualification,
        sheet=sheet,
        at=item_address(attempt_id, question.number),
        attempt_at=f"/qualification-attempts/{attempt_id}",
        stage_number=1 + [one.number for one in stage].index(question.number),
        steps=[
            Step(one.number, item_address(attempt_id, one.number), one.answered, one.number == question.number)
            for one in stage
        ],
        next=upcoming,
        last=not upcoming.startswith(f"/qualification-attempts/{attempt_id}/items"),
        saved_at=max(moments).isoformat() if moments else "",
        problem=problem,
    )
    return render(request, "qualifications/item.html", page, status=422 if problem else 200)


def render_result(request: Request, session: Session, user: User, sitting: Sitting) -> HTMLResponse:
    project = session.get_one(Project, sitting.attempt.project_id)
    standing = qualification_standings.find_standing(session, project, user)
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
