"""Checkpoints and their lineage, both ways: what made a checkpoint, and which checkpoints a label reached."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.models import AILabel, Checkpoint, Demonstration, Job, PretrainingSet, Ranking, Round, Snapshot, SnapshotItem
from app.translation import gettext as _


@dataclass(frozen=True)
class Lineage:
    """All that a checkpoint came from."""

    checkpoint: Checkpoint
    ancestors: list[Checkpoint]  # parent first; reward models stand beside the policies they trained
    children: list[Checkpoint]
    snapshots: list[Snapshot]  # its own first, then those of its ancestors
    labels: int  # of people, in these snapshots, each label once
    ai_labels: int  # and of a model
    labelers: int
    pretraining_sets: list[PretrainingSet]  # that were mixed in, its own first
    round: Round | None
    job: Job | None


@dataclass(frozen=True)
class LabelReach:
    """Where a label went."""

    label: Demonstration | Ranking
    snapshots: list[Snapshot]
    checkpoints: list[Checkpoint]  # trained on one of the snapshots, or descended from one that was


def list_checkpoints(session: Session, project_id: int) -> list[Checkpoint]:
    return list(
        session.scalars(select(Checkpoint).where(Checkpoint.project_id == project_id).order_by(Checkpoint.id.desc()))
    )


def get_checkpoint(session: Session, checkpoint_id: int) -> Checkpoint:
    checkpoint = session.get(Checkpoint, checkpoint_id)
    if checkpoint is None:
        raise NotFound(_("There is no checkpoint %(id)s.") % {"id": checkpoint_id})
    return checkpoint


def checkpoint_lineage(session: Session, checkpoint: Checkpoint) -> Lineage:
    ancestors = _ancestors(session, checkpoint)
    snapshot_ids = [c.snapshot_id for c in [checkpoint, *ancestors] if c.snapshot_id is not None]
    found = {s.id: s for s in session.scalars(select(Snapshot).where(Snapshot.id.in_(snapshot_ids)))}
    snapshots = [found[snapshot_id] for snapshot_id in dict.fromkeys(snapshot_ids)]
    labels, labelers = _count_labels(session, snapshot_ids)
    ai_labels = select(func.count(SnapshotItem.ai_label_id.distinct())).where(
        SnapshotItem.snapshot_id.in_(snapshot_ids)
    )
    children = session.scalars(
        select(Checkpoint)
        .where((Checkpoint.parent_id == checkpoint.id) | (Checkpoint.reward_model_id == checkpoint.id))
        .order_by(Checkpoint.id)
    )
    return Lineage(
        checkpoint=checkpoint,
        ancestors=ancestors,
        children=list(children),
        snapshots=snapshots,
        labels=labels,
        ai_labels=session.scalar(ai_labels) or 0,
        labelers=labelers,
        pretraining_sets=_pretraining_sets(session, [checkpoint, *ancestors]),
        round=session.get(Round, checkpoint.round_id) if checkpoint.round_id else None,
        job=session.get(Job, checkpoint.job_id) if checkpoint.job_id else None,
    )


def _pretraining_sets(session: Session, chain: list[Checkpoint]) -> list[PretrainingSet]:
    """The pretraining text of these checkpoints, each version once."""
    ids = dict.fromkeys(each.pretraining_set_id for each in chain if each.pretraining_set_id is not None)
    return [session.get_one(PretrainingSet, set_id) for set_id in ids]


def snapshot_labels(
    session: Session, snapshot: Snapshot, limit: int = 100, after: int = 0
) -> list[Demonstration] | list[Ranking]:
    """A page of the labels of a snapshot, by id."""
    if snapshot.kind == "demonstration":
        demonstrations = (
            select(Demonstration)
            .join(SnapshotItem, SnapshotItem.demonstration_id == Demonstration.id)
            .where(SnapshotItem.snapshot_id == snapshot.id, Demonstration.id > after)
            .order_by(Demonstration.id)
            .limit(limit)
        )
        return list(session.scalars(demonstrations))
    rankings = (
        select(Ranking)
        .join(SnapshotItem, SnapshotItem.ranking_id == Ranking.id)
        .where(SnapshotItem.snapshot_id == snapshot.id, Ranking.id > after)
        .order_by(Ranking.id)
        .limit(limit)
    )
    return list(session.scalars(rankings))


def label_reach(session: Session, kind: str, label_id: int) -> LabelReach:
    """The snapshots that hold a label, and every checkpoint it reached directly or through an ancestor."""
    label: Demonstration | Ranking | None
    label = session.get(Demonstration, label_id) if kind == "demonstration" else session.get(Ranking, label_id)
    if label is None:
        sentence = (
            _("There is no demonstration %(id)s.") if kind == "demonstration" else _("There is no ranking %(id)s.")
        )
        raise NotFound(sentence % {"id": label_id})
    column = SnapshotItem.demonstration_id if kind == "demonstration" else SnapshotItem.ranking_id
    return LabelReach(label, *_reach(session, column == label_id))


def ai_label_reach(session: Session, label: AILabel) -> tuple[list[Snapshot], list[Checkpoint]]:
    """The same of a model's label."""
    return _reach(session, SnapshotItem.ai_label_id == label.id)


