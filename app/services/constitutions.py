"""Constitutions: the principles by which a model labels, in versions. Called by pages and the API."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import Conflict, Invalid
from app.models import Constitution, Project, User
from app.rules.constitutions import LONGEST_PRINCIPLE, MOST_PRINCIPLES, principles_of
from app.services import audit
from app.translation import gettext as _


def current_constitution(session: Session, project_id: int) -> Constitution | None:
    """The newest version; None where none was written yet."""
    query = select(Constitution).where(Constitution.project_id == project_id)
    return session.scalar(query.order_by(Constitution.version.desc()).limit(1))


def need_constitution(session: Session, project_id: int) -> Constitution:
    """The newest version. Raises Conflict where there is none."""
    found = current_constitution(session, project_id)
    if found is None:
        raise Conflict(_("This project has no constitution yet. Write one principle a line, then let a model label."))
    return found


def list_constitutions(session: Session, project_id: int) -> list[Constitution]:
    """Every version, newest first."""
    query = select(Constitution).where(Constitution.project_id == project_id)
    return list(session.scalars(query.order_by(Constitution.version.desc())))


def publish_constitution(session: Session, project: Project, text: str, user: User) -> Constitution:
    """Add the next version; what a model labels from now on follows it. Raises Invalid: empty, too long, unchanged."""
    principles = principles_of(text)
    if not principles:
        raise Invalid(_("A constitution needs at least one principle. Write one a line."))
    if len(principles) > MOST_PRINCIPLES or max(map(len, principles)) > LONGEST_PRINCIPLE or "\x00" in text:
        sentence = _("A constitution has at most %(most)s principles of at most %(longest)s characters.")
        raise Invalid(sentence % {"most": MOST_PRINCIPLES, "longest": LONGEST_PRINCIPLE})
    session.execute(select(Project.id).where(Project.id == project.id).with_for_update())
    newest = current_constitution(session, project.id)
    if newest is not None and newest.text == text:
        sentence = _("This is version %(version)s word for word; nothing was published.")
        raise Invalid(sentence % {"version": newest.version})
    version = newest.version + 1 if newest else 1
    constitution = Constitution(project_id=project.id, version=version, text=text, created_by_id=user.id)
    session.add(constitution)
    session.flush()
    audit.record(session, user, "constitution.published", f"project:{project.id}", version=version)
    return constitution
