"""Guidelines: published in versions by admins, read by labelers before they go on. Called by pages and the API."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.errors import Invalid, NotFound
from app.models import Guideline, GuidelineReading, Project, User
from app.rules.guidelines import Line, compare_texts
from app.translation import gettext as _


@dataclass(frozen=True)
class Change:
    """What a reader who knows `before` finds changed."""

    before: Guideline
    lines: list[Line]


def current_guideline(session: Session, project_id: int) -> Guideline:
    guideline = session.scalar(
        select(Guideline).where(Guideline.project_id == project_id).order_by(Guideline.version.desc()).limit(1)
    )
    if guideline is None:
        raise NotFound(_("This project has no guidelines."))
    return guideline


def get_guideline(session: Session, project_id: int, version: int) -> Guideline:
    """The version that an assignment follows. Raises NotFound."""
    guideline = session.scalar(
        select(Guideline).where(Guideline.project_id == project_id, Guideline.version == version)
    )
    if guideline is None:
        raise NotFound(_("There is no such version of the guidelines."))
    return guideline


def list_guidelines(session: Session, project_id: int) -> list[Guideline]:
    """Every version, newest first."""
    return list(
        session.scalars(select(Guideline).where(Guideline.project_id == project_id).order_by(Guideline.version.desc()))
    )


def publish_guideline(session: Session, project: Project, text: str) -> Guideline:
    """Add the next version; labels from now on carry its number. Raises Invalid for an empty or unchanged text."""
    if not text.strip():
        raise Invalid(_("Guidelines cannot be empty."))
    session.execute(select(Project.id).where(Project.id == project.id).with_for_update())
    newest = current_guideline(session, project.id)
    if newest.text == text:
        raise Invalid(
            _("This is version %(version)s word for word; nothing was published.") % {"version": newest.version}
        )
    guideline = Guideline(project_id=project.id, version=newest.version + 1, text=text)
    session.add(guideline)
    session.flush()
    return guideline


def has_read_current(session: Session, project_id: int, user: User) -> bool:
    """Whether she has said that she read the newest version."""
    newest = (
        select(Guideline.id)
        .where(Guideline.project_id == project_id)
        .order_by(Guideline.version.desc())
        .limit(1)
        .scalar_subquery()
    )
    read = exists().where(GuidelineReading.user_id == user.id, GuidelineReading.guideline_id == newest)
    return bool(session.scalar(select(read)))


def last_read(session: Session, project_id: int, user: User) -> Guideline | None:
    """The newest version that she has read."""
    return session.scalar(
        select(Guideline)
        .join(GuidelineReading, GuidelineReading.guideline_id == Guideline.id)
        .where(Guideline.project_id == project_id, GuidelineReading.user_id == user.id)
        .order_by(Guideline.version.desc())
        .limit(1)
    )


def note_reading(session: Session, guideline: Guideline, user: User) -> None:
    """She has read this version; saying so twice is the same as once."""
    row = {"guideline_id": guideline.id, "user_id": user.id, "created_at": func.now()}
    session.execute(insert(GuidelineReading).values(row).on_conflict_do_nothing())


def count_readers(session: Session, project_id: int) -> dict[int, int]:
    """Guideline id -> how many labelers have read it."""
    rows = session.execute(
        select(GuidelineReading.guideline_id, func.count())
        .join(Guideline, Guideline.id == GuidelineReading.guideline_id)
        .where(Guideline.project_id == project_id)
        .group_by(GuidelineReading.guideline_id)
    )
    return {row[0]: row[1] for row in rows}


def compare_guidelines(before: Guideline | None, after: Guideline) -> Change | None:
    """What `after` changes; None where there is nothing before it."""
    if before is None or before.id == after.id:
        return None
    return Change(before, compare_texts(before.text, after.text))
