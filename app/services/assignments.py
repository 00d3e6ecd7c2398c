"""Handing out tasks: claim, keep, draft, skip, release. Called by the labeling pages and the API.

A claim is one short transaction. Slots are locked with FOR UPDATE SKIP LOCKED, so that labelers never wait for each
other and never get the same slot; one labeler's own claims are put in a row by an advisory lock.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, true
from sqlalchemy.orm import Session, contains_eager, joinedload

from app.errors import Conflict, NotFound, Overtaken
from app.models import (
    Assignment,
    Comparison,
    Completion,
    Demonstration,
    Guideline,
    LabelSchema,
    Project,
    Prompt,
    Ranking,
    Slot,
    User,
)
from app.rules import assignment as rules
from app.services import measures, qualifications
from app.settings import get_settings

_CLAIM_LOCK = 7301  # namespace of the advisory locks that put one labeler's claims in a row
_rng = random.SystemRandom()


@dataclass(frozen=True)
class Task:
    """All that a labeling page shows. Nothing in it that she sees names a model or another labeler."""

    assignment: Assignment
    project: Project
    prompt: Prompt
    completions: list[Completion]  # in the order shown to this labeler; empty for a demonstration
    label: Demonstration | Ranking | None = None  # what she has sent, where the page is to edit it


def claim_assignment(
    session: Session, project: Project, user: User, kind: str, beside: int | None = None
) -> Assignment | None:
    """The assignment she holds or had left, or else a new one, leased to her; None when nothing is left for her.

    `beside` is the one she works on: then it is the next one that is leased to her, ahead (services/ahead.py).
    Raises NotQualified where she has to pass the project's qualification first.
    """
    qualifications.require_pass(session, project, user)
    now = _claims_in_a_row(session, user)
    assignment = _own_assignment_to_go_on(session, project, user, kind, now, beside)
    if assignment is None:
        measures.give_measure(session, project, user, kind)
        slot = _open_slot(session, project, user, kind, now)
        if slot is None:
            return None
        assignment = _new_assignment(session, project, user, slot)
    if beside is None:
        _hand_out(session, project, assignment, now)
    elif not _holds(assignment.slot, user, now):
        assignment.ahead = True
    _lease(assignment, assignment.slot, user, now)
    session.flush()
    return assignment


def claim_task(session: Session, project: Project, user: User, kind: str) -> Task | None:
    """The same with everything that a page of it shows."""
    assignment = claim_assignment(session, project, user, kind)
    return _task(session, project, assignment) if assignment else None


def load_task(session: Session, assignment_id: int, user: User) -> Task:
    """One of her own tasks, open or done. Raises NotFound for anybody else's."""
    assignment = _own_assignment(session, assignment_id, user)
    project = session.get_one(Project, assignment.project_id)
    return _task(session, project, assignment)


def save_draft(session: Session, assignment_id: int, user: User, draft: Any) -> datetime:
    """Keep her unfinished work, whatever has become of the lease; a live lease is renewed. Returns the moment."""
    assignment = _own_assignment(session, assignment_id, user, lock=True)
    if assignment.submitted_at is not None:
        raise Conflict("This task is submitted already; the draft was not needed any more.")
    now = database_now(session)
    assignment.draft, assignment.draft_saved_at = draft, now
    if rules.may_submit(_slot_state(assignment.slot), user.id, now):
        _lease(assignment, assignment.slot, user, now)
    session.flush()
    return now


def renew_lease(session: Session, assignment_id: int, user: User) -> datetime:
    """A sign of life: hold the task longer, or take it back if nobody else has it. Raises Overtaken."""
    assignment = _own_assignment(session, assignment_id, user, lock=True)
    now = database_now(session)
    take_slot(session, assignment, user, now)
    _lease(assignment, assignment.slot, user, now)
    session.flush()
    return assignment.expires_at


def release_task(session: Session, assignment_id: int, user: User) -> None:
    """Give the task back; her draft stays and she gets it again first when it is still open."""
    assignment = _own_assignment(session, assignment_id, user, lock=True)
    assignment.expires_at = database_now(session)
    _free_slot(assignment.slot, user)
    session.flush()


def skip_task(session: Session, assignment_id: int, user: User, reason: str) -> None:
    """Give the task to somebody else for good, and say why. Skipping twice is the same as once."""
    assignment = _own_assignment(session, assignment_id, user, lock=True)
    if assignment.submitted_at is not None:
        raise Conflict("This task is submitted already and can no longer be skipped.")
    if assignment.skipped_at is None:
        assignment.skipped_at, assignment.skip_reason = database_now(session), reason.strip()[:500]
        _free_slot(assignment.slot, user)
        measures.close_measure(session, assignment.slot)
    session.flush()


