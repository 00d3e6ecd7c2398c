"""A checkpoint: a model in the artifacts folder, what it came from, and how it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base
from app.models.columns import CheckpointKind, Created, Id, Json, ProjectId, one_of

if TYPE_CHECKING:
    from app.models.snapshot import Snapshot


class Checkpoint(Base):
    __tablename__ = "checkpoints"
    __table_args__ = (
        UniqueConstraint("job_id"),
        Index("ix_checkpoints_project_id_id", "project_id", "id"),
        one_of("kind", CheckpointKind),
    )

    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    kind: Mapped[str] = mapped_column(String(16))
    path: Mapped[str] = mapped_column(Text)  # folder, or hub id of a base model
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("checkpoints.id"), index=True)
    reward_model_id: Mapped[int | None] = mapped_column(ForeignKey("checkpoints.id"))  # what it was optimised against
    snapshot_id: Mapped[int | None] = mapped_column(ForeignKey("snapshots.id"), index=True)
    pretraining_set_id: Mapped[int | None] = mapped_column(ForeignKey("pretraining_sets.id"), index=True)
    round_id: Mapped[int | None] = mapped_column(ForeignKey("rounds.id"), index=True)
    job_id: Mapped[int | None] = mapped_column(ForeignKey("jobs.id"))
    config: Mapped[Json]
    metrics: Mapped[Json]
    files: Mapped[Json]  # name -> {"sha256", "bytes"}
    created_at: Mapped[Created]

    parent: Mapped[Checkpoint | None] = relationship(
        lazy="raise", remote_side="Checkpoint.id", foreign_keys=[parent_id]
    )
    snapshot: Mapped[Snapshot | None] = relationship(lazy="raise")
