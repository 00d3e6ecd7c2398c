"""A ranking: one labeler's order of the completions of a comparison, best tier first, ties within a tier."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base
from app.models.columns import Created, Id, Json, JsonList, ProjectId, UserId

if TYPE_CHECKING:
    from app.models.completion import Comparison
    from app.models.user import User


class Ranking(Base):
    __tablename__ = "rankings"
    __table_args__ = (
        UniqueConstraint("user_id", "idempotency_key"),
        UniqueConstraint("user_id", "comparison_id"),
        Index("ix_rankings_project_id_id", "project_id", "id"),
    )

    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    comparison_id: Mapped[int] = mapped_column(ForeignKey("comparisons.id", ondelete="CASCADE"), index=True)
    round_id: Mapped[int | None] = mapped_column(ForeignKey("rounds.id"), index=True)
    assignment_id: Mapped[int] = mapped_column(ForeignKey("assignments.id"), unique=True)
    user_id: Mapped[UserId]
    idempotency_key: Mapped[UUID]
    tiers: Mapped[JsonList]  # [[completion id, ...], ...]
    ratings: Mapped[Json]  # completion id -> {"overall": 1..7, "flags": [...]}
    comment: Mapped[str | None] = mapped_column(Text)
    order_shown: Mapped[JsonList]
    guideline_version: Mapped[int]
    seconds: Mapped[float]
    source: Mapped[str] = mapped_column(String(20), server_default="labeler")  # labeler, edit
    simulated: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[Created]

    comparison: Mapped[Comparison] = relationship(lazy="raise")
    user: Mapped[User] = relationship(lazy="raise")
