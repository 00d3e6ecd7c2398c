"""The presentation log on its way: pages drop a bad one, the API refuses it, exports carry it; position bias."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Comparison, Demonstration, Project, Prompt, Ranking
from app.services import exports
from tests.routes.conftest import Person
from tests.seed import add_comparison


def rank(labeler: Person, presentation: Any, page: TestClient | None = None, **more: Any) -> Any:
    task = labeler.api.post("/projects/village/assignments", json={"kind": "ranking"}).json()
    ids = [completion["id"] for completion in task["completions"]]
    log = presentation(ids) if callable(presentation) else presentation
    body = {"tiers": [[key] for key in ids], "ratings": {key: {"overall": 4} for key in ids}, "presentation": log}
    at, headers = f"/assignments/{task['id']}/submission", {"Idempotency-Key": str(uuid4())}
    return (page or labeler.api).post(at, json=body | more, headers=headers)


def log_of(ids: list[str]) -> dict[str, Any]:
    seconds = {key: {"seconds": 10 * place, "opened": 1} for place, key in enumerate(ids, start=1)}
    return {"version": 1, "viewport": "wide", "active_seconds": 60, "dwell": "focus", "moves": 1, "responses": seconds}


def test_a_log_is_stored_and_exported(
    session: Session, comparison: Comparison, project: Project, labeler: Person
) -> None:
    assert rank(labeler, log_of).status_code == 201
    ranking = session.scalars(select(Ranking)).one()
    assert ranking.presentation == log_of(ranking.order_shown)
    (row,) = exports.ranking_rows(session, project)
    assert row["presentation"] == ranking.presentation
    assert list(row)[-1] == "presentation"


def test_a_ranking_without_a_log_is_exported_without_one(
    session: Session, comparison: Comparison, project: Project, labeler: Person
) -> None:
    assert rank(labeler, None).status_code == 201
    (row,) = exports.ranking_rows(session, project)
    assert "presentation" not in row


def test_a_bad_log_of_a_page_never_costs_the_label(
    client: TestClient, session: Session, sign_in: Any, comparison: Comparison, labeler: Person
) -> None:
    sign_in(labeler.user)
    assert rank(labeler, {"version": 1, "moves": -3}, page=client).status_code == 201
    assert session.scalars(select(Ranking.presentation)).one() == {"version": 1, "dropped": "not a count"}


def test_the_api_refuses_a_log_without_the_right_shape_and_drops_one_of_another_task(
    session: Session, comparison: Comparison, labeler: Person
) -> None:
    for wrong in ({"version": 2}, {"version": 1, "moves": -1}, {"version": 1, "x": 1}, {"active_seconds": 3}, [1]):
        assert rank(labeler, wrong).status_code == 422, wrong
    foreign = {"version": 1, "responses": {str(uuid4()): {"seconds": 3}}}
    assert rank(labeler, foreign).status_code == 201
    stored = session.scalars(select(Ranking.presentation)).one()
    assert stored == {"version": 1, "dropped": "a response of another task"}


def test_an_edit_without_a_log_keeps_the_one_there_is(
    session: Session, comparison: Comparison, labeler: Person
) -> None:
    label_id = rank(labeler, log_of).json()["id"]
    ranking = session.get_one(Ranking, label_id)
    ids, log = ranking.order_shown, ranking.presentation
    body = {"tiers": [ids], "ratings": {key: {"overall": 5} for key in ids}}
    assert labeler.api.put(f"/rankings/{label_id}", json=body).status_code == 200
    session.expire_all()
    assert ranking.tiers == [ids]
    assert ranking.presentation == log


def test_an_answer_has_its_time_and_edits(session: Session, project: Project, labeler: Person) -> None:
    task = labeler.api.post("/projects/village/assignments", json={"kind": "demonstration"}).json()
    log = {"version": 1, "viewport": "phone", "active_seconds": 12, "edits": 9}
    at, headers = f"/assignments/{task['id']}/submission", {"Idempotency-Key": str(uuid4())}
    assert labeler.api.post(at, json={"text": "Marta.", "presentation": log}, headers=headers).status_code == 201
    assert session.scalars(select(Demonstration)).one().presentation == log
    (row,) = exports.demonstration_rows(session, project)
    assert row["presentation"] == log


def test_positions_count_where_the_best_one_stood(
    client: TestClient, session: Session, sign_in: Any, project: Project, labeler: Person, researcher: Person
) -> None:
    for prompt in session.scalars(select(Prompt).order_by(Prompt.id)).all():
        add_comparison(session, project, prompt, ["One.", "Two.", "Three."])
    session.commit()
    for _ in range(3):
        assert rank(labeler, log_of).status_code == 201
    tied = labeler.api.post("/projects/village/assignments", json={"kind": "ranking"}).json()
    ids = [completion["id"] for completion in tied["completions"]]
    body = {"tiers": [ids], "ratings": {key: {"overall": 4} for key in ids}}
    at, headers = f"/assignments/{tied['id']}/submission", {"Idempotency-Key": str(uuid4())}
    assert labeler.api.post(at, json=body, headers=headers).status_code == 201
    found = researcher.api.get("/projects/village/positions").json()
    (report,) = found["reports"]
    assert (report["count"], report["rankings"], found["tied"]) == (3, 3, 1)
    assert [place["on_top"] for place in report["positions"]] == [3, 0, 0]
    assert [place["seconds"] for place in report["positions"]] == [10, 20, 30]
    assert report["chi_square"] == 6.0
    sign_in(researcher.user)
    page = client.get("/projects/village/positions").text
    assert "Too few rankings" in page
    assert "1 ranking with a tie" in " ".join(page.replace('<span class="num">1</span>', "1").split())
