from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import Invalid
from app.models import Comparison, Project, Prompt, Ranking, User
from app.services import assignments, exports, label_schemas, rankings
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


def publish(session: Session, task: Task, **changes: object) -> None:
    project = task.project
    fields = label_schemas.fields_of(label_schemas.current_schema(session, project.id))
    label_schemas.publish_schema(session, project, {**fields, **changes}, None)  # type: ignore[typeddict-item]


def rated(task: Task, *flags: str) -> RankingDraft:
    keys = task.assignment.order_shown
    return RankingDraft([keys], {key: {"overall": 4, "flags": list(flags)} for key in keys})


def submit(session: Session, task: Task, draft: RankingDraft) -> Ranking:
    return rankings.submit_ranking(session, task.assignment.id, user_of(session, task), uuid4(), draft)


def test_ranking_keeps_prompt_flags_confidence_and_the_version_it_was_asked_by(session: Session, task: Task) -> None:
    draft = rated(task)
    draft.prompt_flags, draft.confidence = ["sensitive", "ambiguous", "sensitive"], 7
    stored = submit(session, task, draft)
    session.commit()
    session.expire_all()
    assert (stored.prompt_flags, stored.confidence, stored.schema_version) == (["ambiguous", "sensitive"], 7, 1)
    row = next(exports.ranking_rows(session, task.project))
    assert (row["prompt_flags"], row["confidence"], row["schema_version"]) == (["ambiguous", "sensitive"], 7, 1)


def test_a_held_task_is_asked_by_the_version_of_its_claim(session: Session, task: Task) -> None:
    publish(session, task, ratings=False, response_flags=[], prompt_flags=[], confidence=True)
    draft = rated(task, "hallucination")  # taken out since, and confidence is asked since
    draft.prompt_flags = ["ambiguous"]
    stored = submit(session, task, draft)
    assert (stored.schema_version, stored.confidence, stored.prompt_flags) == (1, None, ["ambiguous"])


def test_a_later_claim_is_asked_by_the_version_in_force(
    session: Session, task: Task, make_user: Callable[..., User], compare: Callable[..., Comparison]
) -> None:
    publish(session, task, response_flags=[], prompt_flags=[], confidence=True)
    compare(task.project, task.prompt, ["four", "five"])
    later = assignments.claim_task(session, task.project, make_user("bea"), "ranking")
    assert later is not None
    draft = rated(later, "hallucination")
    draft.prompt_flags = ["ambiguous"]
    with pytest.raises(Invalid) as refused:
        submit(session, later, draft)
    told = refused.value.detail
    for word in ("Unknown flags for", "hallucination", "for the prompt: ambiguous", "how sure"):
        assert word in told
    draft = rated(later)
    draft.confidence = 9
    assert submit(session, later, draft).schema_version == 2