def lock_for_submission(session: Session, assignment_id: int, user: User) -> Assignment:
    """Her assignment, locked, so that a repeated submission waits for the first one. Raises NotFound."""
    return _own_assignment(session, assignment_id, user, lock=True)


def lock_assignment(session: Session, assignment_id: int) -> Assignment:
    """Anybody's assignment with its slot, locked, for a change of the label that was sent for it."""
    return session.scalars(_locked(select(Assignment).where(Assignment.id == assignment_id))).one()


def refuse_done(assignment: Assignment) -> None:
    """Raises Conflict when the task takes no label any more."""
    if assignment.submitted_at is not None:
        raise Conflict("This task is submitted already. Your first answer is stored; this one was not.")
    if assignment.skipped_at is not None:
        raise Conflict("You skipped this task, so somebody else may have it now.")


def take_slot(session: Session, assignment: Assignment, user: User, now: datetime) -> None:
    """Make sure a slot is hers to fill: the one she held, or another open one of the same task. Raises Overtaken."""
    slot = assignment.slot
    if rules.may_submit(_slot_state(slot), user.id, now):
        return
    same_task = (
        Slot.comparison_id == assignment.comparison_id
        if assignment.kind == "ranking"
        else and_(Slot.prompt_id == assignment.prompt_id, Slot.kind == "demonstration")
    )
    shared = and_(same_task, Slot.purpose == slot.purpose, Slot.reserved_for_id.is_(None), _claimable(now))
    other = session.scalar(select(Slot).where(shared).limit(1).with_for_update(skip_locked=True))
    if other is None:
        raise Overtaken(
            "Your hold on this task had ended and somebody else has taken it. Your work is kept as a draft."
        )
    assignment.slot = other


def complete_slot(assignment: Assignment, user: User, now: datetime) -> None:
    """The label is stored: the slot is filled and the draft is done with."""
    slot = assignment.slot
    slot.holder_id, slot.submitted_at, slot.leased_until = user.id, now, None
    assignment.submitted_at, assignment.draft = now, None


def empty_slot(session: Session, slot: Slot) -> None:
    """The label is taken out: somebody else may fill the slot, unless a newer round asks about other responses."""
    slot.submitted_at = slot.holder_id = slot.leased_until = None
    measures.close_measure(session, slot)
    if slot.closed_at is None and _is_past(session, slot):
        slot.closed_at = database_now(session)


def reopen(session: Session, assignment: Assignment, user: User, now: datetime) -> None:
    """A sent task is in her hands again."""
    empty_slot(session, assignment.slot)
    measures.reopen_measure(assignment.slot)
    assignment.submitted_at = None
    _lease(assignment, assignment.slot, user, now)


def database_now(session: Session) -> datetime:
    """The database's clock: the only one that leases are measured by."""
    now: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return now


def _claims_in_a_row(session: Session, user: User) -> datetime:
    """Wait for another claim of hers to end; the database's clock after it."""
    lock_then_look = select(func.pg_advisory_xact_lock(_CLAIM_LOCK, user.id), func.clock_timestamp())
    now: datetime = session.execute(lock_then_look).one()[1]
    return now


def _slot_state(slot: Slot) -> rules.SlotState:
    return rules.SlotState(slot.holder_id, slot.leased_until, slot.submitted_at is not None, slot.closed_at is not None)


def _claimable(now: datetime) -> ColumnElement[bool]:
    """`rules.may_claim` as a condition that the partial index ix_slots_open answers."""
    return and_(
        Slot.submitted_at.is_(None),
        Slot.closed_at.is_(None),
        or_(Slot.leased_until.is_(None), Slot.leased_until <= now),
    )


def _own_assignment_to_go_on(
    session: Session, project: Project, user: User, kind: str, now: datetime, beside: int | None
) -> Assignment | None:
    """The task she holds, or else one that she left and that is still open: her draft comes back first."""
    held = and_(Slot.holder_id == user.id, Slot.submitted_at.is_(None), Slot.leased_until > now)
    return session.scalar(
        select(Assignment)
        .join(Assignment.slot)
        .options(contains_eager(Assignment.slot))
        .where(
            Assignment.user_id == user.id,
            Assignment.project_id == project.id,
            Assignment.kind == kind,
            Assignment.submitted_at.is_(None),
            Assignment.skipped_at.is_(None),
            Assignment.id != beside if beside is not None else true(),
            or_(held, _claimable(now)),
        )
        # Null where nobody holds the slot. What she has seen comes before what only waits for her.
        .order_by(held.desc().nulls_last(), Assignment.ahead, Assignment.id)
        .limit(1)
        .with_for_update()
    )


