"""Own labels over the API: list, edit, withdraw, restore, undo, revisions; who may, and who may not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.orm import Session

from app.models import Comparison, Project
from app.services import rounds, snapshots
from tests.routes.test_api_labeling import claim, key


def send(person: Any, text: str = "First thought.") -> dict[str, Any]:
    task = claim(person)
    answer = person.api.post(f"/assignments/{task['id']}/submission", headers=key(), json={"text": text})
    assert answer.status_code == 201, answer.text
    return {"task": task["id"], "id": answer.json()["id"]}


def send_ranking(person: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    task = claim(person, "ranking")
    ids = [completion["id"] for completion in task["completions"]]
    body = {"tiers": [[one] for one in ids], "ratings": {one: {"overall": 4, "flags": []} for one in ids}}
    answer = person.api.post(f"/assignments/{task['id']}/submission", headers=key(), json=body)
    assert answer.status_code == 201, answer.text
    return {"task": task["id"], "id": answer.json()["id"]}, body


def freeze(session: Session, project: Project) -> int:
    snapshot = snapshots.freeze_snapshot(session, project, rounds.current_round(session, project.id), "demonstration")
    session.commit()
    return snapshot.id


def test_put_edits_and_is_harmless_when_repeated(project: Project, labeler: Any) -> None:
    sent = send(labeler)
    for _ in range(2):
        answer = labeler.api.put(f"/demonstrations/{sent['id']}", json={"text": "Second thought."})
        assert answer.status_code == 200
        assert (answer.json()["text"], answer.json()["revision"]) == ("Second thought.", 2)
    [revision] = labeler.api.get(f"/demonstrations/{sent['id']}/revisions").json()
    assert set(revision) == {"id", "number", "kind", "content", "by", "created_at"}
    assert (revision["number"], revision["kind"], revision["by"]) == (1, "edited", "Lena")
    assert revision["content"]["text"] == "First thought."


def test_put_of_a_ranking_takes_the_body_of_a_submission(comparison: Comparison, labeler: Any) -> None:
    sent, body = send_ranking(labeler)
    order = [tier[0] for tier in body["tiers"]]
    answer = labeler.api.put(f"/rankings/{sent['id']}", json=body | {"tiers": [order], "comment": "All alike."})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["tiers"], answer.json()["comment"], answer.json()["revision"]) == ([order], "All alike.", 2)
    refused = labeler.api.put(f"/rankings/{sent['id']}", json=body | {"tiers": [order[:1]]})
    assert refused.status_code == 422
    assert "Not ranked yet" in refused.json()["detail"]


def test_withdraw_and_restore(project: Project, labeler: Any, researcher: Any) -> None:
    sent = send(labeler)
    export = "/projects/village/exports/demonstrations.jsonl"
    for action, rows in (("withdraw", 0), ("withdraw", 0), ("restore", 1), ("restore", 1)):
        answer = labeler.api.post(f"/demonstrations/{sent['id']}/{action}")
        assert answer.status_code == 200, answer.text
        assert (answer.json()["withdrawn_at"] is None) == (rows == 1)
        assert len(researcher.api.get(export).text.splitlines()) == rows
    kinds = [one["kind"] for one in labeler.api.get(f"/demonstrations/{sent['id']}/revisions").json()]
    assert kinds == ["withdrawn", "restored"]


def test_a_frozen_label_answers_409_with_its_snapshot(session: Session, project: Project, labeler: Any) -> None:
    sent = send(labeler)
    snapshot_id = freeze(session, project)
    for answer in (
        labeler.api.put(f"/demonstrations/{sent['id']}", json={"text": "Late."}),
        labeler.api.post(f"/demonstrations/{sent['id']}/withdraw"),
        labeler.api.post(f"/assignments/{sent['task']}/undo"),
    ):
        assert answer.status_code == 409
        assert f"Snapshot {snapshot_id} has frozen this label" in answer.json()["detail"]
    [mine] = labeler.api.get("/labels/mine").json()
    assert (mine["state"], mine["snapshot_id"]) == ("frozen", snapshot_id)


def test_undo_answers_the_task_as_a_claim_does(project: Project, labeler: Any) -> None:
    sent = send(labeler)
    answer = labeler.api.post(f"/assignments/{sent['task']}/undo")
    assert answer.status_code == 200
    assert answer.json() | {"expires_at": None} == claim(labeler) | {"expires_at": None}
    assert answer.json()["draft"]["text"] == "First thought."
    [mine] = labeler.api.get("/labels/mine").json()
    assert (mine["state"], mine["id"]) == ("taken back", sent["id"])
    again = labeler.api.post(f"/assignments/{sent['task']}/submission", headers=key(), json={"text": "Second."})
    assert (again.status_code, again.json()["id"]) == (201, sent["id"])
    [mine] = labeler.api.get("/labels/mine").json()
    assert (mine["state"], mine["text"], mine["revision"]) == ("sent", "Second.", 2)


def test_the_draft_of_an_undone_ranking_is_what_was_sent(comparison: Comparison, labeler: Any) -> None:
    sent, body = send_ranking(labeler)
    draft = labeler.api.post(f"/assignments/{sent['task']}/undo").json()["draft"]
    assert (draft["tiers"], draft["ratings"], draft["comment"]) == (body["tiers"], body["ratings"], None)


def test_mine_is_filtered_paged_and_blind(comparison: Comparison, labeler: Any) -> None:
    send_ranking(labeler)
    for number in range(3):
        send(labeler, f"Answer {number}.")
    first = labeler.api.get("/labels/mine", params={"limit": 2}).json()
    rest = labeler.api.get("/labels/mine", params={"limit": 9, "before": first[-1]["assignment_id"]}).json()
    assert [one["text"] for one in [*first, *rest]] == ["Answer 2.", "Answer 1.", "Answer 0.", None]
    assert [one["kind"] for one in labeler.api.get("/labels/mine", params={"kind": "ranking"}).json()] == ["ranking"]
    assert len(labeler.api.get("/labels/mine", params={"project": "village"}).json()) == 4
    assert labeler.api.get("/labels/mine", params={"project": "nowhere"}).status_code == 404
    assert labeler.api.get("/labels/mine", params={"before": 999}).status_code == 404
    listed = json.dumps([*first, *rest])
    for word in ("checkpoint", "model", "policy", "seed", "logprob"):
        assert word not in listed, word


@pytest.mark.parametrize("role", ["labeler", "researcher"])
def test_labels_of_others_are_not_there(
    project: Project, labeler: Any, make_person: Callable[..., Any], role: str
) -> None:
    sent, other = send(labeler), make_person("olga", role)
    at = f"/demonstrations/{sent['id']}"
    for answer in (
        other.api.put(at, json={"text": "Mine now."}),
        other.api.post(f"{at}/withdraw"),
        other.api.post(f"{at}/restore"),
        other.api.get(f"{at}/revisions"),
        other.api.post(f"/assignments/{sent['task']}/undo"),
    ):
        assert answer.status_code == 404, answer.text
    assert other.api.get("/labels/mine").json() == []


def test_an_admin_withdraws_and_restores_but_never_edits(
    project: Project, labeler: Any, admin: Any, make_person: Callable[..., Any]
) -> None:
    sent = send(labeler)
    at = f"/demonstrations/{sent['id']}"
    narrow = make_person("nina", "admin", scopes=["label"])
    assert narrow.api.post(f"{at}/withdraw").status_code == 404  # the token lacks the scope `admin`
    assert admin.api.put(at, json={"text": "Better so."}).status_code == 404
    assert admin.api.post(f"{at}/withdraw").status_code == 200
    refused = labeler.api.post(f"{at}/restore")
    assert (refused.status_code, "only an admin" in refused.json()["detail"]) == (409, True)
    assert admin.api.post(f"{at}/restore").status_code == 200
    assert [one["by"] for one in admin.api.get(f"{at}/revisions").json()] == ["Ada", "Ada"]


def test_the_label_of_a_used_key_stays_what_it_is(project: Project, labeler: Any) -> None:
    """A late repeat of the first request must not pass for sending again."""
    task, header = claim(labeler), {"Idempotency-Key": str(uuid4())}
    at = f"/assignments/{task['id']}"
    assert labeler.api.post(f"{at}/submission", headers=header, json={"text": "One."}).status_code == 201
    labeler.api.post(f"{at}/undo")
    late = labeler.api.post(f"{at}/submission", headers=header, json={"text": "One."})
    assert (late.status_code, "new one" in late.json()["detail"]) == (409, True)
