"""Gold items: comparisons whose right answer a researcher has said. Called by the gold pages and the API.

Who answers them, and when, is services/measures.py; what the answers are worth is services/reliability.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session, joinedload, selectinload

from app.errors import Conflict, Invalid, NotFound
from app.models import Comparison, Completion, GoldItem, Project, Ranking, Slot, User
from app.rules import gold_items as rules
from app.rules.label_schemas import Flag
from app.rules.rankings import HIGHEST_RATING, LOWEST_RATING
from app.services import audit, label_schemas
from app.services.assignments import database_now
from app.translation import gettext as _

PAGE = 30


@dataclass
class GoldDraft:
    """The right answer, as somebody says it."""

    tiers: list[list[str]]
    ratings: dict[str, list[int]] = field(default_factory=dict)  # completion id -> [lowest, highest]
    flags: dict[str, dict[str, list[str]]] = field(default_factory=dict)  # completion id -> {"must", "must_not"}
    explanation: str = ""


@dataclass(frozen=True)
class Candidate:
    """A comparison that could be a gold item."""

    comparison: Comparison
    labels: int  # standing rankings of it


def get_comparison(session: Session, comparison_id: int) -> Comparison:
    """With its prompt and its responses. Raises NotFound, also for the comparison of a bettered response."""
    comparison = session.scalar(
        select(Comparison)
        .options(joinedload(Comparison.prompt, innerjoin=True), selectinload(Comparison.completions))
        .where(Comparison.id == comparison_id, ~_is_edit())
    )
    if comparison is None:
        raise NotFound(_("There is no such comparison."))
    return comparison


def list_gold_items(session: Session, project: Project) -> Sequence[GoldItem]:
    """Newest first, each with its prompt and who marked it."""
    return session.scalars(
        select(GoldItem)
        .options(
            joinedload(GoldItem.comparison, innerjoin=True).joinedload(Comparison.prompt, innerjoin=True),
            joinedload(GoldItem.created_by, innerjoin=True),
        )
        .where(GoldItem.project_id == project.id)
        .order_by(GoldItem.id.desc())
    ).all()


def get_gold_item(session: Session, project: Project, item_id: int) -> GoldItem:
    item = session.get(GoldItem, item_id)
    if item is None or item.project_id != project.id:
        raise NotFound(_("There is no such gold item."))
    return item


def find_gold_item(session: Session, comparison_id: int) -> GoldItem | None:
    return session.scalar(select(GoldItem).where(GoldItem.comparison_id == comparison_id))


def known_flags(session: Session, project_id: int) -> list[Flag]:
    """The flags that a gold item may speak of: those that labelers are asked about now."""
    return label_schemas.fields_of(label_schemas.current_schema(session, project_id))["response_flags"]


def set_gold_item(session: Session, comparison: Comparison, user: User, draft: GoldDraft) -> tuple[GoldItem, bool]:
    """Say the right answer, or say it otherwise: (the item, whether it is new). Raises Invalid, by field."""
    item = find_gold_item(session, comparison.id)
    known = {flag["key"] for flag in known_flags(session, comparison.project_id)}
    if item is not None:  # a flag that is no longer asked about may stay
        known |= {key for wanted in item.flags.values() for keys in wanted.values() for key in keys}
    flags = {key: wanted for key, wanted in draft.flags.items() if any(wanted.values())}
    ids = [str(completion.id) for completion in comparison.completions]
    problems = rules.answer_problems(ids, draft.tiers, draft.ratings, flags, known, draft.explanation)
    if problems:
        sentences = " ".join(each["message"] for each in problems)
        raise Invalid(_("Not stored: %(problems)s") % {"problems": sentences}, errors=problems)
    session.scalars(select(Comparison.id).where(Comparison.id == comparison.id).with_for_update(key_share=True)).one()
    item = session.scalar(
        select(GoldItem).where(GoldItem.comparison_id == comparison.id).execution_options(populate_existing=True)
    )
    new = item is None
    if item is None:
        item = GoldItem(project_id=comparison.project_id, comparison_id=comparison.id, created_by_id=user.id)
        session.add(item)
    item.tiers, item.ratings, item.flags = draft.tiers, draft.ratings, flags
    item.explanation = draft.explanation.strip()
    session.flush()
    audit.record(session, user, "gold_item.marked" if new else "gold_item.changed", f"comparison:{comparison.id}")
    return item, new


def remove_gold_item(session: Session, item: GoldItem, user: User) -> None:
    """It is given to nobody any more; answers to it stay where they are and measure nothing."""
    open_slots = update(Slot).where(
        Slot.comparison_id == item.comparison_id, Slot.purpose == "gold", Slot.submitted_at.is_(None)
    )
    session.execute(open_slots.values(closed_at=database_now(session)))
    audit.record(session, user, "gold_item.removed", f"comparison:{item.comparison_id}")
    session.delete(item)
    session.flush()


def draft_of(item: GoldItem) -> GoldDraft:
    return GoldDraft(item.tiers, item.ratings, item.flags, item.explanation)


def draft_from_ranking(session: Session, project_id: int, ranking_id: int) -> tuple[int, GoldDraft]:
    """(its comparison, what it says as the right answer); a rating more or less is fine. Raises NotFound, Conflict."""
    ranking = session.get(Ranking, ranking_id)
    if ranking is None or ranking.project_id != project_id:
        raise NotFound(_("There is no ranking %(id)s in this project.") % {"id": ranking_id})
    if ranking.withdrawn_at is not None:
        raise Conflict(_("This ranking is withdrawn, so it is no answer to go by."))
    ratings = {key: _around(rating["overall"]) for key, rating in ranking.ratings.items() if rating.get("overall")}
    known = {flag["key"] for flag in known_flags(session, project_id)}
    flags = {key: _must(rating, known) for key, rating in ranking.ratings.items()}
    told = {key: wanted for key, wanted in flags.items() if wanted["must"]}
    return ranking.comparison_id, GoldDraft(ranking.tiers, ratings, told, ranking.comment or "")


def list_candidates(session: Session, project: Project, before: int | None = None) -> list[Candidate]:
    """Comparisons that are no gold items yet, newest first, a page at a time."""
    query = (
        select(Comparison)
        .options(joinedload(Comparison.prompt, innerjoin=True))
        .where(
            Comparison.project_id == project.id,
            ~exists().where(GoldItem.comparison_id == Comparison.id),
            ~_is_edit(),
        )
        .order_by(Comparison.id.desc())
        .limit(PAGE)
    )
    found = session.scalars(query.where(Comparison.id < before) if before else query).all()
    standing = (
        select(Ranking.comparison_id, func.count())
        .where(Ranking.comparison_id.in_([each.id for each in found]), Ranking.withdrawn_at.is_(None))
        .group_by(Ranking.comparison_id)
    )
    counts = {row[0]: row[1] for row in session.execute(standing)}
    return [Candidate(each, counts.get(each.id, 0)) for each in found]


def _is_edit() -> Any:
    """Whether a response of the comparison was written to better another one: its writer would know it."""
    return exists().where(Completion.comparison_id == Comparison.id, Completion.original_id.is_not(None))


def _around(rating: int) -> list[int]:
    return [max(LOWEST_RATING, rating - 1), min(HIGHEST_RATING, rating + 1)]


def _must(rating: Mapping[str, Any], known: set[str]) -> dict[str, list[str]]:
    return {"must": [flag for flag in rating.get("flags") or [] if flag in known], "must_not": []}
