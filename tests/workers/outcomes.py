"""Stands between a job's row and its folder instead of app.services.outcomes: these jobs train nothing.

What a job is told is its spec; that its result was recorded is an audit event, which can be counted.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from app.errors import Invalid
from app.models import Job
from app.services import audit


def program_of(job: Job) -> str:
    return "tests.workers.programs.stand_in"


def prepare_folder(session: Session, job: Job, folder: Path) -> None:
    if problem := job.spec.get("cannot_prepare"):
        raise Invalid(problem)
    if not (folder / "config.json").exists():
        (folder / "config.json.part").write_text(json.dumps(job.spec))
        (folder / "config.json.part").rename(folder / "config.json")


def record_result(session: Session, job: Job, folder: Path) -> Any:
    audit.record(session, None, "test.recorded", f"job {job.id}", epoch=job.epoch)
    if problem := job.spec.get("cannot_record"):
        raise ValueError(problem)
    return json.loads((folder / "run.json").read_text())
