"""A demonstration: a labeler's own answer to a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, false
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base
from app.models.columns import Created, Id, Moment, ProjectId

if TYPE_CHECKING:
    from app.models.prompt import Prompt
    from app.models.user import User


class Demonstration(Base):
    __tablename__ = "demonstrations"
    __table_args__ = (
        UniqueConstraint("user_id", "idempotency_key"),
        Index("ix_demonstrations_project_id_id", "project_id", "id"),
        Index("ix_demonstrations_user_id_created_at", "user_id", "created_at", "assignment_id"),
    )

    # What the labeler says: what an edit replaces and a revision keeps (models/revision.py).
    CONTENT: ClassVar[tuple[str, ...]] = (
        "text",
        "turns",
        "sources",
        "pasted_share",
        "warnings",
        "seconds",
        "presentation",
    )

    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompts.id", ondelete="CASCADE"), index=True)
    assignment_id: Mapped[int | None] = mapped_column(ForeignKey("assignments.id"), unique=True)  # None for an import
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))  # None for an import
    idempotency_key: Mapped[UUID | None]
    text: Mapped[str] = mapped_column(Text)
    guideline_version: Mapped[int | None]
    seconds: Mapped[float | None]
    source: Mapped[str] = mapped_column(String(20), server_default="labeler")  # labeler, edit, import, starter
    # Null in the five below: not asked. An empty list: asked, and there was nothing.
    turns: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))  # [{"role", "content"}] after `text`
    sources: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))  # [{"url", "note"}]
    pasted_share: Mapped[float | None]  # of the characters, as her browser measured it; 0 to 1
    warnings: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))  # keys of rules/demonstrations.py
    presentation: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))  # rules/presentations.py
    edited_completion_id: Mapped[UUID | None] = mapped_column(ForeignKey("completions.id"), index=True)
    simulated: Mapped[bool] = mapped_column(server_default=false())
    revision: Mapped[int] = mapped_column(server_default="1")  # how often it has been said, edits included
    withdrawn_at: Mapped[Moment | None]  # while set, no training, export or count knows of it
    created_at: Mapped[Created]

    prompt: Mapped[Prompt] = relationship(lazy="raise")
    user: Mapped[User | None] = relationship(lazy="raise")
