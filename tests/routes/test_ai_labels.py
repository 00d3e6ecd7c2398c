"""From the button to marked labels and an export, through the programs that a worker would run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import AILabel, Comparison, Job, Project
from app.services import outcomes, snapshots
from tests.routes.conftest import Person
from tests.seed import add_ai_labels
from tests.training import conftest as tiny


@pytest.fixture
def judge(tiny_model: Path, tmp_path: Path) -> str:
    """A real model with positions enough for a question in bytes."""
    folder = tmp_path / "judge"
    shutil.copytree(tiny_model, folder)
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "max_position_embeddings": 4096}))
    return str(folder)


def run_job(session: Session) -> Job:
    """The one job that waits, by the program that the worker would start."""
    job = session.scalars(select(Job).where(Job.state == "queued")).one()
    folder = outcomes.job_folder(job)
    outcomes.prepare_folder(session, job, folder)
    session.commit()
    assert tiny.run(outcomes.program_of(job).removeprefix("training."), folder) == 0
    job.result = outcomes.record_result(session, job, folder)
    job.state = "succeeded"
    session.commit()
    return job


def test_from_the_button_to_marked_labels_to_an_export(
    client: TestClient, session: Session, project: Project, comparison: Comparison, admin: Person,
    sign_in: Callable[..., str], judge: str,
) -> None:  # fmt: skip
    sign_in(admin.user)
    project.recipe = {"ai_revision": {"max_new_tokens": 8, "threads": 1}, "ai_ranking": {"threads": 1}}
    session.commit()
    home = "/projects/village/ai"
    answer = client.post(f"{home}/constitution", data={"text": "# Ours\r\n- Be kind.\r\n- Be true."})
    assert answer.status_code == 303
    assert "Be true." in client.get(home).text
    answer = client.post(f"{home}/jobs", data={"kind": "ranking", "path": judge, "most": "10"})
    assert answer.status_code == 303, answer.text
    job = run_job(session)
    assert answer.headers["location"] == f"/jobs/{job.id}"
    assert job.result == {"ai_labels": 1, "left_out": 0}
    label = session.scalars(select(AILabel)).one()
    assert label.comparison_id == comparison.id
    assert sorted(key for tier in label.tiers or [] for key in tier) == sorted(label.details["wins"])
    page = client.get(f"/ai-labels/{label.id}").text
    assert "A model made this label." in page
    assert f"/ai-labels/{label.id}" in client.get("/projects/village/ai-labels?kind=ranking").text
    assert "The weight is 0" in client.get(home).text

    export = "/projects/village/exports/comparisons.jsonl"
    assert client.get(export).text == ""
    (row,) = map(json.loads, client.get(f"{export}?ai=true").text.splitlines())
    assert (row["ai"], row["labeler_group"], row["constitution_version"]) == (True, "ai", 1)
    assert client.get("/projects/village/data").text.count("AI labels") >= 1

    assert client.post(f"{home}/weight", data={"weight": "0,5"}).status_code == 303
    assert "reads 1 ranking and the next SFT 0 demonstrations, each at weight 0.5" in client.get(home).text
    assert admin.api.get("/projects/village/ai-use").json() == {"rankings": 1, "demonstrations": 0, "weight": 0.5}
    refused = client.post(f"{home}/weight", data={"weight": "2"})
    session.refresh(project)
    assert (refused.status_code, project.ai_weight) == (422, 0.5)
    again = client.post(f"{home}/jobs", data={"kind": "ranking", "path": judge, "most": "10"})
    assert (again.status_code, "nothing left to label" in again.text) == (409, True)


def test_revisions_by_the_api(session: Session, comparison: Comparison, admin: Person, judge: str) -> None:
    api = admin.api
    settings = {"recipe": {"ai_revision": {"max_new_tokens": 2, "revisions": 1, "temperature": 0.1, "threads": 1}}}
    assert api.patch("/projects/village/settings", json=settings).status_code == 200
    assert api.post("/projects/village/constitutions", json={"text": "Be kind."}).status_code == 201
    body = {"kind": "demonstration", "judge_path": judge, "most": 4}
    assert api.post("/projects/village/ai-labels", json={**body, "judge_id": 1}).status_code == 422
    answer = api.post("/projects/village/ai-labels", json=body)
    assert (answer.status_code, answer.json()["kind"]) == (201, "ai_revision")
    job = session.scalars(select(Job).where(Job.state == "queued")).one()
    folder = outcomes.job_folder(job)
    outcomes.prepare_folder(session, job, folder)
    given = [json.loads(line) for line in (folder / "data" / "prompts.jsonl").read_text().splitlines()]
    assert [row.get("response") for row in given].count(None) == 3, "one prompt has been answered already"
    # A model of random weights seldom ends an answer: what the program would have left is written here.
    steps = [{"principle": 0, "critique": "Curt.\u0000", "revision": "Marta bakes.", "taken": True}]
    chain = {"prompt_id": given[0]["id"], "draft": "x", "steps": steps}
    (folder / "revisions.jsonl").write_text(json.dumps(chain) + "\n")
    (folder / "demonstrations.jsonl").write_text(
        json.dumps({"prompt_id": given[0]["id"], "response": "Marta bakes."}) + "\n"
    )
    assert outcomes.record_result(session, job, folder) == {"ai_labels": 1, "left_out": 3}
    session.commit()
    (label,) = api.get("/projects/village/ai-labels?kind=demonstration").json()
    assert (label["text"], label["constitution"]["version"]) == ("Marta bakes.", 1)
    assert label["details"]["steps"][0]["critique"] == "Curt.�"
    assert api.get(f"/ai-labels/{label['id']}").json()["snapshots"] == []
    assert api.patch("/projects/village/settings", json={"ai_weight": 1}).status_code == 200
    session.refresh(project := session.get_one(Project, comparison.project_id))
    snapshot = snapshots.freeze_snapshot(session, project, None, "demonstration")
    session.commit()
    held = api.get(f"/projects/village/ai-labels?kind=demonstration&snapshot={snapshot.id}").json()
    assert [one["id"] for one in held] == [label["id"]]
    (reached,) = api.get(f"/ai-labels/{label['id']}").json()["snapshots"]
    assert (reached["id"], reached["ai_rows"]) == (snapshot.id, 1)


def test_only_admins_start_and_change_and_labelers_see_nothing(
    session: Session, project: Project, comparison: Comparison, admin: Person, researcher: Person, labeler: Person
) -> None:
    label = add_ai_labels(session, project, comparison, admin.user)[0]
    session.commit()
    assert researcher.api.get(f"/ai-labels/{label.id}").status_code == 200
    assert researcher.api.post("/projects/village/constitutions", json={"text": "x"}).status_code == 403
    assert labeler.api.get(f"/ai-labels/{label.id}").status_code == 404
    assert labeler.api.get("/projects/village/ai-use").status_code == 404
