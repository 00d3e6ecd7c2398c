"""What you have sent, and changing it until a snapshot has frozen it: list, edit, withdraw, restore, revisions.

Your own labels take the scope `label`; other people's can be withdrawn, restored and looked up with the scope `admin`,
and edited by nobody else.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import Field
from sqlalchemy.orm import Session

from app.models import User
from app.models.columns import TaskKind
from app.routes.api.assignments import DemonstrationIn, RankingIn, ranking_draft
from app.routes.api.labels import LabelOut, label_members
from app.routes.api.router import api_router
from app.routes.api.shapes import BIGGEST, ItemId, Stored
from app.security import SessionDep, TokenUser, may_administer
from app.services import demonstrations, history, projects, rankings, revisions
from app.services.twins import Label

router = api_router("labels")


class SentOut(LabelOut):
    """A label with the task it was sent for, and what has frozen it."""

    assignment_id: int | None = Field(None, description="Its task; null for an import.", examples=[7])
    snapshot_id: int | None = Field(None, description="The snapshot that has frozen it; it can no longer be changed.")


class MineOut(SentOut):
    """One of your labels."""

    project: str = Field(examples=["village"])
    prompt_id: int | None = None
    better_text: str | None = Field(None, description="Of a better response: what you wrote. The label is its ranking.")
    state: str = Field(
        description="sent, frozen, reviewed, withdrawn, or taken back: a task of yours again.", examples=["sent"]
    )


class RevisionOut(Stored):
    """What a label said before something was done to it."""

    id: int
    number: int = Field(description="The revision of the label that this content was.", examples=[1])
    kind: str = Field(description="What was done: edited, withdrawn or restored.", examples=["edited"])
    content: dict[str, Any] = Field(examples=[{"text": "Old Marta.", "seconds": 41.5}])
    by: str = Field(description="The name of who did it.", examples=["Lena"])
    created_at: datetime


def _sent_out(session: Session, label: Label) -> SentOut:
    frozen = revisions.find_snapshots(session, [label]).get((revisions.kind_of(label), label.id))
    return SentOut(assignment_id=label.assignment_id, snapshot_id=frozen.id if frozen else None, **label_members(label))


def _revisions(session: Session, request: Request, user: User, kind: str, label_id: int) -> list[RevisionOut]:
    label = revisions.get_label(session, kind, label_id, user, anybodys=may_administer(request))
    return [
        RevisionOut(id=r.id, number=r.number, kind=r.kind, content=r.content, by=r.user.name, created_at=r.created_at)
        for r in revisions.list_revisions(session, label)
    ]


def _withdraw(session: Session, request: Request, user: User, kind: str, label_id: int) -> SentOut:
    label = revisions.lock_label(session, kind, label_id, user, anybodys=may_administer(request))
    return _sent_out(session, revisions.withdraw_label(session, label, user))


def _restore(session: Session, request: Request, user: User, kind: str, label_id: int) -> SentOut:
    label = revisions.lock_label(session, kind, label_id, user, anybodys=may_administer(request))
    return _sent_out(session, revisions.restore_label(session, label, user))


@router.get("/labels/mine")
def list_mine(
    session: SessionDep,
    user: TokenUser,
    project: Annotated[str | None, Query(max_length=64, description="Of this project only.")] = None,
    kind: TaskKind | None = None,
    before: Annotated[
        int | None, Query(ge=1, le=BIGGEST, description="`assignment_id` of the last label of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = history.PAGE,
) -> list[MineOut]:
    """What you have sent, withdrawn labels included, newest first, a page at a time.

    A better response stands there once: as its ranking, among the demonstrations.
    """
    chosen = projects.get_project(session, project) if project is not None else None
    return [
        MineOut(
            **label_members(entry.label)
            | {
                "project": entry.project.slug,
                "prompt_id": entry.prompt.id,
                "better_text": entry.answer.text if entry.answer else None,
                "state": entry.state,
                "assignment_id": entry.assignment.id,
                "snapshot_id": entry.snapshot.id if entry.snapshot else None,
            }
        )
        for entry in history.list_history(session, user, chosen, kind, before, limit)
    ]


@router.put("/rankings/{ranking_id}")
def edit_ranking(session: SessionDep, user: TokenUser, ranking_id: ItemId, body: RankingIn) -> SentOut:
    """Let your ranking say something else. The same content again changes nothing; 409 once a snapshot froze it."""
    return _sent_out(session, rankings.edit_ranking(session, ranking_id, user, ranking_draft(body), body.seconds))


@router.put("/demonstrations/{demonstration_id}")
def edit_demonstration(
    session: SessionDep, user: TokenUser, demonstration_id: ItemId, body: DemonstrationIn
) -> SentOut:
    """Let your answer say something else. The same content again changes nothing; 409 once a snapshot froze it."""
    label = demonstrations.edit_demonstration(session, demonstration_id, user, body.text, body.seconds, body.details())
    return _sent_out(session, label)


@router.post("/rankings/{ranking_id}/withdraw")
def withdraw_ranking(session: SessionDep, request: Request, user: TokenUser, ranking_id: ItemId) -> SentOut:
    """Take a ranking out of trainings, exports and counts; its task goes to somebody else."""
    return _withdraw(session, request, user, "ranking", ranking_id)


@router.post("/demonstrations/{demonstration_id}/withdraw")
def withdraw_demonstration(session: SessionDep, request: Request, user: TokenUser, demonstration_id: ItemId) -> SentOut:
    """Take a demonstration out of trainings, exports and counts; its task goes to somebody else."""
    return _withdraw(session, request, user, "demonstration", demonstration_id)


@router.post("/rankings/{ranking_id}/restore")
def restore_ranking(session: SessionDep, request: Request, user: TokenUser, ranking_id: ItemId) -> SentOut:
    """Let a withdrawn ranking count again; 409 when somebody else has its task by now."""
    return _restore(session, request, user, "ranking", ranking_id)


@router.post("/demonstrations/{demonstration_id}/restore")
def restore_demonstration(session: SessionDep, request: Request, user: TokenUser, demonstration_id: ItemId) -> SentOut:
    """Let a withdrawn demonstration count again; 409 when somebody else has its task by now."""
    return _restore(session, request, user, "demonstration", demonstration_id)


@router.get("/rankings/{ranking_id}/revisions")
def list_ranking_revisions(
    session: SessionDep, request: Request, user: TokenUser, ranking_id: ItemId
) -> list[RevisionOut]:
    """What a ranking said before, oldest first."""
    return _revisions(session, request, user, "ranking", ranking_id)


@router.get("/demonstrations/{demonstration_id}/revisions")
def list_demonstration_revisions(
    session: SessionDep, request: Request, user: TokenUser, demonstration_id: ItemId
) -> list[RevisionOut]:
    """What a demonstration said before, oldest first."""
    return _revisions(session, request, user, "demonstration", demonstration_id)
