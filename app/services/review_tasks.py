"""Which labels get a review: made when a label comes in, called off when one is withdrawn. What a review closes.

Called by services/rankings.py and services/revisions.py whenever a label changes; deciding is services/reviews.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.orm import Session, joinedload

from app.errors import Conflict
from app.models import Comparison, Demonstration, Project, Prompt, Ranking, Review, Slot, User
from app.models.columns import LabelerGroup, Purpose, ReviewCause, SlotKind
from app.rules import reviews as rules
from app.settings import get_settings
from app.translation import gettext as _

# Asked for every label that comes in, so only what decides is read.
_WANTED = select(Project.review_above, Project.review_rate).where(Project.id == bindparam("project_id"))


def note_label(session: Session, ranking: Ranking) -> Review | None:
    """A label has come in, or says something else: make a review where the project's settings want one."""
    if ranking.purpose != Purpose.LABEL:
        return None
    above, rate = session.execute(_WANTED, {"project_id": ranking.project_id}).one()
    if above is None and not rate:
        return None
    project = session.get_one(Project, ranking.project_id)
    session.flush()
    # Of two labels that come in at once the later one has to see the earlier one.
    wanted = select(Comparison).where(Comparison.id == ranking.comparison_id).with_for_update(key_share=True)
    comparison = session.scalars(wanted).one()
    if _has_review(session, comparison.id) or session.get_one(Prompt, comparison.prompt_id).retired_at is not None:
        return None
    found = _choose(project, comparison.id, _labels_to_compare(session, comparison.id))
    return _make(session, comparison, *found) if found else None


def call_off(session: Session, label: Ranking | Demonstration) -> None:
    """The label is withdrawn: nobody has to decide over it any more. A decision that was made stands."""
    if isinstance(label, Demonstration):
        return
    waiting = (
        select(Review)
        .options(joinedload(Review.slot, innerjoin=True))
        .where(_names(label.id), Review.decided_at.is_(None), Review.cancelled_at.is_(None))
    )
    for review in session.scalars(waiting):
        review.cancelled_at = func.clock_timestamp()
        review.slot.closed_at = func.clock_timestamp()
    session.flush()


def find_decided(session: Session, labels: Iterable[Ranking | Demonstration]) -> dict[int, Review]:
    """Ranking id -> the review that has decided over it, with the reviewer's own order if there is one."""
    ids = [label.id for label in labels if isinstance(label, Ranking)]
    query = select(Review).where(
        Review.decided_at.is_not(None), or_(Review.first_id.in_(ids), Review.second_id.in_(ids))
    )
    if not ids:
        return {}
    wanted = set(ids)
    return {
        ranking_id: review
        for review in session.scalars(query.order_by(Review.id))
        for ranking_id in (review.first_id, review.second_id)
        if ranking_id in wanted
    }


def refuse_reviewed(session: Session, label: Ranking | Demonstration) -> None:
    """Raises Conflict when a review has decided over the label: what it judged stays what it was."""
    if find_decided(session, [label]):
        raise Conflict(_("This label has been reviewed, so it can no longer be changed. You can still withdraw it."))


def refuse_order_of_review(label: Ranking | Demonstration) -> None:
    """Raises Conflict for the order of a reviewer: it goes with her decision."""
    if isinstance(label, Ranking) and label.purpose == Purpose.REVIEW:
        raise Conflict(_("This order belongs to a review. It changes only when its reviewer takes her decision back."))


def _names(ranking_id: int):  # type: ignore[no-untyped-def]  # a condition; the public type is wider than its use
    return or_(Review.first_id == ranking_id, Review.second_id == ranking_id)


def _has_review(session: Session, comparison_id: int) -> bool:
    standing = select(Review.id).where(Review.comparison_id == comparison_id, Review.cancelled_at.is_(None))
    return session.scalar(standing) is not None


def _labels_to_compare(session: Session, comparison_id: int) -> Sequence[Ranking]:
    """Oldest first. Held-out labelers are a yardstick (InstructGPT, 3.4): nobody decides over their labels."""
    return session.scalars(
        select(Ranking)
        .join(User, User.id == Ranking.user_id)
        .where(
            Ranking.comparison_id == comparison_id,
            Ranking.purpose == Purpose.LABEL,
            Ranking.withdrawn_at.is_(None),
            Ranking.superseded_at.is_(None),
            User.labeler_group == LabelerGroup.TRAINING,
        )
        .order_by(Ranking.id)
    ).all()


def _choose(
    project: Project, comparison_id: int, labels: Sequence[Ranking]
) -> tuple[Ranking, Ranking, float, str] | None:
    """The two labels that differ most, where they differ too much; else the first two of a task that is drawn."""
    pairs = [(rules.disagreement(one.tiers, other.tiers), one, other) for one, other in combinations(labels, 2)]
    if not pairs:
        return None
    drawn = rules.is_drawn(get_settings().key(), "review", comparison_id, project.review_rate)
    worst, *_ = sorted(pairs, key=lambda pair: -pair[0])
    cause = rules.why_review(worst[0], project.review_above, drawn)
    if cause is None:
        return None
    differ, one, other = worst if cause == ReviewCause.DISAGREEMENT else pairs[0]
    return one, other, differ, cause


def _make(
    session: Session, comparison: Comparison, one: Ranking, other: Ranking, disagreement: float, cause: str
) -> Review:
    last = session.scalar(select(func.max(Slot.ordinal)).where(Slot.comparison_id == comparison.id)) or 0
    slot = Slot(
        project_id=comparison.project_id,
        kind=SlotKind.REVIEW,
        purpose=Purpose.REVIEW,
        prompt_id=comparison.prompt_id,
        comparison_id=comparison.id,
        ordinal=last + 1,
    )
    review = Review(
        project_id=comparison.project_id,
        comparison_id=comparison.id,
        slot=slot,
        first_id=one.id,
        second_id=other.id,
        cause=cause,
        disagreement=disagreement,
    )
    session.add(review)
    session.flush()
    return review
