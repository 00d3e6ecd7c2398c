"""Handing out tasks: claim, keep, draft, skip, release. Called by the labeling pages and the API.

A claim is one short transaction. Slots are locked with FOR UPDATE SKIP LOCKED, so that labelers never wait for each
other and never get the same slot; one labeler's own claims are put in a row by an advisory lock.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import BigInteger, Table, bindparam, func, insert, select, update
from sqlalchemy.orm import Session, joinedload

from app.errors import Conflict, NotFound
from app.models import Assignment, Completion, Demonstration, Project, Prompt, Ranking, Slot, User
from app.rules import assignment as rules
from app.services import claims, measures, members, qualification_standings, slot_holds
from app.services.claims import Found, Turn
from app.settings import get_settings
from app.translation import gettext as _

_rng = random.SystemRandom()


@dataclass(frozen=True)
class Shown:
    """A response as a labeler may know it."""

    id: UUID
    text: str
    original_id: str | None  # of a copy or an edit: the completion that it repeats or betters


@dataclass(frozen=True)
class Task:
    """All that a labeling page shows. Nothing in it that she sees names a model or another labeler."""

    assignment: Assignment
    project: Project
    prompt: Prompt
    completions: list[Shown]  # in the order shown to this labeler; empty for a demonstration
    label: Demonstration | Ranking | None = None  # what she has sent, where the page is to edit it


def claim_assignment(
    session: Session, project: Project, user: User, kind: str, beside: Assignment | None = None
) -> Assignment | None:
    """The assignment she holds or had left, or else a new one, leased to her; None when nothing is left for her.

    `beside` is the one she works on: then it is the next one that is leased to her, ahead (services/ahead.py). Raises
    Forbidden where she may not label at all, NotQualified where she has to pass the project's qualification first.
    """
    qualification_standings.require_pass(session, project, user)
    turn = claims.await_turn(session, project, user, kind)
    if not rules.is_in_pool(project.open_to_all, turn.is_member):
        raise members.shut_out(project)
    own = claims.find_own(session, project, user, kind, turn.now, beside)
    if own is not None:
        return _go_on(session, own, user, turn, ahead=beside is not None)
    # A new task begins here, and nowhere else: what else has to hold before it, or is to come first, belongs here.
    measures.give_measure(session, project, user, kind)
    found = claims.find_open(session, project, user, kind, turn)
    if found is None:
        return None
    claims.move_place(session, project, user, kind, turn.place, found)
    return _take_on(session, project, user, kind, turn, found, ahead=beside is not None)


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
    assignment, now = lock_now(session, assignment_id, user)
    if assignment.submitted_at is not None:
        raise Conflict(_("This task is submitted already; the draft was not needed any more."))
    assignment.draft, assignment.draft_saved_at = draft, now
    if assignment.skipped_at is None and rules.may_submit(slot_holds.state_of(assignment.slot), user.id, now):
        slot_holds.lease_to(assignment, assignment.slot, user, now)
    session.flush()
    return now


def renew_lease(session: Session, assignment_id: int, user: User) -> datetime:
    """A sign of life: hold the task longer, or take it back if nobody else has it. Raises Overtaken, Conflict."""
    assignment, now = lock_now(session, assignment_id, user)
    refuse_done(assignment)  # a late sign of life must not take the slot from whoever has it next
    slot_holds.take_slot(session, assignment, user, now)
    slot_holds.lease_to(assignment, assignment.slot, user, now)
    session.flush()
    return assignment.expires_at


def leave_task(session: Session, assignment_id: int, user: User) -> datetime:
    """Her page is gone, for a reload or for good: the hold ends soon, unless a sign of life comes. Returns its end.

    A task that was claimed ahead and that she has not seen goes back at once.
    """
    assignment, now = lock_now(session, assignment_id, user)
    if assignment.ahead:
        assignment.expires_at = now
        _free_slot(assignment.slot, user)
    elif _holds(assignment.slot, user, now):
        end = min(assignment.slot.leased_until or now, rules.leave_end(now))
        assignment.slot.leased_until = assignment.expires_at = end
    session.flush()
    return assignment.expires_at


def release_task(session: Session, assignment_id: int, user: User) -> None:
    """Give the task back; her draft stays and she gets it again first when it is still open."""
    assignment, now = lock_now(session, assignment_id, user)
    assignment.expires_at = now
    _free_slot(assignment.slot, user)
    session.flush()


def skip_task(session: Session, assignment_id: int, user: User, reason: str) -> None:
    """Give the task to somebody else for good, and say why. Skipping twice is the same as once."""
    assignment, now = lock_now(session, assignment_id, user)
    if assignment.submitted_at is not None:
        raise Conflict(_("This task is submitted already and can no longer be skipped."))
    if assignment.skipped_at is None:
        assignment.skipped_at, assignment.skip_reason = now, reason.strip()[:500]
        _free_slot(assignment.slot, user)
        if assignment.slot.holder_id == user.id:
            assignment.slot.holder_id = None
        measures.close_measure(session, assignment.slot)
    session.flush()


def lock_for_submission(session: Session, assignment_id: int, user: User) -> Assignment:
    """Her assignment, locked, so that a repeated submission waits for the first one. Raises NotFound."""
    return lock_now(session, assignment_id, user)[0]


def lock_now(session: Session, assignment_id: int, user: User) -> tuple[Assignment, datetime]:
    """The same with the database's clock."""
    row = session.execute(_OWN_LOCKED_NOW, {"assignment_id": assignment_id, "user_id": user.id}).one_or_none()
    if row is None:
        raise NotFound(_("There is no such task of yours."))
    return row[0], row[1]


