"""A labeler's attempts: begun, practised, answered, sent, decided. Called by her pages and the API.

She never meets a gold answer of the test. In practice each answer is scored at once and may be given again. Responses
stand in an order of each attempt's own; what comes in is put back into the item's order here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, joinedload, selectinload

from app.errors import Conflict, Invalid, NotFound
from app.models import (
    Project,
    Qualification,
    QualificationAnswer,
    QualificationAttempt,
    QualificationItem,
    User,
)
from app.models.columns import AttemptState, QualificationPart, QualificationStage
from app.rules import qualification_items as item_rules
from app.rules import qualifications as rules
from app.rules.qualifications import Figure, Score
from app.services.qualification_items import flag_keys
from app.services.qualification_standings import OPEN, find_standing
from app.translation import SOURCE, speaking
from app.translation import gettext as _


@dataclass(frozen=True)
class Question:
    """One item of an attempt, as her page shows it."""

    number: int
    item: QualificationItem
    order: list[int]  # positions in item.responses, in the order shown
    answer: QualificationAnswer | None

    @property
    def practice(self) -> bool:
        return self.item.stage == QualificationStage.PRACTICE

    @property
    def responses(self) -> list[str]:
        return [self.item.responses[position] for position in self.order]

    @property
    def answered(self) -> bool:
        return self.answer is not None and self.answer.answer is not None


@dataclass(frozen=True)
class Sitting:
    """An attempt with all its questions."""

    attempt: QualificationAttempt
    qualification: Qualification
    questions: list[Question]

    @property
    def flags(self) -> list[str]:
        return flag_keys(self.qualification)

    @property
    def asks_topics(self) -> bool:
        return bool(self.qualification.topics) and self.attempt.topics is None

    @property
    def unanswered(self) -> list[Question]:
        return [question for question in self.questions if not question.answered]


def begin_attempt(session: Session, project: Project, user: User) -> QualificationAttempt:
    """The attempt she has under way, or a new one at the version in force. Raises Conflict with the reason."""
    session.execute(select(Project.id).where(Project.id == project.id).with_for_update(read=True))
    session.refresh(project, ["qualification_id"])
    if (under_way := open_attempt(session, project.id, user)) is not None:
        return under_way
    if problem := rules.begin_problem(find_standing(session, project, user)):
        raise Conflict(problem)
    values = {"project_id": project.id, "qualification_id": project.qualification_id, "user_id": user.id}
    session.execute(insert(QualificationAttempt).values(values).on_conflict_do_nothing())  # pressed twice: one
    begun = open_attempt(session, project.id, user)
    assert begun is not None, "it was inserted, or another one was there"
    return begun


def open_attempt(session: Session, project_id: int, user: User) -> QualificationAttempt | None:
    return session.scalar(
        select(QualificationAttempt).where(
            QualificationAttempt.user_id == user.id,
            QualificationAttempt.project_id == project_id,
            QualificationAttempt.state.in_(OPEN),
        )
    )


def own_attempts(session: Session, project_id: int, user: User) -> Sequence[QualificationAttempt]:
    """All of hers in a project, newest first."""
    return session.scalars(
        select(QualificationAttempt)
        .where(QualificationAttempt.user_id == user.id, QualificationAttempt.project_id == project_id)
        .order_by(QualificationAttempt.id.desc())
    ).all()


def load_sitting(session: Session, attempt_id: int, user: User | None, *, lock: bool = False) -> Sitting:
    """Her own attempt with its questions; with `user` None anybody's. Raises NotFound."""
    if lock:
        session.execute(select(QualificationAttempt.id).where(QualificationAttempt.id == attempt_id).with_for_update())
    attempt = session.scalar(
        select(QualificationAttempt)
        .options(
            joinedload(QualificationAttempt.qualification, innerjoin=True).selectinload(Qualification.items),
            selectinload(QualificationAttempt.answers).selectinload(QualificationAnswer.ratings),
            joinedload(QualificationAttempt.user, innerjoin=True),
        )
        .where(QualificationAttempt.id == attempt_id)
        .execution_options(populate_existing=True)
    )
    if attempt is None or (user is not None and attempt.user_id != user.id):
        raise NotFound(_("There is no such attempt of yours."))
    given = {answer.item_id: answer for answer in attempt.answers}
    questions = [
        Question(item.ordinal, item, rules.shown_order(len(item.responses), attempt.id, item.id), given.get(item.id))
        for item in attempt.qualification.items
    ]
    return Sitting(attempt, attempt.qualification, questions)


