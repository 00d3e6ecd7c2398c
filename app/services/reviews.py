"""Reviews: claim one, see two labels blind, decide, take the decision back. Called by the review pages and the API.

Hold, draft, skip and release are those of every task (services/assignments.py); a review has a slot like any other. A
decision changes no label: `superseded_at` puts one aside, and `exports.which_train` is where that counts.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import Session, aliased, contains_eager, joinedload

from app.errors import Conflict, Invalid, NotFound, Overtaken
from app.models import Adjudicator, Assignment, Completion, Project, Ranking, Review, Slot, Snapshot, User
from app.models.columns import Purpose, ReviewOutcome, Role, SlotKind
from app.rules import assignment as assignment_rules
from app.rules import reviews as rules
from app.services import assignments, audit, label_schemas, revisions, slot_holds
from app.services.assignments import Task
from app.services.guidelines import current_guideline
from app.services.labels import seconds_spent, store_once
from app.services.rankings import RankingDraft, make_ranking
from app.settings import get_settings
from app.translation import gettext as _

UNDO_OFFERED = timedelta(minutes=30)
_rng = random.SystemRandom()


@dataclass(frozen=True)
class Decision:
    """What a reviewer sends. `seen`: the revisions of X and Y that she looked at, where her page told them."""

    choice: str  # x, y, both, own
    comment: str
    order: RankingDraft | None = None
    seen: tuple[int, int] | None = None


@dataclass(frozen=True)
class ReviewTask:
    """What the review page shows: the task, and the two labels without a name, X before Y."""

    review: Review
    task: Task
    x: Ranking
    y: Ranking

    @property
    def swapped(self) -> bool:
        return self.x.id != self.review.first_id


def may_review(session: Session, project: Project, user: User) -> bool:
    """Researchers, admins, and labelers whom an admin has made adjudicators of the project."""
    if user.role in (Role.RESEARCHER, Role.ADMIN):
        return True
    return session.get(Adjudicator, (project.id, user.id)) is not None


def require_reviewer(session: Session, project: Project, user: User) -> None:
    """Raises NotFound for everybody else: it is not for them to know."""
    if not may_review(session, project, user):
        raise NotFound(_("There is nothing here, or it is not for you."))


def claim_review(session: Session, project: Project, user: User) -> Review | None:
    """The review that she holds or had left, or else the next one; None when none is left for her. Raises NotFound."""
    require_reviewer(session, project, user)
    now = assignments.database_now(session)
    assignment = _own_to_go_on(session, project, user, now)
    if assignment is None:
        slot = session.scalar(
            select(Slot)
            .join(Review, Review.slot_id == Slot.id)
            .where(*_open_for(project, user), _is_free(now))
            .order_by(Slot.id)
            .limit(1)
            .with_for_update(skip_locked=True, of=Slot)
        )
        if slot is None:
            return None
        assignment = _new_assignment(session, project, user, slot, now)
    assignments.renew_lease(session, assignment.id, user)
    return session.scalars(select(Review).where(Review.slot_id == assignment.slot_id)).one()


def count_waiting(session: Session, project: Project, user: User) -> int:
    """Reviews that this person could take up now, the one that she holds among them."""
    now = assignments.database_now(session)
    query = select(func.count()).select_from(Review).join(Slot, Slot.id == Review.slot_id)
    waiting = query.where(*_open_for(project, user), or_(_is_free(now), Slot.holder_id == user.id))
    return session.scalar(waiting) or 0


def list_desks(session: Session, user: User) -> list[tuple[Project, int]]:
    """The projects in which she may review and something waits for her."""
    listed = session.scalars(select(Project).order_by(Project.id)).all()
    counted = ((each, count_waiting(session, each, user)) for each in listed if may_review(session, each, user))
    return [(project, waiting) for project, waiting in counted if waiting]


def load_review(session: Session, review_id: int, user: User) -> ReviewTask:
    """A review of hers, open or decided. Raises NotFound."""
    found = session.execute(
        select(Review, Assignment.id)
        .join(Assignment, Assignment.slot_id == Review.slot_id)
        .options(joinedload(Review.first, innerjoin=True), joinedload(Review.second, innerjoin=True))
        .where(Review.id == review_id, Assignment.user_id == user.id)
    ).one_or_none()
    if found is None:
        raise NotFound(_("There is no such review of yours."))
    review, assignment_id = found
    task = assignments.load_task(session, assignment_id, user)
    require_reviewer(session, task.project, user)
    labels = (review.first, review.second)
    swapped = rules.labels_swapped(get_settings().key(), review.id, user.id)
    return ReviewTask(review, task, *(labels[::-1] if swapped else labels))


def find_of_assignment(session: Session, assignment: Assignment) -> Review:
    return session.scalars(select(Review).where(Review.slot_id == assignment.slot_id)).one()


def decide_review(
    session: Session, review_id: int, user: User, key: UUID, decision: Decision, seconds: float | None = None
) -> Review:
    """Store her decision once; the same key gives the same row. Raises Invalid, Conflict, Overtaken, NotFound."""
    seen = load_review(session, review_id, user)
    assignment = assignments.lock_for_submission(session, seen.task.assignment.id, user)
    review = _lock(session, review_id)
    if review.decided_at is not None and review.idempotency_key == key and review.decided_by_id == user.id:
        return review
    assignments.refuse_done(assignment)
    _check(decision)
    labels = _lock_labels(session, review)
    _refuse_changed(review, seen, decision, labels)
    now = assignments.database_now(session)
    if decision.order is not None and decision.choice == ReviewOutcome.OWN:
        review.ranking_id = _store_order(session, review, assignment, user, key, decision.order, seconds).id
    else:
        _fill_slot(session, assignment, user, decision, now)
    shown = [{"ranking": label.id, "revision": label.revision} for label in (seen.x, seen.y)]
    outcome = rules.place_of(decision.choice, seen.swapped)
    review.outcome, review.comment, review.labels_shown = outcome, decision.comment.strip(), shown
    review.decided_at, review.decided_by_id, review.idempotency_key = now, user.id, key
    review.seconds = seconds_spent(assignment, now, seconds)
    for place in rules.puts_aside(outcome):
        labels[review.first_id if place == "first" else review.second_id].superseded_at = now
    audit.record(session, user, "review.decided", f"review:{review.id}", outcome=outcome)
    session.flush()
    return review


def undo_review(session: Session, review_id: int, user: User) -> Review:
    """Take her decision back: the labels count as before and the review is in her hands. Raises Conflict, NotFound."""
    seen = load_review(session, review_id, user)
    assignment = assignments.lock_for_submission(session, seen.task.assignment.id, user)
    review = _lock(session, review_id)
    if review.decided_at is None and assignment.submitted_at is None:
        return review  # taken back already
    if review.decided_at is None or review.decided_by_id != user.id:
        raise Conflict(_("This review was not decided by you."))
    _refuse_trained(session, review)
    labels, now = _lock_labels(session, review), assignments.database_now(session)
    draft = {"choice": rules.choice_of(review.outcome or "", seen.swapped), "comment": review.comment}
    if review.ranking_id is not None:
        order = session.get_one(Ranking, review.ranking_id, with_for_update=True)
        draft |= revisions.as_draft(order)
        revisions.take_out(session, order, user)
    for place in rules.puts_aside(review.outcome or ""):
        labels[review.first_id if place == "first" else review.second_id].superseded_at = None
    audit.record(session, user, "review.undone", f"review:{review.id}", outcome=review.outcome)
    review.outcome = review.comment = review.decided_at = review.decided_by_id = None
    review.idempotency_key = review.seconds = review.labels_shown = review.ranking_id = None
    assignment.draft, assignment.draft_saved_at = draft, now
    slot_holds.reopen(session, assignment, user, now)
    assignment.slot.closed_at = None  # a review is worth as much after its round: every training reads all labels
    session.flush()
    return review


def find_undoable(session: Session, project_id: int, user: User) -> Review | None:
    """What she decided last in a project, if that was just now."""
    last = session.scalar(
        select(Review)
        .where(Review.project_id == project_id, Review.decided_by_id == user.id)
        .order_by(Review.decided_at.desc())
        .limit(1)
    )
    if last is None or last.decided_at is None or last.decided_at < datetime.now(UTC) - UNDO_OFFERED:
        return None
    return None if _trained_on(session, last) else last


def _check(decision: Decision) -> None:
    problems = rules.decision_problems(decision.choice, decision.comment)
    if decision.choice == ReviewOutcome.OWN and decision.order is None:
        problems.append({"field": "tiers", "message": _("Give your own order of the responses.")})
    if problems:
        raise Invalid(" ".join(problem["message"] for problem in problems), errors=problems)


def _refuse_changed(review: Review, seen: ReviewTask, decision: Decision, labels: dict[int, Ranking]) -> None:
    if review.cancelled_at is not None:
        raise Conflict(_("One of the two labels was withdrawn meanwhile, so there is nothing left to decide."))
    if decision.seen and decision.seen != (labels[seen.x.id].revision, labels[seen.y.id].revision):
        raise Conflict(_("One of the two labels was changed meanwhile. Look at it again; what you wrote is kept."))


def _store_order(
    session: Session,
    review: Review,
    assignment: Assignment,
    user: User,
    key: UUID,
    order: RankingDraft,
    seconds: float | None,
) -> Ranking:
    make: Callable[[Assignment, datetime], Ranking] = make_ranking(session, user, key, order, seconds)
    draft = {"choice": "own", **asdict(order)}
    return store_once(session, Ranking, SlotKind.REVIEW, assignment.id, user, key, draft, make)


def _fill_slot(session: Session, assignment: Assignment, user: User, decision: Decision, now: datetime) -> None:
    try:
        slot_holds.take_slot(session, assignment, user, now)
    except Overtaken:
        kept: dict[str, Any] = {"choice": decision.choice, "comment": decision.comment}
        assignment.draft, assignment.draft_saved_at = kept, now
        session.flush()
        raise
    slot_holds.complete_slot(assignment, user, now)


def _refuse_trained(session: Session, review: Review) -> None:
    if snapshot := _trained_on(session, review):
        message = _("Snapshot %(id)s was frozen after this decision: a training has read what it left.")
        raise Conflict(message % {"id": snapshot.id})


def _trained_on(session: Session, review: Review) -> Snapshot | None:
    return session.scalar(
        select(Snapshot)
        .where(
            Snapshot.project_id == review.project_id,
            Snapshot.kind == "ranking",
            Snapshot.created_at >= review.decided_at,
        )
        .order_by(Snapshot.id)
        .limit(1)
    )


def _lock(session: Session, review_id: int) -> Review:
    query = select(Review).where(Review.id == review_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def _lock_labels(session: Session, review: Review) -> dict[int, Ranking]:
    """Both labels as they stand now; a freeze waits for us, or we for it (services/revisions.py)."""
    query = select(Ranking).where(Ranking.id.in_((review.first_id, review.second_id))).order_by(Ranking.id)
    locked = session.scalars(query.with_for_update().execution_options(populate_existing=True))
    return {label.id: label for label in locked}


def _is_free(now: datetime) -> ColumnElement[bool]:
    return or_(Slot.leased_until.is_(None), Slot.leased_until <= now)


def _open_for(project: Project, user: User) -> list[ColumnElement[bool]]:
    """Undecided, and neither hers nor about responses that she was asked to rank. What she skipped stays away."""
    label = aliased(Ranking)
    hers = exists().where(
        label.comparison_id == Review.comparison_id, label.user_id == user.id, label.purpose == Purpose.LABEL
    )
    asked = exists().where(
        Assignment.comparison_id == Review.comparison_id,
        Assignment.user_id == user.id,
        or_(Assignment.kind != SlotKind.REVIEW, Assignment.skipped_at.is_not(None)),
    )
    return [
        Review.project_id == project.id,
        Review.decided_at.is_(None),
        Review.cancelled_at.is_(None),
        Slot.submitted_at.is_(None),
        Slot.closed_at.is_(None),
        ~hers,
        ~asked,
    ]


def _own_to_go_on(session: Session, project: Project, user: User, now: datetime) -> Assignment | None:
    """The review that she holds, or one that she left and nobody has taken."""
    held = Slot.holder_id == user.id
    return session.scalar(
        select(Assignment)
        .join(Assignment.slot)
        .options(contains_eager(Assignment.slot))
        .where(
            Assignment.user_id == user.id,
            Assignment.project_id == project.id,
            Assignment.kind == SlotKind.REVIEW,
            Assignment.submitted_at.is_(None),
            Assignment.skipped_at.is_(None),
            Slot.submitted_at.is_(None),
            Slot.closed_at.is_(None),
            or_(held, _is_free(now)),
        )
        .order_by(held.desc().nulls_last(), Assignment.id)
        .limit(1)
        .with_for_update()
    )


def _new_assignment(session: Session, project: Project, user: User, slot: Slot, now: datetime) -> Assignment:
    ids = session.scalars(select(Completion.id).where(Completion.comparison_id == slot.comparison_id))
    assignment = Assignment(
        project_id=project.id,
        slot=slot,
        user_id=user.id,
        kind=SlotKind.REVIEW,
        purpose=Purpose.REVIEW,
        prompt_id=slot.prompt_id,
        comparison_id=slot.comparison_id,
        order_shown=assignment_rules.shuffle_order([str(completion_id) for completion_id in ids], _rng),
        guideline_version=current_guideline(session, project.id).version,
        schema_version=label_schemas.current_schema(session, project.id).version,
        expires_at=now,
    )
    session.add(assignment)
    session.flush()
    return assignment
