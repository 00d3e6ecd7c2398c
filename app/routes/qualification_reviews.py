"""What labelers made of a qualification, for those who run the project: attempts, blind ratings, grants.

A labeler's own pages are routes/qualification_attempts.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from app.errors import AppError, Conflict, Invalid
from app.models import Project, QualificationAttempt, QualificationGrant, QualificationRating, User
from app.models.columns import AttemptState, GrantKind
from app.pages import render
from app.routes.forms import read_form, see_other
from app.routes.qualification_pages import figures_shown, reason_shown
from app.routes.qualification_sheets import Feedback, make_feedback, make_sheet
from app.rules import qualifications as rules
from app.rules.qualifications import Figure
from app.security import Admin, Researcher, SessionDep
from app.services import (
    projects,
    qualification_attempts,
    qualification_grants,
    qualification_ratings,
    qualifications,
    users,
)
from app.services.qualification_attempts import Question, Sitting
from app.services.qualification_ratings import Waiting
from app.services.qualifications import Version

router = APIRouter()


@dataclass
class OverviewPage:
    """The qualification of a project: what is in force, who tried and how it went."""

    project: Project
    versions: list[Version]
    counts: dict[str, int]
    attempts: Sequence[QualificationAttempt]
    figures: dict[int, list[Any]]  # attempt id -> its figures
    more: str
    waiting: int
    grants: Sequence[QualificationGrant]
    labelers: Sequence[User]
    kinds: list[GrantKind]
    typed: dict[str, str]
    problem: str | None


@dataclass
class RatePage:
    project: Project
    one: Waiting | None
    waiting: int
    turns: Any
    rated: bool
    problem: str | None


@dataclass
class ReviewPage:
    """Somebody's attempt, for researchers. A text that she may still rate blindly is held back."""

    project: Project
    sitting: Sitting
    why: str  # it stands as it does
    figures: list[Figure]
    answers: list[tuple[Question, Feedback | None, list[QualificationRating] | None]]
    problem: str | None
    reason: str  # as typed, to withdraw it