def find_question(sitting: Sitting, number: int) -> Question:
    """Raises NotFound."""
    if not 1 <= number <= len(sitting.questions):
        raise NotFound(_("There is no such item."))
    return sitting.questions[number - 1]


def state_topics(session: Session, attempt_id: int, user: User, topics: Sequence[str]) -> Sitting:
    """Which topics she feels able to judge; none is an answer too. Raises Invalid for one that was not asked."""
    sitting = _open_sitting(session, attempt_id, user)
    if unknown := [topic for topic in topics if topic not in sitting.qualification.topics]:
        raise Invalid(_("Not among the topics: %(topics)s.") % {"topics": ", ".join(unknown)})
    sitting.attempt.topics = [topic for topic in sitting.qualification.topics if topic in topics]
    session.flush()
    return sitting


def keep_draft(session: Session, attempt_id: int, user: User, number: int, draft: Any) -> datetime:
    """Whatever her page holds of an answer, so that nothing is lost. Returns the moment."""
    sitting = _open_sitting(session, attempt_id, user)
    answer = _answer_row(session, sitting, find_question(sitting, number))
    now: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    answer.draft, answer.draft_saved_at = draft, now
    session.flush()
    return now


def give_answer(session: Session, attempt_id: int, user: User, number: int, said: Mapping[str, Any]) -> Question:
    """Her answer to one item: {"flags": keys}, {"places": in the order shown} or {"text"}.

    A test answer may be changed until the attempt is sent. Raises Invalid, and Conflict for a test item before
    every practice item has been answered once.
    """
    sitting = _open_sitting(session, attempt_id, user)
    question = find_question(sitting, number)
    item = question.item
    if not question.practice and any(one.practice and not one.answered for one in sitting.questions):
        raise Conflict(_("Answer every practice item first; the test opens then."))
    answer = in_item_order(question, said)
    if problem := item_rules.answer_problem(item.kind, answer, sitting.flags, len(item.responses)):
        raise Invalid(problem)
    row = _answer_row(session, sitting, question)
    row.answer = item_rules.normal_answer(item.kind, answer, sitting.flags)
    row.draft, row.answered_at, row.tries = None, session.scalar(select(func.now())), row.tries + 1
    score = score_answer(item, row.answer, sitting.flags)
    row.points, row.out_of = (score.points, score.out_of) if score else (None, None)
    session.flush()
    return Question(question.number, item, question.order, row)


def submit_attempt(session: Session, attempt_id: int, user: User) -> QualificationAttempt:
    """Send the test; it is decided at once where nobody has to rate. Sending twice is the same as once."""
    sitting = load_sitting(session, attempt_id, user, lock=True)
    if sitting.attempt.submitted_at is not None:
        return sitting.attempt
    _refuse_closed(sitting)
    missing = [str(question.number) for question in sitting.unanswered if not question.practice]
    if sitting.asks_topics:
        raise Conflict(_("Say first which topics you feel able to judge."))
    if missing:
        told = _("Not answered yet: %(numbers)s. Answer every item of the test, then send it.")
        raise Conflict(told % {"numbers": ", ".join(missing)})
    sitting.attempt.submitted_at = session.scalar(select(func.now()))
    settle_attempt(session, sitting)
    return sitting.attempt


