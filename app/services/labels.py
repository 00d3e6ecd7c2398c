"""What demonstrations and rankings share when submitted: the key that makes a repeat harmless, and the time."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.errors import Conflict, Invalid, Overtaken
from app.models import Assignment, Demonstration, Ranking, User
from app.models.columns import SlotKind
from app.services import assignments, revisions
from app.translation import gettext as _

LONGEST_SECONDS = 86_400.0


L = TypeVar("L", Demonstration, Ranking)


def store_once(
    session: Session,
    table: type[L],
    kind: str,
    assignment_id: int,
    user: User,
    key: UUID,
    draft: Any,
    make: Callable[[Assignment, datetime], L],
) -> L:
    """Store the label that `make` builds, exactly once for this key, and fill the slot.

    Raises Overtaken (the draft is kept) when somebody else has the task, Conflict when the key or the task is used up.
    """
    assignment = assignments.lock_for_submission(session, assignment_id, user)
    stored, earlier = _stored(session, table, assignment, user, key)  # under the lock: a first try may just commit
    if stored is not None:
        return _same_task(stored, assignment)
    assignments.refuse_done(assignment)
    if assignment.kind != kind:
        raise Invalid(wrong_kind(assignment))
    now = assignments.database_now(session)
    label = make(assignment, now)
    try:
        assignments.take_slot(session, assignment, user, now)
    except Overtaken:
        assignment.draft, assignment.draft_saved_at = draft, now
        session.flush()
        raise
    if earlier is None:
        session.add(label)
    else:
        label = revisions.revive_label(session, earlier, user, label)
    assignments.complete_slot(assignment, user, now)
    session.flush()
    return label


def wrong_kind(assignment: Assignment) -> str:
    """Says what the task asks for, to somebody who sends something else."""
    if assignment.kind == SlotKind.RANKING:
        return _("This task asks for a ranking.")
    if assignment.kind == SlotKind.REVIEW:
        return _("This task asks for a review.")
    return _("This task asks for a demonstration.")


def make_anew(session: Session, label: L, make: Callable[[Assignment, datetime], L]) -> L:
    """What `make` builds for the task of a label that is sent already: a row to copy from, never stored itself."""
    assignment = session.get_one(Assignment, label.assignment_id)
    return make(assignment, assignments.database_now(session))


def _stored(
    session: Session, table: type[L], assignment: Assignment, user: User, key: UUID
) -> tuple[L | None, L | None]:
    """(the label of this key, the label of this task): the second one alone where she had taken it back."""
    wanted = or_(table.idempotency_key == key, table.assignment_id == assignment.id)
    query = select(table).where(table.user_id == user.id, wanted).execution_options(populate_existing=True)
    found = session.scalars(query).all()
    of_key = next((label for label in found if label.idempotency_key == key), None)
    return of_key, next((label for label in found if label.assignment_id == assignment.id), None)


def _same_task(stored: L, assignment: Assignment) -> L:
    if stored.assignment_id != assignment.id:
        raise Conflict(_("This Idempotency-Key was used for another task. Make a new one for every task."))
    if assignment.submitted_at is None:
        raise Conflict(_("This Idempotency-Key stored what you have taken back since. Send it again with a new one."))
    return stored


def seconds_spent(assignment: Assignment, now: datetime, told: float | None) -> float:
    """The time she says she was active, held to what the clock allows. Raises Invalid for a negative or endless one."""
    elapsed = max(0.0, (now - assignment.claimed_at).total_seconds())
    if told is None:
        return min(elapsed, LONGEST_SECONDS)
    if not math.isfinite(told) or told < 0:
        raise Invalid(_("The time spent cannot be negative."))
    return min(told, elapsed, LONGEST_SECONDS)
