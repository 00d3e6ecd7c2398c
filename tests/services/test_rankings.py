from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import Invalid
from app.models import Comparison, Project, Prompt, User
from app.services import assignments, rankings
from app.services.assignments import Task
from app.services.rankings import RankingDraft


@pytest.fixture
def task(
    session: Session,
    make_project: Callable[..., Project],
    make_user: Callable[..., User],
    compare: Callable[..., Comparison],
) -> Task:
    project = make_project()
    compare(project, session.scalars(select(Prompt)).first(), ["one", "two", "three"])
    claimed = assignments.claim_task(session, project, make_user("ada"), "ranking")
    assert claimed is not None
    return claimed


def user_of(session: Session, task: Task) -> User:
    return session.get_one(User, task.assignment.user_id)


def test_ranking_keeps_tiers_ratings_and_the_order_shown(session: Session, task: Task) -> None:
    a, b, c = task.assignment.order_shown
    ratings = {key: {"overall": 5, "flags": []} for key in (a, b)} | {c: {"overall": 1, "flags": ["hallucination"]}}
    draft = RankingDraft([[b], [a, c]], ratings, " Because. ")
    stored = rankings.submit_ranking(session, task.assignment.id, user_of(session, task), uuid4(), draft, 12.5)
    session.commit()
    session.expire_all()
    again = rankings.get_ranking(session, stored.id)
    assert (again.tiers, again.ratings, again.comment) == ([[b], [a, c]], ratings, "Because.")
    assert again.order_shown == [str(completion.id) for completion in task.completions]
    assert again.guideline_version == 1
    assert 0 <= again.seconds <= 12.5  # no more than the clock allows


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_ranking_refuses_an_impossible_time(session: Session, task: Task, seconds: float) -> None:
    tiers = [task.assignment.order_shown]
    ratings = {key: {"overall": 4, "flags": []} for key in tiers[0]}
    with pytest.raises(Invalid, match="time"):
        rankings.submit_ranking(
            session, task.assignment.id, user_of(session, task), uuid4(), RankingDraft(tiers, ratings), seconds
        )


def test_incomplete_ranking_is_refused_and_the_task_stays_hers(session: Session, task: Task) -> None:
    draft = RankingDraft([task.assignment.order_shown[:2]])
    with pytest.raises(Invalid) as refused:
        rankings.submit_ranking(session, task.assignment.id, user_of(session, task), uuid4(), draft)
    assert len(refused.value.extra["errors"]) == 2  # one response is not ranked, none is rated
    assert task.assignment.submitted_at is None
