"""Slots and assignments: exact overlap by rows.

A task (a prompt to answer, a comparison to rank) has as many slots as the project wants labelers. Claiming locks one
open slot and leases it to a labeler; the assignment is her side of it and keeps her draft in any case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, false, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base
from app.models.columns import Created, Id, JsonList, Moment, ProjectId, Purpose, SlotKind, UserId, one_of

if TYPE_CHECKING:
    from app.models.completion import Comparison
    from app.models.prompt import Prompt


class Slot(Base):
    """One place for one label on one task."""

    __tablename__ = "slots"
    __table_args__ = (
        CheckConstraint("(kind <> 'demonstration') = (comparison_id IS NOT NULL)", name="task_matches_kind"),
        UniqueConstraint("comparison_id", "ordinal"),
        Index(
            "uq_slots_prompt_id_ordinal",
            "prompt_id",
            "ordinal",
            unique=True,
            postgresql_where=text("kind = 'demonstration'"),
        ),
        Index(
            "ix_slots_open",
            "project_id",
            "kind",
            text("(- priority)"),
            "id",
            postgresql_where=text("submitted_at IS NULL AND closed_at IS NULL AND reserved_for_id IS NULL"),
        ),
        Index(
            "ix_slots_reserved",
            "reserved_for_id",
            "project_id",
            "kind",
            text("(- priority)"),
            "id",
            postgresql_where=text("submitted_at IS NULL AND closed_at IS NULL AND reserved_for_id IS NOT NULL"),
        ),
        one_of("kind", SlotKind),
        one_of("purpose", Purpose),
        {"postgresql_with": {"fillfactor": 80}},  # a lease changes no index if the page has room for the new version
    )

    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    kind: Mapped[str] = mapped_column(String(16))
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompts.id", ondelete="CASCADE"))
    comparison_id: Mapped[int | None] = mapped_column(ForeignKey("comparisons.id", ondelete="CASCADE"))
    ordinal: Mapped[int]  # 1 .. overlap; those that are not there for a label number on
    purpose: Mapped[str] = mapped_column(String(8), server_default="label")
    reserved_for_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))  # nobody else may have it
    priority: Mapped[int] = mapped_column(
        server_default="0"
    )  # higher first; a newer round's tasks come before older ones
    leased_until: Mapped[Moment | None]
    # Who has it, or had it last and may go on with it; None once she has skipped it.
    holder_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    submitted_at: Mapped[Moment | None]
    closed_at: Mapped[Moment | None]  # set when the round no longer wants the label

    prompt: Mapped[Prompt] = relationship(lazy="raise")
    comparison: Mapped[Comparison | None] = relationship(lazy="raise")


class Assignment(Base):
    """A labeler's hold on a slot, now or once. One row for a labeler and a slot, reused when she comes back to it."""

    __tablename__ = "assignments"
    __table_args__ = (
        UniqueConstraint("slot_id", "user_id"),
        Index(
            "uq_assignments_user_id_comparison_id",
            "user_id",
            "comparison_id",
            unique=True,
            postgresql_where=text("kind = 'ranking' AND purpose = 'label'"),
        ),
        Index(
            "uq_assignments_user_id_prompt_id",
            "user_id",
            "prompt_id",
            unique=True,
            postgresql_where=text("kind = 'demonstration' AND purpose = 'label'"),
        ),
        Index(
            "ix_assignments_user_id_open",
            "user_id",
            "project_id",
            "kind",
            text("expires_at DESC"),
            postgresql_where=text("submitted_at IS NULL AND skipped_at IS NULL"),
        ),
        Index(
            "ix_assignments_user_id_given",
            "user_id",
            "project_id",
            "id",
            postgresql_where=text("kind = 'ranking'"),
        ),
        Index(
            "ix_assignments_user_id_sent",
            "user_id",
            "project_id",
            "submitted_at",
            postgresql_where=text("submitted_at IS NOT NULL"),
        ),
        one_of("kind", SlotKind),
        one_of("purpose", Purpose),
    )

    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    slot_id: Mapped[int] = mapped_column(ForeignKey("slots.id", ondelete="CASCADE"))
    user_id: Mapped[UserId]
    kind: Mapped[str] = mapped_column(String(16))
    purpose: Mapped[str] = mapped_column(String(8), server_default="label")  # as the slot's
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompts.id", ondelete="CASCADE"))
    comparison_id: Mapped[int | None] = mapped_column(ForeignKey("comparisons.id", ondelete="CASCADE"))
    order_shown: Mapped[JsonList]  # completion ids as this labeler sees them
    guideline_version: Mapped[int]
    schema_version: Mapped[int] = mapped_column(server_default="1")  # which label schema it asks by
    ahead: Mapped[bool] = mapped_column(server_default=false())  # leased while she works on another; not shown yet
    draft: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    draft_saved_at: Mapped[Moment | None]
    claimed_at: Mapped[Created]
    expires_at: Mapped[Moment]
    submitted_at: Mapped[Moment | None]
    skipped_at: Mapped[Moment | None]
    skip_reason: Mapped[str | None] = mapped_column(String(500))

    slot: Mapped[Slot] = relationship(lazy="raise")
    prompt: Mapped[Prompt] = relationship(lazy="raise")


class QueuePlace(Base):
    """How far a labeler has come in a queue: of this priority, no open slot with a smaller id is for her any more.

    Saves a claim from walking past all that she has done. Deleting a row is always right; the next claim makes it anew.
    """

    __tablename__ = "queue_places"

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    project_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    priority: Mapped[int]
    slot_id: Mapped[int] = mapped_column(BigInteger)  # a place in the order, not a row: the slot may be gone
