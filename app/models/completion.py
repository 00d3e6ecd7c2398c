"""Completions sampled from a policy, or written by a labeler to better one, and comparisons: K of them shown together.

A completion's id is random, so that it tells a labeler nothing of the policy that wrote it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base
from app.models.columns import Created, Id, Json, ProjectId

if TYPE_CHECKING:
    from app.models.checkpoint import Checkpoint
    from app.models.prompt import Prompt


class Comparison(Base):
    __tablename__ = "comparisons"
    __table_args__ = (UniqueConstraint("job_id", "prompt_id"),)

    id: Mapped[Id]
    project_id: Mapped[ProjectId] = mapped_column(index=True)
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompts.id", ondelete="CASCADE"), index=True)
    round_id: Mapped[int | None] = mapped_column(ForeignKey("rounds.id"), index=True)
    job_id: Mapped[int | None] = mapped_column(ForeignKey("jobs.id"))
    created_at: Mapped[Created]

    prompt: Mapped[Prompt] = relationship(lazy="raise")
    completions: Mapped[list[Completion]] = relationship(
        lazy="raise", back_populates="comparison", order_by="Completion.id"
    )


class Completion(Base):
    __tablename__ = "completions"
    __table_args__ = (
        UniqueConstraint("job_id", "prompt_id", "checkpoint_id", "sample_index"),
        Index("ix_completions_comparison_id", "comparison_id"),
        CheckConstraint("(checkpoint_id IS NULL) = (author_id IS NOT NULL)", name="one_writer"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    comparison_id: Mapped[int] = mapped_column(ForeignKey("comparisons.id", ondelete="CASCADE"))
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompts.id", ondelete="CASCADE"))
    checkpoint_id: Mapped[int | None] = mapped_column(ForeignKey("checkpoints.id"), index=True)  # the policy, or else
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))  # the labeler who wrote it
    # In the comparison of an edit: the completion that this one repeats or betters.
    original_id: Mapped[UUID | None] = mapped_column(ForeignKey("completions.id"), index=True)
    job_id: Mapped[int | None] = mapped_column(ForeignKey("jobs.id"))
    sample_index: Mapped[int]
    text: Mapped[str] = mapped_column(Text)
    sampling: Mapped[Json]  # temperature, top_k, top_p, max_new_tokens; empty for an edit
    seed: Mapped[int] = mapped_column(BigInteger)
    finish_reason: Mapped[str] = mapped_column(String(10))
    tokens: Mapped[int]
    logprob: Mapped[float | None]

    comparison: Mapped[Comparison] = relationship(lazy="raise", back_populates="completions")
    checkpoint: Mapped[Checkpoint | None] = relationship(lazy="raise")
