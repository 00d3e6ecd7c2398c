"""The pool of a project: who labels in it where it is not open to everybody. Called by the pages and the API."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.errors import Forbidden, NotFound
from app.models import Assignment, Project, ProjectMember, Slot, User
from app.models.columns import Role, TaskKind
from app.rules.assignment import is_in_pool
from app.services import audit
from app.translation import gettext as _

MOST_TO_ASK = 3


def list_members(session: Session, project: Project) -> Sequence[User]:
    """By name; disabled ones too, who may come back."""
    of_project = select(User).join(ProjectMember, ProjectMember.user_id == User.id)
    return session.scalars(of_project.where(ProjectMember.project_id == project.id).order_by(User.name, User.id)).all()


def list_others(session: Session, project: Project) -> Sequence[User]:
    """Everybody who could be added."""
    inside = select(ProjectMember.user_id).where(ProjectMember.project_id == project.id)
    others = select(User).where(User.disabled_at.is_(None), User.id.not_in(inside))
    return session.scalars(others.order_by(User.name, User.id)).all()


def list_open_projects(session: Session, user: User) -> Sequence[Project]:
    """The projects in which she may label, and those in which she has a task in hand that she may finish."""
    hers = select(ProjectMember.project_id).where(ProjectMember.user_id == user.id)
    held = (
        select(Assignment.project_id)
        .join(Assignment.slot)
        .where(
            Assignment.user_id == user.id,
            Assignment.submitted_at.is_(None),
            Assignment.skipped_at.is_(None),
            Assignment.kind.in_(list(TaskKind)),
            Slot.holder_id == user.id,
            Slot.leased_until > func.now(),
        )
    )
    either = or_(Project.open_to_all, Project.id.in_(hers), Project.id.in_(held))
    return session.scalars(select(Project).where(either).order_by(Project.id)).all()


def may_label_in(session: Session, project: Project, user: User) -> bool:
    """Whether she gets tasks here: everybody does, or those on the project's list."""
    is_member = not project.open_to_all and session.get(ProjectMember, (project.id, user.id)) is not None
    return is_in_pool(project.open_to_all, is_member)


def require_pool(session: Session, project: Project, user: User) -> None:
    """Raises Forbidden for somebody who may not label here."""
    if not may_label_in(session, project, user):
        raise shut_out(project)


def shut_out(project: Project) -> Forbidden:
    sentence = _("%(project)s is labeled by some people only. Ask an admin whether you may join.")
    return Forbidden(sentence % {"project": project.name})


def list_to_ask(session: Session) -> Sequence[str]:
    """Names of admins: they let people into a project that is not open to everybody."""
    admins = select(User.name).where(User.role == Role.ADMIN, User.disabled_at.is_(None))
    return session.scalars(admins.order_by(User.id).limit(MOST_TO_ASK)).all()


def add_member(session: Session, project: Project, user: User, by: User) -> None:
    """Twice is the same as once."""
    row = {"project_id": project.id, "user_id": user.id}
    added = session.scalar(insert(ProjectMember).values(row).on_conflict_do_nothing().returning(ProjectMember.user_id))
    if added is not None:
        audit.record(session, by, "member.added", f"project:{project.id}", labeler=user.id)


def remove_member(session: Session, project: Project, user_id: int, by: User) -> None:
    """She gets no new task here; what she holds she may finish. Raises NotFound."""
    hers = (ProjectMember.project_id == project.id, ProjectMember.user_id == user_id)
    gone = session.scalar(delete(ProjectMember).where(*hers).returning(ProjectMember.user_id))
    if gone is None:
        raise NotFound(_("This person is not among the labelers of the project."))
    audit.record(session, by, "member.removed", f"project:{project.id}", labeler=user_id)
