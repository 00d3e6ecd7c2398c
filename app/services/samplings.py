"""Sampling on demand: have a checkpoint answer prompts that somebody brings along. Called by the API.

The samples of a round are ordered by services/rounds.py; both become a job that services/outcomes.py prepares.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from app.errors import Conflict, Invalid
from app.models import Checkpoint, Job, User
from app.rules.prompts import messages_problem
from app.services import audit, jobs
from app.translation import gettext as _


def request_sampling(
    session: Session,
    checkpoint: Checkpoint,
    prompts: list[list[dict[str, Any]]],
    settings: dict[str, Any],
    count: int,
    user: User,
) -> Job:
    """A queued job that samples `count` completions of every prompt. Raises Invalid, Conflict."""
    if checkpoint.kind == "reward":
        raise Conflict(_("This is a reward model: it judges texts and writes none. Choose another checkpoint."))
    errors = [
        {"field": f"prompts.{number}", "message": problem}
        for number, messages in enumerate(prompts)
        if (problem := messages_problem(messages))
    ]
    if errors:
        sentence = _("Nothing was queued: %(wrong)s of %(all)s prompts are not valid.")
        raise Invalid(sentence % {"wrong": len(errors), "all": len(prompts)}, errors=errors[:50])
    spec = {"checkpoints": [{"id": checkpoint.id, "count": count}], "prompts": prompts, "settings": settings}
    job = jobs.create_job(session, checkpoint.project_id, "sampling", spec, created_by_id=user.id)
    audit.record(session, user, "sampling.launch", f"job:{job.id}", checkpoint=checkpoint.id, prompts=len(prompts))
    return job
