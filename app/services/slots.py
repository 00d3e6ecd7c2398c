"""How many slots a task has: as many as the overlap, and one more for a ranking that is drawn for a second label.

Called when the overlap or the rate of second labels of a project changes, and when a label is taken out. Who holds a
slot, fills it or leaves it is services/slot_holds.py.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    and_,
    any_,
    case,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from app.models import Comparison, Project, Slot
from app.models.columns import Purpose, TaskKind
from app.rules.reviews import labelers_wanted
from app.settings import get_settings

_COLUMNS = (Slot.project_id, Slot.kind, Slot.prompt_id, Slot.comparison_id)
_LABEL = Slot.purpose == Purpose.LABEL
_OPEN = and_(_LABEL, Slot.submitted_at.is_(None), Slot.closed_at.is_(None))
# What counts towards the overlap: a label, or a place where one may come.
_COUNTS = and_(_LABEL, or_(Slot.submitted_at.is_not(None), Slot.closed_at.is_(None)))


def follow_overlap(session: Session, project: Project) -> None:
    """Give every task that is still open as many slots as the project now wants labels of it.

    What is too many is closed, free slots first. One that somebody holds still takes her label, but nobody else's.
    """
    session.flush()
    drawn = _drawn(session, project)
    _close_surplus(session, project, drawn)
    _add_missing(session, project, drawn)


def is_surplus(session: Session, slot: Slot) -> bool:
    """Whether the other slots of its task are enough for the project without this one."""
    if slot.purpose != Purpose.LABEL:
        return False
    same_task = (
        Slot.comparison_id == slot.comparison_id
        if slot.kind == TaskKind.RANKING
        else and_(Slot.prompt_id == slot.prompt_id, Slot.kind == slot.kind)
    )
    others = select(func.count()).select_from(Slot).where(same_task, Slot.id != slot.id, _COUNTS)
    project = session.get_one(Project, slot.project_id)
    return (session.scalar(others) or 0) >= _wanted(project, slot.comparison_id)


def is_past(session: Session, slot: Slot) -> bool:
    """Whether a later round has responses to rank, which closed the open slots of this one."""
    own = select(Comparison.round_id).where(Comparison.id == slot.comparison_id).scalar_subquery()
    later = select(Comparison.id).where(Comparison.project_id == slot.project_id, Comparison.round_id > own)
    return bool(session.scalar(select(later.exists())))


def _wanted(project: Project, comparison_id: int | None) -> int:
    if comparison_id is None:
        return project.overlap  # a prompt to answer
    return labelers_wanted(get_settings().key(), comparison_id, project.overlap, project.second_label_rate)


def _drawn(session: Session, project: Project) -> list[int]:
    """The open rankings that get a label more. Only the key tells them, so that no statement can."""
    of_project = (Slot.project_id == project.id, Slot.kind == TaskKind.RANKING)
    open_ones = session.scalars(select(Slot.comparison_id).where(*of_project, _OPEN).distinct())
    return [each for each in open_ones if each is not None and _wanted(project, each) > project.overlap]


def _places(project: Project, comparison_id: Any, drawn: list[int]) -> ColumnElement[int]:
    """How many a task is to have, as a statement says it."""
    is_drawn = comparison_id == any_(literal(drawn, ARRAY(BigInteger)))
    return project.overlap + case((is_drawn, 1), else_=0)


def _close_surplus(session: Session, project: Project, drawn: list[int]) -> None:
    """Counted from the front of each task, the labels first, then what is held, then what is free, by age."""
    is_held = and_(Slot.leased_until.is_not(None), Slot.leased_until > func.now())
    order = (Slot.submitted_at.is_(None), ~is_held, Slot.id)
    place = func.row_number().over(partition_by=_COLUMNS[1:], order_by=order).label("place")
    counted = select(Slot.id, Slot.comparison_id, place).where(Slot.project_id == project.id, _COUNTS).subquery()
    surplus = select(counted.c.id).where(counted.c.place > _places(project, counted.c.comparison_id, drawn))
    session.execute(
        update(Slot)
        .where(Slot.id.in_(surplus), _OPEN)
        .values(closed_at=func.now(), holder_id=case((is_held, Slot.holder_id)))
        .execution_options(synchronize_session="fetch")
    )


def _add_missing(session: Session, project: Project, drawn: list[int]) -> None:
    """New ones come last in the queue: every task is done once before the first is done again."""
    tasks = (
        select(
            *_COLUMNS,
            func.max(Slot.priority).filter(_LABEL).label("priority"),
            func.max(Slot.ordinal).label("last"),
            func.count().filter(_COUNTS).label("places"),
        )
        .where(Slot.project_id == project.id)
        .group_by(*_COLUMNS)
        .having(func.count().filter(_OPEN) > 0)
        .subquery()
    )
    missing = _places(project, tasks.c.comparison_id, drawn) - tasks.c.places
    number = func.generate_series(1, missing).table_valued("n").render_derived()
    columns = ("project_id", "kind", "prompt_id", "comparison_id", "priority", "ordinal")
    added = (
        select(*(tasks.c[name] for name in columns[:-1]), tasks.c.last + number.c.n)
        .join(number, literal_column("true"))
        .order_by(number.c.n, tasks.c.comparison_id, tasks.c.prompt_id)
    )
    session.execute(insert(Slot).from_select(columns, added, include_defaults=False))
