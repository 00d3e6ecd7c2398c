"""What researchers see of reviews: those that wait and those that are done, how far labelers agree, who may review.

Deciding is services/reviews.py. Called by the pages and the API of reviews.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from app.errors import Invalid, NotFound
from app.models import Adjudicator, Comparison, Project, Ranking, Review, Slot, User
from app.models.columns import Purpose, Role
from app.rules import reviews as rules
from app.services import audit
from app.translation import gettext as _

PAGE = 50
WEEKS = 12


@dataclass(frozen=True)
class ReviewCounts:
    waiting: int
    outcomes: dict[str, int]  # first, second, both, own: how often it was decided so

    @property
    def done(self) -> int:
        return sum(self.outcomes.values())


def list_reviews(session: Session, project: Project, *, done: bool, before: int | None = None) -> Sequence[Review]:
    """A page of reviews with all that a researcher's page shows of them, newest first."""
    query = (
        select(Review)
        .join(Slot, Slot.id == Review.slot_id)
        .options(
            joinedload(Review.comparison, innerjoin=True).joinedload(Comparison.prompt, innerjoin=True),
            joinedload(Review.first, innerjoin=True).joinedload(Ranking.user, innerjoin=True),
            joinedload(Review.second, innerjoin=True).joinedload(Ranking.user, innerjoin=True),
            joinedload(Review.decided_by),
        )
        .where(Review.project_id == project.id, *_state(done))
        .order_by(Review.id.desc())
        .limit(PAGE)
    )
    return session.scalars(query.where(Review.id < before) if before else query).all()


def count_reviews(session: Session, project: Project) -> ReviewCounts:
    waiting = (
        select(func.count())
        .select_from(Review)
        .join(Slot, Slot.id == Review.slot_id)
        .where(Review.project_id == project.id, *_state(False))
    )
    decided = select(Review.outcome, func.count()).where(Review.project_id == project.id, Review.outcome.is_not(None))
    found = {str(outcome): count for outcome, count in session.execute(decided.group_by(Review.outcome))}
    ordered = {outcome: found.get(outcome, 0) for outcome in ("first", "second", "both", "own")}
    return ReviewCounts(session.scalar(waiting) or 0, ordered)


def agreement_by_week(session: Session, project: Project, weeks: int = WEEKS) -> list[rules.Week]:
    """Of all tasks with two labels or more, each pair in the week of its later label; withdrawn labels left out."""
    since = datetime.now(UTC) - timedelta(weeks=weeks)
    several = (
        select(Ranking.comparison_id)
        .where(Ranking.project_id == project.id, Ranking.purpose == Purpose.LABEL, Ranking.withdrawn_at.is_(None))
        .group_by(Ranking.comparison_id)
        .having(func.count() > 1, func.max(Ranking.created_at) > since)
    )
    labels = (
        select(Ranking.comparison_id, Ranking.created_at, Ranking.tiers)
        .where(Ranking.comparison_id.in_(several), Ranking.purpose == Purpose.LABEL, Ranking.withdrawn_at.is_(None))
        .order_by(Ranking.created_at)
    )
    by_task: dict[int, list[tuple[datetime, list[list[str]]]]] = defaultdict(list)
    for comparison_id, created_at, tiers in session.execute(labels):
        by_task[comparison_id].append((created_at, tiers))
    return rules.weekly_agreement(
        (later[0].astimezone(UTC).date(), rules.disagreement(earlier[1], later[1]))
        for task in by_task.values()
        for earlier, later in combinations(task, 2)
        if later[0] > since
    )


def list_adjudicators(session: Session, project: Project) -> list[User]:
    """The labelers whom an admin has made adjudicators."""
    query = (
        select(User)
        .join(Adjudicator, Adjudicator.user_id == User.id)
        .where(Adjudicator.project_id == project.id)
        .order_by(User.name, User.id)
    )
    return list(session.scalars(query))


def list_candidates(session: Session, project: Project) -> list[User]:
    """Labelers who could be made adjudicators."""
    chosen = select(Adjudicator.user_id).where(Adjudicator.project_id == project.id)
    query = select(User).where(User.role == Role.LABELER, User.disabled_at.is_(None), User.id.not_in(chosen))
    return list(session.scalars(query.order_by(User.name, User.id)))


def add_adjudicator(session: Session, project: Project, user_id: int, by: User) -> None:
    """Twice is the same as once. Raises NotFound, and Invalid for somebody who may review anyway."""
    user = session.get(User, user_id)
    if user is None:
        raise NotFound(_("There is no such person."))
    if user.role != Role.LABELER:
        raise Invalid(_("Researchers and admins may review without being made adjudicators."))
    if session.get(Adjudicator, (project.id, user_id)) is None:
        session.add(Adjudicator(project_id=project.id, user_id=user_id))
        audit.record(session, by, "adjudicator.added", f"project:{project.id}", labeler=user_id)
    session.flush()


def remove_adjudicator(session: Session, project: Project, user_id: int, by: User) -> None:
    """What she has decided stands. Removing nobody is fine."""
    found = session.get(Adjudicator, (project.id, user_id))
    if found is not None:
        session.delete(found)
        audit.record(session, by, "adjudicator.removed", f"project:{project.id}", labeler=user_id)
    session.flush()


def _state(done: bool):  # type: ignore[no-untyped-def]  # conditions of two columns; no narrower public type
    if done:
        return (Review.decided_at.is_not(None),)
    return (Review.decided_at.is_(None), Review.cancelled_at.is_(None), Slot.closed_at.is_(None))
