"""Review pages: the next review, two labels side by side, an order of one's own; and what researchers see of all.

Hold, draft, skip and release go to the addresses of the task (routes/labeling.py). An order of one's own is made on
the ranking page, with /reviews/ID/order for /assignments/ID.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Body, Depends, Form, Header, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from app.errors import Conflict, Invalid
from app.models import Project, Review, User
from app.pages import render
from app.routes.forms import read_form, see_other
from app.routes.labeling import asked_of, task_page
from app.routes.review_pages import review_page
from app.routes.submissions import SubmissionIn, content_sent
from app.routes.task_pages import ranking_from_form
from app.rules.label_schemas import Fields
from app.rules.reviews import Week
from app.security import Admin, CurrentUser, Researcher, SessionDep
from app.services import adjudication, assignments, guidelines, label_schemas, projects, reviews
from app.services.adjudication import ReviewCounts
from app.services.rankings import RankingDraft
from app.services.reviews import Decision, ReviewTask
from app.translation import gettext as _

router = APIRouter()


class DecisionIn(BaseModel):
    """A decision as the page's script sends it."""

    choice: str = ""
    comment: str = ""
    seen: str = ""
    seconds: float | None = None


@dataclass
class ReviewsPage:
    project: Project
    reviews: Sequence[Review]
    done: bool
    more: str
    counts: ReviewCounts
    weeks: list[Week]
    adjudicators: list[User]
    candidates: list[User]
    waiting_for_me: int


@router.get("/projects/{slug}/review")
def start_reviewing(request: Request, session: SessionDep, user: CurrentUser, slug: str) -> HTMLResponse:
    project = projects.get_project(session, slug)
    reviews.require_reviewer(session, project, user)
    return render(
        request,
        "reviews/start.html",
        project=project,
        waiting=reviews.count_waiting(session, project, user),
        undoable=reviews.find_undoable(session, project.id, user),
    )


@router.post("/projects/{slug}/review")
def claim_review(session: SessionDep, user: CurrentUser, slug: str) -> Response:
    return see_other(next_review_url(session, user, projects.get_project(session, slug)))


def next_review_url(session: Session, user: User, project: Project) -> str:
    """Where her next review is, claimed here and now."""
    review = reviews.claim_review(session, project, user)
    return f"/reviews/{review.id}" if review else f"/projects/{project.slug}/review"


@router.get("/reviews/{review_id}")
def show_review(
    request: Request, session: SessionDep, user: CurrentUser, review_id: int, reported: bool = False
) -> HTMLResponse:
    task = reviews.load_review(session, review_id, user)
    held = task.task.assignment
    if held.submitted_at is not None or held.skipped_at is not None:
        undoable = reviews.find_undoable(session, task.task.project.id, user)
        return render(request, "reviews/closed.html", project=task.task.project, task=task, undoable=undoable)
    return _render_review(request, session, user, task, reported=reported)


@router.post("/reviews/{review_id}/submission", status_code=201)
def submit_decision(
    session: SessionDep,
    user: CurrentUser,
    review_id: int,
    body: DecisionIn,
    idempotency_key: Annotated[UUID, Header()],
) -> dict[str, Any]:
    """Store the decision, claim the next review, and say where it is."""
    decision = Decision(body.choice, body.comment, seen=_seen(body.seen))
    review = reviews.decide_review(session, review_id, user, idempotency_key, decision, body.seconds)
    return {"id": review.id, "next": next_review_url(session, user, session.get_one(Project, review.project_id))}


