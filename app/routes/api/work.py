"""Your own work: what you did, how steady you are, what gold items expected."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import Query
from pydantic import Field

from app.routes.api.reliability import DistanceOut, PairsOut, distance_out, pairs_out
from app.routes.api.router import api_router
from app.routes.api.shapes import Stored
from app.rules.work import LONGEST_ZONE, Day
from app.security import SessionDep, TokenUser
from app.services import reliability, work

router = api_router("assignments")


class DayOut(Stored):
    """What was done on one day, or since."""

    date: date
    rankings: int = Field(examples=[41])
    answers: int = Field(examples=[6])
    seconds: float = Field(description="Active time.", examples=[5230.5])


class ProjectWorkOut(Stored):
    """Your work in one project. A share is null until enough pairs were compared."""

    project: str = Field(examples=["village"])
    today: DayOut
    week: DayOut
    agreement_with_others: PairsOut
    agreement_with_self: PairsOut
    rating_difference_with_self: DistanceOut


class FeedbackOut(Stored):
    """A gold item that you have answered. Only where the project tells, half an hour after you sent it."""

    ranking_id: int
    project: str = Field(examples=["village"])
    sent_at: datetime
    order: str = Field(description="Yours, in the letters that you saw.", examples=["B › A = C"])
    expected_order: str = Field(examples=["A › B › C"])
    pairs: PairsOut
    explanation: str = Field(description="Markdown.")


class PlaceOut(Stored):
    """Somebody's labels of this week."""

    name: str
    labels: int
    you: bool


class BoardOut(Stored):
    """Of a project that shows its labelers each other's counts."""

    project: str
    places: list[PlaceOut]


class SkipOut(Stored):
    """How often you skipped for a reason, this week."""

    reason: str
    count: int


class WorkOut(Stored):
    """Your own work, by the days of `zone`."""

    zone: str = Field(examples=["Europe/Lisbon"])
    today: DayOut
    week: DayOut = Field(description="Since Monday.")
    days: list[DayOut] = Field(description="The last fourteen, oldest first.")
    ranking_seconds: float | None = Field(description="Typical (median) active time; null for fewer than five.")
    answer_seconds: float | None
    skipped: int = Field(description="This week.")
    skips: list[SkipOut]
    projects: list[ProjectWorkOut]
    feedback: list[FeedbackOut]
    leaderboards: list[BoardOut]


def _day(day: Day) -> DayOut:
    return DayOut(date=day.date, rankings=day.rankings, answers=day.answers, seconds=day.seconds)


@router.get("/me/work")
def show_work(
    session: SessionDep,
    user: TokenUser,
    zone: Annotated[str, Query(max_length=LONGEST_ZONE, description="Time zone of the days.")] = "UTC",
) -> WorkOut:
    """What you did today, this week and on each of the last fourteen days, and what is known of it.

    A zone that the server does not know becomes UTC; the answer says which one it went by.
    """
    own = work.own_work(session, user, zone)
    return WorkOut(
        zone=own.zone,
        today=_day(own.today),
        week=_day(own.week),
        days=[_day(day) for day in own.days],
        ranking_seconds=own.ranking_seconds,
        answer_seconds=own.answer_seconds,
        skipped=own.skipped,
        skips=[SkipOut(reason=reason, count=count) for reason, count in own.skip_reasons],
        projects=[
            ProjectWorkOut(
                project=one.project.slug,
                today=_day(one.today),
                week=_day(one.week),
                agreement_with_others=pairs_out(one.figures.others, reliability.ENOUGH_PAIRS),
                agreement_with_self=pairs_out(one.figures.own, reliability.ENOUGH_PAIRS),
                rating_difference_with_self=distance_out(one.figures.own_distance),
            )
            for one in own.projects
        ],
        feedback=[
            FeedbackOut(
                ranking_id=one.ranking_id,
                project=one.project.slug,
                sent_at=one.at,
                order=one.said,
                expected_order=one.expected,
                pairs=pairs_out(one.score.pairs, 1),
                explanation=one.explanation,
            )
            for one in own.feedback
        ],
        leaderboards=[
            BoardOut(
                project=board.project.slug,
                places=[
                    PlaceOut(name=place.name, labels=place.labels, you=place.user_id == user.id)
                    for place in board.places
                ],
            )
            for board in own.boards
        ],
    )
