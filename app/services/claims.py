"""Which task a labeler gets next, as SQL: her turn, what she goes on with, the next open slot that is for her.

Called by services/assignments.py alone, but for counts. Whether a slot is for her says services/claim_conditions.py.
Here are the order and the statements. They are built once: making one costs more than running it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    String,
    Subquery,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
    true,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, contains_eager

from app.models import (
    Assignment,
    Completion,
    Guideline,
    LabelSchema,
    Project,
    ProjectMember,
    QueuePlace,
    Slot,
    User,
)
from app.models.columns import TaskKind
from app.rules import assignment as rules
from app.services.claim_conditions import USER, has_had, is_for, is_free, is_open, labeler_values, left_behind

Query = Select[*tuple[Any, ...]]

_CLAIM_LOCK = 7301  # namespace of the advisory locks that put one labeler's claims in a row
FIRST = 2**31 - 1  # above every priority
STRIDE = 200  # her place moves when the slot found lies this far behind it: a claim never walks much further in vain

_PROJECT = bindparam("project_id", type_=BigInteger)
_KIND = bindparam("kind", type_=String)
_NOW = bindparam("now", type_=DateTime(timezone=True))
_PRIORITY = bindparam("priority", type_=Integer)
_PLACE = bindparam("slot_id", type_=BigInteger)
_BESIDE = bindparam("beside", type_=BigInteger)


@dataclass(frozen=True)
class Place:
    """A place in the order of a queue: priorities from high to low, within one the slots by their ids."""

    priority: int = FIRST
    slot_id: int = 0


@dataclass(frozen=True)
class Turn:
    """Her turn to claim, and what holds at that moment."""

    now: datetime
    guideline_version: int
    schema_version: int
    is_member: bool  # of the project's pool
    place: Place


@dataclass(frozen=True)
class Found:
    """An open slot, locked; `left_id` is her assignment of the same task, if she has left one."""

    slot_id: int
    priority: int
    purpose: str
    prompt_id: int
    comparison_id: int | None
    left_id: int | None
    completion_ids: list[UUID] | None
    reserved: bool


def await_turn(session: Session, project: Project, user: User, kind: str, *, waits: bool = True) -> Turn:
    """Wait for another claim of hers to end; the database's clock after it, and what a claim has to know."""
    row = session.execute(
        _TURN if waits else _STATE, {"user_id": user.id, "project_id": project.id, "kind": kind}
    ).one()
    place = Place() if row.priority is None else Place(row.priority, row.slot_id)
    return Turn(row.now, row.guideline or 1, row.schema or 1, row.is_member, place)


def find_own(
    session: Session, project: Project, user: User, kind: str, now: datetime, beside: Assignment | None
) -> Assignment | None:
    """The task she holds, or else the one she left last that nobody has taken since; its slot is loaded and locked.

    What she has seen comes before what only waits for her. Never the one `beside`, which is not locked either.
    """
    values = {"user_id": user.id, "project_id": project.id, "kind": kind, "now": now}
    values["beside"] = beside.slot_id if beside else 0
    return session.scalar(_OWN, values)


def find_open(session: Session, project: Project, user: User, kind: str, turn: Turn) -> Found | None:
    """The first open slot of the queue that is for her: those reserved for her, then by priority, then by age."""
    values = _about(project, user, kind, turn.place) | {"now": turn.now}
    row = session.execute(_FIRST_OPEN[kind], values).one_or_none()
    return None if row is None else Found(*row)


def move_place(session: Session, project: Project, user: User, kind: str, place: Place, found: Found) -> None:
    """Let her next claims begin where the first slot lies that may still become hers, when that is well behind."""
    near = place.priority == found.priority and found.slot_id - place.slot_id < STRIDE
    if near or found.reserved:
        return
    first = session.execute(_FIRST_LEFT[kind], _about(project, user, kind, place)).one_or_none()
    if first is not None:
        moved = {"priority": first.priority, "slot_id": first.id}
        session.execute(_MOVE, {"user_id": user.id, "project_id": project.id, "kind": kind, **moved})


