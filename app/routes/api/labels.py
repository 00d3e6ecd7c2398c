"""Labels and where they went: from a demonstration or a ranking to the checkpoints it reached, and the way back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import Field

from app.models import Demonstration, Ranking
from app.routes.api.router import api_router
from app.routes.api.shapes import BIGGEST, CheckpointOut, ItemId, SnapshotOut, Stored
from app.security import SessionDep, TokenReader
from app.services import checkpoints, snapshots

router = api_router("lineage")


class LabelOut(Stored):
    """A label: a demonstration has `text`, a ranking `tiers` and `ratings`."""

    id: int
    kind: str = Field(description="demonstration or ranking.")
    prompt_id: int | None = None
    comparison_id: int | None = None
    text: str | None = None
    turns: list[dict[str, str]] | None = Field(None, description="The further turns of a chat.")
    sources: list[dict[str, str]] | None = None
    pasted_share: float | None = None
    warnings: list[str] | None = None
    edited_completion_id: UUID | None = Field(None, description="The response that it betters.")
    tiers: list[list[str]] | None = None
    ratings: dict[str, Any] | None = None
    comment: str | None = None
    guideline_version: int | None = None
    source: str = Field(description="labeler, edit, import or starter.")
    simulated: bool
    revision: int = Field(description="1 as first sent; each edit adds one.", examples=[1])
    withdrawn_at: datetime | None = Field(None, description="While set, no training, export or count knows of it.")
    created_at: datetime


class ReachOut(Stored):
    """The snapshots that hold a label, and the checkpoints that learned from one."""

    label: LabelOut
    snapshots: list[SnapshotOut]
    checkpoints: list[CheckpointOut]


SHARED = ("id", "guideline_version", "source", "simulated", "revision", "withdrawn_at", "created_at")
DEMONSTRATION = ("prompt_id", "text", "turns", "sources", "pasted_share", "warnings", "edited_completion_id")


def label_members(label: Demonstration | Ranking) -> dict[str, Any]:
    kind, own = (
        ("demonstration", DEMONSTRATION)
        if isinstance(label, Demonstration)
        else ("ranking", ("comparison_id", "tiers", "ratings", "comment"))
    )
    return {"kind": kind, **{name: getattr(label, name) for name in SHARED + own}}


def _label_out(label: Demonstration | Ranking) -> LabelOut:
    return LabelOut(**label_members(label))


def _reach(session: SessionDep, kind: str, label_id: int) -> ReachOut:
    reach = checkpoints.label_reach(session, kind, label_id)
    return ReachOut(
        label=_label_out(reach.label),
        snapshots=[SnapshotOut.model_validate(snapshot) for snapshot in reach.snapshots],
        checkpoints=[CheckpointOut.model_validate(checkpoint) for checkpoint in reach.checkpoints],
    )


@router.get("/demonstrations/{demonstration_id}/lineage")
def show_demonstration_reach(session: SessionDep, user: TokenReader, demonstration_id: ItemId) -> ReachOut:
    """The checkpoints that a demonstration reached."""
    return _reach(session, "demonstration", demonstration_id)


@router.get("/rankings/{ranking_id}/lineage")
def show_ranking_reach(session: SessionDep, user: TokenReader, ranking_id: ItemId) -> ReachOut:
    """The checkpoints that a ranking reached."""
    return _reach(session, "ranking", ranking_id)


@router.get("/snapshots/{snapshot_id}")
def show_snapshot(session: SessionDep, user: TokenReader, snapshot_id: ItemId) -> SnapshotOut:
    """One frozen set of labels."""
    return SnapshotOut.model_validate(snapshots.get_snapshot(session, snapshot_id))


@router.get("/snapshots/{snapshot_id}/labels")
def list_snapshot_labels(
    session: SessionDep,
    user: TokenReader,
    snapshot_id: ItemId,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Annotated[int, Query(ge=0, le=BIGGEST, description="Id of the last label of the page before.")] = 0,
) -> list[LabelOut]:
    """The labels of a snapshot, by id, a page at a time."""
    snapshot = snapshots.get_snapshot(session, snapshot_id)
    return [_label_out(label) for label in checkpoints.snapshot_labels(session, snapshot, limit, after)]
