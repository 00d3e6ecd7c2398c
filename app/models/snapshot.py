"""A snapshot: the exact labels that a training read, frozen before it began."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base
from app.models.columns import Created, Id, Json, ProjectId


class Snapshot(Base):
    __tablename__ = "snapshots"

    id: Mapped[Id]
    project_id: Mapped[ProjectId] = mapped_column(index=True)
    round_id: Mapped[int | None] = mapped_column(ForeignKey("rounds.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))  # demonstration, ranking
    rows: Mapped[int]  # those of people and of a model
    ai_rows: Mapped[int] = mapped_column(server_default="0")  # of these a model's
    counted: Mapped[int]  # rows that count towards a threshold: all but the ones the starter ships
    sha256: Mapped[str] = mapped_column(String(64))  # of the native JSONL export of these rows
    files: Mapped[Json]  # name -> {"path", "sha256", "rows"}; under the artifacts folder
    created_at: Mapped[Created]


class SnapshotItem(Base):
    """A label in a snapshot: the row that lineage walks, both ways."""

    __tablename__ = "snapshot_items"
    __table_args__ = (
        CheckConstraint("num_nonnulls(demonstration_id, ranking_id, ai_label_id) = 1", name="one_label"),
        Index(
            "uq_snapshot_items_demonstration",
            "snapshot_id",
            "demonstration_id",
            unique=True,
            postgresql_where=text("demonstration_id IS NOT NULL"),
        ),
        Index(
            "uq_snapshot_items_ranking",
            "snapshot_id",
            "ranking_id",
            unique=True,
            postgresql_where=text("ranking_id IS NOT NULL"),
        ),
        Index(
            "uq_snapshot_items_ai_label",
            "snapshot_id",
            "ai_label_id",
            unique=True,
            postgresql_where=text("ai_label_id IS NOT NULL"),
        ),
    )

    id: Mapped[Id]
    snapshot_id: Mapped[int] = mapped_column(ForeignKey("snapshots.id", ondelete="CASCADE"))
    demonstration_id: Mapped[int | None] = mapped_column(ForeignKey("demonstrations.id"), index=True)
    ranking_id: Mapped[int | None] = mapped_column(ForeignKey("rankings.id"), index=True)
    ai_label_id: Mapped[int | None] = mapped_column(ForeignKey("ai_labels.id"), index=True)
