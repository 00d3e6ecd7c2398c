"""A labeler's own work: what she did, how long it took, how steady she is, what gold items expected.

Nothing in it is about anybody else, but for the counts of a leaderboard where a project has one. Called by her own page
and the API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from sqlalchemy import func, literal, select, true, union_all
from sqlalchemy.orm import Session

from app.models import Assignment, Demonstration, Project, Ranking, User
from app.rules import revisions as letter_rules
from app.rules import work as rules
from app.rules.gold_items import Score
from app.rules.work import Day, Sent
from app.services import label_schemas, reliability
from app.services.reliability import GoldAnswer, LabelerFigures
from app.services.twins import EDIT

LISTED_FEEDBACK = 20
LISTED_REASONS = 5
LISTED_PEOPLE = 50


@dataclass(frozen=True)
class ProjectWork:
    """Her work in one project, and what is known of it."""

    project: Project
    today: Day
    week: Day
    figures: LabelerFigures


@dataclass(frozen=True)
class Expected:
    """What a gold item says of one response, by the letter under which she knew it."""

    letter: str
    range: list[int] | None
    rated: int | None
    missed: list[str]  # flags that had to be set
    wrong: list[str]  # flags that must not be


@dataclass(frozen=True)
class Feedback:
    """A gold item that she has answered, beside her answer."""

    ranking_id: int
    project: Project
    at: datetime
    prompt: str  # its last turn
    said: str  # her order in letters
    expected: str
    score: Score
    responses: list[Expected]  # where her rating or her flags were not as expected
    explanation: str


@dataclass(frozen=True)
class Place:
    """One labeler on a leaderboard."""

    user_id: int
    name: str
    labels: int


@dataclass(frozen=True)
class Board:
    project: Project
    places: list[Place]


@dataclass(frozen=True)
class OwnWork:
    zone: str
    today: Day
    week: Day  # since Monday
    days: list[Day]
    projects: list[ProjectWork]
    ranking_seconds: float | None
    answer_seconds: float | None
    skipped: int  # this week
    skip_reasons: list[tuple[str, int]]
    feedback: list[Feedback]
    boards: list[Board]

    @property
    def busiest(self) -> int:
        return max((day.labels for day in self.days), default=0)


def own_work(session: Session, user: User, zone_name: str | None = None, now: datetime | None = None) -> OwnWork:
    """All of it, by the days of the zone; UTC where there is no zone of the name."""
    name, zone = rules.find_zone(zone_name)
    now = now or datetime.now(UTC)
    today = rules.local_day(now, zone)
    monday = rules.week_of(today)
    sent = _sent(session, user, rules.start_of(today - timedelta(days=rules.DAYS - 1), zone))
    days = rules.group_days(sent, zone, today)
    reasons = _skips(session, user, rules.start_of(monday, zone))
    projects = _projects_of(session, user)
    figures = {project.id: reliability.labeler_reliability(session, project, user) for project in projects}
    return OwnWork(
        zone=name,
        today=_since(sent, today, zone),
        week=_since(sent, monday, zone),
        days=days,
        projects=[
            ProjectWork(project, _since(own, today, zone), _since(own, monday, zone), figures[project.id])
            for project in projects
            if (own := [each for each in sent if each.project_id == project.id]) or figures[project.id].others.of
        ],
        ranking_seconds=rules.typical_seconds(sent, "ranking"),
        answer_seconds=rules.typical_seconds(sent, "demonstration"),
        skipped=sum(count for _, count in reasons),
        skip_reasons=reasons[:LISTED_REASONS],
        feedback=_feedback(session, projects, user),
        boards=_boards(session, projects, rules.start_of(monday, zone)),
    )


def _since(sent: Sequence[Sent], day: date, zone: tzinfo) -> Day:
    return rules.total_of([each for each in sent if rules.local_day(each.at, zone) >= day], day)


def _sent(session: Session, user: User, since: datetime) -> list[Sent]:
    """Standing labels of hers, whatever they were asked for: all of it is work done.

    A bettered response is an answer and a ranking made by one act: it counts once, with the answers.
    """
    rankings = select(literal("ranking").label("kind"), Ranking.project_id, Ranking.created_at, Ranking.seconds)
    rankings = rankings.where(Ranking.source != EDIT)
    wrote_for = func.coalesce(Demonstration.seconds, 0.0)
    answers = select(literal("demonstration"), Demonstration.project_id, Demonstration.created_at, wrote_for)
    both = union_all(
        *(
            query.where(table.user_id == user.id, table.created_at >= since, table.withdrawn_at.is_(None))
            for query, table in ((rankings, Ranking), (answers, Demonstration))
        )
    )
    return [Sent(kind, project_id, at, seconds) for kind, project_id, at, seconds in session.execute(both)]


def _projects_of(session: Session, user: User) -> list[Project]:
    """Those that she has ever labeled in."""
    worked = select(Assignment.project_id).where(Assignment.user_id == user.id, Assignment.submitted_at.is_not(None))
    return list(session.scalars(select(Project).where(Project.id.in_(worked)).order_by(Project.id)))


def _skips(session: Session, user: User, since: datetime) -> list[tuple[str, int]]:
    """(reason, how often), most first."""
    count = func.count()
    query = (
        select(func.coalesce(Assignment.skip_reason, ""), count)
        .where(Assignment.user_id == user.id, Assignment.skipped_at >= since)
        .group_by(Assignment.skip_reason)
        .order_by(count.desc(), Assignment.skip_reason)
    )
    return [(reason, number) for reason, number in session.execute(query)]


def _feedback(session: Session, projects: Sequence[Project], user: User) -> list[Feedback]:
    """What gold items expected, newest first, where the project tells and her answer has settled."""
    told = [
        _told(project, answer, label_schemas.flag_labels(session, project.id))
        for project in projects
        if project.gold_feedback
        for answer in reliability.list_gold_answers(session, project.id, user)
        if answer.settled
    ]
    return sorted(told, key=lambda each: each.at, reverse=True)[:LISTED_FEEDBACK]


def _told(project: Project, answer: GoldAnswer, labels: Mapping[str, str]) -> Feedback:
    ranking, item = answer.ranking, answer.item
    letters = letter_rules.letters_of(ranking.order_shown)
    return Feedback(
        ranking_id=ranking.id,
        project=project,
        at=ranking.created_at,
        prompt=str(item.comparison.prompt.messages[-1]["content"]),
        said=letter_rules.order_in_letters(answer.content["tiers"], letters),
        expected=letter_rules.order_in_letters(item.tiers, letters),
        score=answer.score,
        responses=_unexpected(answer, letters, labels),
        explanation=item.explanation,
    )


def _unexpected(answer: GoldAnswer, letters: Mapping[str, str], labels: Mapping[str, str]) -> list[Expected]:
    """The responses whose rating or flags were not as expected."""
    found = []
    for key, letter in letters.items():
        said = answer.content["ratings"].get(key) or {}
        rated, wanted = said.get("overall"), answer.item.flags.get(key, {})
        accepted = answer.item.ratings.get(key)
        off = accepted if accepted and rated is not None and not accepted[0] <= rated <= accepted[1] else None
        has = set(said.get("flags") or [])
        missed = [labels.get(flag, flag) for flag in wanted.get("must", []) if flag not in has]
        wrong = [labels.get(flag, flag) for flag in wanted.get("must_not", []) if flag in has]
        if off or missed or wrong:
            found.append(Expected(letter, off, rated, missed, wrong))
    return found


def _boards(session: Session, projects: Sequence[Project], since: datetime) -> list[Board]:
    """Counts of this week, of the projects that show them to their labelers."""
    return [Board(project, _places(session, project, since)) for project in projects if project.leaderboard]


def _places(session: Session, project: Project, since: datetime) -> list[Place]:
    sent = union_all(
        *(
            select(table.user_id).where(
                table.project_id == project.id,
                table.created_at >= since,
                table.withdrawn_at.is_(None),
                table.user_id.is_not(None),
                counted,
            )
            for table, counted in ((Ranking, Ranking.source != EDIT), (Demonstration, true()))
        )
    ).subquery()
    count = func.count()
    query = (
        select(User.id, User.name, count)
        .join(sent, sent.c.user_id == User.id)
        .group_by(User.id)
        .order_by(count.desc(), User.name, User.id)
        .limit(LISTED_PEOPLE)
    )
    return [Place(user_id, name, labels) for user_id, name, labels in session.execute(query)]
