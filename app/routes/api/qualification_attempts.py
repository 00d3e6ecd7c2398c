"""Attempts: a labeler takes the qualification of a project. Nothing here tells a gold answer of the test."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Path
from pydantic import Field

from app.models.columns import AttemptState, QualificationPart, QualificationStage
from app.routes.api.assignments import DRAFT_BODY, any_json
from app.routes.api.label_schemas import FlagOut
from app.routes.api.router import api_router
from app.routes.api.shapes import ItemId, Message, Request, Slug, Stored
from app.routes.qualification_sheets import make_feedback, shown_answer
from app.rules import qualifications as rules
from app.rules.qualification_items import LONGEST
from app.rules.revisions import LETTERS
from app.security import SessionDep, TokenUser
from app.services import projects, qualification_attempts, qualification_standings, qualifications
from app.services.qualification_attempts import Question, Sitting

router = api_router("qualification attempts")

Number = Annotated[int, Path(ge=1, le=1000, examples=[1])]


class FigureOut(Stored):
    """One part of a sent attempt in numbers."""

    part: QualificationPart
    value: float | None = Field(description="A share from 0 to 1, or a mean rating from 1 to 7.", examples=[0.83])
    points: float | None = Field(description="Boxes or pairs in agreement.")
    out_of: int = Field(description="Boxes, pairs, or demonstrations.")
    cutoff: float | None
    met: bool | None = Field(description="Null while ratings are missing.")
    note: str


class StandingOut(Stored):
    """Where you stand with the qualification of a project."""

    required: bool = Field(description="The project asks for one.")
    qualified: bool = Field(description="You may be given tasks.")
    version: int | None = Field(examples=[1])
    title: str | None
    introduction: str | None
    attempt_id: int | None = Field(description="Your attempt that is under way or waits for ratings.")
    attempts_left: int | None = Field(description="Null: any number, or none is asked for.")
    problem: str | None = Field(description="Why you may not begin an attempt; null when you may.")


class ShownResponse(Stored):
    letter: str = Field(examples=["A"])
    text: str


class FeedbackOut(Stored):
    """A practice answer beside the researchers' one."""

    points: float | None
    out_of: int | None
    flags: list[str] | None = Field(description="The flags that the researchers set.")
    places: list[int] | None = Field(description="The places that the researchers give, in the order shown.")
    explanation: str


class QuestionOut(Stored):
    """One item. Practice items come first and tell the right answer once you have given yours."""

    number: int = Field(examples=[1])
    kind: QualificationPart
    stage: QualificationStage
    messages: list[Message]
    responses: list[ShownResponse] = Field(description="In an order of this attempt's own.")
    answer: Any = Field(description="Yours: {flags}, {places} in the order shown, or {text}; null before.")
    draft: Any
    feedback: FeedbackOut | None = Field(description="Of an answered practice item.")


class AttemptOut(Stored):
    """An attempt of yours."""

    id: int = Field(examples=[5])
    state: AttemptState
    version: int
    topics_asked: list[str]
    topics: list[str] | None = Field(description="Those that you feel able to judge; null: not said yet.")
    flags: list[FlagOut] = Field(description="The boxes of every flags item.")
    items: list[QuestionOut]
    figures: list[FigureOut] | None = Field(description="Once it is sent.")
    reason: str | None = Field(description="The decision in words.")
    started_at: datetime
    submitted_at: datetime | None
    decided_at: datetime | None


class TopicsIn(Request):
    """Those that you feel able to judge."""

    topics: list[str] = Field(max_length=50, examples=[["Cooking"]])


class FlagsAnswer(Request):
    flags: list[str] = Field(max_length=50, description="Keys of the flags that apply.", examples=[["inappropriate"]])


class RankingAnswer(Request):
    places: list[Annotated[int, Field(ge=1, le=9)]] = Field(
        max_length=9, description="The place of each response in the order shown; equal places are ties."
    )


class TextAnswer(Request):
    text: str = Field(max_length=LONGEST)


AnswerIn = FlagsAnswer | RankingAnswer | TextAnswer


def figures_out(figures: list[Any] | None) -> list[FigureOut] | None:
    return None if figures is None else [FigureOut(**figure) for figure in figures]


def question_out(question: Question, sitting: Sitting) -> QuestionOut:
    item, row = question.item, question.answer
    answer = row.answer if row is not None else None
    return QuestionOut(
        number=question.number,
        kind=QualificationPart(item.kind),
        stage=QualificationStage(item.stage),
        messages=[Message(**message) for message in item.messages],
        responses=[
            ShownResponse(letter=letter, text=text) for letter, text in zip(LETTERS, question.responses, strict=False)
        ],
        answer=None if answer is None else shown_answer(question, answer),
        draft=row.draft if row is not None else None,
        feedback=_feedback(question, sitting, answer) if question.practice and answer is not None else None,
    )


