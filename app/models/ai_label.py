"""Labels that a model gave by a written constitution, and the constitution in its versions.

They have tables of their own, so that nothing that counts, measures or pays people can take one for a person's. Which
of them train is said in one place, services/ai_exports.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base
from app.models.columns import Created, Id, Json, ProjectId, TaskKind, one_of

if TYPE_CHECKING:
    from app.models.prompt import Prompt


class Constitution(Base):
    """One version of the principles by which a model labels: Markdown, one principle a line."""

    __tablename__ = "constitutions"
    __table_args__ = (UniqueConstraint("project_id", "version"),)

    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    version: Mapped[int]
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[Created]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))


class AILabel(Base):
    """A ranking or a demonstration by a model: which one, by which principles, in which job. It never changes."""

    __tablename__ = "ai_labels"
    __table_args__ = (
        one_of("kind", TaskKind),
        CheckConstraint(
            "(kind = 'ranking') = (comparison_id IS NOT NULL AND tiers IS NOT NULL)"
            " AND (kind = 'demonstration') = (text IS NOT NULL)",
            name="content_of_kind",
        ),
        Index("ix_ai_labels_project_id_kind_id", "project_id", "kind", "id"),
        Index("ix_ai_labels_prompt_id", "prompt_id", postgresql_where=text("kind = 'demonstration'")),
        Index("ix_ai_labels_comparison_id", "comparison_id", postgresql_where=text("comparison_id IS NOT NULL")),
        UniqueConstraint("job_id", "prompt_id", "comparison_id", postgresql_nulls_not_distinct=True),
    )

    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    kind: Mapped[str] = mapped_column(String(16))
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id"))
    judge_id: Mapped[int] = mapped_column(ForeignKey("checkpoints.id"), index=True)
    constitution_id: Mapped[int] = mapped_column(ForeignKey("constitutions.id"), index=True)
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompts.id", ondelete="CASCADE"))
    comparison_id: Mapped[int | None] = mapped_column(ForeignKey("comparisons.id", ondelete="CASCADE"))
    completion_id: Mapped[UUID | None] = mapped_column(ForeignKey("completions.id"))  # what a revision began with
    tiers: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))  # [[completion id, ...], ...]
    text: Mapped[str | None] = mapped_column(Text)
    # Of a ranking: principles, wins, win_probabilities, position. Of a revision: draft, steps.
    details: Mapped[Json]
    created_at: Mapped[Created]

    constitution: Mapped[Constitution] = relationship(lazy="raise")
    prompt: Mapped[Prompt] = relationship(lazy="raise")