def count_open(session: Session, project: Project, user: User, kind: str, most: int) -> int:
    """How many tasks she could claim now, `most` at most: those reserved for her and those of the queue."""
    turn = await_turn(session, project, user, kind, waits=False)
    if not rules.is_in_pool(project.open_to_all, turn.is_member):
        return 0
    values = _about(project, user, kind, turn.place) | {"now": turn.now, "most": most, "enough": most * project.overlap}
    return session.scalar(_COUNT_OPEN[kind], values) or 0


def step_back(session: Session, slot: Slot) -> None:
    """A task that was done with is open again: nobody's place is behind its slot any more."""
    before = tuple_(-QueuePlace.priority, QueuePlace.slot_id) > tuple_(-slot.priority, slot.id)
    behind = (QueuePlace.project_id == slot.project_id, QueuePlace.kind == slot.kind, before)
    # Locked in one order, so that two who do this at once wait for each other and no more.
    session.execute(select(QueuePlace.user_id).where(*behind).order_by(QueuePlace.user_id).with_for_update())
    moved = update(QueuePlace).where(*behind).values(priority=slot.priority, slot_id=slot.id)
    session.execute(moved.execution_options(synchronize_session=False))


def forget_places(session: Session, user: User) -> None:
    """What had not been for her may be now: her languages or skills are others."""
    gone = delete(QueuePlace).where(QueuePlace.user_id == user.id)
    session.execute(gone.execution_options(synchronize_session=False))


def _about(project: Project, user: User, kind: str, place: Place) -> dict[str, Any]:
    where = {"project_id": project.id, "kind": kind, "priority": place.priority, "slot_id": place.slot_id}
    return labeler_values(user) | where


def _turn(waits: bool) -> Query:
    newest = (
        select(func.max(table.version)).where(table.project_id == _PROJECT).scalar_subquery()
        for table in (Guideline, LabelSchema)
    )
    here = and_(QueuePlace.user_id == USER, QueuePlace.project_id == _PROJECT, QueuePlace.kind == _KIND)
    # One plan of the search for all, until this transaction ends: making it takes longer than running it.
    generic = func.set_config("plan_cache_mode", "force_generic_plan", true())
    return select(
        *([func.pg_advisory_xact_lock(_CLAIM_LOCK, cast(USER, Integer)), generic] if waits else []),
        func.clock_timestamp().label("now"),
        *(version.label(name) for name, version in zip(("guideline", "schema"), newest, strict=True)),
        exists().where(ProjectMember.project_id == _PROJECT, ProjectMember.user_id == USER).label("is_member"),
        select(QueuePlace.priority).where(here).scalar_subquery().label("priority"),
        select(QueuePlace.slot_id).where(here).scalar_subquery().label("slot_id"),
    )


def _own() -> Query:
    """A task in hand may be finished though its round is over; one that was left comes back only while it is open.

    She holds two at most, the second one ahead. Locks come in the order of every other statement on both tables:
    the assignment, then its slot.
    """
    hers = and_(
        Assignment.user_id == USER,
        Assignment.project_id == _PROJECT,
        Assignment.kind == _KIND,
        Assignment.submitted_at.is_(None),
        Assignment.skipped_at.is_(None),
        Slot.holder_id == USER,
        Slot.submitted_at.is_(None),
        or_(Slot.leased_until > _NOW, Slot.closed_at.is_(None)),
    )
    last = (
        select(Assignment.id)
        .join(Assignment.slot)
        .where(hers, Assignment.slot_id != _BESIDE)
        .order_by(Assignment.expires_at.desc())
        .limit(2)
        .subquery()
    )
    return (
        select(Assignment)
        .join(Assignment.slot)
        .join(last, last.c.id == Assignment.id)
        .options(contains_eager(Assignment.slot))
        .where(hers)
        .order_by((Slot.leased_until > _NOW).desc().nulls_last(), Assignment.ahead, Assignment.expires_at.desc())
        .limit(1)
        .with_for_update(of=[Assignment, Slot])
        .execution_options(populate_existing=True)
    )