@router.post("/reviews/{review_id}/send")
def send_decision(
    request: Request,
    session: SessionDep,
    user: CurrentUser,
    review_id: int,
    choice: Annotated[str, Form(max_length=10)] = "",
    comment: Annotated[str, Form(max_length=100_000)] = "",
    seen: Annotated[str, Form(max_length=40)] = "",
    key: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """The same without scripts. With an order of her own she goes on to the ranking page; her reason comes along."""
    task = reviews.load_review(session, review_id, user)
    comment = comment.replace("\r\n", "\n")
    if choice == "own":
        kept = task.task.assignment.draft if isinstance(task.task.assignment.draft, dict) else {}
        assignments.save_draft(session, task.task.assignment.id, user, {**kept, "choice": choice, "comment": comment})
        return see_other(f"/reviews/{review_id}/order")
    try:
        reviews.decide_review(session, review_id, user, _key(key), Decision(choice, comment, seen=_seen(seen)))
    except Invalid as error:
        return _render_review(request, session, user, task, choice, comment, _key(key), error.detail)
    return see_other(next_review_url(session, user, task.task.project))


@router.post("/reviews/{review_id}/undo")
def undo_review(session: SessionDep, user: CurrentUser, review_id: int) -> Response:
    reviews.undo_review(session, review_id, user)
    return see_other(f"/reviews/{review_id}")


@router.get("/reviews/{review_id}/order")
def show_order(request: Request, session: SessionDep, user: CurrentUser, review_id: int) -> Response:
    task = reviews.load_review(session, review_id, user)
    if task.task.assignment.submitted_at is not None or task.task.assignment.skipped_at is not None:
        return see_other(f"/reviews/{review_id}")
    return _render_order(request, session, user, task)


@router.put("/reviews/{review_id}/order/draft")
def put_order(session: SessionDep, user: CurrentUser, review_id: int, draft: Annotated[Any, Body()]) -> dict[str, Any]:
    task = reviews.load_review(session, review_id, user)
    kept = {**draft, "choice": "own"} if isinstance(draft, dict) else draft
    saved_at = assignments.save_draft(session, task.task.assignment.id, user, kept)
    return {"saved_at": saved_at, "expires_at": task.task.assignment.expires_at}


@router.post("/reviews/{review_id}/order/submission", status_code=201)
def submit_order(
    session: SessionDep,
    user: CurrentUser,
    review_id: int,
    label: SubmissionIn,
    idempotency_key: Annotated[UUID, Header()],
) -> dict[str, Any]:
    order = content_sent(label)
    if not isinstance(order, RankingDraft):
        raise Invalid(_("A review takes an order of the responses."))
    review = _decide_own(session, user, review_id, idempotency_key, order, label.seconds)
    return {"id": review.id, "next": next_review_url(session, user, session.get_one(Project, review.project_id))}


@router.post("/reviews/{review_id}/order/send")
def send_order(
    request: Request,
    session: SessionDep,
    user: CurrentUser,
    review_id: int,
    form: Annotated[FormData, Depends(read_form)],
) -> Response:
    """The same without scripts; a refused form comes back with its sentence and with everything that was in it."""
    task, key = reviews.load_review(session, review_id, user), _key(str(form.get("key", "")))
    try:
        order = ranking_from_form(task.task, asked_of(session, task.task), form)
        _decide_own(session, user, review_id, key, order, None)
    except Invalid as error:
        return _render_order(request, session, user, task, form=form, key=key, problem=error.detail)
    return see_other(next_review_url(session, user, task.task.project))


@router.get("/projects/{slug}/reviews")
def list_reviews(
    request: Request,
    session: SessionDep,
    user: Researcher,
    slug: str,
    state: Literal["waiting", "done"] = "waiting",
    before: Annotated[int | None, Query(ge=1)] = None,
) -> HTMLResponse:
    project, done = projects.get_project(session, slug), state == "done"
    listed = adjudication.list_reviews(session, project, done=done, before=before)
    page = ReviewsPage(
        project=project,
        reviews=listed,
        done=done,
        more=f"?state={state}&before={listed[-1].id}" if len(listed) == adjudication.PAGE else "",
        counts=adjudication.count_reviews(session, project),
        weeks=adjudication.agreement_by_week(session, project),
        adjudicators=adjudication.list_adjudicators(session, project),
        candidates=adjudication.list_candidates(session, project),
        waiting_for_me=reviews.count_waiting(session, project, user),
    )
    return render(request, "reviews/list.html", page)


@router.post("/projects/{slug}/adjudicators")
def add_adjudicator(session: SessionDep, user: Admin, slug: str, user_id: Annotated[int, Form()]) -> Response:
    adjudication.add_adjudicator(session, projects.get_project(session, slug), user_id, user)
    return see_other(f"/projects/{slug}/reviews")


@router.post("/projects/{slug}/adjudicators/{user_id}/remove")
def remove_adjudicator(session: SessionDep, user: Admin, slug: str, user_id: int) -> Response:
    adjudication.remove_adjudicator(session, projects.get_project(session, slug), user_id, user)
    return see_other(f"/projects/{slug}/reviews")


def asked_by_version(session: Session, task: ReviewTask) -> dict[int, Fields]:
    """What the two labels were asked."""
    found = {label.schema_version for label in (task.x, task.y)}
    return {
        version: label_schemas.fields_of(label_schemas.get_schema(session, task.task.project.id, version))
        for version in found
    }


def _decide_own(
    session: Session, user: User, review_id: int, key: UUID, order: RankingDraft, seconds: float | None
) -> Review:
    return reviews.decide_review(session, review_id, user, key, Decision("own", order.comment or "", order), seconds)


def _render_review(
    request: Request,
    session: Session,
    user: User,
    task: ReviewTask,
    choice: str | None = None,
    comment: str | None = None,
    key: UUID | None = None,
    problem: str | None = None,
    reported: bool = False,
) -> HTMLResponse:
    project = task.task.project
    guideline = guidelines.get_guideline(session, project.id, task.task.assignment.guideline_version)
    asked = asked_by_version(session, task)
    page = review_page(task, guideline, asked, choice=choice, comment=comment, key=key, problem=problem)
    undoable = reviews.find_undoable(session, project.id, user)
    status = 422 if problem else 200
    return render(request, "reviews/review.html", page, undoable_review=undoable, reported=reported, status=status)


def _render_order(
    request: Request,
    session: Session,
    user: User,
    task: ReviewTask,
    *,
    form: FormData | None = None,
    key: UUID | None = None,
    problem: str | None = None,
) -> HTMLResponse:
    page = task_page(request, session, user, task.task, form=form, key=key, problem=problem)
    page.heading, page.at, page.undoable = _("Your own order"), f"/reviews/{task.review.id}/order", None
    return render(request, page.template, page, review_id=task.review.id, status=422 if problem else 200)


def _seen(text: str) -> tuple[int, int] | None:
    one, dot, other = text.partition(".")
    if not text:
        return None
    if not (dot and one.isdecimal() and other.isdecimal() and len(text) < 20):
        raise Conflict(_("This page is out of date. Load it again; what you wrote is kept."))
    return int(one), int(other)


def _key(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return uuid4()
