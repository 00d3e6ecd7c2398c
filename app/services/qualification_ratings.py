"""Ratings of demonstrations, by researchers who do not know whose they are. Called by pages and the API.

What waits is shown without its labeler, in an order that says nothing of her.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, joinedload

from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.models import QualificationAnswer, QualificationAttempt, QualificationItem, QualificationRating, User
from app.models.columns import AttemptState, QualificationPart, QualificationStage
from app.rules.qualifications import HIGHEST_RATING, LOWEST_RATING
from app.services.qualification_attempts import load_sitting, settle_attempt
from app.translation import gettext as _

SHOWN = 200


@dataclass(frozen=True)
class Waiting:
    """A demonstration to be rated, without whose it is."""

    answer_id: int
    item: QualificationItem
    text: str


def list_waiting(session: Session, project_id: int, rater: User) -> list[Waiting]:
    """Demonstrations that this person has not rated yet, mixed; never her own."""
    rows = session.scalars(_waiting(project_id, rater).limit(SHOWN)).all()
    return [Waiting(row.id, row.item, (row.answer or {}).get("text", "")) for row in rows]


def count_waiting(session: Session, project_id: int, rater: User) -> int:
    waiting = _waiting(project_id, rater).order_by(None).with_only_columns(QualificationAnswer.id).subquery()
    return session.scalar(select(func.count()).select_from(waiting)) or 0


def _waiting(project_id: int, rater: User) -> Select[QualificationAnswer]:
    rated = exists().where(
        QualificationRating.answer_id == QualificationAnswer.id, QualificationRating.user_id == rater.id
    )
    return (
        select(QualificationAnswer)
        .join(QualificationAnswer.attempt)
        .join(QualificationAnswer.item)
        .options(joinedload(QualificationAnswer.item, innerjoin=True))
        .where(
            QualificationAttempt.project_id == project_id,
            QualificationAttempt.state == AttemptState.WAITING,
            QualificationAttempt.user_id != rater.id,
            QualificationItem.kind == QualificationPart.DEMONSTRATION,
            QualificationItem.stage == QualificationStage.TEST,
            ~rated,
        )
        .order_by(func.md5(func.concat(QualificationAnswer.id, "blind")))
    )


def rate_demonstration(session: Session, answer_id: int, rater: User, rating: int) -> QualificationAttempt:
    """Her rating, 1 to 7; another one replaces it until the attempt is decided. Raises NotFound, Invalid, Conflict."""
    if not LOWEST_RATING <= rating <= HIGHEST_RATING:
        raise Invalid(_("A rating is a whole number from 1 to 7."))
    answer = get_demonstration(session, answer_id)
    sitting = load_sitting(session, answer.attempt_id, None, lock=True)
    if sitting.attempt.user_id == rater.id:
        raise Forbidden(_("This is your own answer; somebody else rates it."))
    if sitting.attempt.state != AttemptState.WAITING:
        raise Conflict(_("This attempt is decided by now; your rating is not needed any more."))
    values = {"answer_id": answer_id, "user_id": rater.id, "rating": rating}
    session.execute(
        insert(QualificationRating)
        .values(values)
        .on_conflict_do_update(index_elements=["answer_id", "user_id"], set_={"rating": rating})
    )
    sitting = load_sitting(session, answer.attempt_id, None)
    settle_attempt(session, sitting)
    return sitting.attempt


def get_demonstration(session: Session, answer_id: int) -> QualificationAnswer:
    """An answer that is there to be rated, with its item. Raises NotFound."""
    answer = session.scalar(
        select(QualificationAnswer)
        .options(
            joinedload(QualificationAnswer.item, innerjoin=True),
            joinedload(QualificationAnswer.attempt, innerjoin=True),
        )
        .where(QualificationAnswer.id == answer_id)
    )
    wanted = (QualificationPart.DEMONSTRATION, QualificationStage.TEST)
    if answer is None or (answer.item.kind, answer.item.stage) != wanted:
        raise NotFound(_("There is no such demonstration."))
    return answer
