"""A labeler's pages say nothing that cannot be translated, whatever she does (the check of test_wording.py)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Assignment, Comparison, Project, Ranking
from app.services import label_schemas, revisions, rounds, snapshots
from tests.routes.conftest import Person
from tests.routes.test_wording import DATA, FLAGS
from tests.wording import forgotten, prose, speak_wide

SAID = [*DATA, "Lena", "Ada", *(flag.replace("_", " ") for flag in FLAGS), f"{datetime.now(UTC):%b}"]


class Reader:
    """Goes from page to page and keeps what was said in plain letters."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.left: dict[str, list[str]] = {}

    def read(self, answer: httpx.Response, status: int = 200) -> str:
        assert answer.status_code == status, answer.text
        texts = prose(answer.text)
        assert any("ｅ" in text for text in texts), answer.url
        if left := forgotten(texts, SAID):
            self.left[f"{len(self.left)} {answer.url.path}"] = left
        return answer.text

    def get(self, path: str) -> str:
        return self.read(self.client.get(path))

    def claim(self, way: str) -> str:
        answer = self.client.post(f"/projects/village/{way}")
        assert answer.status_code == 303
        return str(answer.headers["location"])

    def send(self, address: str, form: dict[str, Any]) -> None:
        answer = self.client.post(address, data=form)
        assert answer.status_code == 303, answer.text


@pytest.fixture
def reader(
    client: TestClient,
    session: Session,
    comparison: Comparison,
    labeler: Person,
    sign_in: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> Reader:
    """In a project that asks for all that there is to ask."""
    project = session.query(Project).one()
    project.labelers_write_prompts = project.improves_responses = True
    fields = label_schemas.fields_of(label_schemas.current_schema(session, project.id))
    label_schemas.publish_schema(session, project, {**fields, "confidence": True}, None)
    session.commit()
    sign_in(labeler.user)
    speak_wide(monkeypatch)
    return Reader(client)


def ranking_form(session: Session, address: str, *, first: int = 7) -> dict[str, Any]:
    """A ranking as the form without scripts states it, the letters in order."""
    ids = session.get_one(Assignment, int(address.rsplit("/", 1)[1])).order_shown
    form: dict[str, Any] = {f"rating.{key}": str(first - at) for at, key in enumerate(ids)}
    form |= {f"place.{key}": str(at + 1) for at, key in enumerate(ids)}
    return form | {f"flag.{ids[0]}": "hallucination", "prompt_flag": "ambiguous", "confidence": "5"}


def test_from_the_first_task_to_a_label_that_was_taken_back(reader: Reader, session: Session) -> None:
    for path in ("/", "/history", "/history?kind=ranking", "/projects/village/label"):
        reader.get(path)
    task = reader.claim("rank")
    for path in (task, "/", "/projects/village/label"):
        reader.get(path)
    assert "Ｒａｎｋ 3" in reader.read(reader.client.post(f"{task}/send", data={}), 422)
    reader.read(reader.client.post(f"{task}/skip", data={"reason": "other"}), 422)
    reader.send(f"{task}/report", {"reason": "unclear"})
    reader.get(f"{task}?reported=true")
    form = ranking_form(session, task)
    reader.send(f"{task}/send", {**form, "comment": "Ὁ μῦθος."})
    label = f"/history/ranking/{session.scalars(select(Ranking.id)).one()}"
    for path in ("/", "/projects/village/rank", "/projects/village/label", task, "/history", label, f"{label}/edit"):
        reader.get(path)
    reader.send(
        f"{label}/send", {**ranking_form(session, task, first=6), "prompt_flag": "sensitive", "confidence": "1"}
    )
    assert reader.client.put(f"{label}/draft", json={}).status_code == 200
    reader.get(label)
    reader.send(f"{label}/discard", {})
    reader.send(f"{label}/withdraw", {})
    for path in (label, task, "/history"):
        reader.get(path)
    reader.send(f"{label}/restore", {})
    reader.send(f"{task}/undo", {})
    for path in (label, task, "/history"):
        reader.get(path)
    assert reader.left == {}


def test_the_pages_around_an_answer(reader: Reader, session: Session) -> None:
    task = reader.claim("write")
    reader.get(task)
    reader.send(f"{task}/send", {"text": "9"})
    following = reader.claim("write")
    reader.get(following)
    reader.send(f"{following}/skip", {"reason": "knowledge"})
    reader.get(following)
    history = reader.get("/history?kind=demonstration")
    label = history.split('href="/history/demonstration/', 1)[1].split('"', 1)[0]
    address = f"/history/demonstration/{label}"
    for path in (address, f"{address}/edit"):
        reader.get(path)
    reader.send(f"{address}/send", {"text": "9 10", "source_url": "https://example.org", "source_note": "1"})
    reader.get(address)
    assert reader.left == {}


def test_a_label_that_somebody_else_withdrew_or_a_snapshot_froze(
    reader: Reader, session: Session, admin: Person
) -> None:
    task = reader.claim("rank")
    reader.send(f"{task}/send", ranking_form(session, task))
    ranking = session.scalars(select(Ranking)).one()
    revisions.withdraw_label(
        session, revisions.lock_label(session, "ranking", ranking.id, admin.user, anybodys=True), admin.user
    )
    session.commit()
    reader.get(f"/history/ranking/{ranking.id}")
    reader.get("/history")
    reader.read(reader.client.post(f"/history/ranking/{ranking.id}/restore"), 409)
    reader.read(reader.client.get("/history/ranking/999999"), 404)
    revisions.restore_label(session, ranking, admin.user)
    project = session.query(Project).one()
    snapshots.freeze_snapshot(session, project, rounds.current_round(session, project.id), "ranking")
    session.commit()
    reader.get(f"/history/ranking/{ranking.id}")
    reader.get("/history")
    reader.read(reader.client.post(f"/history/ranking/{ranking.id}/withdraw"), 409)
    assert reader.left == {}
