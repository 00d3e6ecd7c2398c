"""Skipping with a reason and reporting over HTTP; the admin's list and its badge."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Assignment, Comparison, Project, Prompt, PromptReport
from tests.routes.conftest import Person

HOSTILE = "<script>alert(1)</script>"


def hold(labeler: Person) -> dict[str, Any]:
    answer = labeler.api.post("/projects/village/assignments", json={"kind": "ranking"})
    assert answer.status_code == 201
    task: dict[str, Any] = answer.json()
    return task


def test_a_form_skips_with_a_reason_and_asks_again_for_missing_words(
    client: TestClient, session: Session, sign_in: Any, comparison: Comparison, labeler: Person
) -> None:
    sign_in(labeler.user)
    at = f"/assignments/{hold(labeler)['id']}"
    page = client.get(at).text
    for words in ("Unclear or ambiguous prompt", "Needs knowledge that I do not have", "Wrong language"):
        assert words in page
    refused = client.post(f"{at}/skip", data={"reason": "other", "note": ""})
    assert refused.status_code == 422
    assert "Say in a few words what it is." in refused.text
    assert client.post(f"{at}/skip", data={"reason": "other", "note": HOSTILE}).status_code == 303
    assert session.scalars(select(PromptReport.note)).one() == HOSTILE
    assert session.scalars(select(Assignment.skip_reason)).one() == f"other: {HOSTILE}"


def test_a_report_leads_back_to_the_task_and_says_so(
    client: TestClient, session: Session, sign_in: Any, comparison: Comparison, labeler: Person
) -> None:
    sign_in(labeler.user)
    at = f"/assignments/{hold(labeler)['id']}"
    answer = client.post(f"{at}/report", data={"reason": "unclear"})
    assert answer.headers["location"] == f"{at}?reported=true"
    assert "An admin reads it." in client.get(answer.headers["location"]).text
    assert client.post(f"{at}/report", data={"reason": "knowledge"}).status_code == 422
    assert session.scalars(select(PromptReport.reason)).all() == ["unclear"]


def test_admins_see_a_badge_and_answer(
    client: TestClient,
    session: Session,
    sign_in: Any,
    comparison: Comparison,
    project: Project,
    labeler: Person,
    admin: Person,
) -> None:
    task = hold(labeler)
    report = {"reason": "harmful", "note": HOSTILE}
    assert labeler.api.post(f"/assignments/{task['id']}/report", json=report).status_code == 201
    sign_in(labeler.user)
    assert "badge" not in client.get("/projects/village/label").text
    sign_in(admin.user)
    page = client.get("/projects/village/reports").text
    assert 'class="badge num">1' in page
    assert "Harmful or upsetting" in page
    assert HOSTILE not in page
    assert "The text of a prompt never changes" in page
    at = f"/projects/village/reports/{task['prompt']['id']}"
    assert client.post(f"{at}/retire", data={"note": "Agreed."}).status_code == 303
    prompt = session.get_one(Prompt, task["prompt"]["id"])
    assert prompt.retired_at is not None
    assert "badge" not in client.get("/projects/village/reports").text
    assert "Ask about it again" in client.get("/projects/village/reports?state=answered").text
    client.post(f"{at}/restore")
    session.expire_all()
    assert prompt.retired_at is None


def test_the_same_by_token(comparison: Comparison, labeler: Person, admin: Person, researcher: Person) -> None:
    task = hold(labeler)
    skipped = {"reason": "broken", "note": "Cut off."}
    assert labeler.api.post(f"/assignments/{task['id']}/skip", json={"reason": "other"}).status_code == 422
    assert labeler.api.post(f"/assignments/{task['id']}/skip", json=skipped).status_code == 204
    (listed,) = admin.api.get("/projects/village/reports").json()
    assert listed["prompt_id"] == task["prompt"]["id"]
    assert [(one["reason"], one["note"], one["reporter"]) for one in listed["reports"]] == [
        ("broken", "Cut off.", "lena")
    ]
    at = f"/projects/village/reports/{listed['prompt_id']}/resolution"
    assert researcher.api.post(at, json={"resolution": "kept"}).status_code == 403
    assert admin.api.post(at, json={"resolution": "retired", "note": "So be it."}).json() == {"reports": 1}
    (answered,) = admin.api.get("/projects/village/reports?state=answered").json()
    assert answered["retired_at"] is not None
    assert answered["reports"][0]["resolution_note"] == "So be it."
    assert admin.api.post(at, json={"resolution": "restored"}).json() == {"reports": 0}
    assert admin.api.post(at, json={"resolution": "restored"}).status_code == 409
