"""A revision: what a label said before its labeler changed it, took it back or restored it. Appended, never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base
from app.models.columns import Created, Id, Json, RevisionKind, UserId, one_of

if TYPE_CHECKING:
    from app.models.user import User


class Revision(Base):
    __tablename__ = "revisions"
    __table_args__ = (
        CheckConstraint("(demonstration_id IS NULL) <> (ranking_id IS NULL)", name="one_label"),
        Index("ix_revisions_demonstration_id_id", "demonstration_id", "id"),
        Index("ix_revisions_ranking_id_id", "ranking_id", "id"),
        one_of("kind", RevisionKind),
    )

    id: Mapped[Id]
    demonstration_id: Mapped[int | None] = mapped_column(ForeignKey("demonstrations.id", ondelete="CASCADE"))
    ranking_id: Mapped[int | None] = mapped_column(ForeignKey("rankings.id", ondelete="CASCADE"))
    number: Mapped[int]  # the label's `revision` at that time: the one that `content` was
    content: Mapped[Json]  # what the label said until then, by the names of its columns (CONTENT)
    kind: Mapped[str] = mapped_column(String(16))
    user_id: Mapped[UserId]  # who did it: the labeler, or an admin
    created_at: Mapped[Created]

    user: Mapped[User] = relationship(lazy="raise")
