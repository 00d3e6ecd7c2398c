"""Guidelines: what labelers are asked to do, in versions, and who has read which."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base
from app.models.columns import Created, Id, ProjectId


class Guideline(Base):
    """One version of what labelers are asked to do, in Markdown. Every label keeps the version it followed."""

    __tablename__ = "guidelines"
    __table_args__ = (UniqueConstraint("project_id", "version"),)

    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    version: Mapped[int]
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[Created]


class GuidelineReading(Base):
    """A labeler has said that she read this version."""

    __tablename__ = "guideline_readings"

    guideline_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("guidelines.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    created_at: Mapped[Created]
