"""A report: somebody who was asked about a prompt says that something is wrong with it. An admin decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base
from app.models.columns import Created, Id, Moment, ProjectId, ReportReason, ReportResolution, one_of

if TYPE_CHECKING:
    from app.models.prompt import Prompt
    from app.models.user import User


class PromptReport(Base):
    __tablename__ = "prompt_reports"
    __table_args__ = (
        # The same words of the same person are one report as long as nobody has answered it.
        Index(
            "uq_prompt_reports_open",
            "prompt_id",
            "reporter_id",
            "reason",
            unique=True,
            postgresql_where=text("resolved_at IS NULL"),
        ),
        Index(
            "ix_prompt_reports_project_id_open", "project_id", "prompt_id", postgresql_where=text("resolved_at IS NULL")
        ),
        Index("ix_prompt_reports_project_id_id", "project_id", "id"),
        CheckConstraint("(resolved_at IS NULL) = (resolution IS NULL)", name="resolved_with_resolution"),
        one_of("reason", ReportReason),
        one_of("resolution", ReportResolution),
    )

    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompts.id", ondelete="CASCADE"))
    assignment_id: Mapped[int | None] = mapped_column(ForeignKey("assignments.id", ondelete="SET NULL"))
    reporter_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str] = mapped_column(String(12))
    note: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[Created]
    resolved_at: Mapped[Moment | None]
    resolved_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    resolution: Mapped[str | None] = mapped_column(String(8))
    resolution_note: Mapped[str | None] = mapped_column(Text)

    prompt: Mapped[Prompt] = relationship(lazy="raise")
    reporter: Mapped[User] = relationship(lazy="raise", foreign_keys=[reporter_id])
    resolved_by: Mapped[User | None] = relationship(lazy="raise", foreign_keys=[resolved_by_id])
