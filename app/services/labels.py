"""What demonstrations and rankings share when submitted: the key that makes a repeat harmless, and the time."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar, cast
from uuid import UUID

from sqlalchemy import DateTime, Select, Table, bindparam, exists, null, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased
from sqlalchemy.orm.attributes import set_committed_value

from app.errors import Conflict, Invalid, Overtaken
from app.models import Assignment, Demonstration, Ranking, Slot, User
from app.models.columns import SlotKind
from app.services import assignments, revisions, slot_holds
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
    assignment, now = assignments.lock_now(session, assignment_id, user)
    if assignment.submitted_at is not None or assignment.skipped_at is not None:
        stored, _ = _stored(session, table, assignment, user, key)  # under the lock: a first try may just commit
        if stored is not None:
            return _same_task(stored, assignment)
        assignments.refuse_done(assignment)
    if assignment.kind != kind:
        raise Invalid(wrong_kind(assignment))
    label = make(assignment, now)
    try:
        slot_holds.take_slot(session, assignment, user, now)
    except Overtaken:
        assignment.draft, assignment.draft_saved_at = draft, now
        session.flush()
        raise
    return _insert(session, label, assignment, user, now) or _revive(session, label, assignment, user, now)


def _insert(session: Session, label: L, assignment: Assignment, user: User, now: datetime) -> L | None:
    """The label as a row, its slot filled and its task done, in one statement; None where the key or task has one."""
    columns, said = type(label).__table__.c, vars(label)
    values = {column.name: said[column.name] for column in columns if column.name in said}
    done = slot_holds.completion(assignment, user, now)
    parameters = {f"its_{name}": value for name, value in values.items()}
    parameters |= {"in_slot": assignment.slot.id, "holder": user.id, "now": now}
    stored: L | None = session.scalar(_insertion(type(label), tuple(values)), parameters)
    if stored is not None:
        for row, changed in done:
            for name, value in changed.items():
                set_committed_value(row, name, value)  # the statement has stored it
    return stored


@lru_cache
def _insertion(table: type[L], names: tuple[str, ...]) -> Select[L]:
    """Built once for each kind of label: store it and, if that could be done, complete its slot and its assignment.

    No parameter may have the name of a column: SQLAlchemy would set that column by it.
    """
    rows, slots, tasks = (cast(Table, each.__table__) for each in (table, Slot, Assignment))
    its = {name: bindparam(f"its_{name}", type_=rows.c[name].type) for name in names}
    now = bindparam("now", type_=DateTime(timezone=True))
    stored = insert(rows).values(its).on_conflict_do_nothing().returning(rows).cte("stored")
    is_stored = exists(select(stored.c.id))
    slot = update(slots).where(slots.c.id == bindparam("in_slot"), is_stored)
    task = update(tasks).where(tasks.c.id == its["assignment_id"], is_stored)
    filled = slot.values(holder_id=bindparam("holder"), submitted_at=now, leased_until=null())
    done = task.values(submitted_at=now, draft=null())
    label: type[L] = aliased(table, stored)
    return select(label).add_cte(filled.returning(slots.c.id).cte("filled"), done.returning(tasks.c.id).cte("done"))


def _revive(session: Session, label: L, assignment: Assignment, user: User, now: datetime) -> L:
    """There is a label of this key or of this task already: hers, taken back, says now what `label` says."""
    of_key, earlier = _stored(session, type(label), assignment, user, label.idempotency_key)
    if of_key is not None:
        return _same_task(of_key, assignment)
    assert earlier is not None, "nothing else than a key or a task can be there already"
    revived = revisions.revive_label(session, earlier, user, label)
    slot_holds.complete_slot(assignment, user, now)
    session.flush()
    return revived


def wrong_kind(assignment: Assignment) -> str:
    """Says what the task asks for, to somebody who sends something else."""
    if assignment.kind == SlotKind.RANKING:
        return _("This task asks for a ranking.")
    if assignment.kind == SlotKind.REVIEW:
        return _("This task asks for a review.")
    return _("This task asks for a demonstration.")


def make_anew(session: Session, label: L, make: Callable[[Assignment, datetime], L]) -> L:
    """What `make` builds for the task of a label that is sent already: a row to copy from, never stored itself."""
    if label.assignment_id is None:
        raise Conflict(_("This answer was not sent for a task, so it cannot be edited. You can withdraw it."))
    assignment = session.get_one(Assignment, label.assignment_id)
    return make(assignment, assignments.database_now(session))


def _stored(
    session: Session, table: type[L], assignment: Assignment, user: User, key: UUID | None
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
