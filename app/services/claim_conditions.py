"""The rules of assignment (rules/assignment.py) as conditions that indexes answer. Called by services/claims.py.

Where an index is partial, the value that it wants stands in the SQL itself: of a parameter Postgres could not know it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    String,
    and_,
    any_,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import aliased

from app.models import Assignment, Prompt, Slot, User
from app.models.columns import TaskKind
from app.rules.languages import wider

USER = bindparam("user_id", type_=BigInteger)
_LANGUAGES = bindparam("languages", type_=ARRAY(String))  # patterns
_SKILLS = bindparam("skills", type_=JSONB)
_LABEL: ColumnElement[str] = literal_column("'label'")


def is_claimable(now: ColumnElement[datetime]) -> ColumnElement[bool]:
    """`rules.may_claim` as a condition."""
    return and_(is_open(), is_free(now))


def is_open() -> ColumnElement[bool]:
    """As the partial indexes have it."""
    return and_(Slot.submitted_at.is_(None), Slot.closed_at.is_(None))


def is_free(now: ColumnElement[datetime]) -> ColumnElement[bool]:
    return or_(Slot.leased_until.is_(None), Slot.leased_until <= now)


def is_for(kind: str, *or_else: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a slot, joined with its prompt, may become hers: she may label the prompt and has not had the task.

    `or_else` is a condition on an assignment of hers under which she may not have its task again just now either.
    """
    return and_(
        ~has_had(kind, *or_else),
        *([~_has_seen_otherwise()] if kind == TaskKind.RANKING else []),
        may_label(),
    )


def may_label() -> ColumnElement[bool]:
    """`rules.may_label` as a condition on prompts, of what `labeler_values` gives."""
    return and_(
        Prompt.author_id.is_distinct_from(USER),
        or_(Prompt.language.is_(None), func.cardinality(_LANGUAGES) == 0, Prompt.language.like(any_(_LANGUAGES))),
        Prompt.skills.contained_by(_SKILLS),
    )


def labeler_values(user: User) -> dict[str, Any]:
    """What `is_for` and `may_label` have to know of a labeler."""
    return {"user_id": user.id, "languages": _patterns(user.languages), "skills": user.skills}


def _patterns(languages: list[str]) -> list[str]:
    """`languages.is_same` as patterns of LIKE: a code itself, what is wider, and all that is narrower."""
    return sorted({pattern for code in languages for pattern in (*wider(code), f"{code}-%")})


def _hers(kind: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Her assignment of the slot's task: (as a label, of which there is one at most; for another purpose: this slot's).

    A unique index finds each of them.
    """
    same_task = (
        and_(Assignment.comparison_id == Slot.comparison_id, Assignment.kind == literal_column("'ranking'"))
        if kind == TaskKind.RANKING
        else and_(Assignment.prompt_id == Slot.prompt_id, Assignment.kind == literal_column("'demonstration'"))
    )
    hers = Assignment.user_id == USER
    return and_(hers, same_task, Assignment.purpose == _LABEL), and_(hers, Assignment.slot_id == Slot.id)


def has_had(kind: str, *or_else: ColumnElement[bool]) -> ColumnElement[bool]:
    """She has sent the task or skipped it, once and for all; for another purpose than a label that goes by the slot."""
    done = or_(Assignment.submitted_at.is_not(None), Assignment.skipped_at.is_not(None), *or_else)
    # Asked slot by slot: OFFSET 0 keeps Postgres from gathering all that she has ever had into a hash first.
    label, other = (
        exists(select(literal_column("1")).where(hers, done).offset(literal_column("0"))) for hers in _hers(kind)
    )
    return case((Slot.purpose == _LABEL, label), else_=other)


def _has_seen_otherwise() -> ColumnElement[bool]:
    """She was given these responses to measure her, or has seen what others say of them in a review."""
    other = aliased(Slot)
    reviewed = and_(other.holder_id == USER, other.kind == literal_column("'review'"))
    seen: Select[Any] = select(literal_column("1")).where(
        other.comparison_id == Slot.comparison_id, or_(other.reserved_for_id == USER, reviewed)
    )
    return and_(Slot.purpose == _LABEL, exists(seen.offset(literal_column("0"))))


def left_behind(kind: str) -> ColumnElement[int | None]:
    """Her assignment of the task, neither sent nor skipped, which another labeler had taken over meanwhile."""
    label, other = (select(Assignment.id).where(hers).scalar_subquery() for hers in _hers(kind))
    return case((Slot.purpose == _LABEL, label), else_=other)
