"""The next task, leased to a labeler while she still works on this one, so that it is there when she has sent.

Called by the labeling pages and the API. She holds at most one ahead of the one in her hands: asked again, it is the
same one. A task that she never got to see goes back when she leaves, and at the latest when its lease ends.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from app.errors import Forbidden, NotFound, NotQualified
from app.models import Assignment, Project, User
from app.models.columns import TaskKind
from app.services import assignments, guidelines
from app.translation import gettext as _


def claim_ahead(session: Session, assignment_id: int, user: User) -> Assignment | None:
    """The task that comes after this one. Raises NotFound for a task that is not hers.

    None when nothing is left for her, when this one is not in her hands, or when she has to read changed guidelines or
    to qualify before the next.
    """
    # Not locked: a claim waits for her other claims first and locks rows then, and so must this one.
    mine = select(Assignment).where(Assignment.id == assignment_id, Assignment.user_id == user.id)
    current = session.scalar(mine.options(joinedload(Assignment.slot, innerjoin=True)))
    if current is None:
        raise NotFound(_("There is no such task of yours."))
    if current.kind not in list(TaskKind):
        return None  # reviews are not fetched ahead
    if not _in_her_hands(session, current, user) or not guidelines.has_read_current(session, current.project_id, user):
        return None
    project = session.get_one(Project, current.project_id)
    try:
        return assignments.claim_assignment(session, project, user, current.kind, beside=current)
    except (Forbidden, NotQualified):
        return None


def _in_her_hands(session: Session, assignment: Assignment, user: User) -> bool:
    slot = assignment.slot
    open_ = assignment.submitted_at is None and assignment.skipped_at is None and slot.holder_id == user.id
    return open_ and slot.leased_until is not None and slot.leased_until > assignments.database_now(session)
