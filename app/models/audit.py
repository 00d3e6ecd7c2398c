"""Who did what, appended and never changed: a trigger refuses UPDATE and DELETE."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base
from app.models.columns import Created, Id, Json


class AuditEvent(Base):
    __tablename__ = "audit_events"

    id: Mapped[Id]
    at: Mapped[Created]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    action: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(120))
    details: Mapped[Json]
