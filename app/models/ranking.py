"""A ranking: one labeler's order of the completions of a comparison, best tier first, ties within a tier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, false, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base
from app.models.columns import Created, Id, Json, JsonList, Moment, ProjectId, Purpose, UserId, one_of

if TYPE_CHECKING:
    from app.models.completion import Comparison
    from app.models.user import User


class Ranking(Base):
    __tablename__ = "rankings"
    __table_args__ = (
        UniqueConstraint("user_id", "idempotency_key"),
        Index(
            "uq_rankings_user_id_comparison_id",
            "user_id",
            "comparison_id",
            unique=True,
            postgresql_where=text("purpose = 'label'"),
        ),
        Index("ix_rankings_project_id_id", "project_id", "id"),
        Index("ix_rankings_user_id_created_at", "user_id", "created_at", "assignment_id"),
        CheckConstraint("confidence BETWEEN 1 AND 9", name="confidence_range"),
        one_of("purpose", Purpose),
    )

    # What the labeler says: what an edit replaces and a revision keeps (models/revision.py).
    CONTENT: ClassVar[tuple[str, ...]] = (
        "tiers",
        "ratings",
        "prompt_flags",
        "confidence",
        "comment",
        "seconds",
        "presentation",
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
    prompt_flags: Mapped[JsonList] = mapped_column(server_default=text("'[]'::jsonb"))
    confidence: Mapped[int | None]  # how sure she is of the order: 1 a guess, 5 fairly sure, 9 certain
    comment: Mapped[str | None] = mapped_column(Text)
    order_shown: Mapped[JsonList]
    guideline_version: Mapped[int]
    schema_version: Mapped[int] = mapped_column(server_default="1")
    seconds: Mapped[float]
    presentation: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))  # rules/presentations.py
    purpose: Mapped[str] = mapped_column(String(8), server_default="label")  # as the assignment's
    source: Mapped[str] = mapped_column(String(20), server_default="labeler")  # labeler, edit
    simulated: Mapped[bool] = mapped_column(server_default=false())
    revision: Mapped[int] = mapped_column(server_default="1")  # how often it has been said, edits included
    superseded_at: Mapped[Moment | None]  # a review decided against it: it stands, but no training or count takes it
    withdrawn_at: Mapped[Moment | None]  # while set, no training, export or count knows of it
    created_at: Mapped[Created]

    comparison: Mapped[Comparison] = relationship(lazy="raise")
    user: Mapped[User] = relationship(lazy="raise")