def _queue(*conditions: ColumnElement[bool]) -> Select[int]:
    slots = select(Slot.id).where(Slot.project_id == _PROJECT, Slot.kind == _KIND, is_open(), *conditions)
    return slots.order_by(-Slot.priority, Slot.id).limit(1)


def _for_her(kind: str, *or_else: ColumnElement[bool]) -> list[Select[int]]:
    """What has come into the queue ahead of her place, and what is there from her place on."""
    slots = _queue(Slot.reserved_for_id.is_(None), is_for(kind, *or_else)).join(Slot.prompt)
    from_place = tuple_(-Slot.priority, Slot.id) >= tuple_(-_PRIORITY, _PLACE)
    return [slots.where(-Slot.priority < -_PRIORITY), slots.where(from_place)]


def _first_of(parts: list[Select[int]]) -> Subquery:
    """The first slot of the first part that has one; Postgres looks no further."""
    each = [part.subquery() for part in parts]
    return union_all(*(select(part.c.id) for part in each)).limit(1).subquery()


def _first_open(kind: str) -> Query:
    """Only the found slot is looked at more closely: the search itself carries nothing but its id."""
    holds = Assignment.expires_at > _NOW
    reserved = _queue(Slot.reserved_for_id == USER, ~has_had(kind, holds))
    searched = [part.where(is_free(_NOW)) for part in (reserved, *_for_her(kind, holds))]
    found = _first_of([part.with_for_update(of=Slot, skip_locked=True) for part in searched])
    of_comparison = Completion.comparison_id == Slot.comparison_id
    return select(
        Slot.id,
        Slot.priority,
        Slot.purpose,
        Slot.prompt_id,
        Slot.comparison_id,
        left_behind(kind),
        select(func.array_agg(Completion.id)).where(of_comparison).scalar_subquery(),
        Slot.reserved_for_id.is_not(None),
    ).join(found, found.c.id == Slot.id)


def _first_left(kind: str) -> Query:
    """The first open slot that is or may yet become hers, whoever has it now."""
    found = _first_of(_for_her(kind))
    return select(Slot.id, Slot.priority).join(found, found.c.id == Slot.id)


def _count_open(kind: str) -> Select[int]:
    """Slots are looked at until there are enough for `most` tasks; a task may have several."""
    task = Slot.comparison_id if kind == TaskKind.RANKING else Slot.prompt_id
    holds = Assignment.expires_at > _NOW
    reserved = _queue(Slot.reserved_for_id == USER, ~has_had(kind, holds))
    parts = [
        part.where(is_free(_NOW)).with_only_columns(task.label("task"), maintain_column_froms=True)
        for part in (reserved, *_for_her(kind, holds))
    ]
    looked_at = (part.limit(bindparam("enough", type_=Integer)).subquery() for part in parts)
    tasks = union_all(*(select(part.c.task) for part in looked_at)).subquery()
    return select(func.least(func.count(tasks.c.task.distinct()), bindparam("most", type_=Integer)))


_TURN, _STATE, _OWN = _turn(waits=True), _turn(waits=False), _own()
_FIRST_OPEN: dict[str, Query] = {kind: _first_open(kind) for kind in TaskKind}
_COUNT_OPEN = {str(kind): _count_open(kind) for kind in TaskKind}
_FIRST_LEFT: dict[str, Query] = {kind: _first_left(kind) for kind in TaskKind}
_insert = insert(QueuePlace)
_MOVE = _insert.on_conflict_do_update(
    constraint="pk_queue_places", set_={"priority": _insert.excluded.priority, "slot_id": _insert.excluded.slot_id}
)
