"""Reviews: two labels of one task, blind, for somebody who decides; and what researchers see of all."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from app.models import Ranking, Review, User
from app.routes.api.assignments import CompletionOut, IdempotencyKey, PromptOut, RankingIn, Seconds, ranking_draft
from app.routes.api.router import api_router
from app.routes.api.shapes import BIGGEST, ItemId, Request, Slug, Stored
from app.rules import reviews as rules
from app.security import SessionDep, TokenAdmin, TokenReader, TokenUser
from app.services import adjudication, projects, reviews
from app.services.reviews import Decision, ReviewTask

router = api_router("reviews")

NOTHING_LEFT: dict[int | str, dict[str, Any]] = {204: {"description": "No review is left for you."}}


class LabelSeen(Stored):
    """One of the two labels. Nothing tells whose it is."""

    tiers: list[list[UUID]]
    ratings: dict[str, Any]
    prompt_flags: list[str]
    confidence: int | None
    comment: str | None
    order_shown: list[UUID] = Field(description="The responses as its labeler saw them: her letters, from A on.")
    revision: int
    schema_version: int


class PairOut(Stored):
    """Two responses that the labels put differently: which is better says X, and Y; null for a tie."""

    one: UUID
    other: UUID
    x: UUID | None
    y: UUID | None


class ReviewTaskOut(Stored):
    """A review that is yours until `expires_at`. Drafts, renewal, skip and release go to its assignment."""

    id: int = Field(examples=[4])
    assignment_id: int
    expires_at: datetime
    prompt: PromptOut
    completions: list[CompletionOut] = Field(description="In an order drawn for you.")
    x: LabelSeen
    y: LabelSeen
    disagreement: float = Field(description="0 for the same order, 1 for the reverse.", examples=[0.5])
    differing_pairs: list[PairOut]
    schema_version: int = Field(description="By which version an order of your own is asked.")
    draft: Any = None
    decided_at: datetime | None = None


class DecisionIn(Request):
    """What you decide."""

    choice: Literal["x", "y", "both", "own"] = Field(examples=["x"])
    comment: str = Field(
        max_length=rules.LONGEST_COMMENT, description="Why; the two labelers read it.", examples=["X answers it."]
    )
    order: RankingIn | None = Field(None, description="With `own`: a ranking as it is submitted, without `seconds`.")
    seen: tuple[int, int] | None = Field(
        None, description="Revisions of X and Y that you looked at; where one has changed since, 409."
    )
    seconds: Seconds = None


class DecisionOut(Stored):
    id: int = Field(examples=[4])


class ReviewOut(Stored):
    """A review as researchers see it."""

    id: int
    cause: str = Field(description="disagreement or sample.")
    disagreement: float
    first: int = Field(description="The earlier of the two rankings.", examples=[19])
    second: int = Field(examples=[23])
    outcome: str | None = Field(description="first, second, both or own; null while it waits.")
    ranking: int | None = Field(description="The reviewer's own order, which counts in place of both.")
    comment: str | None
    decided_by: str | None
    decided_at: datetime | None
    created_at: datetime


class WeekOut(Stored):
    start: date = Field(description="A Monday.")
    pairs: int = Field(description="Of labels that were compared.")
    agreement: float = Field(description="Share of response pairs that both put the same way.", examples=[0.73])


class AgreementOut(Stored):
    weeks: list[WeekOut] = Field(description="The last twelve, oldest first.")
    waiting: int
    outcomes: dict[str, int]


class AdjudicatorOut(Stored):
    id: int
    username: str
    name: str


@router.post("/projects/{project}/reviews/claim", response_model=ReviewTaskOut, responses=NOTHING_LEFT)
def claim_review(session: SessionDep, user: TokenUser, project: Slug) -> ReviewTaskOut | Response:
    """Claim the next review, or get the one you hold. 404 for those who may not review."""
    review = reviews.claim_review(session, projects.get_project(session, project), user)
    return Response(status_code=204) if review is None else _task_out(reviews.load_review(session, review.id, user))


@router.get("/reviews/{review_id}")
def show_review(session: SessionDep, user: TokenUser, review_id: ItemId) -> ReviewTaskOut:
    """A review of yours."""
    return _task_out(reviews.load_review(session, review_id, user))


@router.post("/reviews/{review_id}/decision", status_code=201)
def decide_review(
    session: SessionDep, user: TokenUser, review_id: ItemId, key: IdempotencyKey, body: DecisionIn
) -> DecisionOut:
    """Decide. The labels stay as they are; the one that is put aside neither trains nor counts any more."""
    order = ranking_draft(body.order) if body.order is not None else None
    if order is not None:
        order.comment = body.comment
    decision = Decision(body.choice, body.comment, order, body.seen)
    return DecisionOut(id=reviews.decide_review(session, review_id, user, key, decision, body.seconds).id)


@router.post("/reviews/{review_id}/undo")
def undo_review(session: SessionDep, user: TokenUser, review_id: ItemId) -> ReviewTaskOut:
    """Take your decision back; the review is yours again. 409 once a snapshot was frozen after it."""
    reviews.undo_review(session, review_id, user)
    return _task_out(reviews.load_review(session, review_id, user))


@router.get("/projects/{project}/reviews")
def list_reviews(
    session: SessionDep,
    user: TokenReader,
    project: Slug,
    state: Literal["waiting", "done"] = "waiting",
    before: Annotated[int | None, Query(ge=1, le=BIGGEST)] = None,
) -> list[ReviewOut]:
    """Reviews that wait or are done, newest first, 50 at a time."""
    found = projects.get_project(session, project)
    listed = adjudication.list_reviews(session, found, done=state == "done", before=before)
    return [_review_out(review) for review in listed]


@router.get("/projects/{project}/agreement")
def show_agreement(session: SessionDep, user: TokenReader, project: Slug) -> AgreementOut:
    """How far two labelers of one task agree, week by week, and what reviewers decided."""
    found = projects.get_project(session, project)
    counts = adjudication.count_reviews(session, found)
    weeks = [WeekOut.model_validate(week) for week in adjudication.agreement_by_week(session, found)]
    return AgreementOut(weeks=weeks, waiting=counts.waiting, outcomes=counts.outcomes)


@router.get("/projects/{project}/adjudicators")
def list_adjudicators(session: SessionDep, user: TokenReader, project: Slug) -> list[AdjudicatorOut]:
    """The labelers who may review; researchers and admins may anyway."""
    found = projects.get_project(session, project)
    return [AdjudicatorOut.model_validate(each) for each in adjudication.list_adjudicators(session, found)]


@router.put("/projects/{project}/adjudicators/{user_id}", status_code=204)
def add_adjudicator(session: SessionDep, user: TokenAdmin, project: Slug, user_id: ItemId) -> None:
    """Let a labeler review. Nobody reviews a label of her own."""
    adjudication.add_adjudicator(session, projects.get_project(session, project), user_id, user)


@router.delete("/projects/{project}/adjudicators/{user_id}", status_code=204)
def remove_adjudicator(session: SessionDep, user: TokenAdmin, project: Slug, user_id: ItemId) -> None:
    """Let her review no more; what she has decided stands."""
    adjudication.remove_adjudicator(session, projects.get_project(session, project), user_id, user)


def _task_out(task: ReviewTask) -> ReviewTaskOut:
    held = task.task.assignment
    pairs = rules.differing_pairs(task.x.tiers, task.y.tiers, held.order_shown)
    return ReviewTaskOut(
        id=task.review.id,
        assignment_id=held.id,
        expires_at=held.expires_at,
        prompt=PromptOut.model_validate(task.task.prompt),
        completions=[CompletionOut.model_validate(completion) for completion in task.task.completions],
        x=_label_out(task.x),
        y=_label_out(task.y),
        disagreement=rules.disagreement(task.x.tiers, task.y.tiers),
        differing_pairs=[
            PairOut.model_validate({"one": pair.one, "other": pair.other, "x": pair.first, "y": pair.second})
            for pair in pairs
        ],
        schema_version=held.schema_version,
        draft=held.draft,
        decided_at=task.review.decided_at,
    )


def _label_out(label: Ranking) -> LabelSeen:
    return LabelSeen.model_validate(label)


def _review_out(review: Review) -> ReviewOut:
    by: User | None = review.decided_by
    return ReviewOut(
        id=review.id,
        cause=review.cause,
        disagreement=review.disagreement,
        first=review.first_id,
        second=review.second_id,
        outcome=review.outcome,
        ranking=review.ranking_id,
        comment=review.comment,
        decided_by=by.username if by else None,
        decided_at=review.decided_at,
        created_at=review.created_at,
    )
