"""Gold items, reliability and own work over pages and API; and that a measuring task cannot be told apart."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.models import Assignment, AuditEvent, Comparison, GoldItem, Project, Prompt, Ranking, Slot
from app.services import gold_items, projects, users
from app.services.gold_items import GoldDraft
from tests.routes.test_api_labeling import claim
from tests.routes.test_api_revisions import send_ranking
from tests.seed import add_comparison, read_guidelines


@pytest.fixture
def ids(session: Session, comparison: Comparison) -> list[str]:
    return sorted(str(each.id) for each in gold_items.get_comparison(session, comparison.id).completions)


def cookie(session: Session, person: Any) -> dict[str, str]:
    read_guidelines(session, person.user)
    token = users.start_session(session, person.user)
    session.commit()
    return {"Cookie": f"tutelage={token}"}


def answer(comparison: Comparison, ids: list[str], **more: Any) -> dict[str, Any]:
    return {"comparison_id": comparison.id, "tiers": [[ids[0]], ids[1:]]} | more


def test_the_api_marks_lists_and_removes(comparison: Comparison, ids: list[str], researcher: Any, admin: Any) -> None:
    body = answer(
        comparison,
        ids,
        ratings={ids[0]: {"at_least": 6, "at_most": 7}},
        flags={ids[2]: {"must": ["hallucination"]}},
        explanation="**Marta** bakes.",
    )
    made = researcher.api.post("/projects/village/gold-items", json=body)
    assert made.status_code == 201, made.text
    assert made.json()["ratings"] == {ids[0]: [6, 7]}
    assert made.json()["flags"] == {ids[2]: {"must": ["hallucination"], "must_not": []}}
    again = admin.api.post("/projects/village/gold-items", json=body | {"explanation": ""})
    assert (again.status_code, again.json()["id"], again.json()["explanation"]) == (200, made.json()["id"], "")
    assert [each["id"] for each in researcher.api.get("/projects/village/gold-items").json()] == [made.json()["id"]]
    address = f"/projects/village/gold-items/{made.json()['id']}"
    assert researcher.api.delete(address).status_code == 204
    assert researcher.api.delete(address).status_code == 404
    assert researcher.api.get("/projects/village/gold-items").json() == []


def test_the_api_names_the_fields_that_it_refuses(comparison: Comparison, ids: list[str], researcher: Any) -> None:
    def fields(body: dict[str, Any]) -> set[str]:
        refused = researcher.api.post("/projects/village/gold-items", json=body)
        assert refused.status_code == 422, refused.text
        return {each["field"] for each in refused.json()["errors"]}

    assert fields(answer(comparison, ids) | {"tiers": [ids[:2]]}) == {"tiers"}
    assert fields(answer(comparison, ids) | {"tiers": [ids]}) == {"tiers"}
    wrong = {"ratings": {ids[0]: {"at_least": 5, "at_most": 2}}, "flags": {ids[1]: {"must": ["odd"]}}}
    assert fields(answer(comparison, ids, **wrong)) == {f"ratings.{ids[0]}", f"flags.{ids[1]}"}
    assert fields(answer(comparison, ids, ratings={ids[0]: {"at_least": 0, "at_most": 9}})) == {
        f"ratings.{ids[0]}.at_least",
        f"ratings.{ids[0]}.at_most",
    }
    assert researcher.api.post("/projects/village/gold-items", json={"tiers": [ids]}).status_code == 422


def test_a_ranking_becomes_gold_by_its_number(
    comparison: Comparison, labeler: Any, researcher: Any, project: Project
) -> None:
    sent, body = send_ranking(labeler)
    made = researcher.api.post("/projects/village/gold-items", json={"ranking_id": sent["id"], "explanation": "So."})
    assert made.status_code == 201, made.text
    assert made.json()["tiers"] == body["tiers"]
    assert made.json()["ratings"] == {key: [3, 5] for key in body["ratings"]}
    elsewhere = {"ranking_id": sent["id"], "comparison_id": comparison.id + 1}
    assert researcher.api.post("/projects/village/gold-items", json=elsewhere).status_code == 422
    assert researcher.api.post("/projects/village/gold-items", json={"ranking_id": 999}).status_code == 404


def test_reading_alone_marks_nothing(comparison: Comparison, ids: list[str], make_person: Any, labeler: Any) -> None:
    reader = make_person("rita", "researcher", scopes=["read"])
    assert reader.api.post("/projects/village/gold-items", json=answer(comparison, ids)).status_code == 403
    assert reader.api.get("/projects/village/gold-items").status_code == 200
    assert labeler.api.post("/projects/village/gold-items", json=answer(comparison, ids)).status_code == 403
    assert labeler.api.get("/projects/village/gold-items").status_code == 404


def form(ids: list[str], *places: int, **more: str) -> dict[str, str]:
    return {f"place.{key}": str(place) for key, place in zip(ids, places, strict=True)} | more


def test_the_page_marks_changes_and_removes(
    client: TestClient, session: Session, comparison: Comparison, ids: list[str], researcher: Any
) -> None:
    signed = cookie(session, researcher)
    chosen = client.get("/projects/village/gold-items/new", headers=signed)
    page = f"/comparisons/{comparison.id}/gold"
    assert f'href="{page}"' in chosen.text
    assert "Mark as gold" in client.get(page, headers=signed).text
    data = form(ids, 1, 3, 3, explanation="It *is*.\r\nReally.") | {f"low.{ids[0]}": "5", f"high.{ids[0]}": "7"}
    stored = client.post(page, headers=signed, data=data | {f"must.{ids[1]}": ["hallucination"]})
    assert stored.status_code == 303
    item = session.scalars(select(GoldItem)).one()
    assert (item.tiers, item.ratings, item.explanation) == (
        [[ids[0]], ids[1:]],
        {ids[0]: [5, 7]},
        "It *is*.\nReally.",
    )
    assert item.flags == {ids[1]: {"must": ["hallucination"], "must_not": []}}
    listed = client.get(stored.headers["location"], headers=signed).text
    assert "The gold item is stored." in listed
    assert f'href="{page}"' in listed
    assert page not in client.get("/projects/village/gold-items/new", headers=signed).text
    shown = client.get(page, headers=signed).text
    assert f'name="place.{ids[0]}" value="1" checked' in shown
    assert "Change the right answer" in shown
    assert client.post(f"{page}/remove", headers=signed).status_code == 303
    session.expire_all()
    assert session.scalars(select(GoldItem)).all() == []
    assert session.scalars(select(AuditEvent.action)).all()[-2:] == ["gold_item.marked", "gold_item.removed"]


def test_a_refused_page_comes_back_whole(
    client: TestClient, session: Session, comparison: Comparison, ids: list[str], researcher: Any
) -> None:
    data = form(ids, 1, 1, 9, explanation="</textarea><b>Because</b>") | {f"low.{ids[1]}": "6"}
    data |= {f"must_not.{ids[1]}": "hallucination"}
    signed = cookie(session, researcher)
    refused = client.post(f"/comparisons/{comparison.id}/gold", headers=signed, data=data)
    assert refused.status_code == 422
    assert "Give C a place." in refused.text
    assert "Give both ends of the range, or none." in refused.text
    assert "&lt;/textarea&gt;&lt;b&gt;Because" in refused.text
    assert f'name="place.{ids[0]}" value="1" checked' in refused.text
    assert re.search(rf'name="must_not.{ids[1]}" value="hallucination" checked', refused.text)
    both = form(ids, 1, 2, 3) | {f"must.{ids[0]}": "sexual", f"must_not.{ids[0]}": "sexual"}
    refused = client.post(f"/comparisons/{comparison.id}/gold", headers=signed, data=both)
    assert "Wanted and refused at once: sexual." in refused.text
    assert session.scalars(select(GoldItem)).all() == []


def test_the_page_begins_with_a_label(
    client: TestClient, session: Session, comparison: Comparison, labeler: Any, researcher: Any
) -> None:
    sent, body = send_ranking(labeler)
    signed = cookie(session, researcher)
    link = f"/comparisons/{comparison.id}/gold?ranking={sent['id']}"
    assert f'href="{link}"' in client.get(f"/labels/ranking/{sent['id']}", headers=signed).text
    shown = client.get(link, headers=signed).text
    for place, tier in enumerate(body["tiers"], start=1):
        assert f'name="place.{tier[0]}" value="{place}" checked' in shown


def two_tasks(session: Session, project: Project, admin: Any) -> None:
    """A label, and a gold item that comes at once."""
    prompt = session.scalars(select(Prompt).where(Prompt.project_id == project.id).order_by(Prompt.id.desc())).first()
    assert prompt is not None
    add_comparison(session, project, prompt, ["Marta.", "The miller.", "Who asks?"])
    comparison = session.scalars(select(Comparison).order_by(Comparison.id)).first()
    assert comparison is not None
    full = gold_items.get_comparison(session, comparison.id)
    keys = [str(each.id) for each in full.completions]
    gold_items.set_gold_item(session, full, admin.user, GoldDraft([[key] for key in keys]))
    session.execute(update(Slot).where(Slot.comparison_id == comparison.id).values(closed_at=comparison.created_at))
    session.commit()


def shape(value: Any) -> Any:
    """Keys and types, without what differs from task to task."""
    if isinstance(value, dict):
        return {"id" if len(key) == 36 else key: shape(each) for key, each in sorted(value.items())}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return type(value).__name__


def test_nothing_tells_a_gold_task_from_a_label(
    client: TestClient, session: Session, project: Project, comparison: Comparison, admin: Any, labeler: Any
) -> None:
    two_tasks(session, project, admin)
    signed = cookie(session, labeler)
    tasks = {}
    for rate, purpose in ((0.0, "label"), (0.5, "gold")):
        projects.update_project(session, project, {"gold_rate": rate})
        session.commit()
        for _ in range(20):  # until the draw is for it
            task = claim(labeler, "ranking")
            held = session.get_one(Assignment, task["id"])
            if held.purpose == purpose:
                break
            labeler.api.post(f"/assignments/{task['id']}/skip", json={"reason": "x"})
        tasks[purpose] = (task, client.get(f"/assignments/{task['id']}", headers=signed).text)
        keys = [each["id"] for each in task["completions"]]
        body = {"tiers": [keys], "ratings": {key: {"overall": 4} for key in keys}}
        address, key = f"/assignments/{task['id']}/submission", {"Idempotency-Key": str(uuid4())}
        sent = labeler.api.post(address, json=body, headers=key)
        assert sent.status_code == 201
        tasks[purpose] += (labeler.api.get("/labels/mine?kind=ranking&limit=1").json(), sent.json())
    assert shape([tasks["label"][0], *tasks["label"][2:]]) == shape([tasks["gold"][0], *tasks["gold"][2:]])
    for purpose in ("gold", "label"):
        assert "gold" not in tasks[purpose][1].lower()
        assert "purpose" not in tasks[purpose][1].lower()
    history = client.get(f"/history/ranking/{tasks['gold'][3]['id']}", headers=signed).text
    assert "gold" not in history.lower()
    revisions = labeler.api.get(f"/rankings/{tasks['gold'][3]['id']}/revisions")
    assert revisions.json() == []


def test_settings_hold_the_rates(
    client: TestClient, session: Session, project: Project, admin: Any, labeler: Any
) -> None:
    signed = cookie(session, admin)
    page = "/projects/village/settings"
    stored = {
        "name": "Village", "responses_per_prompt": "4", "overlap": "1", "demonstration_threshold": "2",
        "ranking_threshold": "300", "comparisons_per_round": "400", "algorithm": "ppo",
    }  # fmt: skip
    data = stored | {"gold_rate": "12,5 %", "repeat_rate": "5", "gold_feedback": "on", "leaderboard": "on"}
    assert client.post(page, headers=signed, data=data).status_code == 303
    session.expire_all()
    assert (project.gold_rate, project.repeat_rate, project.gold_feedback, project.leaderboard) == (
        0.125,
        0.05,
        True,
        True,
    )
    shown = client.get(page, headers=signed).text
    assert 'name="gold_rate" type="text" value="12.5"' in shown
    assert 'name="leaderboard" checked' in shown
    for wrong in (
        {"gold_rate": "much"},
        {"gold_rate": "51"},
        {"gold_rate": "-5"},
        {"gold_rate": "30", "repeat_rate": "30"},
    ):
        refused = client.post(page, headers=signed, data=data | wrong)
        assert refused.status_code == 422
        assert f'value="{wrong["gold_rate"]}"' in refused.text
    assert admin.api.patch("/projects/village/settings", json={"repeat_rate": 0.4}).status_code == 422
    changed = admin.api.patch("/projects/village/settings", json={"gold_rate": 0, "leaderboard": False})
    assert (changed.json()["gold_rate"], changed.json()["leaderboard"]) == (0, False)
    assert not {"gold_rate", "repeat_rate"} & labeler.api.get("/projects/village").json().keys()


def test_reliability_says_not_enough_below_twenty_pairs(
    client: TestClient, session: Session, comparison: Comparison, ids: list[str], labeler: Any, researcher: Any
) -> None:
    sent, _ = send_ranking(labeler)
    session.execute(update(Ranking).where(Ranking.id == sent["id"]).values(purpose="gold"))
    full = gold_items.get_comparison(session, comparison.id)
    gold_items.set_gold_item(session, full, researcher.user, GoldDraft([[key] for key in ids]))
    session.commit()
    page = client.get("/projects/village/labelers", headers=cookie(session, researcher)).text
    assert "not enough yet, 3 of 20 pairs" in page
    told = researcher.api.get("/projects/village/reliability").json()
    (lena,) = told["labelers"]
    assert (lena["name"], lena["labels"], lena["gold_items"]) == ("Lena", 0, 1)
    assert lena["gold"] == {"pairs": 3, "share": None, "interval": None}
    assert (told["gold_items"][0]["answers"], told["gold_items"][0]["suspect"]) == (1, False)


def test_own_work_is_hers_alone(
    client: TestClient, session: Session, comparison: Comparison, labeler: Any, make_person: Callable[..., Any]
) -> None:
    other = make_person("olga")
    send_ranking(labeler)
    told = labeler.api.get("/me/work?zone=Europe/Lisbon").json()
    assert (told["zone"], told["today"]["rankings"], len(told["days"])) == ("Europe/Lisbon", 1, 14)
    assert told["projects"][0]["agreement_with_others"] == {"pairs": 0, "share": None, "interval": None}
    assert other.api.get("/me/work").json()["projects"] == []
    page = client.get("/me/work?zone=<script>", headers=cookie(session, labeler))
    assert page.status_code == 200
    assert "1 label today, 1 this week." in page.text
    assert "Days in UTC" in page.text
    assert "Nothing here yet." in client.get("/me/work", headers=cookie(session, other)).text
    assert client.get("/", headers=cookie(session, other)).text.count('href="/me/work"') == 2
