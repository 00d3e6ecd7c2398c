"""A labeler's history without a browser: what she finds, what she may change, and what stays hidden."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.models import Assignment, Demonstration, Project, Ranking
from app.rules import work
from app.services import rounds, snapshots
from tests.browser.content import GREEK, PANDAS, user
from tests.routes.test_pages_labeling import claim, enter
from tests.seed import add_ranking_task, add_writing_task, make_project

ZONES = ("Etc/GMT+12", "Etc/GMT-14")


@pytest.fixture
def project(session: Session, tmp_path: Path) -> Project:
    project = make_project(session, tmp_path / "base")
    add_writing_task(session, project, [user("Why is the sky blue?")], priority=2)
    add_writing_task(session, project, [user("Why is the sea green?")], priority=1)
    session.commit()
    return project


def write(client: TestClient, project: Project, text: str = "Because of the light.") -> str:
    """Send an answer; the address of its task."""
    url = claim(client, project, "write")
    assert client.post(f"{url}/send", data={"text": text}).status_code == 303
    return url


def send_ranking(client: TestClient, session: Session, project: Project) -> Ranking:
    url = claim(client, project)
    ids = session.get_one(Assignment, int(url.rsplit("/", 1)[1])).order_shown
    form = {f"rating.{key}": str(7 - at) for at, key in enumerate(ids)}
    form |= {f"place.{key}": str(at + 1) for at, key in enumerate(ids)}
    assert client.post(f"{url}/send", data=form).status_code == 303
    return session.scalars(select(Ranking)).one()


def freeze(session: Session, project: Project) -> int:
    snapshot = snapshots.freeze_snapshot(session, project, rounds.current_round(session, project.id), "demonstration")
    session.commit()
    return snapshot.id


def only_text(session: Session) -> str:
    session.expire_all()
    return session.scalars(select(Demonstration)).one().text


def test_the_history_lists_what_she_sent_and_home_leads_there(
    client: TestClient, session: Session, project: Project
) -> None:
    enter(client, session)
    assert "You have sent nothing yet." in client.get("/history").text
    assert 'href="/history"' in client.get("/").text
    write(client, project)
    html = client.get("/history").text
    assert "Why is the sky blue?" in html
    assert "Because of the light." in html
    assert "Why is the sea green?" not in html
    assert "Nothing of this kind yet." in client.get("/history?kind=ranking&project=").text
    assert client.get("/history?project=nowhere").status_code == 404
    assert client.get("/history?kind=poem").status_code == 422


def test_the_filter_names_the_projects_that_are_hers(
    client: TestClient, session: Session, project: Project, tmp_path: Path
) -> None:
    """Where she may label or has labeled; of other closed projects she does not learn the names."""
    enter(client, session)
    write(client, project)
    for name, is_open in (("Open house", True), ("Secret plan", False)):
        make_project(session, tmp_path / "base", name).open_to_all = is_open
    project.open_to_all = False
    session.commit()
    html = client.get("/history").text
    assert f">{project.name}</option>" in html
    assert ">Open house</option>" in html
    assert "Secret plan" not in html


def test_the_page_of_a_ranking_is_blind(client: TestClient, session: Session, project: Project) -> None:
    add_ranking_task(session, project, GREEK)
    session.commit()
    enter(client, session)
    label = send_ranking(client, session, project)
    for path in ("/history", f"/history/ranking/{label.id}", f"/history/ranking/{label.id}/edit"):
        html = client.get(path).text
        for word in ("checkpoint", "logprob", "temperature", "LlamaForCausalLM", project.base_model):
            assert word not in html, (path, word)
    assert "A › B" in client.get("/history").text


def test_an_edit_by_form_stores_a_revision_and_the_page_tells_it(
    client: TestClient, session: Session, project: Project
) -> None:
    enter(client, session)
    write(client, project)
    edit = client.get("/history/demonstration/1/edit")
    assert "Because of the light." in edit.text
    assert 'action="/history/demonstration/1/send"' in edit.text
    assert 'id="skip"' not in edit.text
    answer = client.post("/history/demonstration/1/send", data={"text": "Because of the air, which scatters blue."})
    assert (answer.status_code, answer.headers["location"]) == (303, "/history/demonstration/1")
    html = client.get("/history/demonstration/1").text
    assert "4 words became 7 words" in html
    assert "now revision 2" in html
    assert only_text(session) == "Because of the air, which scatters blue."


def test_a_refused_edit_comes_back_whole(client: TestClient, session: Session, project: Project) -> None:
    add_ranking_task(session, project, PANDAS)
    session.commit()
    enter(client, session)
    label = send_ranking(client, session, project)
    first = label.order_shown[0]
    form = {f"rating.{first}": "2", f"place.{first}": "1", "comment": "So far."}
    answer = client.post(f"/history/ranking/{label.id}/send", data=form)
    assert answer.status_code == 422
    assert "Give a place to B, C, D." in answer.text
    assert "So far." in answer.text
    assert f'name="rating.{first}" value="2" checked' in answer.text


def test_withdraw_and_restore_by_form(client: TestClient, session: Session, project: Project) -> None:
    enter(client, session)
    task = write(client, project)
    assert client.post("/history/demonstration/1/withdraw").status_code == 303
    html = client.get("/history/demonstration/1").text
    assert "It counts nowhere." in html
    assert "/edit" not in html
    assert client.get("/history/demonstration/1/edit").headers["location"] == "/history/demonstration/1"
    assert "You have withdrawn this one." in client.get(task).text
    assert client.post("/history/demonstration/1/restore").status_code == 303
    assert "/edit" in client.get("/history/demonstration/1").text


def test_a_frozen_label_says_why_it_stays(client: TestClient, session: Session, project: Project) -> None:
    enter(client, session)
    write(client, project)
    snapshot_id = freeze(session, project)
    html = client.get("/history/demonstration/1").text
    assert f"Frozen in snapshot {snapshot_id}" in html
    assert "/withdraw" not in html
    assert f"Frozen in snapshot {snapshot_id}" in client.get("/history").text
    answer = client.post("/history/demonstration/1/send", data={"text": "Too late."})
    assert answer.status_code == 409
    assert f"Snapshot {snapshot_id} has frozen this label" in answer.text
    assert only_text(session) == "Because of the light."


def test_undo_is_offered_after_a_send_and_leads_back_to_the_task(
    client: TestClient, session: Session, project: Project
) -> None:
    enter(client, session)
    first = write(client, project)
    following = claim(client, project, "write")
    assert f'action="{first}/undo"' in client.get(following).text
    assert f'action="{first}/undo"' in client.get(f"/projects/{project.slug}/label").text
    answer = client.post(f"{first}/undo")
    assert (answer.status_code, answer.headers["location"]) == (303, first)
    html = client.get(first).text
    assert "Because of the light." in html
    assert "Taken back, not sent" in html
    shown = re.sub(r"<template.*?</template>", "", html, flags=re.DOTALL)  # those wait for what she sends next
    assert "/undo" not in shown
    assert client.post(f"{first}/send", data={"text": "Because of the air."}).status_code == 303
    assert only_text(session) == "Because of the air."
    page = client.get("/history/demonstration/1").text
    assert "Sent again" in page


def test_an_unsent_edit_waits_and_can_be_discarded(client: TestClient, session: Session, project: Project) -> None:
    enter(client, session)
    write(client, project)
    kept = client.put("/history/demonstration/1/draft", json={"text": "Half a"})
    assert (kept.status_code, kept.json()["expires_at"]) == (200, None)
    assert "Go on with your edit" in client.get("/history/demonstration/1").text
    assert "Half a" in client.get("/history/demonstration/1/edit").text
    assert client.post("/history/demonstration/1/discard").status_code == 303
    assert "Half a" not in client.get("/history/demonstration/1/edit").text
    assert only_text(session) == "Because of the light."


def test_a_label_of_somebody_else_is_not_there(client: TestClient, session: Session, project: Project) -> None:
    enter(client, session)
    write(client, project)
    enter(client, session, "other", "admin")
    at = "/history/demonstration/1"
    assert "Because of the light." not in client.get("/history").text
    assert client.get(at).status_code == 404
    assert client.get(f"{at}/edit").status_code == 404
    for action in ("send", "withdraw", "restore", "discard"):
        assert client.post(f"{at}/{action}", data={"text": "Mine."}).status_code == 404, action
    assert client.put(f"{at}/draft", json={}).status_code == 404
    assert client.post(f"{at}/submission", json={"text": "Mine."}).status_code == 404


def test_a_label_of_the_other_kind_is_refused(client: TestClient, session: Session, project: Project) -> None:
    enter(client, session)
    write(client, project)
    answer = client.post("/history/demonstration/1/submission", json={"tiers": []})
    assert (answer.status_code, only_text(session)) == (422, "Because of the light.")


def test_an_admin_withdraws_on_the_label_page_and_a_researcher_only_looks(
    client: TestClient, session: Session, project: Project
) -> None:
    enter(client, session)
    write(client, project)
    enter(client, session, "rosa", "researcher")
    assert "/withdraw" not in client.get("/labels/demonstration/1").text
    assert client.post("/labels/demonstration/1/withdraw").status_code == 403
    enter(client, session, "olga", "admin")
    assert 'action="/labels/demonstration/1/withdraw"' in client.get("/labels/demonstration/1").text
    assert client.post("/labels/demonstration/1/withdraw").status_code == 303
    html = client.get("/labels/demonstration/1").text
    assert "no training, export or count knows of it" in html
    assert "<b>Withdrawn</b> by you" in html
    assert "withdrawn" in client.get(f"/projects/{project.slug}/labels/demonstration").text
    assert client.post("/labels/demonstration/1/restore").status_code == 303
    assert "No training has read it yet." in client.get("/labels/demonstration/1").text


def test_what_she_did_today_is_counted_by_the_days_of_her_own_zone(
    client: TestClient, session: Session, project: Project
) -> None:
    """The same on every page. Of two zones a day apart but for two hours, one has begun its day after the label."""
    enter(client, session)
    write(client, project)
    now = datetime.now(UTC)
    began = {name: work.start_of(work.local_day(now, zone), zone) for name, zone in map(work.find_zone, ZONES)}
    session.execute(update(Demonstration).values(created_at=max(began.values()) - timedelta(minutes=1)))
    session.commit()
    for name, start in began.items():
        client.cookies.set("tutelage-zone", name)
        done = int(start < max(began.values()))
        assert f"{done} done today." in client.get(f"/projects/{project.slug}/label").text
        assert ("You have sent 1 label today." in client.get("/").text) is bool(done)
        assert f'data-done="{done}"' in client.get(claim(client, project, "write")).text
        hers = client.get("/me/work").text
        assert f"Days of the zone {name}" in hers
        assert ("1 label today" in hers) is bool(done)
    client.cookies.set("tutelage-zone", "../etc/passwd" + "x" * 100)
    assert client.get("/").status_code == 200
