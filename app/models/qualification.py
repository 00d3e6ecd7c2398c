"""Qualifications: what a labeler passes before she works in a project, in versions, and how she did.

A project holds her to the version that `projects.qualification_id` names, if any. Once somebody has begun an attempt
at a version, its items stay as they are; attempts keep their version for good.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base
from app.models.columns import (
    AttemptState,
    Created,
    GrantKind,
    Id,
    JsonList,
    Moment,
    ProjectId,
    QualificationPart,
    QualificationStage,
    UserId,
    one_of,
)

if TYPE_CHECKING:
    from app.models.user import User


class Qualification(Base):
    """One version of a project's qualification. A cut-off that is null holds nobody back."""

    __tablename__ = "qualifications"
    __table_args__ = (
        UniqueConstraint("project_id", "version"),
        Index(
            "uq_qualifications_project_id_draft",
            "project_id",
            unique=True,
            postgresql_where=text("published_at IS NULL"),
        ),
        CheckConstraint("flags_cutoff BETWEEN 0 AND 1", name="flags_cutoff_share"),
        CheckConstraint("ranking_cutoff BETWEEN 0 AND 1", name="ranking_cutoff_share"),
        CheckConstraint("demonstration_cutoff BETWEEN 1 AND 7", name="demonstration_cutoff_rating"),
        CheckConstraint("attempts_allowed BETWEEN 1 AND 20", name="attempts_allowed_range"),
        CheckConstraint("ratings_needed BETWEEN 1 AND 5", name="ratings_needed_range"),
    )

    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    version: Mapped[int]
    title: Mapped[str] = mapped_column(String(120))
    introduction: Mapped[str] = mapped_column(Text)  # Markdown
    topics: Mapped[JsonList] = mapped_column(server_default=text("'[]'::jsonb"))  # she says which she can judge
    flags: Mapped[JsonList]  # [{"key", "label"}]: the boxes of every flags item
    flags_cutoff: Mapped[float | None]  # share of boxes set as in the gold answer
    ranking_cutoff: Mapped[float | None]  # share of pairs ordered as in the gold answer
    demonstration_cutoff: Mapped[float | None]  # mean rating of her demonstrations, 1 to 7
    ratings_needed: Mapped[int] = mapped_column(server_default="1")  # of each demonstration, by different people
    attempts_allowed: Mapped[int | None]  # null: as many as she likes
    exempts_held_out: Mapped[bool] = mapped_column(server_default=true())  # InstructGPT did not screen that group
    accepts_earlier: Mapped[bool] = mapped_column(server_default=true())  # passes of the version before still count
    least_version: Mapped[int | None]  # the oldest version whose passes count; known once it is published
    published_at: Mapped[Moment | None]  # until then a draft
    created_at: Mapped[Created]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))

    items: Mapped[list[QualificationItem]] = relationship(
        lazy="raise", order_by="QualificationItem.ordinal", viewonly=True
    )


class QualificationItem(Base):
    """One question. Practice items come first and are answered at once with the gold answer and its explanation."""

    __tablename__ = "qualification_items"
    __table_args__ = (
        UniqueConstraint("qualification_id", "ordinal", deferrable=True, initially="DEFERRED"),
        CheckConstraint("(kind = 'demonstration') = (gold IS NULL)", name="gold_matches_kind"),
        one_of("kind", QualificationPart),
        one_of("stage", QualificationStage),
    )

    id: Mapped[Id]
    qualification_id: Mapped[int] = mapped_column(ForeignKey("qualifications.id", ondelete="CASCADE"))
    ordinal: Mapped[int]  # 1, 2, ...: practice before test
    kind: Mapped[str] = mapped_column(String(16))
    stage: Mapped[str] = mapped_column(String(8))
    messages: Mapped[JsonList]  # as a prompt's
    responses: Mapped[JsonList]  # texts: one to flag, two to nine to rank, none to demonstrate
    # Keys of the flags that apply; or the rank of each response, ties alike. None for a demonstration: people rate it.
    gold: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    explanation: Mapped[str] = mapped_column(Text)  # Markdown, shown in practice