def settle_attempt(session: Session, sitting: Sitting) -> None:
    """What the answers and ratings decide by now. The attempt must be locked and sent."""
    attempt = sitting.attempt
    figures = figures_of(sitting)
    with speaking(SOURCE):  # what is stored is English, whoever sends or rates
        verdict = rules.decide(figures)
    if verdict.state == AttemptState.FAILED:
        for figure in (each for each in figures if each["met"] is None):
            figure["note"] = rules.NOT_RATED
    attempt.figures, attempt.state, attempt.reason = [dict(figure) for figure in figures], verdict.state, verdict.reason
    if verdict.state != AttemptState.WAITING:
        attempt.decided_at = session.scalar(select(func.now()))
    session.flush()


def figures_of(sitting: Sitting) -> list[Figure]:
    """The test in numbers, one part after the other; parts that it does not ask are left out."""
    asked, figures = sitting.qualification, []
    by_part: dict[str, list[Question]] = {part: [] for part in rules.PARTS}
    for question in sitting.questions:
        if not question.practice:
            by_part[question.item.kind].append(question)
    for part, cutoff in ((rules.FLAGS, asked.flags_cutoff), (rules.RANKING, asked.ranking_cutoff)):
        if questions := by_part[part]:
            scores = [
                Score(one.answer.points or 0, one.answer.out_of or 0) for one in questions if one.answer is not None
            ]
            note = rules.flags_note(_flags_said(questions)) if part == rules.FLAGS else ""
            figures.append(rules.agreement_figure(part, scores, cutoff, note))
    if questions := by_part[rules.DEMONSTRATION]:
        ratings = [[each.rating for each in one.answer.ratings] for one in questions if one.answer is not None]
        figures.append(rules.demonstration_figure(ratings, asked.ratings_needed, asked.demonstration_cutoff))
    return figures


def _flags_said(questions: Sequence[Question]) -> list[tuple[list[str], list[str]]]:
    return [
        (one.answer.answer["flags"], one.item.gold or [])
        for one in questions
        if one.answer is not None and one.answer.answer is not None
    ]


def score_answer(item: QualificationItem, answer: Mapping[str, Any], flags: Sequence[str]) -> Score | None:
    """Agreement with the gold answer; None for a demonstration, which people rate."""
    if item.kind == QualificationPart.FLAGS:
        return rules.flags_score(answer["flags"], item.gold or [], flags)
    if item.kind == QualificationPart.RANKING:
        return rules.ranking_score(answer["ranks"], item.gold or [])
    return None


def in_item_order(question: Question, said: Mapping[str, Any]) -> dict[str, Any]:
    """An answer with ranks in the order of the item, of one with places in the order shown. Not checked yet."""
    if question.item.kind != QualificationPart.RANKING:
        return dict(said)
    places = said.get("places")
    if not isinstance(places, list) or len(places) != len(question.order):
        return {"ranks": places}
    ranks: list[Any] = [None] * len(places)
    for position, place in zip(question.order, places, strict=True):
        ranks[position] = place
    return {"ranks": ranks}


def _open_sitting(session: Session, attempt_id: int, user: User) -> Sitting:
    sitting = load_sitting(session, attempt_id, user, lock=True)
    _refuse_closed(sitting)
    return sitting


def _refuse_closed(sitting: Sitting) -> None:
    if sitting.attempt.state == AttemptState.WITHDRAWN:
        told = _("This attempt is closed. %(reason)s")
        raise Conflict(told % {"reason": rules.retell(sitting.attempt.reason)})
    if sitting.attempt.state != AttemptState.IN_PROGRESS:
        raise Conflict(_("You have sent this attempt; its answers stay as they are."))


def _answer_row(session: Session, sitting: Sitting, question: Question) -> QualificationAnswer:
    if question.answer is not None:
        return question.answer
    row = QualificationAnswer(attempt_id=sitting.attempt.id, item_id=question.item.id, tries=0)
    session.add(row)
    return row