@router.get("/projects/{slug}/qualifications")
def show_overview(
    request: Request,
    session: SessionDep,
    user: Researcher,
    slug: str,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> HTMLResponse:
    return _overview(request, session, user, projects.get_project(session, slug), before=before)


@router.get("/qualification-attempts/{attempt_id}/review")
def show_review(request: Request, session: SessionDep, user: Researcher, attempt_id: int) -> HTMLResponse:
    """Somebody's answers beside the gold ones."""
    return _review_page(request, session, user, qualification_attempts.load_sitting(session, attempt_id, None))


@router.post("/qualification-attempts/{attempt_id}/withdraw")
def withdraw(
    request: Request,
    session: SessionDep,
    user: Admin,
    attempt_id: int,
    form: Annotated[FormData, Depends(read_form)],
) -> Response:
    reason = str(form.get("reason", ""))
    try:
        attempt = qualification_grants.withdraw_attempt(session, attempt_id, user, reason)
    except Invalid as error:
        sitting = qualification_attempts.load_sitting(session, attempt_id, None)
        return _review_page(request, session, user, sitting, error.detail, reason)
    project = session.get_one(Project, attempt.project_id)
    return see_other(f"/projects/{project.slug}/qualifications")


@router.post("/projects/{slug}/qualification-grants")
def grant(
    request: Request, session: SessionDep, user: Admin, slug: str, form: Annotated[FormData, Depends(read_form)]
) -> Response:
    project = projects.get_project(session, slug)
    typed = {name: str(form.get(name, "")) for name in ("username", "kind", "reason")}
    try:
        person = users.find_user(session, typed["username"])
        qualification_grants.grant(session, project, person, typed["kind"], typed["reason"], user)
    except AppError as error:
        return _overview(request, session, user, project, typed=typed, problem=error.detail)
    return see_other(f"/projects/{slug}/qualifications#grants")


@router.post("/qualification-grants/{grant_id}/revoke")
def revoke(
    request: Request, session: SessionDep, user: Admin, grant_id: int, form: Annotated[FormData, Depends(read_form)]
) -> Response:
    found = qualification_grants.revoke_grant(session, grant_id, user, str(form.get("reason", "")))
    return see_other(f"/projects/{session.get_one(Project, found.project_id).slug}/qualifications#grants")


@router.get("/projects/{slug}/qualifications/ratings")
def show_waiting(
    request: Request, session: SessionDep, user: Researcher, slug: str, rated: bool = False
) -> HTMLResponse:
    """One demonstration that waits, without its labeler."""
    return _rate_page(request, session, user, projects.get_project(session, slug), rated=rated)


@router.post("/qualification-answers/{answer_id}/rating")
def rate(
    request: Request,
    session: SessionDep,
    user: Researcher,
    answer_id: int,
    form: Annotated[FormData, Depends(read_form)],
) -> Response:
    answer = qualification_ratings.get_demonstration(session, answer_id)
    project = session.get_one(Project, answer.attempt.project_id)
    said = str(form.get("rating", ""))
    try:
        qualification_ratings.rate_demonstration(session, answer_id, user, int(said) if said.isdecimal() else 0)
    except (Invalid, Conflict) as error:
        return _rate_page(request, session, user, project, problem=error.detail)
    return see_other(f"/projects/{project.slug}/qualifications/ratings?rated=true")


def _overview(
    request: Request,
    session: Session,
    user: User,
    project: Project,
    *,
    before: int | None = None,
    typed: dict[str, str] | None = None,
    problem: str | None = None,
) -> HTMLResponse:
    attempts = qualification_grants.list_attempts(session, project.id, before)
    page = OverviewPage(
        project=project,
        versions=qualifications.list_versions(session, project.id),
        counts=qualification_grants.count_attempts(session, project.id),
        attempts=attempts,
        figures={attempt.id: figures_shown(attempt) for attempt in attempts},
        more=f"?before={attempts[-1].id}" if len(attempts) == qualification_grants.PAGE else "",
        waiting=qualification_ratings.count_waiting(session, project.id, user),
        grants=qualification_grants.list_grants(session, project.id),
        labelers=qualification_grants.list_labelers(session),
        kinds=list(GrantKind),
        typed=typed or {"username": "", "kind": GrantKind.EXEMPTION.value, "reason": ""},
        problem=problem,
    )
    return render(request, "qualifications/overview.html", page, status=422 if problem else 200)


def _rate_page(
    request: Request,
    session: Session,
    user: User,
    project: Project,
    *,
    rated: bool = False,
    problem: str | None = None,
) -> HTMLResponse:
    waiting = qualification_ratings.list_waiting(session, project.id, user)
    one = waiting[0] if waiting else None
    question = Question(1, one.item, [], None) if one else None
    page = RatePage(
        project=project,
        one=one,
        waiting=len(waiting),
        turns=make_sheet(question, [], {}).turns if question else [],
        rated=rated,
        problem=problem,
    )
    return render(request, "qualifications/rate.html", page, status=422 if problem else 200)


def _review_page(
    request: Request,
    session: Session,
    user: User,
    sitting: Sitting,
    problem: str | None = None,
    reason: str = "",
) -> HTMLResponse:
    attempt, flags = sitting.attempt, sitting.qualification.flags
    answers: list[tuple[Question, Feedback | None, list[QualificationRating] | None]] = []
    for question in sitting.questions:
        row = question.answer
        feedback = None
        if row is not None and row.answer is not None:
            feedback = make_feedback(question, flags, row.answer, own=False)
        ratings = row.ratings if row is not None and not _is_blind(attempt, question, user) else None
        answers.append((question, feedback, ratings))
    page = ReviewPage(
        project=session.get_one(Project, attempt.project_id),
        sitting=sitting,
        why=reason_shown(attempt),
        figures=figures_shown(attempt),
        answers=answers,
        problem=problem,
        reason=reason,
    )
    return render(request, "qualifications/review.html", page, status=422 if problem else 200)


def _is_blind(attempt: QualificationAttempt, question: Question, user: User) -> bool:
    """Whether this person may still be asked to rate the text: then it is not shown beside a name."""
    undecided = attempt.state in (AttemptState.IN_PROGRESS, AttemptState.WAITING)
    rated = question.answer is not None and any(rating.user_id == user.id for rating in question.answer.ratings)
    return undecided and question.item.kind == rules.DEMONSTRATION and not rated
