"""What the ranking page of a project asks, one row a version. Every task keeps the version it was claimed under."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base
from app.models.columns import Created, Id, Json, ProjectId

if TYPE_CHECKING:
    from app.models.user import User


class LabelSchema(Base):
    __tablename__ = "label_schemas"
    __table_args__ = (UniqueConstraint("project_id", "version"),)

    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    version: Mapped[int]
    fields: Mapped[Json]  # rules.label_schemas.Fields: ratings, response_flags, prompt_flags, confidence
    created_at: Mapped[Created]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))  # none: it came with the project

    created_by: Mapped[User | None] = relationship(lazy="raise")
