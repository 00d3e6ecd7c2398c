"""Pools, languages and skills through the pages and the API."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import AuditEvent, Project, Prompt
from app.services import users


@pytest.fixture
def boss(client: TestClient, session: Session, admin: Any) -> dict[str, str]:
    """The cookie of an admin."""
    cookie = {"Cookie": f"tutelage={users.start_session(session, admin.user)}"}
    session.commit()
    return cookie


def test_api_closes_a_project_and_lets_one_person_in(admin: Any, labeler: Any, project: Project) -> None:
    task = labeler.api.post("/projects/village/assignments", json={"kind": "demonstration"})
    assert task.status_code == 201
    labeler.api.post(f"/assignments/{task.json()['id']}/release")
    closed = admin.api.patch("/projects/village/settings", json={"open_to_all": False})
    assert closed.json()["open_to_all"] is False
    refused = labeler.api.post("/projects/village/assignments", json={"kind": "demonstration"})
    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
    assert labeler.api.get("/projects").json() == []
    for _ in range(2):
        assert admin.api.put(f"/projects/village/members/{labeler.user.id}").status_code == 204
    assert [each["username"] for each in admin.api.get("/projects/village/members").json()] == ["lena"]
    assert [each["slug"] for each in labeler.api.get("/projects").json()] == ["village"]
    assert labeler.api.post("/projects/village/assignments", json={"kind": "demonstration"}).status_code == 201
    assert admin.api.delete(f"/projects/village/members/{labeler.user.id}").status_code == 204
    assert admin.api.delete(f"/projects/village/members/{labeler.user.id}").status_code == 404


def test_api_sets_what_somebody_may_label(admin: Any, labeler: Any, session: Session) -> None:
    answer = admin.api.patch(f"/users/{labeler.user.id}", json={"languages": ["EN", "German"]})
    assert (answer.json()["languages"], answer.json()["skills"]) == (["de", "en"], [])
    answer = admin.api.patch(f"/users/{labeler.user.id}", json={"skills": ["maths"]})
    assert (answer.json()["languages"], answer.json()["skills"]) == (["de", "en"], ["maths"])
    assert labeler.api.get("/me").json()["languages"] == ["de", "en"]
    refused = admin.api.patch(f"/users/{labeler.user.id}", json={"languages": ["?"]})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "languages"
    assert len(session.scalars(select(AuditEvent).where(AuditEvent.action == "user.abilities")).all()) == 2


def test_api_imports_say_language_and_skills(admin: Any, project: Project, session: Session) -> None:
    row = b'{"prompt": "Beweise es.", "language": "de", "skills": ["Maths"]}\n'
    assert admin.api.post("/projects/village/prompts", content=row).status_code == 422
    row = row.replace(b"Maths", b"maths")
    assert admin.api.post("/projects/village/prompts", content=row).json() == {"imported": 1}
    prompt = session.scalars(select(Prompt).order_by(Prompt.id.desc()).limit(1)).one()
    assert (prompt.language, prompt.skills) == ("de", ["maths"])


def test_pages_keep_the_list_of_a_project(
    client: TestClient, boss: dict[str, str], labeler: Any, project: Project
) -> None:
    page = client.get("/projects/village/members", headers=boss)
    assert "Nobody yet" in page.text
    for typed in ("", "abc", "999999"):
        german = boss | {"Accept-Language": "de"}
        refused = client.post("/projects/village/members", data={"user_id": typed}, headers=german)
        assert (refused.status_code, "Wählen Sie jemanden aus der Liste." in refused.text) == (422, True)
    added = client.post("/projects/village/members", data={"user_id": str(labeler.user.id)}, headers=boss)
    assert added.status_code == 303
    assert "lena" in client.get("/projects/village/members", headers=boss).text
    client.post(f"/projects/village/members/{labeler.user.id}/remove", headers=boss)
    assert "Nobody yet" in client.get("/projects/village/members", headers=boss).text


def test_pages_say_that_a_project_is_for_chosen_people_and_whom_to_ask(
    client: TestClient, session: Session, admin: Any, labeler: Any, make_person: Any, sign_in: Any, project: Project
) -> None:
    project.open_to_all = False
    session.commit()
    sign_in(labeler.user)
    start, home = client.get("/projects/village/label").text, client.get("/").text
    assert "This project is open to chosen people only." in start
    assert "Every project here is open to chosen people only." in home
    for page in (start, home):
        assert f"Ask whether you may join: {admin.user.name}." in page
        assert "Nothing waiting" not in page
        assert "There is no project yet" not in page
    refused = client.post("/projects/village/write", headers={"Accept-Language": "de"})
    assert refused.status_code == 403
    assert "wird nur von einigen Personen gelabelt" in refused.text
    sign_in(make_person("rosa", "researcher").user)
    assert f"Ask whether you may join: {admin.user.name}." in client.get("/").text
    sign_in(admin.user)
    assert 'href="/projects/village/members">its labelers</a>' in client.get("/projects/village/label").text
    admin.api.put(f"/projects/village/members/{labeler.user.id}")
    sign_in(labeler.user)
    for path in ("/projects/village/label", "/"):
        assert "chosen people" not in client.get(path).text


def test_who_was_taken_off_the_list_still_finds_what_she_holds(
    client: TestClient, session: Session, labeler: Any, sign_in: Any, project: Project
) -> None:
    task = labeler.api.post("/projects/village/assignments", json={"kind": "demonstration"}).json()
    project.open_to_all = False
    session.commit()
    sign_in(labeler.user)
    for address in ("/", "/projects/village/label"):
        page = client.get(address).text
        assert "chosen people only" in page.lower()
        assert f"/assignments/{task['id']}" in page
    assert [each["slug"] for each in labeler.api.get("/projects").json()] == ["village"]
    assert labeler.api.post(f"/assignments/{task['id']}/release").status_code < 300
    assert f"/assignments/{task['id']}" not in client.get("/").text
    assert labeler.api.get("/projects").json() == []


def test_a_refused_form_of_languages_comes_back_whole(client: TestClient, boss: dict[str, str], labeler: Any) -> None:
    address = f"/users/{labeler.user.id}/abilities"
    refused = client.post(address, data={"languages": "de, <b>", "skills": "maths"}, headers=boss)
    assert refused.status_code == 422
    assert 'value="de, &lt;b&gt;"' in refused.text
    assert 'value="maths"' in refused.text
    in_german = client.post(
        address, data={"languages": "Deutschisch", "skills": "a/b"}, headers=boss | {"Accept-Language": "de"}
    )
    for sentence in ("„deutschisch“ ist kein Sprachkürzel", "„a/b“ ist keine Fähigkeit"):
        assert sentence in in_german.text
    saved = client.post(address, data={"languages": "de", "skills": "Maths, python"}, headers=boss)
    assert saved.status_code == 303
    assert 'value="maths, python"' in client.get(address, headers=boss).text
    assert "maths, python" in client.get("/users", headers=boss).text


def test_leaving_shortens_the_hold_and_a_draft_takes_it_back(labeler: Any, project: Project) -> None:
    task = labeler.api.post("/projects/village/assignments", json={"kind": "demonstration"}).json()
    soon = labeler.api.post(f"/assignments/{task['id']}/leave").json()["expires_at"]
    assert soon < task["expires_at"]
    assert labeler.api.post(f"/assignments/{task['id']}/leave").json()["expires_at"] == soon
    assert labeler.api.put(f"/assignments/{task['id']}/draft", json={"text": "half"}).status_code == 204
    assert labeler.api.get(f"/assignments/{task['id']}").json()["expires_at"] > task["expires_at"]
