"""Drafts of what no task asked for: prompts, and better responses. A task's draft is kept by its assignment."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base
from app.models.columns import Moment


class Draft(Base):
    """Her unfinished work at one place of a project; sent or given up, the row is gone."""

    __tablename__ = "drafts"

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    project_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    place: Mapped[str] = mapped_column(String(60), primary_key=True)  # "prompt:few_shot", "edit:<completion id>"
    content: Mapped[Any] = mapped_column(JSONB)
    saved_at: Mapped[Moment]
