"""How many slots a task has. Called when the overlap of a project changes, and when a label is taken out."""

from __future__ import annotations

from sqlalchemy import and_, case, func, insert, literal_column, or_, select, update
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
    _close_surplus(session, project)
    _add_missing(session, project)


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
    project, wanted = session.get_one(Project, slot.project_id), 0
    if slot.comparison_id is not None:
        key = get_settings().key()
        wanted = labelers_wanted(key, slot.comparison_id, project.overlap, project.second_label_rate)
    return (session.scalar(others) or 0) >= (wanted or project.overlap)


def is_past(session: Session, slot: Slot) -> bool:
    """Whether a later round has responses to rank, which closed the open slots of this one."""
    own = select(Comparison.round_id).where(Comparison.id == slot.comparison_id).scalar_subquery()
    later = select(Comparison.id).where(Comparison.project_id == slot.project_id, Comparison.round_id > own)
    return bool(session.scalar(select(later.exists())))


def _close_surplus(session: Session, project: Project) -> None:
    """Counted from the front of each task, the labels first, then what is held, then what is free, by age."""
    is_held = and_(Slot.leased_until.is_not(None), Slot.leased_until > func.now())
    order = (Slot.submitted_at.is_(None), ~is_held, Slot.id)
    place = func.row_number().over(partition_by=_COLUMNS[1:], order_by=order).label("place")
    counted = select(Slot.id, place).where(Slot.project_id == project.id, _COUNTS).subquery()
    surplus = select(counted.c.id).where(counted.c.place > project.overlap)
    session.execute(
        update(Slot)
        .where(Slot.id.in_(surplus), _OPEN)
        .values(closed_at=func.now(), holder_id=case((is_held, Slot.holder_id)))
        .execution_options(synchronize_session="fetch")
    )


def _add_missing(session: Session, project: Project) -> None:
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
    number = func.generate_series(1, project.overlap - tasks.c.places).table_valued("n").render_derived()
    columns = ("project_id", "kind", "prompt_id", "comparison_id", "priority", "ordinal")
    added = (
        select(*(tasks.c[name] for name in columns[:-1]), tasks.c.last + number.c.n)
        .join(number, literal_column("true"))
        .order_by(number.c.n, tasks.c.comparison_id, tasks.c.prompt_id)
    )
    session.execute(insert(Slot).from_select(columns, added, include_defaults=False))