def lock_assignment(session: Session, assignment_id: int) -> Assignment:
    """Anybody's assignment with its slot, locked, for a change of the label that was sent for it."""
    return session.scalars(_ANYBODYS_LOCKED, {"assignment_id": assignment_id}).one()


def refuse_done(assignment: Assignment) -> None:
    """Raises Conflict when the task takes no label any more."""
    if assignment.submitted_at is not None:
        raise Conflict(_("This task is submitted already. Your first answer is stored; this one was not."))
    if assignment.skipped_at is not None:
        raise Conflict(_("You skipped this task, so somebody else may have it now."))


def database_now(session: Session) -> datetime:
    """The database's clock: the only one that leases are measured by."""
    now: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return now


def _go_on(session: Session, assignment: Assignment, user: User, turn: Turn, ahead: bool) -> Assignment:
    """Lease her what she has an assignment of: to be seen now, or ahead unless it is in her hands already.

    What was claimed ahead and never begun is asked under the versions that hold when she sees it.
    """
    if ahead:
        assignment.ahead = assignment.ahead or not _holds(assignment.slot, user, turn.now)
    else:
        if assignment.ahead and assignment.draft is None:
            assignment.guideline_version, assignment.schema_version = turn.guideline_version, turn.schema_version
            assignment.claimed_at = turn.now
        assignment.ahead = False
    slot_holds.lease_to(assignment, assignment.slot, user, turn.now)
    session.flush()
    return assignment


def _take_on(
    session: Session, project: Project, user: User, kind: str, turn: Turn, found: Found, ahead: bool
) -> Assignment:
    """Lease the slot to her; a task that she had left keeps its assignment, with the draft and the order shown."""
    if found.left_id is not None:
        left = session.get_one(Assignment, found.left_id, populate_existing=True)
        left.slot = session.get_one(Slot, found.slot_id, populate_existing=True)
        return _go_on(session, left, user, turn, ahead)
    chosen = [str(completion_id) for completion_id in found.completion_ids or []]
    values = {
        "project_id": project.id,
        "slot_id": found.slot_id,
        "user_id": user.id,
        "kind": kind,
        "purpose": found.purpose,
        "prompt_id": found.prompt_id,
        "comparison_id": found.comparison_id,
        "order_shown": rules.shuffle_order(chosen, _rng),
        "guideline_version": turn.guideline_version,
        "schema_version": turn.schema_version,
        "ahead": ahead,
        "expires_at": rules.lease_end(turn.now, get_settings().lease_minutes),
    }
    assignment: Assignment = session.scalars(_TAKE_ON, {f"its_{name}": value for name, value in values.items()}).one()
    return assignment


def _holds(slot: Slot, user: User, now: datetime) -> bool:
    return slot.holder_id == user.id and slot.leased_until is not None and slot.leased_until > now


def _free_slot(slot: Slot, user: User) -> None:
    """Open to everybody at once; whoever held it last still gets it first."""
    if slot.holder_id == user.id and slot.submitted_at is None:
        slot.leased_until = None


def _own_assignment(session: Session, assignment_id: int, user: User) -> Assignment:
    assignment = session.scalar(_OWN_ASSIGNMENT, {"assignment_id": assignment_id, "user_id": user.id})
    if assignment is None:
        raise NotFound(_("There is no such task of yours."))
    return assignment


def _task(session: Session, project: Project, assignment: Assignment) -> Task:
    ids = {"prompt_id": assignment.prompt_id, "comparison_id": assignment.comparison_id}
    prompt, shown = session.execute(_SHOWN, ids).one()
    by_id = {row["id"]: Shown(UUID(row["id"]), row["text"], row["original_id"]) for row in shown or []}
    return Task(assignment, project, prompt, [by_id[key] for key in assignment.order_shown])


# Built once: making a statement costs more than running it.
_TAKEN = (
    "project_id", "slot_id", "user_id", "kind", "purpose", "prompt_id", "comparison_id", "order_shown",
    "guideline_version", "schema_version", "ahead", "expires_at",
)  # fmt: skip
_slots, _assignments = cast(Table, Slot.__table__), cast(Table, Assignment.__table__)
_its = {name: bindparam(f"its_{name}", type_=_assignments.c[name].type) for name in _TAKEN}
_leased = update(_slots).where(_slots.c.id == _its["slot_id"])
_taken_on = (
    insert(_assignments)
    .values(_its)
    .returning(_assignments)
    .add_cte(_leased.values(holder_id=_its["user_id"], leased_until=_its["expires_at"]).cte("leased"))
)
_TAKE_ON = select(Assignment).from_statement(_taken_on)
_row = func.jsonb_build_object("id", Completion.id, "text", Completion.text, "original_id", Completion.original_id)
_completions = select(func.jsonb_agg(_row))
_of_comparison = Completion.comparison_id == bindparam("comparison_id", type_=BigInteger)
_SHOWN = select(Prompt, _completions.where(_of_comparison).scalar_subquery()).where(Prompt.id == bindparam("prompt_id"))
_OWNED = (Assignment.id == bindparam("assignment_id"), Assignment.user_id == bindparam("user_id"))
_ASSIGNMENT = select(Assignment).options(joinedload(Assignment.slot, innerjoin=True))
_OWN_ASSIGNMENT = _ASSIGNMENT.where(*_OWNED)
# Read anew: what this session saw before it had the lock may be old.
_LOCKED = _ASSIGNMENT.with_for_update().execution_options(populate_existing=True)
_OWN_LOCKED_NOW = _LOCKED.where(*_OWNED).add_columns(func.clock_timestamp())
_ANYBODYS_LOCKED = _LOCKED.where(_OWNED[0])
