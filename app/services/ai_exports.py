"""Which AI labels train, and their rows: like those of people, each marked. Called by services/exports.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session, aliased, joinedload, selectinload

from app.models import AILabel, Comparison, Project, Prompt, SnapshotItem
from app.models.columns import TaskKind
from app.rules import exports as rules
from app.rules.rankings import tiers_to_ranks
from app.services.export_rows import response_row
from app.settings import get_settings

BATCH = 500


def which_ai_train(kind: str) -> list[ColumnElement[bool]]:
    """The AI labels of a kind that may train, at the weight of their project: the one place that says so.

    Of what a model labeled twice the newest counts; labels of retired prompts never do.
    """
    newer = aliased(AILabel)
    task = AILabel.comparison_id if kind == TaskKind.RANKING else AILabel.prompt_id
    same = (newer.comparison_id if kind == TaskKind.RANKING else newer.prompt_id) == task
    again = exists().where(newer.kind == kind, same, newer.id > AILabel.id)
    retired = exists().where(Prompt.id == AILabel.prompt_id, Prompt.retired_at.is_not(None))
    return [AILabel.kind == kind, ~again, ~retired]


def count_usable(session: Session, project_id: int, kind: str) -> int:
    """How many AI labels of a kind a training would read, if the project gave them any weight."""
    query = select(func.count()).select_from(AILabel).where(AILabel.project_id == project_id, *which_ai_train(kind))
    return session.scalar(query) or 0


def ai_rows(
    session: Session, project: Project, kind: str, *, snapshot_id: int | None = None
) -> Iterator[dict[str, Any]]:
    """Native rows of the AI labels of a kind, each with `ai: true` (docs/job-folder.md); of a snapshot if named."""
    chosen = which_ai_train(kind)
    if snapshot_id is not None:
        chosen = [AILabel.id.in_(select(SnapshotItem.ai_label_id).where(SnapshotItem.snapshot_id == snapshot_id))]
    query = (
        select(AILabel, Comparison)
        .outerjoin(Comparison, Comparison.id == AILabel.comparison_id)
        .options(
            joinedload(AILabel.prompt, innerjoin=True),
            joinedload(AILabel.constitution, innerjoin=True),
            selectinload(Comparison.completions),
        )
        .where(AILabel.project_id == project.id, *chosen)
        .order_by(AILabel.id)
    )
    key = get_settings().key()
    for label, comparison in session.execute(query.execution_options(yield_per=BATCH, populate_existing=True)):
        yield ranking_row(label, comparison, key) if label.kind == TaskKind.RANKING else demonstration_row(label)


def ranking_row(label: AILabel, comparison: Comparison, key: bytes) -> dict[str, Any]:
    ids = [str(completion.id) for completion in comparison.completions]
    return {
        **_about(label),
        "responses": [response_row(completion, key) for completion in comparison.completions],
        "ranks": tiers_to_ranks(label.tiers or [], ids),
        "ratings": {},
        **_origin(label),
    }


def demonstration_row(label: AILabel) -> dict[str, Any]:
    return {**_about(label), "response": label.text, "source": "revision", **_origin(label)}


def _about(label: AILabel) -> dict[str, Any]:
    """`id` is text, so that no row of a person has the same."""
    prompt = label.prompt
    return {"id": f"ai-{label.id}", "prompt_id": prompt.external_id or str(prompt.id), "messages": prompt.messages}


def _origin(label: AILabel) -> dict[str, Any]:
    """Whose it is: a checkpoint, a version of the constitution, a job."""
    return {
        "labeler": f"ai:checkpoint-{label.judge_id}",
        "labeler_group": "ai",
        "ai": True,
        "judge": label.judge_id,
        "constitution_version": label.constitution.version,
        "job": label.job_id,
        "simulated": False,
        "details": label.details,
        "use_case": label.prompt.use_case,
        "split": rules.label_split(label.prompt.split, None),
        "created_at": label.created_at.isoformat(),
    }