def _feedback(question: Question, sitting: Sitting, answer: dict[str, Any]) -> FeedbackOut:
    made = make_feedback(question, sitting.qualification.flags, answer)
    gold, kind = question.item.gold or [], question.item.kind
    return FeedbackOut(
        points=made.points,
        out_of=made.out_of,
        flags=list(gold) if kind == rules.FLAGS else None,
        places=[gold[position] for position in question.order] if kind == rules.RANKING else None,
        explanation=made.explanation,
    )


def _attempt_out(sitting: Sitting) -> AttemptOut:
    attempt = sitting.attempt
    return AttemptOut(
        id=attempt.id,
        state=AttemptState(attempt.state),
        version=sitting.qualification.version,
        topics_asked=sitting.qualification.topics,
        topics=attempt.topics,
        flags=[FlagOut(**flag) for flag in sitting.qualification.flags],
        items=[question_out(question, sitting) for question in sitting.questions],
        figures=figures_out(attempt.figures),
        reason=attempt.reason,
        started_at=attempt.started_at,
        submitted_at=attempt.submitted_at,
        decided_at=attempt.decided_at,
    )


@router.get("/projects/{project}/qualification")
def show_standing(session: SessionDep, user: TokenUser, project: Slug) -> StandingOut:
    """What the project asks of you before you are given tasks, and where you stand."""
    found = projects.get_project(session, project)
    standing = qualification_standings.find_standing(session, found, user)
    version = qualifications.qualification_in_force(session, found)
    open_one = qualification_attempts.open_attempt(session, found.id, user)
    return StandingOut(
        required=standing.screened,
        qualified=rules.may_work(standing),
        version=version.version if version else None,
        title=version.title if version else None,
        introduction=version.introduction if version else None,
        attempt_id=open_one.id if open_one else None,
        attempts_left=rules.attempts_left(standing),
        problem=rules.begin_problem(standing),
    )


@router.post("/projects/{project}/qualification-attempts", status_code=201)
def begin_attempt(session: SessionDep, user: TokenUser, project: Slug) -> AttemptOut:
    """Begin an attempt, or get the one that is under way; 409 says why you may not."""
    attempt = qualification_attempts.begin_attempt(session, projects.get_project(session, project), user)
    return _attempt_out(qualification_attempts.load_sitting(session, attempt.id, user))


@router.get("/qualification-attempts/{attempt_id}")
def show_attempt(session: SessionDep, user: TokenUser, attempt_id: ItemId) -> AttemptOut:
    """One of your own attempts with its items."""
    return _attempt_out(qualification_attempts.load_sitting(session, attempt_id, user))


@router.put("/qualification-attempts/{attempt_id}/topics")
def state_topics(session: SessionDep, user: TokenUser, attempt_id: ItemId, body: TopicsIn) -> AttemptOut:
    """Say which topics you feel able to judge; none is an answer too."""
    return _attempt_out(qualification_attempts.state_topics(session, attempt_id, user, body.topics))


@router.put("/qualification-attempts/{attempt_id}/items/{number}/draft", status_code=204, openapi_extra=DRAFT_BODY)
def keep_draft(
    session: SessionDep, user: TokenUser, attempt_id: ItemId, number: Number, draft: Annotated[Any, Depends(any_json)]
) -> None:
    """Keep an unfinished answer, any JSON."""
    qualification_attempts.keep_draft(session, attempt_id, user, number, draft)


@router.put("/qualification-attempts/{attempt_id}/items/{number}/answer")
def give_answer(
    session: SessionDep, user: TokenUser, attempt_id: ItemId, number: Number, body: AnswerIn
) -> QuestionOut:
    """Answer an item. Practice gives `feedback` and may be repeated; the test is 409 before all of it is done."""
    question = qualification_attempts.give_answer(session, attempt_id, user, number, body.model_dump())
    return question_out(question, qualification_attempts.load_sitting(session, attempt_id, user))


@router.post("/qualification-attempts/{attempt_id}/submission")
def submit(session: SessionDep, user: TokenUser, attempt_id: ItemId) -> AttemptOut:
    """Send the test; 409 names items that are not answered. Sending again gives the same answer."""
    qualification_attempts.submit_attempt(session, attempt_id, user)
    return _attempt_out(qualification_attempts.load_sitting(session, attempt_id, user))
