"""A review: two labels of one comparison are looked at by a third person, who sees both blind and decides.

The labels stay as they are; `rankings.superseded_at` says which of them a decision has put aside. The reviewer's own
order is a ranking with the purpose 'review'. Who may review besides researchers and admins stands in `adjudicators`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base
from app.models.columns import Created, Id, Moment, ProjectId, ReviewCause, ReviewOutcome, one_of

if TYPE_CHECKING:
    from app.models.assignment import Slot
    from app.models.completion import Comparison
    from app.models.ranking import Ranking
    from app.models.user import User


class Review(Base):
    __tablename__ = "reviews"
    __table_args__ = (
        UniqueConstraint("slot_id"),
        # One of a comparison at a time; one that was called off is in nobody's way.
        Index("uq_reviews_comparison_id", "comparison_id", unique=True, postgresql_where=text("cancelled_at IS NULL")),
        Index("ix_reviews_project_id_id", "project_id", "id"),
        CheckConstraint("first_id < second_id", name="two_labels"),
        CheckConstraint("(decided_at IS NULL) = (outcome IS NULL)", name="decided_with_outcome"),
        CheckConstraint("(ranking_id IS NOT NULL) OR (outcome IS DISTINCT FROM 'own')", name="own_order"),
        one_of("cause", ReviewCause),
        one_of("outcome", ReviewOutcome),
    )

    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    comparison_id: Mapped[int] = mapped_column(ForeignKey("comparisons.id", ondelete="CASCADE"))
    slot_id: Mapped[int] = mapped_column(ForeignKey("slots.id", ondelete="CASCADE"))
    first_id: Mapped[int] = mapped_column(ForeignKey("rankings.id"), index=True)
    second_id: Mapped[int] = mapped_column(ForeignKey("rankings.id"), index=True)
    cause: Mapped[str] = mapped_column(String(12))
    disagreement: Mapped[float]  # of the two when the review was made; rules.reviews.disagreement
    created_at: Mapped[Created]
    cancelled_at: Mapped[Moment | None]  # a label of the two was withdrawn before anybody decided

    # What was decided; taken back by undo, which leaves its trace in the audit log.
    outcome: Mapped[str | None] = mapped_column(String(8))
    comment: Mapped[str | None] = mapped_column(Text)  # the labelers read it
    decided_at: Mapped[Moment | None]
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    idempotency_key: Mapped[UUID | None]
    seconds: Mapped[float | None]
    # What the reviewer saw: the first and the second label, as {"ranking", "revision"}, X before Y.
    labels_shown: Mapped[list[dict[str, int]] | None] = mapped_column(JSONB(none_as_null=True))
    ranking_id: Mapped[int | None] = mapped_column(ForeignKey("rankings.id"), unique=True)  # her own order

    slot: Mapped[Slot] = relationship(lazy="raise")
    comparison: Mapped[Comparison] = relationship(lazy="raise")
    first: Mapped[Ranking] = relationship(lazy="raise", foreign_keys=[first_id])
    second: Mapped[Ranking] = relationship(lazy="raise", foreign_keys=[second_id])
    decided_by: Mapped[User | None] = relationship(lazy="raise")


class Adjudicator(Base):
    """A labeler who may review the labels of a project."""

    __tablename__ = "adjudicators"

    project_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    created_at: Mapped[Created]

    user: Mapped[User] = relationship(lazy="raise")
