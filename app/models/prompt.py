"""A prompt: the conversation up to the turn that is to be answered."""

from __future__ import annotations

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base
from app.models.columns import Created, Id, JsonList, ProjectId, Split, one_of


class Prompt(Base):
    __tablename__ = "prompts"
    __table_args__ = (
        UniqueConstraint("project_id", "content_hash"),
        UniqueConstraint("project_id", "external_id"),
        Index("ix_prompts_project_id_split", "project_id", "split", "id"),
        one_of("split", Split),
    )

    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    external_id: Mapped[str | None] = mapped_column(String(200))  # the importer's own name of the row
    content_hash: Mapped[str] = mapped_column(String(64))  # SHA-256 of the canonical messages
    messages: Mapped[JsonList]  # [{"role", "content"}, ...], the last one the user's
    use_case: Mapped[str | None] = mapped_column(String(40))
    source: Mapped[str] = mapped_column(String(20), server_default="import")  # labeler, api, import, starter
    split: Mapped[str] = mapped_column(String(12), server_default="train")
    created_at: Mapped[Created]
