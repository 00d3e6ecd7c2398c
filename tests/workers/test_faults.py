"""A project whose round cannot move on: the others go on, people are told, and it goes on when the cause is gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.database import transaction
from app.models import Checkpoint, Job, Project, Round
from app.services import demonstrations
from tests.seed import make_project
from tests.workers.conftest import Worker, eventually

Start = Callable[..., Worker]
ROW = b'{"prompt": "Who bakes?", "response": "Marta."}'


@pytest.fixture
def projects(session: Session, tmp_path: Path) -> tuple[Project, Project]:
    """Two projects whose labels are enough for a training; the older one has lost its base checkpoint."""
    made = [make_project(session, tmp_path / slug, name=slug, demonstration_threshold=1) for slug in ("lame", "sound")]
    for project in made:
        demonstrations.import_demonstrations(session, project, [ROW])
    session.execute(delete(Checkpoint).where(Checkpoint.project_id == made[0].id))
    session.commit()
    return made[0], made[1]


def job_of(project: Project) -> Job | None:
    with transaction() as session:
        return session.scalar(select(Job).where(Job.project_id == project.id).order_by(Job.id).limit(1))


def fault_of(project: Project) -> str | None:
    with transaction() as session:
        return session.scalar(select(Round.error).where(Round.project_id == project.id))


def test_one_broken_project_does_not_stop_another(
    redis_url: str, projects: tuple[Project, Project], start_worker: Start
) -> None:
    lame, sound = projects
    worker = start_worker()
    eventually(lambda: job_of(sound))
    assert fault_of(sound) is None
    told = eventually(lambda: fault_of(lame))
    assert "cannot move on: AssertionError: every project is created with its base checkpoint." in told
    time.sleep(2)  # several looks
    assert job_of(lame) is None
    assert worker.text().count(f"The round of project {lame.id} cannot move on") == 1
    with transaction() as session:
        base = Checkpoint(project_id=lame.id, kind="base", path=lame.base_model, config={}, metrics={}, files={})
        session.add(base)
    eventually(lambda: job_of(lame))
    assert fault_of(lame) is None
