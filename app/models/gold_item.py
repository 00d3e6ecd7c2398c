"""A gold item: a comparison whose right answer is known, given to labelers as if it were a task like the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base
from app.models.columns import Created, Id, Json, JsonList, ProjectId, UserId

if TYPE_CHECKING:
    from app.models.completion import Comparison
    from app.models.user import User


class GoldItem(Base):
    __tablename__ = "gold_items"
    __table_args__ = (UniqueConstraint("comparison_id"),)

    id: Mapped[Id]
    project_id: Mapped[ProjectId] = mapped_column(index=True)
    comparison_id: Mapped[int] = mapped_column(ForeignKey("comparisons.id", ondelete="CASCADE"))
    tiers: Mapped[JsonList]  # [[completion id, ...], ...]; a tie says that either order is right
    ratings: Mapped[Json]  # completion id -> [lowest, highest] overall rating that is accepted
    flags: Mapped[Json]  # completion id -> {"must": [...], "must_not": [...]}
    explanation: Mapped[str] = mapped_column(Text, server_default="")  # Markdown, for the labeler afterwards
    created_by_id: Mapped[UserId]  # she is never given the item
    created_at: Mapped[Created]

    comparison: Mapped[Comparison] = relationship(lazy="raise")
    created_by: Mapped[User] = relationship(lazy="raise")
