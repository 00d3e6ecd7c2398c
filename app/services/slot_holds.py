"""What becomes of one slot: it is leased, taken, filled by a label, emptied when the label is taken out, opened again.

Called under the lock of the assignment and its slot: by services/assignments.py, labels.py, label_slots.py, reviews.py.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, and_, literal, select
from sqlalchemy.orm import Session

from app.errors import Overtaken
from app.models import Assignment, Slot, User
from app.rules import assignment as rules
from app.services import claims, measures, slots
from app.services.claim_conditions import is_claimable
from app.settings import get_settings
from app.translation import gettext as _


def state_of(slot: Slot) -> rules.SlotState:
    return rules.SlotState(slot.holder_id, slot.leased_until, slot.submitted_at is not None, slot.closed_at is not None)


def lease_to(assignment: Assignment, slot: Slot, user: User, now: datetime) -> None:
    end = rules.lease_end(now, get_settings().lease_minutes)
    slot.holder_id, slot.leased_until, assignment.expires_at = user.id, end, end


def take_slot(session: Session, assignment: Assignment, user: User, now: datetime) -> None:
    """Make sure a slot is hers to fill: the one she held, or another open one of the same task. Raises Overtaken."""
    slot = assignment.slot
    if rules.may_submit(state_of(slot), user.id, now):
        return
    same_task = (
        Slot.comparison_id == assignment.comparison_id
        if assignment.kind == "ranking"
        else and_(Slot.prompt_id == assignment.prompt_id, Slot.kind == "demonstration")
    )
    at = literal(now, DateTime(timezone=True))
    shared = and_(same_task, Slot.purpose == slot.purpose, Slot.reserved_for_id.is_(None), is_claimable(at))
    other = session.scalar(select(Slot).where(shared).limit(1).with_for_update(skip_locked=True))
    if other is None:
        raise Overtaken(
            _("Your hold on this task had ended and somebody else has taken it. Your work is kept as a draft.")
        )
    assignment.slot = other


def complete_slot(assignment: Assignment, user: User, now: datetime) -> None:
    """The label is stored: the slot is filled and the draft is done with."""
    for row, values in completion(assignment, user, now):
        for name, value in values.items():
            setattr(row, name, value)


def completion(assignment: Assignment, user: User, now: datetime) -> list[tuple[Slot | Assignment, dict[str, Any]]]:
    """What is true of a slot and its assignment once the label is stored."""
    slot = {"holder_id": user.id, "submitted_at": now, "leased_until": None}
    return [(assignment.slot, slot), (assignment, {"submitted_at": now, "draft": None})]


def empty_slot(session: Session, slot: Slot, now: datetime) -> None:
    """The label is taken out: somebody else may fill the slot, unless nobody asks for it any more."""
    slot.submitted_at = slot.holder_id = slot.leased_until = None
    measures.close_measure(session, slot)
    if slot.closed_at is None and (slots.is_past(session, slot) or slots.is_surplus(session, slot)):
        slot.closed_at = now
    if slot.closed_at is None:
        claims.step_back(session, slot)


def reopen(session: Session, assignment: Assignment, user: User, now: datetime) -> None:
    """A sent task is in her hands again."""
    empty_slot(session, assignment.slot, now)
    measures.reopen_measure(assignment.slot)
    assignment.submitted_at = None
    lease_to(assignment, assignment.slot, user, now)