class QualificationAttempt(Base):
    """A labeler's try at one version."""

    __tablename__ = "qualification_attempts"
    __table_args__ = (
        Index("ix_qualification_attempts_project_id_user_id", "project_id", "user_id", "state"),
        Index("ix_qualification_attempts_qualification_id", "qualification_id"),
        Index(
            "uq_qualification_attempts_open",
            "user_id",
            "project_id",
            unique=True,
            postgresql_where=text("state IN ('in_progress', 'waiting')"),
        ),
        one_of("state", AttemptState),
    )

    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    qualification_id: Mapped[int] = mapped_column(ForeignKey("qualifications.id", ondelete="CASCADE"))
    user_id: Mapped[UserId]
    state: Mapped[str] = mapped_column(String(12), server_default="in_progress")
    topics: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))  # null: not said yet
    started_at: Mapped[Created]
    submitted_at: Mapped[Moment | None]
    decided_at: Mapped[Moment | None]
    figures: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))  # rules.qualifications.Figure by part
    reason: Mapped[str | None] = mapped_column(Text)  # the decision in words
    withdrawn_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))

    qualification: Mapped[Qualification] = relationship(lazy="raise")
    user: Mapped[User] = relationship(lazy="raise", foreign_keys="QualificationAttempt.user_id")
    answers: Mapped[list[QualificationAnswer]] = relationship(
        lazy="raise", back_populates="attempt", order_by="QualificationAnswer.item_id"
    )


class QualificationAnswer(Base):
    """What she says to one item: the draft as her page last kept it, and the answer that she gave."""

    __tablename__ = "qualification_answers"
    __table_args__ = (UniqueConstraint("attempt_id", "item_id"),)

    id: Mapped[Id]
    attempt_id: Mapped[int] = mapped_column(ForeignKey("qualification_attempts.id", ondelete="CASCADE"))
    item_id: Mapped[int] = mapped_column(ForeignKey("qualification_items.id", ondelete="CASCADE"), index=True)
    draft: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    draft_saved_at: Mapped[Moment | None]
    answer: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))  # {"flags"}, {"ranks"} or {"text"}
    answered_at: Mapped[Moment | None]
    tries: Mapped[int] = mapped_column(server_default="0")  # a practice item may be answered again
    points: Mapped[float | None]  # boxes or pairs in agreement, `out_of` so many; null for a demonstration
    out_of: Mapped[int | None]

    attempt: Mapped[QualificationAttempt] = relationship(lazy="raise", back_populates="answers")
    item: Mapped[QualificationItem] = relationship(lazy="raise")
    ratings: Mapped[list[QualificationRating]] = relationship(lazy="raise", order_by="QualificationRating.id")


class QualificationRating(Base):
    """What a researcher thinks of a demonstration, without knowing whose it is."""

    __tablename__ = "qualification_ratings"
    __table_args__ = (
        UniqueConstraint("answer_id", "user_id"),
        CheckConstraint("rating BETWEEN 1 AND 7", name="rating_range"),
    )

    id: Mapped[Id]
    answer_id: Mapped[int] = mapped_column(ForeignKey("qualification_answers.id", ondelete="CASCADE"))
    user_id: Mapped[UserId]
    rating: Mapped[int]
    created_at: Mapped[Created]


class QualificationGrant(Base):
    """What an admin allows one labeler of a project: to work without a pass, or to try once more."""

    __tablename__ = "qualification_grants"
    __table_args__ = (
        Index("ix_qualification_grants_project_id_user_id", "project_id", "user_id"),
        one_of("kind", GrantKind),
    )

    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    user_id: Mapped[UserId]
    kind: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str] = mapped_column(String(500))
    granted_by_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"))
    created_at: Mapped[Created]
    revoked_at: Mapped[Moment | None]
    revoked_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    revoke_reason: Mapped[str | None] = mapped_column(String(500))

    user: Mapped[User] = relationship(lazy="raise", foreign_keys="QualificationGrant.user_id")
    granted_by: Mapped[User] = relationship(lazy="raise", foreign_keys="QualificationGrant.granted_by_id")
