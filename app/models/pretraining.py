"""Pretraining text of a project, in versions: what PPO-ptx mixes into the training of a policy (InstructGPT, 3.5)."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base
from app.models.columns import Created, Id, Moment, ProjectId


class PretrainingSet(Base):
    """One version: it never changes. The row stays for good; the texts of one that no training has read do not."""

    __tablename__ = "pretraining_sets"
    __table_args__ = (
        UniqueConstraint("project_id", "version"),
        # The one that the next training reads.
        Index(
            "uq_pretraining_sets_current", "project_id", unique=True, postgresql_where=text("retired_at IS NULL")
        ),
    )  # fmt: skip

    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    version: Mapped[int]
    texts: Mapped[int]
    characters: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))  # of pretraining.jsonl as a job folder holds it
    created_at: Mapped[Created]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    frozen_at: Mapped[Moment | None]  # when a training was first given it: from then on its texts are kept
    retired_at: Mapped[Moment | None]  # when it was replaced or deleted


class PretrainingText(Base):
    """A text of a set, in the order of the import."""

    __tablename__ = "pretraining_texts"

    set_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("pretraining_sets.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)  # from 1
    text: Mapped[str] = mapped_column(Text)
