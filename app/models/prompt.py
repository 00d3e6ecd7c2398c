"""A prompt: the conversation up to the turn that is to be answered."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base
from app.models.columns import Created, Id, JsonList, Moment, ProjectId, PromptKind, Split, one_of


class Prompt(Base):
    __tablename__ = "prompts"
    __table_args__ = (
        UniqueConstraint("project_id", "content_hash"),
        UniqueConstraint("project_id", "external_id"),
        Index("ix_prompts_project_id_split", "project_id", "split", "id"),
        Index(
            "ix_prompts_project_id_author_id",
            "project_id",
            "author_id",
            postgresql_where=text("author_id IS NOT NULL"),
        ),
        Index("ix_prompts_retired", "id", postgresql_where=text("retired_at IS NOT NULL")),
        one_of("split", Split),
        one_of("kind", PromptKind),
    )

    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    external_id: Mapped[str | None] = mapped_column(String(200))  # the importer's own name of the row
    content_hash: Mapped[str] = mapped_column(String(64))  # SHA-256 of the canonical messages
    messages: Mapped[JsonList]  # [{"role", "content"}, ...], the last one the user's
    use_case: Mapped[str | None] = mapped_column(String(40))
    source: Mapped[str] = mapped_column(String(20), server_default="import")  # labeler, api, import, starter
    split: Mapped[str] = mapped_column(String(12), server_default="train")
    language: Mapped[str | None] = mapped_column(String(20))  # a code such as de; None: not known, anybody may do it
    skills: Mapped[JsonList] = mapped_column(server_default=text("'[]'::jsonb"))  # all that its labelers must have
    kind: Mapped[str] = mapped_column(String(12), server_default="plain")
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))  # the labeler who wrote it
    group_key: Mapped[str | None] = mapped_column(String(64))  # of what was sent together: a few-shot set
    use_case_text: Mapped[str | None] = mapped_column(Text)  # what a user-based prompt was written from
    created_at: Mapped[Created]
    retired_at: Mapped[Moment | None]  # while set, nobody is asked about it and no training reads it
