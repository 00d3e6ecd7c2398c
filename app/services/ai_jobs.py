"""What a job of AI labeling is given, and what becomes of what it leaves. Called by services/outcomes.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session, joinedload, selectinload

from app.errors import Invalid
from app.models import AILabel, Comparison, Completion, Constitution, Job, Prompt
from app.models.columns import JobKind, TaskKind
from app.rules.constitutions import principles_of
from app.rules.exports import to_line
from app.rules.rankings import ranks_to_tiers


def prepare_ranking(session: Session, job: Job, data: Path) -> dict[str, Any]:
    """`data/comparisons.jsonl`, and what the program is told besides its judge."""
    query = (
        select(Comparison)
        .options(joinedload(Comparison.prompt, innerjoin=True), selectinload(Comparison.completions))
        .where(Comparison.id.in_(job.spec["comparisons"]))
        .order_by(Comparison.id)
    )
    rows = (
        {
            "id": str(comparison.id),
            "prompt_id": str(comparison.prompt_id),
            "messages": comparison.prompt.messages,
            "responses": [{"id": str(each.id), "text": each.text} for each in comparison.completions],
            "split": comparison.prompt.split,
        }
        for comparison in session.scalars(query)
    )
    return _prepare(session, job, data / "comparisons.jsonl", rows)


def prepare_revision(session: Session, job: Job, data: Path) -> dict[str, Any]:
    """`data/prompts.jsonl`, each prompt with the response to better where it has one."""
    begun = {int(prompt): UUID(completion) for prompt, completion in job.spec["completions"].items()}
    texts = session.execute(select(Completion.prompt_id, Completion.text).where(Completion.id.in_(begun.values())))
    responses: dict[int, str] = {row.prompt_id: row.text for row in texts}
    prompts = session.scalars(select(Prompt).where(Prompt.id.in_(job.spec["prompts"])).order_by(Prompt.id))
    rows = (
        {
            "id": str(prompt.id),
            "messages": prompt.messages,
            "split": prompt.split,
            **({"response": responses[prompt.id]} if prompt.id in responses else {}),
        }
        for prompt in prompts
    )
    return _prepare(session, job, data / "prompts.jsonl", rows)


def _prepare(session: Session, job: Job, path: Path, rows: Iterator[dict[str, Any]]) -> dict[str, Any]:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(to_line(row) for row in rows)
    constitution = session.get_one(Constitution, job.spec["constitution"])
    return {"judge_name": f"checkpoint-{job.spec['judge']}", "principles": principles_of(constitution.text)}


def record_labels(session: Session, job: Job, folder: Path) -> dict[str, Any]:
    """The program's rows as AI labels; the caller commits them with the job's end."""
    ranking = job.kind == JobKind.AI_RANKING
    rows = list(_rankings(folder) if ranking else _revisions(job, folder))
    if not rows:
        raise Invalid("The judge left no label.")
    shared = {
        "project_id": job.project_id,
        "kind": TaskKind.RANKING if ranking else TaskKind.DEMONSTRATION,
        "job_id": job.id,
        "judge_id": job.spec["judge"],
        "constitution_id": job.spec["constitution"],
    }
    session.execute(insert(AILabel), [{**shared, **row} for row in rows])
    asked = len(job.spec["comparisons"] if ranking else job.spec["prompts"])
    return {"ai_labels": len(rows), "left_out": asked - len(rows)}


def _rankings(folder: Path) -> Iterator[dict[str, Any]]:
    for row in _lines(folder / "rankings.jsonl"):
        ids = [response["id"] for response in row["responses"]]
        kept = ("principles", "win_probabilities", "position")
        yield {
            "prompt_id": int(row["prompt_id"]),
            "comparison_id": int(row["id"]),
            "tiers": ranks_to_tiers(row["ranks"], ids),
            "details": {
                "responses": ids,
                "wins": dict(zip(ids, row["wins"], strict=True)),
                **{name: row[name] for name in kept},
            },
        }


def _revisions(job: Job, folder: Path) -> Iterator[dict[str, Any]]:
    steps = {row["prompt_id"]: row for row in _lines(folder / "revisions.jsonl")}
    for row in _lines(folder / "demonstrations.jsonl"):
        begun = job.spec["completions"].get(row["prompt_id"])
        chain = steps[row["prompt_id"]]
        yield {
            "prompt_id": int(row["prompt_id"]),
            "completion_id": UUID(begun) if begun else None,
            "text": _plain(row["response"]),
            "details": json.loads(_plain(json.dumps({"draft": chain["draft"], "steps": chain["steps"]}))),
        }


def _plain(text: str) -> str:
    """Postgres stores no NUL, neither in text nor in JSON."""
    return text.replace("\x00", "�").replace("\\u0000", "�")


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
