"""What a label does to its place: it leaves it when it is withdrawn and fills it again when it is restored.

Called by services/revisions.py, which holds the locks of assignment, slot and label.
"""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from app.errors import Conflict, Overtaken
from app.models import Assignment, Demonstration, Ranking, Slot, User
from app.services import assignments, slot_holds
from app.services.twins import EDIT, Label
from app.translation import gettext as _


def assignment_of(session: Session, label: Label) -> Assignment:
    query = select(Assignment).options(joinedload(Assignment.slot)).where(Assignment.id == label.assignment_id)
    return session.scalars(query).one()


def leave_slot(session: Session, label: Label) -> None:
    """Somebody else may fill the slot, but for that of an edit: nobody else is asked about her own text."""
    now = assignments.database_now(session)
    if label.assignment_id is not None:
        slot = assignment_of(session, label).slot
        slot_holds.empty_slot(session, slot, now)
        if label.source == EDIT:
            slot.closed_at = slot.closed_at or now
    elif (import_slot := _import_slot(session, label)) is not None and not _has_sibling(session, label):
        slot_holds.empty_slot(session, import_slot, now)


def fill_slot(session: Session, label: Label) -> None:
    """The slot takes the label back, or there is a Conflict."""
    now = assignments.database_now(session)
    taken = Conflict(_("Somebody else has this task by now, so the label cannot be restored. It stays in the history."))
    if label.assignment_id is None:
        if slot := _import_slot(session, label):
            slot.submitted_at = slot.submitted_at or now
        return
    assignment, owner = assignment_of(session, label), session.get_one(User, label.user_id)
    try:
        slot_holds.take_slot(session, assignment, owner, now)
    except Overtaken:
        raise taken from None
    sent = assignment.submitted_at
    slot_holds.complete_slot(assignment, owner, now)
    assignment.submitted_at, assignment.skipped_at = sent or now, None


def _import_slot(session: Session, label: Label) -> Slot | None:
    """The slot that an imported demonstration fills, locked: the first of its prompt, unless a labeler has that one.

    An import stands beside what labelers write and takes nothing from them, so restoring one never fails. The answer
    of an edit fills none: its place is that of its ranking.
    """
    if isinstance(label, Ranking) or label.source == EDIT:
        return None
    return session.scalar(
        select(Slot)
        .where(
            Slot.kind == "demonstration", Slot.prompt_id == label.prompt_id, Slot.ordinal == 1, Slot.holder_id.is_(None)
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def _has_sibling(session: Session, label: Label) -> bool:
    """Whether another imported answer to the same prompt fills the slot as well."""
    assert isinstance(label, Demonstration)
    others = select(func.count()).where(
        Demonstration.prompt_id == label.prompt_id,
        Demonstration.id != label.id,
        Demonstration.assignment_id.is_(None),
        Demonstration.source != EDIT,
        Demonstration.withdrawn_at.is_(None),
    )
    return bool(session.scalar(others))
