"""What labelers made of a qualification: attempts with their figures, blind ratings, grants."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import Field

from app.errors import Forbidden
from app.models import QualificationAttempt, QualificationGrant, User
from app.models.columns import AttemptState, GrantKind, LabelerGroup, Role
from app.routes.api.qualification_attempts import FigureOut, figures_out
from app.routes.api.router import api_router
from app.routes.api.shapes import BIGGEST, ItemId, Message, Request, Slug, Stored
from app.security import RANK, SessionDep, TokenAdmin, TokenReader, TokenUser, reserved_for
from app.services import projects, qualification_grants, qualification_ratings, users

router = api_router("qualification reviews")


def require_rater(user: TokenUser) -> User:
    """Whoever may judge: a rating is a judgment, so it takes the scope of labels, and the role of a researcher."""
    if RANK[user.role] < RANK[Role.RESEARCHER]:
        raise Forbidden(reserved_for(Role.RESEARCHER))
    return user


Rater = Annotated[User, Depends(require_rater, scope="function")]


class ReviewedAttempt(Stored):
    """An attempt of somebody, in figures."""

    id: int = Field(examples=[5])
    username: str = Field(examples=["marta"])
    name: str
    group: LabelerGroup
    version: int
    state: AttemptState
    topics: list[str] | None
    figures: list[FigureOut] | None
    reason: str | None
    started_at: datetime
    submitted_at: datetime | None
    decided_at: datetime | None


class AttemptList(Stored):
    attempts: list[ReviewedAttempt] = Field(description="Newest first, 50 at most; `before` turns the page.")


class WaitingOut(Stored):
    """A demonstration that waits for your rating. Whose it is is not told."""

    answer_id: int = Field(examples=[31])
    messages: list[Message]
    text: str
    explanation: str = Field(description="What a good answer does.")


class RatingIn(Request):
    rating: int = Field(ge=1, le=7, description="1 worse than no answer, 7 glad to get it.", examples=[6])


class RatedOut(Stored):
    state: AttemptState = Field(description="Of the attempt, by now.")


class ReasonIn(Request):
    reason: str = Field(max_length=500, examples=["Has worked on the pilot."])


class GrantIn(ReasonIn):
    """What a labeler is allowed."""

    username: str = Field(max_length=64, examples=["marta"])
    kind: GrantKind = Field(description="exemption: work without a pass; attempt: one more.")


class GrantOut(Stored):
    id: int = Field(examples=[2])
    username: str
    kind: GrantKind
    reason: str
    created_at: datetime
    revoked_at: datetime | None
    revoke_reason: str | None


def _attempt_out(attempt: QualificationAttempt) -> ReviewedAttempt:
    return ReviewedAttempt(
        id=attempt.id,
        username=attempt.user.username,
        name=attempt.user.name,
        group=LabelerGroup(attempt.user.labeler_group),
        version=attempt.qualification.version,
        state=AttemptState(attempt.state),
        topics=attempt.topics,
        figures=figures_out(attempt.figures),
        reason=attempt.reason,
        started_at=attempt.started_at,
        submitted_at=attempt.submitted_at,
        decided_at=attempt.decided_at,
    )


def _grant_out(grant: QualificationGrant) -> GrantOut:
    values: dict[str, Any] = {name: getattr(grant, name) for name in GrantOut.model_fields if name != "username"}
    return GrantOut(username=grant.user.username, **values)


@router.get("/projects/{project}/qualification-attempts")
def list_attempts(
    session: SessionDep,
    user: TokenReader,
    project: Slug,
    before: Annotated[int | None, Query(ge=1, le=BIGGEST)] = None,
    state: AttemptState | None = None,
) -> AttemptList:
    """Who tried, and how it went."""
    found = projects.get_project(session, project)
    listed = qualification_grants.list_attempts(session, found.id, before, state)
    return AttemptList(attempts=[_attempt_out(attempt) for attempt in listed])


@router.post("/qualification-attempts/{attempt_id}/withdraw")
def withdraw_attempt(session: SessionDep, user: TokenAdmin, attempt_id: ItemId, body: ReasonIn) -> ReviewedAttempt:
    """Let an attempt count for nothing, a pass too."""
    return _attempt_out(qualification_grants.withdraw_attempt(session, attempt_id, user, body.reason))


@router.get("/projects/{project}/qualification-ratings")
def list_waiting(session: SessionDep, user: TokenReader, project: Slug) -> list[WaitingOut]:
    """Demonstrations that you have not rated yet, mixed, without whose they are."""
    found = projects.get_project(session, project)
    return [
        WaitingOut(
            answer_id=one.answer_id,
            messages=[Message(**message) for message in one.item.messages],
            text=one.text,
            explanation=one.item.explanation,
        )
        for one in qualification_ratings.list_waiting(session, found.id, user)
    ]


@router.put("/qualification-answers/{answer_id}/rating")
def rate(session: SessionDep, user: Rater, answer_id: ItemId, body: RatingIn) -> RatedOut:
    """Rate a demonstration, as a researcher or admin; another rating replaces yours until the attempt is decided."""
    attempt = qualification_ratings.rate_demonstration(session, answer_id, user, body.rating)
    return RatedOut(state=AttemptState(attempt.state))


@router.get("/projects/{project}/qualification-grants")
def list_grants(session: SessionDep, user: TokenReader, project: Slug) -> list[GrantOut]:
    """Exemptions and further attempts, newest first, revoked ones among them."""
    found = projects.get_project(session, project)
    return [_grant_out(grant) for grant in qualification_grants.list_grants(session, found.id)]


@router.post("/projects/{project}/qualification-grants", status_code=201)
def grant(session: SessionDep, user: TokenAdmin, project: Slug, body: GrantIn) -> GrantOut:
    """Let a labeler work without a pass, or try once more."""
    person = users.find_user(session, body.username)
    found = projects.get_project(session, project)
    made = qualification_grants.grant(session, found, person, body.kind, body.reason, user)
    return _grant_out(made)


@router.post("/qualification-grants/{grant_id}/revoke")
def revoke(session: SessionDep, user: TokenAdmin, grant_id: ItemId, body: ReasonIn) -> GrantOut:
    """Take it back."""
    return _grant_out(qualification_grants.revoke_grant(session, grant_id, user, body.reason))
