"""Projects, imports, rounds, exports, users and tokens over the API."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import AuditEvent, Checkpoint, Comparison, Job, Project, Prompt
from app.routes.api.prompts import split_lines
from app.settings import get_settings


def test_create_project(admin: Any, base_model: str, session: Session) -> None:
    body = {"name": "Town", "slug": "town", "base_model": base_model, "responses_per_prompt": 7, "overlap": 2}
    answer = admin.api.post("/projects", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["responses_per_prompt"] == 7
    assert [row["slug"] for row in admin.api.get("/projects").json()] == ["town"]
    assert session.scalar(select(AuditEvent.action).order_by(AuditEvent.id.desc()).limit(1)) == "project.created"
    again = admin.api.post("/projects", json=body)
    assert again.status_code == 409
    assert "town" in again.json()["detail"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"slug": "No Slug"}, "slug"),
        ({"responses_per_prompt": 10}, "responses_per_prompt"),
        ({"overlap": 0}, "overlap"),
        ({"recipe": {"ppo": {"nonsense": 1}}}, "recipe.ppo.nonsense"),
        ({"colour": "red"}, "colour"),
        ({"base_model": "/nowhere"}, "base_model"),
    ],
)
def test_create_project_names_the_field_at_fault(
    admin: Any, base_model: str, change: dict[str, Any], field: str
) -> None:
    answer = admin.api.post("/projects", json={"name": "T", "slug": "t", "base_model": base_model} | change)
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json()["errors"]]


def test_change_settings_and_guidelines(project: Project, admin: Any, labeler: Any) -> None:
    answer = admin.api.patch("/projects/village/settings", json={"overlap": 3})
    assert answer.json()["overlap"] == 3
    assert admin.api.post("/projects/village/guidelines", json={"text": "Be kind."}).json()["version"] == 2
    assert labeler.api.get("/projects/village/guidelines").json()["text"] == "Be kind."
    assert admin.api.post("/projects/village/guidelines", json={"text": " "}).status_code == 422
    assert admin.api.post("/projects/village/pause").json()["paused_at"] is not None
    assert admin.api.post("/projects/village/resume").json()["paused_at"] is None


def test_labelers_see_no_base_model(project: Project, labeler: Any) -> None:
    assert "base_model" not in labeler.api.get("/projects/village").json()
    assert "base_model" not in labeler.api.get("/projects").json()[0]


def lines(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_import_prompts(project: Project, admin: Any, session: Session) -> None:
    body = lines({"prompt": "A new one?"}, {"prompt": "Question 0?"})
    answer = admin.api.post("/projects/village/prompts", content=body)
    assert answer.status_code == 201
    assert answer.json() == {"imported": 1}
    assert session.scalar(select(func.count()).select_from(Prompt)) == 5


def test_import_prompts_is_all_or_nothing_and_names_the_lines(project: Project, admin: Any, session: Session) -> None:
    body = lines({"prompt": "A new one?"}, {"prompt": ""}) + b"not json\n" + lines({"prompt": "Another?"})
    answer = admin.api.post("/projects/village/prompts", content=body)
    assert answer.status_code == 422
    assert [error["line"] for error in answer.json()["errors"]] == [2, 3]
    assert session.scalar(select(func.count()).select_from(Prompt)) == 4


@pytest.mark.parametrize(
    "line",
    [b'{"prompt": "\\ud800"}', b'{"prompt": "a", "id": "\\u0000"}', b'{"prompt": "a", "use_case": "\\udfff"}', b"\xff"],
)
def test_import_of_what_cannot_be_stored_is_422(project: Project, admin: Any, session: Session, line: bytes) -> None:
    """Half a character and a zero byte are JSON, but no text."""
    answer = admin.api.post("/projects/village/prompts", content=b'{"prompt": "Good?"}\n' + line)
    assert answer.status_code == 422, answer.text
    assert session.scalar(select(func.count()).select_from(Prompt)) == 4


def test_import_demonstrations(project: Project, admin: Any) -> None:
    body = lines({"prompt": "A new one?", "response": "Yes."})
    assert admin.api.post("/projects/village/demonstrations", content=body).json() == {"imported": 1}
    row = json.loads(admin.api.get("/projects/village/exports/demonstrations.jsonl").text)
    assert row["response"] == "Yes."


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_split_lines_cuts_long_lines_and_keeps_the_rest(size: int) -> None:
    text = b"ab\n" + b"x" * 50 + b"\ncd\n\n" + b"y" * 11
    chunks = (text[start : start + size] for start in range(0, len(text), size))
    found = list(split_lines(chunks, 10))
    assert [line[:11] for line in found] == [b"ab", b"x" * 11, b"cd", b"", b"y" * 11]


def test_launch_without_labels_is_409_with_a_sentence(project: Project, admin: Any) -> None:
    answer = admin.api.post("/projects/village/rounds")
    assert answer.status_code == 409
    assert answer.json()["detail"].endswith(".")


def test_launch_and_list_rounds(project: Project, admin: Any, researcher: Any) -> None:
    admin.api.post("/projects/village/demonstrations", content=lines({"prompt": "New?", "response": "Yes."}))
    answer = admin.api.post("/projects/village/rounds")
    assert answer.status_code == 201, answer.text
    assert answer.json()["launch_requested_at"] is not None
    assert [row["number"] for row in researcher.api.get("/projects/village/rounds").json()] == [1]


def test_sampling_on_demand_queues_a_job(project: Project, admin: Any, researcher: Any, session: Session) -> None:
    base = researcher.api.get("/projects/village/checkpoints").json()[0]
    body = {"prompts": [[{"role": "user", "content": "Hello?"}]], "settings": {"temperature": 0.5}, "n": 3}
    answer = admin.api.post(f"/checkpoints/{base['id']}/completions", json=body)
    assert answer.status_code == 201, answer.text
    job = session.get_one(Job, answer.json()["id"])
    assert answer.headers["location"] == f"/api/v1/jobs/{job.id}"
    assert job.spec == {
        "checkpoints": [{"id": base["id"], "count": 3}],
        "prompts": [[{"role": "user", "content": "Hello?"}]],
        "settings": {"temperature": 0.5},
    }
    shown = researcher.api.get(f"/jobs/{job.id}").json()
    assert (shown["state"], shown["progress"], shown["result"]) == ("queued", {}, None)
    cancelled = admin.api.post(f"/jobs/{job.id}/cancel")
    assert cancelled.json()["state"] == "cancelled"
    assert admin.api.post(f"/jobs/{job.id}/cancel").status_code == 409


@pytest.mark.parametrize(
    "body",
    [
        {"prompts": []},
        {"prompts": [[]]},
        {"prompts": [[{"role": "assistant", "content": "Hi"}]]},
        {"prompts": [[{"role": "user", "content": "a\x00"}]]},
        {"prompts": [[{"role": "user", "content": "Hi"}]], "n": 0},
        {"prompts": [[{"role": "user", "content": "Hi"}]], "settings": {"policies": []}},
    ],
)
def test_sampling_refuses_bad_requests(project: Project, admin: Any, body: Any) -> None:
    base = admin.api.get("/projects/village/checkpoints").json()[0]
    assert admin.api.post(f"/checkpoints/{base['id']}/completions", json=body).status_code == 422


def test_a_reward_model_writes_nothing(project: Project, admin: Any, session: Session) -> None:
    reward = Checkpoint(project_id=project.id, kind="reward", path="x", config={}, metrics={}, files={})
    session.add(reward)
    session.commit()
    body = {"prompts": [[{"role": "user", "content": "Hi"}]]}
    assert admin.api.post(f"/checkpoints/{reward.id}/completions", json=body).status_code == 409


def test_lineage_both_ways(comparison: Comparison, labeler: Any, researcher: Any) -> None:
    base = researcher.api.get("/projects/village/checkpoints").json()[0]
    lineage = researcher.api.get(f"/checkpoints/{base['id']}/lineage").json()
    assert (lineage["labels"], lineage["ancestors"], lineage["children"]) == (0, [], [])
    task = labeler.api.post("/projects/village/assignments", json={"kind": "ranking"}).json()
    tiers = [[completion["id"]] for completion in task["completions"]]
    ratings = {completion["id"]: {"overall": 4} for completion in task["completions"]}
    sent = labeler.api.post(
        f"/assignments/{task['id']}/submission",
        json={"tiers": tiers, "ratings": ratings},
        headers={"Idempotency-Key": str(uuid4())},
    )
    reach = researcher.api.get(f"/rankings/{sent.json()['id']}/lineage").json()
    assert reach["label"]["tiers"] == tiers
    assert reach["checkpoints"] == []
    assert labeler.api.get(f"/rankings/{sent.json()['id']}/lineage").status_code == 404


def test_export_is_a_named_attachment(project: Project, researcher: Any, admin: Any) -> None:
    admin.api.post("/projects/village/demonstrations", content=lines({"prompt": "New?", "response": "Ja – ü."}))
    answer = researcher.api.get("/projects/village/exports/demonstrations.jsonl", params={"format": "trl"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    name = answer.headers["content-disposition"]
    assert name.startswith('attachment; filename="village-demonstrations-trl-')
    row = json.loads(answer.text)
    assert row["completion"] == [{"role": "assistant", "content": "Ja – ü."}]


def test_exports_know_closed_choices_only(project: Project, researcher: Any) -> None:
    export = "/projects/village/exports"
    assert researcher.api.get(f"{export}/comparisons.jsonl", params={"format": "csv"}).status_code == 422
    assert researcher.api.get(f"{export}/users.jsonl").status_code == 422
    assert researcher.api.get(f"{export}/comparisons.jsonl", params={"snapshot": 99}).status_code == 404


def test_users_and_tokens(admin: Any, client: Any) -> None:
    made = admin.api.post("/users", json={"username": "Marta", "role": "researcher", "group": "held_out"})
    assert made.status_code == 201, made.text
    assert made.json()["group"] == "held_out"
    assert made.json()["link"].startswith(f"{get_settings().url}/invitations/")
    assert admin.api.post("/users", json={"username": "marta"}).status_code == 409
    token = admin.api.post("/tokens", json={"username": "marta", "name": "nightly", "scopes": ["read"]})
    assert token.status_code == 201, token.text
    header = {"Authorization": f"Bearer {token.json()['token']}"}
    assert client.get("/api/v1/me", headers=header).json()["username"] == "marta"
    assert client.get("/api/v1/projects/x/jobs", headers=header).status_code == 404
    assert "token" not in admin.api.get("/tokens").json()[-1]
    assert admin.api.delete(f"/tokens/{token.json()['id']}").status_code == 204
    assert client.get("/api/v1/projects/x/jobs", headers=header).status_code == 401
    user_id = made.json()["id"]
    assert admin.api.post(f"/users/{user_id}/disable").json()["disabled_at"] is not None
    assert admin.api.post(f"/users/{user_id}/link").status_code == 409
    assert admin.api.post("/tokens", json={"username": "marta", "name": "x"}).status_code == 409
    assert admin.api.post(f"/users/{user_id}/enable").json()["disabled_at"] is None
    assert admin.api.post("/tokens", json={"username": "marta", "name": "x", "scopes": ["admin"]}).status_code == 422
    assert admin.api.post(f"/users/{admin.user.id}/disable").status_code == 403


def test_a_simulated_labeler_gets_a_token_and_no_link(admin: Any) -> None:
    made = admin.api.post("/users", json={"username": "simulated-1", "simulated": True})
    assert made.json()["link"] is None
    assert admin.api.post("/tokens", json={"username": "simulated-1", "name": "simulation", "days": 2}).json()["token"]


def test_openapi_reads_well(client: Any) -> None:
    """Every operation has a summary, a tag and problem+json; nothing but the API is in it."""
    document = client.get("/api/v1/openapi.json").json()
    assert document["info"]["title"] == "Tutelage"
    for path, operations in document["paths"].items():
        assert path.startswith("/api/v1/")
        for operation in operations.values():
            assert operation["description"], path
            assert operation["tags"], path
            assert "application/problem+json" in operation["responses"]["4XX"]["content"], path
            assert operation["security"], path


def test_unknown_paths_and_methods_are_problems(client: Any, admin: Any) -> None:
    for answer in (client.get("/api/v1/nowhere"), admin.api.delete("/projects")):
        assert answer.status_code in (404, 405)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code
