"""What demonstrations and rankings share when submitted: the key that makes a repeat harmless, and the time."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import Conflict, Invalid, Overtaken
from app.models import Assignment, Demonstration, Ranking, User
from app.services import assignments

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
    if (stored := _stored(session, table, user, key)) is not None:  # read under the lock: a first try may just commit
        return _same_task(stored, assignment_id)
    assignments.refuse_done(assignment)
    if assignment.kind != kind:
        raise Invalid(f"This task asks for a {assignment.kind}.")
    now = assignments.database_now(session)
    label = make(assignment, now)
    try:
        assignments.take_slot(session, assignment, user, now)
    except Overtaken:
        assignment.draft, assignment.draft_saved_at = draft, now
        session.flush()
        raise
    session.add(label)
    assignments.complete_slot(assignment, user, now)
    session.flush()
    return label


def _stored(session: Session, table: type[L], user: User, key: UUID) -> L | None:
    return session.scalar(select(table).where(table.user_id == user.id, table.idempotency_key == key))


def _same_task(stored: L, assignment_id: int) -> L:
    if stored.assignment_id != assignment_id:
        raise Conflict("This Idempotency-Key was used for another task. Make a new one for every task.")
    return stored


def seconds_spent(assignment: Assignment, now: datetime, told: float | None) -> float:
    """The time she says she was active, held to what the clock allows. Raises Invalid for a negative or endless one."""
    elapsed = max(0.0, (now - assignment.claimed_at).total_seconds())
    if told is None:
        return min(elapsed, LONGEST_SECONDS)
    if not math.isfinite(told) or told < 0:
        raise Invalid("The time spent cannot be negative.")
    return min(told, elapsed, LONGEST_SECONDS)
