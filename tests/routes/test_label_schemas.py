"""What the ranking page asks: the admins' page and its JSON twin."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import AuditEvent, Comparison, LabelSchema, Project, Ranking, User
from app.services import users
from app.simulate import Board, SimulatedLabeler

PAGE = "/projects/village/label-schema"
FORM = {"ratings": "on", "response_flags": "rude: Rude\r\nMade up", "prompt_flags": ""}
FIELDS = {
    "ratings": True,
    "response_flags": [{"key": "rude", "label": "Rude"}],
    "prompt_flags": [{"key": "vague", "label": "Vague"}],
    "confidence": True,
}


@pytest.fixture
def page(client: TestClient, session: Session, project: Project, admin: Any) -> Callable[..., Any]:
    """Ask for the page, or post a form to it, as the admin."""
    cookie = {"Cookie": f"tutelage={users.start_session(session, admin.user)}"}
    session.commit()

    def ask(form: dict[str, str] | None = None) -> Any:
        return client.get(PAGE, headers=cookie) if form is None else client.post(PAGE, data=form, headers=cookie)

    return ask


def test_the_page_publishes_a_version_and_shows_what_changed(page: Any, session: Session) -> None:
    answer = page(FORM)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?saved=true")
    schema = session.scalars(select(LabelSchema).where(LabelSchema.version == 2)).one()
    flags = [{"key": "rude", "label": "Rude"}, {"key": "made_up", "label": "Made up"}]
    assert schema.fields == {"ratings": True, "response_flags": flags, "prompt_flags": [], "confidence": False}
    shown = page().text
    for words in ("Version 2, in force", "Publish version 3", "New flag of a response: Made up (made_up).", "Ada"):
        assert words in shown
    assert session.scalars(select(AuditEvent.action)).all()[-1] == "label_schema.published"


def test_a_refused_form_comes_back_whole(page: Any, session: Session) -> None:
    answer = page({"confidence": "on", "response_flags": "rude: Rude\nrude: <b>Harsh</b>", "prompt_flags": "Vague"})
    assert answer.status_code == 422
    assert "The key rude is there twice." in answer.text
    assert "rude: &lt;b&gt;Harsh&lt;/b&gt;" in answer.text
    assert 'name="confidence" checked' in answer.text
    assert 'name="ratings" checked' not in answer.text
    assert session.scalars(select(LabelSchema.version)).all() == [1]


def test_a_label_typed_again_gets_its_old_key(page: Any, session: Session) -> None:
    page(FORM)
    page(FORM | {"response_flags": "Rude"})
    page(FORM | {"response_flags": "Made up\nRude"})
    last = session.scalars(select(LabelSchema).order_by(LabelSchema.version.desc())).first()
    assert last is not None
    assert [flag["key"] for flag in last.fields["response_flags"]] == ["made_up", "rude"]


def test_the_api_publishes_and_lists_versions(project: Project, admin: Any, labeler: Any, researcher: Any) -> None:
    made = admin.api.post(PAGE, json=FIELDS)
    assert (made.status_code, made.json()["version"], made.json()["fields"]) == (201, 2, FIELDS)
    assert labeler.api.get(PAGE).json() == made.json()
    assert labeler.api.get("/projects/village/label-schemas/1").json()["fields"]["confidence"] is False
    listed = researcher.api.get("/projects/village/label-schemas").json()["versions"]
    assert [each["version"] for each in listed] == [2, 1]
    assert "Asks how sure the labeler is." in listed[0]["changes"]
    assert listed[1]["changes"] == []
    assert labeler.api.get("/projects/village/label-schemas/3").status_code == 404
    assert labeler.api.post(PAGE, json=FIELDS).status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"response_flags": [{"key": "Rude", "label": "Rude"}]},
        {"response_flags": [{"key": "rude", "label": ""}]},
        {"prompt_flags": [{"key": "vague", "label": "Vague"}] * 2},
        {"prompt_flags": [{"key": f"flag_{n}", "label": str(n)} for n in range(21)]},
        {"mood": True},
    ],
)
def test_the_api_refuses_what_cannot_be_asked(project: Project, admin: Any, wrong: dict[str, Any]) -> None:
    answer = admin.api.post(PAGE, json=FIELDS | wrong)
    assert answer.status_code == 422
    assert answer.json()["detail"].endswith(".")


def test_publishing_the_same_again_is_422(project: Project, admin: Any) -> None:
    admin.api.post(PAGE, json=FIELDS)
    assert "version 2 stays in force" in admin.api.post(PAGE, json=FIELDS).json()["detail"]


def claim(person: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A task, and the least of an answer to it."""
    task = person.api.post("/projects/village/assignments", json={"kind": "ranking"}).json()
    ids = [completion["id"] for completion in task["completions"]]
    return task, {"tiers": [ids], "ratings": {key: {"overall": 4} for key in ids}}


def submit(person: Any, task: dict[str, Any], answer: dict[str, Any]) -> Any:
    address, key = f"/assignments/{task['id']}/submission", {"Idempotency-Key": str(uuid4())}
    return person.api.post(address, json=answer, headers=key)


def test_a_submission_is_held_to_the_schema_of_its_task(
    comparison: Comparison, admin: Any, labeler: Any, session: Session
) -> None:
    admin.api.post(PAGE, json=FIELDS)
    task, answer = claim(labeler)
    assert task["schema_version"] == 2
    for wrong, word in (
        ({}, "how sure"),
        ({"confidence": 10}, "confidence"),
        ({"confidence": 0}, "confidence"),
        ({"confidence": 5, "prompt_flags": ["ambiguous"]}, "ambiguous"),
    ):
        refused = submit(labeler, task, answer | wrong)
        assert refused.status_code == 422
        assert word in refused.json()["detail"]
    stored = submit(labeler, task, answer | {"confidence": 5, "prompt_flags": ["vague"]})
    assert stored.status_code == 201, stored.text
    ranking = session.get_one(Ranking, stored.json()["id"])
    assert (ranking.confidence, ranking.prompt_flags, ranking.schema_version) == (5, ["vague"], 2)


def test_flags_need_no_rating_where_none_is_asked(comparison: Comparison, admin: Any, labeler: Any) -> None:
    admin.api.post(PAGE, json=FIELDS | {"ratings": False, "confidence": False})
    task, answer = claim(labeler)
    first = answer["tiers"][0][0]
    assert submit(labeler, task, answer | {"ratings": {first: {"flags": ["rude"]}}}).status_code == 201


def test_simulated_labelers_answer_what_is_asked(
    comparison: Comparison, admin: Any, make_person: Callable[..., Any], session: Session
) -> None:
    admin.api.post(PAGE, json=FIELDS)
    simulated = make_person("sim", simulated=True)
    assert SimulatedLabeler(Board(stop=threading.Event()), simulated.api, "village", seed=1).do_one("ranking")
    ranking = session.scalars(select(Ranking)).one()
    assert ranking.confidence in range(1, 10)
    assert session.get_one(User, ranking.user_id).simulated
