"""Which algorithm a project and a round go by: settings, launch page and API; and what the parts are said to take."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Checkpoint, Comparison, Demonstration, Project, Round, Snapshot
from app.rules.programs import PROGRAMS
from app.services import assignments, demonstrations, estimates, outcomes, rankings, round_jobs, rounds
from app.services.rankings import RankingDraft
from app.services.round_plans import Plan
from app.settings import get_settings
from tests.routes.conftest import Person


@pytest.fixture
def form(client: TestClient, admin: Person, sign_in: Callable[..., str], project: Project) -> dict[str, str]:
    """The settings form as it stands."""
    sign_in(admin.user)
    return {
        "name": "Village", "responses_per_prompt": "4", "overlap": "1", "demonstration_threshold": "1",
        "ranking_threshold": "1", "comparisons_per_round": "9", "algorithm": "ppo", "recipe": "",
    }  # fmt: skip


def change(client: TestClient, form: dict[str, str], **changes: str) -> Any:
    return client.post("/projects/village/settings", data=form | changes, follow_redirects=False)


def test_the_form_keeps_an_algorithm_its_settings_and_all_others(
    client: TestClient, session: Session, project: Project, form: dict[str, str]
) -> None:
    typed = {"algorithm": "dpo", "extra_reward_model": "on", "dpo.beta": "0,2", "dpo.loss": "ipo", "ppo.lr": "1e-5"}
    rest = {"recipe": '{"sft": {"epochs": 2}, "dpo": {"warmup_steps": 3}}', "sampling.best_of": "4"}
    assert change(client, form, **typed, **rest).status_code == 303
    session.expire_all()
    assert (project.algorithm, project.extra_reward_model) == ("dpo", True)
    expected = {"sft": {"epochs": 2}, "dpo": {"warmup_steps": 3, "beta": 0.2, "loss": "ipo"}}
    assert project.recipe == {**expected, "ppo": {"lr": 1e-5}, "sampling": {"best_of": 4}}
    page = client.get("/projects/village/settings").text
    assert 'name="dpo.beta" type="text" inputmode="decimal" maxlength="20" value="0.2"' in page
    assert "There is no reward model yet" in page
    assert change(client, form, recipe="{}").status_code == 303  # every field emptied
    session.expire_all()
    assert (project.algorithm, project.extra_reward_model, project.recipe) == ("ppo", False, {})


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"ppo.lr": "fast"}, "ppo.lr", "Give a number"),
        ({"ppo.lr": "2"}, "ppo.lr", "use 1 or less"),
        ({"ppo.episodes": "1.5"}, "ppo.episodes", "a whole number"),
        ({"rloo.batch_size": "64"}, "rloo.minibatch_size", "must equal batch_size"),
        ({"dpo.beta": "0.2", "recipe": '{"dpo": {"beta": 0.3}}'}, "dpo.beta", "Keep one of the two"),
        ({"recipe": '{"dpo": {"colour": 1}}'}, "recipe", "is no setting of dpo"),
        ({"recipe": '{"dqn": {}}'}, "recipe", "rejection"),
        ({"recipe": "[1]"}, "recipe", "no JSON object"),
        ({"algorithm": "dqn"}, "algorithm", "Choose one of: ppo"),
        ({"algorithm": "dpo", "sampling.best_of": "4"}, "sampling.best_of", "DPO trains none"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_lost(
    client: TestClient, session: Session, project: Project, form: dict[str, str], changes: dict[str, str],
    field: str, message: str,
) -> None:  # fmt: skip
    answer = change(client, form, **changes)
    assert answer.status_code == 422
    note = answer.text.split('class="bad">' if field == "algorithm" else f'id="{field}-note">')[1]
    assert message in note[:400]
    for value in changes.values():
        assert value in answer.text.replace("&#34;", '"') or value == "dqn"
    session.expire_all()
    assert project.recipe == {}


def test_the_api_names_the_field_at_fault(admin: Any, project: Project) -> None:
    def refused(**changes: Any) -> set[str]:
        answer = admin.api.patch("/projects/village/settings", json=changes)
        assert answer.status_code == 422
        return {error["field"] for error in answer.json()["errors"]}

    assert refused(algorithm="dqn") == {"algorithm"}
    assert refused(recipe={"grpo": {"samples_per_prompt": 1}}) == {"recipe.grpo.samples_per_prompt"}
    assert refused(algorithm="dpo", recipe={"sampling": {"best_of": 2}}) == {"recipe.sampling.best_of"}
    changed = admin.api.patch("/projects/village/settings", json={"algorithm": "grpo"}).json()
    assert (changed["algorithm"], changed["extra_reward_model"]) == ("grpo", False)


def give_demonstration(session: Session, project: Project) -> None:
    demonstrations.import_demonstrations(session, project, [b'{"prompt": "New?", "response": "Yes."}'])
    session.commit()


def test_an_admin_chooses_another_algorithm_for_one_round(
    client: TestClient, session: Session, project: Project, form: dict[str, str], admin: Any
) -> None:
    give_demonstration(session, project)
    page = client.get("/projects/village/rounds/new")
    assert page.status_code == 200
    assert "Start training in round 1" in page.text
    answer = client.post("/projects/village/rounds", data={"algorithm": "dpo"}, follow_redirects=False)
    assert answer.status_code == 303
    [row] = admin.api.get("/projects/village/rounds").json()
    assert (row["algorithm"], row["extra_reward_model"], project.algorithm) == ("dpo", False, "ppo")
    assert client.post("/projects/village/rounds", data={"algorithm": "dqn"}).status_code == 422
    assert admin.api.post("/projects/village/rounds", json={"algorithm": "rloo"}).json()["algorithm"] == "rloo"
    assert admin.api.post("/projects/village/rounds", json={"algorithm": "dqn"}).status_code == 422


def test_a_round_without_a_reward_model_cannot_go_on_with_ppo(
    client: TestClient, session: Session, project: Project, admin: Any
) -> None:
    round_ = session.scalars(select(Round)).one()
    round_.phase, round_.algorithm, round_.extra_reward_model = "improvement", "dpo", False
    session.commit()
    answer = admin.api.post("/projects/village/rounds", json={"algorithm": "ppo"})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["algorithm"]
    assert "Choose DPO now" in answer.json()["detail"]
    assert admin.api.post("/projects/village/rounds", json={"algorithm": "dpo"}).status_code == 201


def rank(session: Session, project: Project, person: Person) -> None:
    task = assignments.claim_task(session, project, person.user, "ranking")
    assert task is not None
    order = task.assignment.order_shown
    draft = RankingDraft([order[:1], order[1:]], {key: {"overall": 4, "flags": []} for key in order})
    rankings.submit_ranking(session, task.assignment.id, person.user, uuid4(), draft)
    session.commit()


def ready_for_dpo(session: Session, project: Project, labeler: Person) -> tuple[Round, Checkpoint]:
    """A round that has a ranking, and the SFT model that its responses came from."""
    rank(session, project, labeler)
    round_ = session.scalars(select(Round)).one()
    sft = Checkpoint(project_id=project.id, kind="sft", path="x", config={}, metrics={}, files={})
    session.add(sft)
    round_.phase, project.algorithm = "collecting_rankings", "dpo"
    session.flush()
    return round_, sft


def test_a_round_by_dpo_freezes_its_rankings_and_starts_from_the_sft_model(
    session: Session, project: Project, comparison: Comparison, labeler: Person
) -> None:
    round_, sft = ready_for_dpo(session, project, labeler)
    rounds.request_launch(session, project, None)
    [job] = rounds.advance_project(session, project.id)
    snapshot = session.scalars(select(Snapshot)).one()
    assert (job.kind, round_.phase, round_.algorithm) == ("dpo", "improvement", "dpo")
    assert job.spec == {"parent": sft.id, "snapshot": snapshot.id, "try": 1, "recipe": {}}
    assert (snapshot.kind, snapshot.rows) == ("ranking", 1)
    project.algorithm = "ppo"  # what is under way keeps what it began with
    job.state = "failed"
    session.commit()
    rounds.request_launch(session, project, None)
    [again] = rounds.advance_project(session, project.id)
    assert (again.kind, again.spec["try"]) == ("dpo", 2)
    folder = get_settings().artifacts_folder / "dpo"
    outcomes.prepare_folder(session, again, folder)
    assert json.loads((folder / "config.json").read_text())["policy"] == "x"
    assert [file.name for file in (folder / "data").iterdir()] == ["rankings.jsonl"]


def test_a_reward_model_is_trained_before_dpo_where_one_is_wanted(
    session: Session, project: Project, comparison: Comparison, labeler: Person
) -> None:
    round_, _sft = ready_for_dpo(session, project, labeler)
    rounds.request_launch(session, project, None, Plan("dpo", extra_reward_model=True))
    [reward] = rounds.advance_project(session, project.id)
    assert (reward.kind, round_.extra_reward_model, project.extra_reward_model) == ("reward", True, False)
    model = Checkpoint(
        project_id=project.id,
        kind="reward",
        path="y",
        config={},
        metrics={},
        files={},
        snapshot_id=reward.spec["snapshot"],
    )
    session.add(model)
    session.flush()
    round_.reward_checkpoint_id, reward.state = model.id, "succeeded"
    [job] = rounds.advance_project(session, project.id)
    assert (job.kind, job.spec["snapshot"]) == ("dpo", reward.spec["snapshot"])  # both learn from the same labels
    assert "reward" not in job.spec


def test_the_best_of_n_waits_for_the_first_reward_model(session: Session, project: Project) -> None:
    project.recipe = {"sampling": {"best_of": 4}}
    round_ = rounds.current_round(session, project.id)
    assert round_ is not None
    policy = session.scalars(select(Checkpoint)).one()
    project.current_policy_id = policy.id
    assert "reward" not in round_jobs._sampling_spec(session, project, round_)
    reward = Checkpoint(project_id=project.id, kind="reward", path="x", config={}, metrics={}, files={})
    session.add(reward)
    session.flush()
    assert round_jobs._sampling_spec(session, project, round_)["reward"] == reward.id


def test_estimates_say_what_is_not_known(admin: Any, project: Project) -> None:
    found = admin.api.get("/projects/village/estimates").json()
    assert [part["kind"] for part in found] == [kind for kind, program in PROGRAMS.items() if program.phase]
    assert all(part["memory"] is None and part["seconds"] is None for part in found)
    assert {part["basis"] for part in found} == {"Not known: the sizes of the model cannot be read on this machine."}


def test_time_goes_by_the_last_such_job_of_the_project(
    session: Session, project: Project, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, admin: Any
) -> None:
    project.base_model = str(tiny_model)
    give_demonstration(session, project)
    rounds.request_launch(session, project, None)
    [job] = rounds.advance_project(session, project.id)
    parts = {part.kind: part for part in estimates.estimate_round(session, project)}
    assert parts["sft"].basis == "no such job has ended here yet"
    assert parts["sft"].seconds is None
    assert parts["sft"].memory is not None
    assert (parts["reward"].rows, parts["reward"].memory) == (0, None)  # nothing is ranked yet
    job.state, job.attempts = "succeeded", 1
    job.started_at, job.finished_at = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, 30), func.now()
    session.commit()
    session.refresh(job)
    # One demonstration took 30 s in 4 passes, 9 of them to start. Three as long in 8 passes: 9 + 6 * 21.
    text = session.scalars(select(Demonstration.text)).one()
    rows = [{"prompt": f"New {number}?", "response": text} for number in range(2)]
    demonstrations.import_demonstrations(session, project, [json.dumps(row).encode() for row in rows])
    project.recipe = {"sft": {"epochs": 8}}
    session.commit()
    part = next(part for part in admin.api.get("/projects/village/estimates").json() if part["kind"] == "sft")
    assert (part["rows"], part["basis"], part["job_id"]) == (3, f"at the rate of job {job.id}", job.id)
    assert part["seconds"] == pytest.approx(135)
    job.attempts = 2  # a job that was begun anew says little of the time
    session.commit()
    monkeypatch.setenv("TUTELAGE_MACHINE_TFLOPS", "0.001")
    get_settings.cache_clear()
    part = next(part for part in admin.api.get("/projects/village/estimates").json() if part["kind"] == "sft")
    assert part["basis"] == "at the stated rate of 0.001 TFLOP/s"
