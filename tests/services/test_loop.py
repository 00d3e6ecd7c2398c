"""The whole circle on the level of services: real trainings of a tiny model, driven as the worker drives them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Checkpoint, Completion, Job, Project, Ranking, Snapshot, User
from app.services import (
    assignments,
    checkpoints,
    demonstrations,
    exports,
    outcomes,
    projects,
    prompts,
    rankings,
    rounds,
)
from app.services.rankings import RankingDraft
from tests.seed import TINY_RECIPE
from tests.training import conftest as tiny


@pytest.fixture
def project(session: Session, tiny_model: Path) -> Project:
    draft = projects.ProjectDraft(
        name="Tiny",
        slug="tiny",
        base_model=str(tiny_model),
        responses_per_prompt=3,
        demonstration_threshold=3,
        ranking_threshold=3,
        comparisons_per_round=5,
        recipe=TINY_RECIPE,
    )
    made = projects.create_project(session, draft)
    prompts.import_prompts(session, made, [b'{"prompt": "the cat sat on mat %d"}' % n for n in range(8)])
    session.commit()
    return made


def advance(session: Session) -> list[Job]:
    return [job for project_id in rounds.list_under_way(session) for job in rounds.advance_project(session, project_id)]


def run_next_job(session: Session) -> Job:
    """Advance the rounds and run the one job that waits, by the program that the worker would start."""
    advance(session)
    session.commit()
    job = session.scalars(select(Job).where(Job.state == "queued")).one()
    folder = outcomes.job_folder(job)
    outcomes.prepare_folder(session, job, folder)
    session.commit()
    assert tiny.run(outcomes.program_of(job).removeprefix("training."), folder) == 0
    job.result = outcomes.record_result(session, job, folder)
    job.state = "succeeded"
    session.commit()
    return job


def label(session: Session, project: Project, user: User, kind: str, count: int) -> None:
    for number in range(count):
        task = assignments.claim_task(session, project, user, kind)
        assert task is not None
        if kind == "demonstration":
            demonstrations.submit_demonstration(session, task.assignment.id, user, uuid4(), f"a red bird {number}")
        else:
            order = task.assignment.order_shown
            ratings = {key: {"overall": 4, "flags": []} for key in order}
            draft = RankingDraft([order[:1], order[1:]], ratings)
            rankings.submit_ranking(session, task.assignment.id, user, uuid4(), draft)
        session.commit()


def phase(session: Session, project: Project) -> tuple[int, str]:
    round_ = rounds.current_round(session, project.id)
    assert round_ is not None
    return round_.number, round_.phase


def test_loop_turns_once_and_begins_again(session: Session, project: Project, make_user: Callable[..., User]) -> None:
    ada = make_user("ada")
    assert advance(session) == []
    label(session, project, ada, "demonstration", 3)
    sft = run_next_job(session)
    assert sft.kind == "sft"
    assert project.current_policy_id == sft.result["checkpoint"]
    sampling = run_next_job(session)
    assert sampling.result == {"comparisons": 5, "completions": 15}
    advance(session)
    assert phase(session, project) == (1, "collecting_rankings")

    label(session, project, ada, "ranking", 3)
    assert run_next_job(session).kind == "reward"
    ppo = run_next_job(session)
    assert ppo.kind == "ppo"
    assert project.current_policy_id == ppo.result["checkpoint"]
    again = run_next_job(session)
    assert (again.kind, phase(session, project)) == ("sampling", (2, "sampling"))
    shares = session.execute(
        select(Completion.checkpoint_id, func.count()).where(Completion.job_id == again.id).group_by("checkpoint_id")
    )
    assert dict(tuple(row) for row in shares) == {ppo.result["checkpoint"]: 10, sft.result["checkpoint"]: 5}
    # Two comparisons of round 1 were left; nobody is asked about them any more.
    task = assignments.claim_task(session, project, ada, "ranking")
    assert task is not None
    shown = select(Completion.job_id).where(Completion.id.in_([completion.id for completion in task.completions]))
    assert set(session.scalars(shown)) == {again.id}
    check_lineage(session, project, ppo.result["checkpoint"])


def check_lineage(session: Session, project: Project, policy_id: int) -> None:
    lineage = checkpoints.checkpoint_lineage(session, checkpoints.get_checkpoint(session, policy_id))
    assert {c.kind for c in lineage.ancestors} == {"base", "sft", "reward"}
    assert (lineage.labels, lineage.labelers) == (6, 1)
    assert {s.kind for s in lineage.snapshots} == {"demonstration", "ranking"}
    ranking = session.scalars(select(Ranking).order_by(Ranking.id)).first()
    assert ranking is not None
    reached = {c.kind for c in checkpoints.label_reach(session, "ranking", ranking.id).checkpoints}
    assert reached == {"reward", "ppo"}
    for snapshot in session.scalars(select(Snapshot)):
        kind = {"demonstration": "demonstrations", "ranking": "comparisons"}[snapshot.kind]
        lines = "".join(exports.stream_export(session, project, kind, snapshot_id=snapshot.id))
        assert hashlib.sha256(lines.encode()).hexdigest() == snapshot.sha256
        assert lines.count("\n") == snapshot.rows
    files = session.get_one(Checkpoint, policy_id).files
    assert "model.safetensors" in files
    assert all(len(entry["sha256"]) == 64 and entry["bytes"] > 0 for entry in files.values())


def test_launch_trains_on_what_there_is(session: Session, project: Project, make_user: Callable[..., User]) -> None:
    label(session, project, make_user("ada"), "demonstration", 1)
    assert advance(session) == []
    rounds.request_launch(session, project, None)
    assert [job.kind for job in advance(session)] == ["sft"]
    assert advance(session) == []


def test_failed_job_is_started_again_by_launch(
    session: Session, project: Project, make_user: Callable[..., User]
) -> None:
    label(session, project, make_user("ada"), "demonstration", 3)
    [first] = advance(session)
    first.state = "failed"
    session.commit()
    assert advance(session) == []
    rounds.request_launch(session, project, None)
    [second] = advance(session)
    assert (second.kind, second.id != first.id) == ("sft", True)


def test_exports_are_identical_every_time_and_leave_out_simulated_labels(
    session: Session, project: Project, make_user: Callable[..., User]
) -> None:
    ada, machine = make_user("ada"), make_user("machine")
    machine.simulated = True
    session.commit()
    label(session, project, ada, "demonstration", 1)
    label(session, project, machine, "demonstration", 1)
    once, twice = ("".join(exports.stream_export(session, project, "demonstrations")) for _ in range(2))
    assert once == twice
    assert len(once.splitlines()) == 2
    [human] = exports.stream_export(session, project, "demonstrations", simulated=False)
    row = json.loads(human)
    assert row["simulated"] is False
    assert row["labeler"].startswith("labeler-")
    assert "ada" not in human.casefold()
    trl = [json.loads(line) for line in exports.stream_export(session, project, "demonstrations", "trl")]
    assert set(trl[0]) == {"prompt", "completion"}
