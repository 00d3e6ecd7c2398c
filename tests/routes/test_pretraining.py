"""Pretraining text from the page, over the API and in a round: there before anything is trained that asks for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import AuditEvent, Checkpoint, Comparison, Project, Round
from app.services import checkpoints, estimates, outcomes, pretraining, rounds
from app.settings import get_settings
from tests.routes.conftest import Person
from tests.routes.test_launches import rank

PAGE = "/projects/village/pretraining"
API = "/projects/village/pretraining"


@pytest.fixture
def at_desk(client: TestClient, admin: Person, sign_in: Callable[..., str], project: Project) -> TestClient:
    sign_in(admin.user)
    return client


def upload(client: TestClient, name: str, content: bytes, query: str = "") -> Any:
    return client.post(f"{PAGE}/import{query}", files={"file": (name, content, "text/plain")})


def test_an_admin_imports_replaces_adds_and_deletes(at_desk: TestClient, session: Session, project: Project) -> None:
    assert "Nothing yet: the weight of pretraining text is 0" in at_desk.get(PAGE).text
    assert upload(at_desk, "old.txt", b"Old\n\ntexts").headers["location"] == f"{PAGE}?imported=true"
    upload(at_desk, "new.jsonl", b'{"text": "New\\n\\nand <b>bold</b>"}\n')
    upload(at_desk, "more.txt", b"More", "?add=true")
    page = at_desk.get(f"{PAGE}?imported=true").text
    assert "Stored as version 3: 2 texts." in page
    assert "and &lt;b&gt;bold&lt;/b&gt;" in page
    assert "Old" not in page
    assert "2 texts" in at_desk.get("/projects/village/data").text
    found = pretraining.current_set(session, project.id)
    assert found is not None
    file = at_desk.get(f"/pretraining-sets/{found.id}/texts.jsonl")
    assert hashlib.sha256(file.content).hexdigest() == found.sha256
    assert "village-pretraining-version-3-" in file.headers["content-disposition"]
    assert at_desk.post(f"{PAGE}/delete").status_code == 303
    gone = at_desk.get(f"{PAGE}?deleted=true").text
    assert "Deleted. Versions that a training read are kept below." in gone
    assert at_desk.get(f"/pretraining-sets/{found.id}/texts.jsonl").status_code == 404
    assert "Its texts are gone" in at_desk.get(f"/pretraining-sets/{found.id}").text
    assert at_desk.post(f"{PAGE}/delete").status_code == 409
    actions = session.scalars(select(AuditEvent.action).where(AuditEvent.action.startswith("pretraining"))).all()
    assert actions == ["pretraining.imported"] * 3 + ["pretraining.deleted"]


def test_a_bad_file_is_refused_line_by_line(at_desk: TestClient, session: Session, project: Project) -> None:
    bad = upload(at_desk, "bad.jsonl", b'{"text": "fine"}\n{"text": 7}\nno json\n')
    assert bad.status_code == 422
    for said in ("Nothing of bad.jsonl was stored", "Line 2: `text` must be a text", "Line 3: The line is no valid"):
        assert said in bad.text
    assert "ends in .txt or .jsonl" in upload(at_desk, "texts.csv", b"text").text
    assert pretraining.current_set(session, project.id) is None


def test_the_api_does_all_that_the_page_does(admin: Person, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert admin.api.get(API).status_code == 404
    made = admin.api.put(API, content=b'{"text": "One"}\n{"text": "Two"}\n').json()
    assert (made["version"], made["texts"], made["frozen_at"]) == (1, 2, None)
    assert admin.api.post(f"{API}?format=text", content=b"Three\n\nFour").json()["texts"] == 4
    shown = admin.api.get(API).json()
    assert (shown["version"], shown["texts"], shown["tokens"]) == (2, 4, None)  # the model has no tokenizer here
    assert [row["version"] for row in admin.api.get(f"{API}-sets").json()] == [2, 1]
    lines = admin.api.get(f"/pretraining-sets/{shown['id']}/texts.jsonl").text.splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["One", "Two", "Three", "Four"]
    refused = admin.api.put(API, content=b'{"text": "One"}\n{"words": "Two"}\n')
    assert [error["line"] for error in refused.json()["errors"]] == [2]
    monkeypatch.setattr(get_settings(), "body_limit", 1024)  # imports have a limit of their own
    assert admin.api.put(API, content=json.dumps({"text": "x" * 2000}).encode()).status_code == 200
    assert admin.api.delete(API).status_code == 204
    assert admin.api.delete(API).status_code == 409


def test_settings_that_ask_for_text_are_refused_until_there_is_some(
    at_desk: TestClient, admin: Person, session: Session, project: Project, base_model: str
) -> None:
    form = {
        "name": "Village", "responses_per_prompt": "4", "overlap": "1", "demonstration_threshold": "1",
        "ranking_threshold": "1", "comparisons_per_round": "9", "algorithm": "ppo", "recipe": "", "ppo.ptx_coef": "2",
    }  # fmt: skip
    answer = at_desk.post("/projects/village/settings", data=form)
    assert answer.status_code == 422
    note = answer.text.split('id="ppo.ptx_coef-note">')[1]
    assert note.startswith("This project has no pretraining text yet. Import some (Data, Pretraining text)")
    assert "There is none yet: import some first." in answer.text
    recipe = {"recipe": {"grpo": {"ptx_coef": 0.5}}}
    refused = admin.api.patch("/projects/village/settings", json=recipe)
    assert [error["field"] for error in refused.json()["errors"]] == ["recipe.grpo.ptx_coef"]
    fresh = {"name": "T", "slug": "t", "base_model": base_model} | recipe
    assert [error["field"] for error in admin.api.post("/projects", json=fresh).json()["errors"]] == [
        "recipe.grpo.ptx_coef"
    ]
    admin.api.put(API, content=b'{"text": "Some"}')
    assert at_desk.post("/projects/village/settings", data=form).status_code == 303
    assert admin.api.patch("/projects/village/settings", json=recipe).status_code == 200
    assert "The settings of GRPO ask for it" in at_desk.post(f"{PAGE}/delete").text
    assert admin.api.delete(API).status_code == 409


def test_settings_from_before_hold_up_no_other_change(admin: Person, session: Session, project: Project) -> None:
    project.recipe = {"ppo": {"ptx_coef": 1.0}}
    session.commit()
    assert admin.api.patch("/projects/village/settings", json={"overlap": 2}).status_code == 200
    assert admin.api.patch("/projects/village/settings", json={"recipe": project.recipe}).status_code == 422


@pytest.fixture
def waiting(session: Session, project: Project, comparison: Comparison, labeler: Person) -> Round:
    """A round with rankings enough, whose settings ask for text that there is not."""
    rank(session, project, labeler)
    round_ = session.scalars(select(Round)).one()
    sft = Checkpoint(project_id=project.id, kind="sft", path="x", config={}, metrics={}, files={})
    session.add(sft)
    round_.phase, project.ranking_threshold = "collecting_rankings", 1
    project.recipe = {"ppo": {"ptx_coef": 1.0}}
    session.commit()
    return round_


def test_a_launch_that_lacks_text_is_refused_beside_its_algorithm(
    at_desk: TestClient, admin: Person, session: Session, waiting: Round
) -> None:
    page = at_desk.get("/projects/village/rounds/new").text
    assert page.count("The settings of PPO ask for pretraining text, and this project has none.") == 1
    answer = at_desk.post("/projects/village/rounds")
    assert answer.status_code == 422
    assert "The settings of PPO ask for pretraining text, and this project has none. Import some (Data" in answer.text
    for body in (None, {"algorithm": "ppo"}):
        refused = admin.api.post("/projects/village/rounds", json=body)
        assert [error["field"] for error in refused.json()["errors"]] == ["algorithm"]
    assert admin.api.post("/projects/village/rounds", json={"algorithm": "dpo"}).status_code == 201


def test_a_round_that_lacks_text_waits_says_so_and_goes_on_when_there_is_some(
    at_desk: TestClient, admin: Person, session: Session, project: Project, waiting: Round
) -> None:
    assert rounds.advance_project(session, project.id) == []
    session.commit()
    [row] = admin.api.get("/projects/village/rounds").json()
    assert (row["phase"], row["job_id"]) == ("collecting_rankings", None)
    assert row["error"].startswith("The settings of PPO ask for pretraining text")
    loop = at_desk.get("/projects/village").text
    assert "<h1>PPO of round 1 waits for pretraining text, and the project has none.</h1>" in loop
    assert f'<a href="{PAGE}">Import some</a>' in loop
    admin.api.put(API, content=b'{"text": "Some"}')
    assert [job.kind for job in rounds.advance_project(session, project.id)] == ["reward"]
    assert waiting.error is None


def test_a_job_is_given_the_text_and_its_checkpoint_leads_to_it(
    at_desk: TestClient, admin: Person, session: Session, project: Project, waiting: Round
) -> None:
    made = admin.api.put(API, content='{"text": "Bücher,\\nBrot."}\n{"text": "Zwei"}'.encode()).json()
    reward = Checkpoint(project_id=project.id, kind="reward", path="y", config={}, metrics={}, files={})
    session.add(reward)
    session.flush()
    waiting.phase, waiting.reward_checkpoint_id = "improvement", reward.id
    [job] = rounds.advance_project(session, project.id)
    session.commit()
    assert (job.kind, job.spec["pretraining"]) == ("ppo", made["id"])
    project.recipe = {}
    session.commit()
    assert admin.api.delete(API).status_code == 204  # what the job was given stays
    folder = get_settings().artifacts_folder / "jobs" / str(job.id)
    outcomes.prepare_folder(session, job, folder)
    file = folder / "data" / "pretraining.jsonl"
    assert [json.loads(line)["text"] for line in file.read_text().splitlines()] == ["Bücher,\nBrot.", "Zwei"]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == made["sha256"]
    (folder / "checkpoint").mkdir()
    (folder / "checkpoint" / "manifest.json").write_text('{"sha256": {}}')
    (folder / "run.json").write_text("{}")
    checkpoint_id = outcomes.record_result(session, job, folder)["checkpoint"]
    session.commit()
    lineage = admin.api.get(f"/checkpoints/{checkpoint_id}/lineage").json()
    assert lineage["checkpoint"]["pretraining_set_id"] == made["id"]
    assert [row["sha256"] for row in lineage["pretraining_sets"]] == [made["sha256"]]
    page = at_desk.get(f"/checkpoints/{checkpoint_id}").text
    assert f'<a href="/pretraining-sets/{made["id"]}">version 1</a>' in page
    assert f'href="/checkpoints/{checkpoint_id}"' in at_desk.get(f"/pretraining-sets/{made['id']}").text
    assert checkpoints.checkpoint_lineage(session, reward).pretraining_sets == []


def test_the_estimate_counts_the_text(
    session: Session, project: Project, tiny_model: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUTELAGE_MACHINE_TFLOPS", "0.001")
    get_settings.cache_clear()
    project.base_model = str(tiny_model)

    def seconds() -> float:
        [part] = [part for part in estimates.estimate_round(session, project) if part.kind == "rloo"]
        assert part.seconds is not None
        return part.seconds

    plain = seconds()
    pretraining.import_texts(session, project, [b"the cat sat on the mat"], None, format="text")
    assert seconds() == plain
    project.recipe = {"rloo": {"ptx_coef": 1.0}}
    once = seconds()
    project.recipe = {"rloo": {"ptx_coef": 1.0, "ptx_batch_size": 32}}
    assert seconds() - plain == pytest.approx(2 * (once - plain))
    assert once > plain
