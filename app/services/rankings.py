"""Rankings: one labeler's tiers, ratings, flags, confidence as one row. Called by the labeling pages and the API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app import figures
from app.errors import Invalid, NotFound
from app.models import Assignment, Comparison, LabelSchema, Ranking, User
from app.rules.label_schemas import Fields, flag_keys
from app.rules.presentations import clean_presentation
from app.rules.rankings import confidence_problems, prompt_flag_problems, ranking_problems
from app.services import review_tasks, revisions
from app.services.labels import make_anew, seconds_spent, store_once
from app.translation import gettext as _

LONGEST_COMMENT = 10_000
# The round that a comparison was made for, and what the version of the label schema asks.
_ASKED = (
    select(Comparison.round_id, LabelSchema.fields)
    .join(LabelSchema, LabelSchema.project_id == Comparison.project_id)
    .where(Comparison.id == bindparam("comparison_id"), LabelSchema.version == bindparam("version"))
)


@dataclass
class RankingDraft:
    """What she sends: best tier first; ties share a tier."""

    tiers: list[list[str]]
    ratings: dict[str, dict[str, Any]] = field(default_factory=dict)
    comment: str | None = None
    prompt_flags: list[str] = field(default_factory=list)
    confidence: int | None = None
    presentation: Any = None  # as the browser tells it; rules/presentations.py


def submit_ranking(
    session: Session, assignment_id: int, user: User, key: UUID, draft: RankingDraft, seconds: float | None = None
) -> Ranking:
    """Store her ranking once; the same key gives the same row. Raises Invalid, Conflict, Overtaken, NotFound."""
    make = make_ranking(session, user, key, draft, seconds)
    ranking = store_once(session, Ranking, "ranking", assignment_id, user, key, asdict(draft), make)
    review_tasks.note_label(session, ranking)
    return ranking


def edit_ranking(
    session: Session, ranking_id: int, user: User, draft: RankingDraft, seconds: float | None = None
) -> Ranking:
    """Let her own ranking say something else. Raises Invalid, NotFound, and Conflict once it is frozen or withdrawn."""
    ranking = revisions.lock_label(session, "ranking", ranking_id, user)
    assert isinstance(ranking, Ranking)
    told = ranking.seconds if seconds is None else seconds
    draft.presentation = draft.presentation or ranking.presentation
    make = make_ranking(session, user, ranking.idempotency_key, draft, told)
    revised = revisions.revise_label(session, ranking, user, make_anew(session, ranking, make))
    review_tasks.note_label(session, revised)
    return revised


def make_ranking(
    session: Session, user: User, key: UUID, draft: RankingDraft, seconds: float | None
) -> Callable[[Assignment, datetime], Ranking]:
    """What builds the row of a task from a draft; it raises Invalid. Also for the order of a reviewer."""

    def make(assignment: Assignment, now: datetime) -> Ranking:
        if assignment.comparison_id is None:
            raise Invalid(_("This task asks for a demonstration."))
        asked = {"comparison_id": assignment.comparison_id, "version": assignment.schema_version}
        round_id, fields = session.execute(_ASKED, asked).one()
        _check_draft(cast(Fields, fields), assignment, draft)
        return Ranking(
            project_id=assignment.project_id,
            comparison_id=assignment.comparison_id,
            round_id=round_id,
            assignment_id=assignment.id,
            user_id=user.id,
            purpose=assignment.purpose,
            idempotency_key=key,
            tiers=draft.tiers,
            ratings=draft.ratings,
            prompt_flags=[key for key in flag_keys(fields, "prompt_flags") if key in draft.prompt_flags],
            confidence=draft.confidence,
            comment=(draft.comment or "").strip() or None,
            order_shown=assignment.order_shown,
            guideline_version=assignment.guideline_version,
            schema_version=assignment.schema_version,
            seconds=seconds_spent(assignment, now, seconds),
            presentation=clean_presentation(draft.presentation, assignment.order_shown),
            simulated=user.simulated,
        )

    return make


def get_ranking(session: Session, ranking_id: int) -> Ranking:
    ranking = session.get(Ranking, ranking_id)
    if ranking is None:
        raise NotFound(_("There is no such ranking."))
    return ranking


def _check_draft(fields: Fields, assignment: Assignment, draft: RankingDraft) -> None:
    """Raises Invalid with every problem, by the version of the label schema that she was asked under."""
    problems = ranking_problems(
        draft.tiers,
        draft.ratings,
        assignment.order_shown,
        asks_ratings=fields["ratings"],
        flags=flag_keys(fields, "response_flags"),
    )
    problems += prompt_flag_problems(draft.prompt_flags, flag_keys(fields, "prompt_flags"))
    problems += confidence_problems(draft.confidence, fields["confidence"])
    if len(draft.comment or "") > LONGEST_COMMENT or "\x00" in (draft.comment or ""):
        sentence = _("The reason must be text of at most %(most)s characters.")
        problems.append(sentence % {"most": figures.number(LONGEST_COMMENT)})
    if problems:
        raise Invalid(" ".join(problems), errors=[{"message": problem} for problem in problems])