def items_of(snapshot_id: int) -> Select[int | None]:
    """The ids of the AI labels in a snapshot, for a condition."""
    return select(SnapshotItem.ai_label_id).where(SnapshotItem.snapshot_id == snapshot_id)


def _reach(session: Session, holds: ColumnElement[bool]) -> tuple[list[Snapshot], list[Checkpoint]]:
    """The snapshots with such an item, and the checkpoints trained on one of them or descended from one that was."""
    snapshots = list(
        session.scalars(
            select(Snapshot)
            .join(SnapshotItem, SnapshotItem.snapshot_id == Snapshot.id)
            .where(holds)
            .order_by(Snapshot.id)
        )
    )
    reached = (
        select(Checkpoint.id)
        .where(Checkpoint.snapshot_id.in_([s.id for s in snapshots]))
        .cte("reached", recursive=True)
    )
    reached = reached.union(
        select(Checkpoint.id).where(
            or_(Checkpoint.parent_id == reached.c.id, Checkpoint.reward_model_id == reached.c.id)
        )
    )
    checkpoints = session.scalars(
        select(Checkpoint).where(Checkpoint.id.in_(select(reached.c.id))).order_by(Checkpoint.id)
    )
    return snapshots, list(checkpoints)


def _ancestors(session: Session, checkpoint: Checkpoint) -> list[Checkpoint]:
    """Breadth first along parents and reward models; each once."""
    found: dict[int, Checkpoint] = {}
    waiting = [checkpoint]
    while waiting:
        ids = {i for c in waiting for i in (c.parent_id, c.reward_model_id) if i is not None} - set(found)
        waiting = list(session.scalars(select(Checkpoint).where(Checkpoint.id.in_(ids)).order_by(Checkpoint.id.desc())))
        found.update({c.id: c for c in waiting})
    return list(found.values())


def _count_labels(session: Session, snapshot_ids: list[int]) -> tuple[int, int]:
    items = SnapshotItem.snapshot_id.in_(snapshot_ids)
    counts = session.execute(
        select(
            func.count(SnapshotItem.demonstration_id.distinct()), func.count(SnapshotItem.ranking_id.distinct())
        ).where(items)
    ).one()
    people = (
        select(Demonstration.user_id)
        .join(SnapshotItem, SnapshotItem.demonstration_id == Demonstration.id)
        .where(items, Demonstration.user_id.is_not(None))
        .union(select(Ranking.user_id).join(SnapshotItem, SnapshotItem.ranking_id == Ranking.id).where(items))
        .subquery()
    )
    labelers = session.scalar(select(func.count()).select_from(people)) or 0
    return counts[0] + counts[1], labelers