def _open_slot(session: Session, project: Project, user: User, kind: str, now: datetime) -> Slot | None:
    mine = (
        Assignment.comparison_id == Slot.comparison_id
        if kind == "ranking"
        else and_(Assignment.prompt_id == Slot.prompt_id, Assignment.kind == "demonstration")
    )
    return session.scalar(
        select(Slot)
        .where(
            Slot.project_id == project.id,
            Slot.kind == kind,
            _claimable(now),
            or_(Slot.reserved_for_id.is_(None), Slot.reserved_for_id == user.id),
            or_(Slot.purpose != "label", ~exists().where(Assignment.user_id == user.id, mine)),
        )
        .order_by(Slot.priority.desc(), Slot.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def _new_assignment(session: Session, project: Project, user: User, slot: Slot) -> Assignment:
    ids: list[str] = []
    if slot.comparison_id is not None:
        chosen = session.scalars(select(Completion.id).where(Completion.comparison_id == slot.comparison_id))
        ids = [str(completion_id) for completion_id in chosen]
    guideline, schema = session.execute(_versions_in_force(project)).one()
    assignment = Assignment(
        project_id=project.id,
        slot=slot,
        user_id=user.id,
        kind=slot.kind,
        purpose=slot.purpose,
        prompt_id=slot.prompt_id,
        comparison_id=slot.comparison_id,
        order_shown=rules.shuffle_order(ids, _rng),
        guideline_version=guideline or 1,
        schema_version=schema or 1,
    )
    session.add(assignment)
    return assignment


def _hand_out(session: Session, project: Project, assignment: Assignment, now: datetime) -> None:
    """She sees it now: what was claimed ahead and never begun is asked under the versions that hold today."""
    if assignment.ahead and assignment.draft is None:
        guideline, schema = session.execute(_versions_in_force(project)).one()
        assignment.guideline_version, assignment.schema_version = guideline or 1, schema or 1
        assignment.claimed_at = now
    assignment.ahead = False


def _versions_in_force(project: Project) -> Select[int | None, int | None]:
    """Of the guidelines and of the label schema, in one statement: this is asked at every claim."""
    newest = (
        select(func.max(table.version)).where(table.project_id == project.id).scalar_subquery()
        for table in (Guideline, LabelSchema)
    )
    return select(*newest)


def _lease(assignment: Assignment, slot: Slot, user: User, now: datetime) -> None:
    end = rules.lease_end(now, get_settings().lease_minutes)
    slot.holder_id, slot.leased_until, assignment.expires_at = user.id, end, end


def _holds(slot: Slot, user: User, now: datetime) -> bool:
    return slot.holder_id == user.id and slot.leased_until is not None and slot.leased_until > now


def _free_slot(slot: Slot, user: User) -> None:
    if slot.holder_id == user.id and slot.submitted_at is None:
        slot.holder_id = slot.leased_until = None


def _is_past(session: Session, slot: Slot) -> bool:
    """Whether a later round has responses to rank, which closed the open slots of this one."""
    own = select(Comparison.round_id).where(Comparison.id == slot.comparison_id).scalar_subquery()
    later = exists().where(Comparison.project_id == slot.project_id, Comparison.round_id > own)
    return bool(session.scalar(select(later)))


def _locked(query: Select[Assignment]) -> Select[Assignment]:
    """With its slot, and read anew: what this session saw before it had the lock may be old."""
    query = query.options(joinedload(Assignment.slot, innerjoin=True))
    return query.with_for_update().execution_options(populate_existing=True)


def _own_assignment(session: Session, assignment_id: int, user: User, lock: bool = False) -> Assignment:
    query = (
        select(Assignment)
        .options(joinedload(Assignment.slot, innerjoin=True))
        .where(Assignment.id == assignment_id, Assignment.user_id == user.id)
    )
    assignment = session.scalar(_locked(query) if lock else query)
    if assignment is None:
        raise NotFound("There is no such task of yours.")
    return assignment


def _task(session: Session, project: Project, assignment: Assignment) -> Task:
    prompt = session.get_one(Prompt, assignment.prompt_id)
    if assignment.comparison_id is None:
        return Task(assignment, project, prompt, [])
    completions = session.scalars(select(Completion).where(Completion.comparison_id == assignment.comparison_id))
    by_id = {str(completion.id): completion for completion in completions}
    return Task(assignment, project, prompt, [by_id[key] for key in assignment.order_shown])
