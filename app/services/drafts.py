"""Drafts of prompts and of better responses, one for each place where she writes. Called by the writing pages."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.models import Draft, Project, User


def prompt_place(kind: str) -> str:
    """Each kind of prompt has a sheet of its own."""
    return f"prompt:{kind}"


def edit_place(completion_id: UUID) -> str:
    return f"edit:{completion_id}"


def save_draft(session: Session, project: Project, user: User, place: str, content: Any) -> datetime:
    """Keep the newest content; returns the moment."""
    values = {"content": content, "saved_at": func.clock_timestamp()}
    statement = insert(Draft).values(user_id=user.id, project_id=project.id, place=place, **values)
    statement = statement.on_conflict_do_update(index_elements=["user_id", "project_id", "place"], set_=values)
    saved_at: datetime = session.execute(statement.returning(Draft.saved_at)).scalar_one()
    return saved_at


def find_draft(session: Session, project: Project, user: User, place: str) -> Draft | None:
    return session.get(Draft, (user.id, project.id, place), populate_existing=True)


def forget_draft(session: Session, project: Project, user: User, place: str) -> None:
    """What she wrote is stored for good."""
    session.execute(delete(Draft).where(Draft.user_id == user.id, Draft.project_id == project.id, Draft.place == place))
