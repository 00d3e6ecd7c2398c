"""The labeler's part of the API: the contract, to the letter."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Assignment, Comparison, Demonstration, Project, Ranking, Slot


def claim(person: Any, kind: str = "demonstration") -> dict[str, Any]:
    answer = person.api.post("/projects/village/assignments", json={"kind": kind})
    assert answer.status_code == 201, answer.text
    task: dict[str, Any] = answer.json()
    return task


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


def test_claim_answers_the_agreed_members(project: Project, labeler: Any) -> None:
    task = claim(labeler)
    versions = {"guideline_version", "schema_version"}
    assert set(task) == {"id", "kind", "expires_at", "prompt", "completions", "draft"} | versions
    assert task["kind"] == "demonstration"
    assert task["completions"] == []
    assert task["draft"] is None
    assert task["guideline_version"] == 1
    assert task["prompt"]["messages"][-1]["role"] == "user"
    assert set(task["prompt"]) == {"id", "messages"}


def test_claim_of_a_ranking_is_blind(comparison: Comparison, labeler: Any) -> None:
    task = claim(labeler, "ranking")
    assert len(task["completions"]) == 3
    assert all(set(completion) == {"id", "text"} for completion in task["completions"])


def test_claim_again_gives_the_same_task(project: Project, labeler: Any) -> None:
    assert claim(labeler)["id"] == claim(labeler)["id"]


def test_claim_answers_204_when_nothing_is_left(project: Project, labeler: Any) -> None:
    answer = labeler.api.post("/projects/village/assignments", json={"kind": "ranking"})
    assert answer.status_code == 204
    assert answer.content == b""


def test_claim_in_an_unknown_project_is_404(labeler: Any) -> None:
    answer = labeler.api.post("/projects/nowhere/assignments", json={"kind": "ranking"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "nowhere" in answer.json()["detail"]


@pytest.mark.parametrize("draft", [{"text": "Old Ma"}, ["a"], "words", 3, 1.5, True, {}, None])
def test_any_json_may_be_a_draft(project: Project, labeler: Any, draft: Any) -> None:
    task = claim(labeler)
    assert labeler.api.put(f"/assignments/{task['id']}/draft", content=json.dumps(draft)).status_code == 204
    assert claim(labeler)["draft"] == draft


@pytest.mark.parametrize("body", [b"", b"{", b"NaN", b"[" * 5000, b"[" * 70 + b"]" * 70, b'"\\u0000"', b'"\\ud800"'])
def test_a_draft_that_cannot_be_kept_is_422(project: Project, labeler: Any, body: bytes) -> None:
    task = claim(labeler)
    answer = labeler.api.put(f"/assignments/{task['id']}/draft", content=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"].endswith(".")


def test_skip(project: Project, labeler: Any) -> None:
    task = claim(labeler)
    assert labeler.api.post(f"/assignments/{task['id']}/skip", json={"reason": "Not my field"}).status_code == 204
    assert claim(labeler)["id"] != task["id"]


def test_release_and_renew(project: Project, labeler: Any) -> None:
    task = claim(labeler)
    renewed = labeler.api.post(f"/assignments/{task['id']}/renewal")
    assert renewed.json()["expires_at"] >= task["expires_at"]
    assert labeler.api.post(f"/assignments/{task['id']}/release").status_code == 204
    assert labeler.api.get(f"/assignments/{task['id']}").json()["id"] == task["id"]


def test_submit_demonstration_with_one_key_thrice_stores_one_row(
    project: Project, labeler: Any, session: Session
) -> None:
    task, header = claim(labeler), key()
    answers = [
        labeler.api.post(f"/assignments/{task['id']}/submission", json={"text": "Old Marta."}, headers=header)
        for _ in range(3)
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert answers[0].json() == answers[1].json() == answers[2].json()
    assert set(answers[0].json()) == {"id"}
    assert session.scalar(select(func.count()).select_from(Demonstration)) == 1


def test_submit_ranking_with_ties_and_ratings(comparison: Comparison, labeler: Any, session: Session) -> None:
    task, header = claim(labeler, "ranking"), key()
    a, b, c = (completion["id"] for completion in task["completions"])
    body = {
        "tiers": [[b], [a, c]],
        "ratings": {a: {"overall": 3, "flags": ["hallucination"]}, b: {"overall": 7}, c: {"overall": 3, "flags": []}},
        "comment": "B answers.",
    }
    answer = labeler.api.post(f"/assignments/{task['id']}/submission", json=body, headers=header)
    assert answer.status_code == 201, answer.text
    assert labeler.api.post(f"/assignments/{task['id']}/submission", json=body, headers=header).json() == answer.json()
    stored = session.get_one(Ranking, answer.json()["id"])
    assert stored.tiers == [[b], [a, c]]
    assert stored.ratings[a] == {"overall": 3, "flags": ["hallucination"]}


@pytest.mark.parametrize("header", [{}, {"Idempotency-Key": "again"}, {"Idempotency-Key": ""}])
def test_submit_without_a_uuid_as_key_is_422_with_a_sentence(
    project: Project, labeler: Any, header: dict[str, str]
) -> None:
    task = claim(labeler)
    answer = labeler.api.post(f"/assignments/{task['id']}/submission", json={"text": "Marta."}, headers=header)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Idempotency-Key" in answer.json()["detail"]
    assert "UUID" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"text": ""}, "empty"),
        ({"text": "a\x00b"}, "zero byte"),
        ({"tiers": []}, "demonstration"),
        ({"text": "x", "mood": 1}, "mood"),
        ({}, "tiers"),
        ([], ""),
        ("text", ""),
        ({"text": 3}, "text"),
    ],
)
def test_submit_refuses_bad_content_with_a_sentence(project: Project, labeler: Any, body: Any, word: str) -> None:
    task = claim(labeler)
    answer = labeler.api.post(f"/assignments/{task['id']}/submission", json=body, headers=key())
    assert answer.status_code == 422, answer.text
    assert word in answer.json()["detail"]


def test_submit_a_text_for_a_ranking_is_422(comparison: Comparison, labeler: Any) -> None:
    task = claim(labeler, "ranking")
    answer = labeler.api.post(f"/assignments/{task['id']}/submission", json={"text": "Marta."}, headers=key())
    assert answer.status_code == 422
    assert "ranking" in answer.json()["detail"]


def test_the_task_of_somebody_else_is_404(
    project: Project, labeler: Any, make_person: Callable[..., Any], session: Session
) -> None:
    other, task = make_person("otto", "admin"), claim(labeler)
    address = f"/assignments/{task['id']}"
    answers = [
        other.api.get(address),
        other.api.put(f"{address}/draft", json={}),
        other.api.post(f"{address}/skip", json={"reason": ""}),
        other.api.post(f"{address}/release"),
        other.api.post(f"{address}/renewal"),
        other.api.post(f"{address}/submission", json={"text": "Mine."}, headers=key()),
    ]
    assert [answer.status_code for answer in answers] == [404] * 6


def test_work_on_an_overtaken_task_is_409_and_kept_as_draft(
    project: Project, labeler: Any, make_person: Callable[..., Any], session: Session
) -> None:
    """The refusal is an error, and yet what it kept is committed."""
    task, other = claim(labeler), make_person("otto")
    slot = session.get_one(Assignment, task["id"]).slot_id
    session.get_one(Slot, slot).holder_id = other.user.id
    session.commit()
    answer = labeler.api.post(f"/assignments/{task['id']}/submission", json={"text": "Old Marta."}, headers=key())
    assert answer.status_code == 409
    assert "draft" in answer.json()["detail"]
    assert labeler.api.get(f"/assignments/{task['id']}").json()["draft"] == {"text": "Old Marta."}
