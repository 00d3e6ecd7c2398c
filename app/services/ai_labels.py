"""Labels by a model: starting them, how many there are, what they say, where they went. Called by pages and the API.

They train at the project's `ai_weight` alone, and count nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, joinedload, selectinload

from app.errors import Conflict, Invalid, NotFound
from app.models import AILabel, Checkpoint, Comparison, Completion, Constitution, Job, Project, Prompt, Snapshot, User
from app.models.columns import CheckpointKind, JobKind, JobState, Split, TaskKind
from app.rules.constitutions import principles_of
from app.services import ai_exports, audit, checkpoints, constitutions, jobs
from app.services.base_models import check_base_model
from app.translation import gettext as _

MOST = 10_000  # tasks of one job
PAGE = 50
JUDGES = tuple(kind for kind in CheckpointKind if kind != CheckpointKind.REWARD)  # whatever can write
AI_JOBS = {TaskKind.RANKING: JobKind.AI_RANKING, TaskKind.DEMONSTRATION: JobKind.AI_REVISION}


@dataclass(frozen=True)
class AIUse:
    """What the next training would read of a model's labels: these many, at this weight, beside those of people."""

    rankings: int
    demonstrations: int
    weight: float


@dataclass(frozen=True)
class AILabelPage:
    """An AI label with all that it rests on."""

    label: AILabel
    prompt: Prompt
    tiers: list[list[Completion]]
    wins: dict[str, float]  # completion id -> mean probability of winning
    principles: list[str]
    snapshots: list[Snapshot]
    checkpoints: list[Checkpoint]


def use_of(session: Session, project: Project) -> AIUse:
    rankings, written = (ai_exports.count_usable(session, project.id, kind) for kind in ("ranking", "demonstration"))
    return AIUse(rankings, written, project.ai_weight)


def list_judges(session: Session, project_id: int) -> list[Checkpoint]:
    """The models of a project that can write, newest first."""
    found = select(Checkpoint).where(Checkpoint.project_id == project_id, Checkpoint.kind.in_(JUDGES))
    return list(session.scalars(found.order_by(Checkpoint.id.desc())))


def find_judge(session: Session, project: Project, path: str) -> Checkpoint:
    """The judge in a folder, or of a hub id, from anywhere. Raises Invalid if it is no model that we load."""
    check_base_model(path)
    same = select(Checkpoint).where(
        Checkpoint.project_id == project.id, Checkpoint.kind == CheckpointKind.JUDGE, Checkpoint.path == path
    )
    judge = session.scalar(same)
    if judge is None:
        judge = Checkpoint(project_id=project.id, kind=CheckpointKind.JUDGE, path=path, config={}, metrics={}, files={})
        session.add(judge)
        session.flush()
    return judge


def start_labeling(session: Session, project: Project, kind: str, judge_id: int, most: int, user: User) -> Job:
    """Let a model label what it has not labeled by this version of the constitution, newest first.

    Raises NotFound, Invalid, and Conflict where there is no constitution, nothing to label, or a job at it already.
    """
    judge = session.get(Checkpoint, judge_id)
    if judge is None or judge.project_id != project.id or judge.kind not in JUDGES:
        raise NotFound(_("This project has no checkpoint %(id)s that can judge.") % {"id": judge_id})
    if not 1 <= most <= MOST:
        raise Invalid(_("Choose from 1 to %(most)s tasks.") % {"most": MOST})
    constitution = constitutions.need_constitution(session, project.id)
    session.execute(select(Project.id).where(Project.id == project.id).with_for_update())  # one starts at a time
    job_kind = AI_JOBS[TaskKind(kind)]
    under_way = select(Job.id).where(
        Job.project_id == project.id, Job.kind == job_kind, Job.state.in_((JobState.QUEUED, JobState.RUNNING))
    )
    if (busy := session.scalar(under_way.limit(1))) is not None:
        raise Conflict(_("Job %(id)s is at it already. Wait for its end, or cancel it.") % {"id": busy})
    spec: dict[str, Any] = {
        "judge": judge.id,
        "constitution": constitution.id,
        "recipe": project.recipe.get(job_kind, {}),
    }
    if kind == TaskKind.RANKING:
        spec["comparisons"] = _comparisons(session, project.id, constitution, most)
    else:
        spec["prompts"] = _prompts(session, project.id, constitution, most)
        spec["completions"] = _completions(session, spec["prompts"])
    if not (spec.get("comparisons") or spec.get("prompts")):
        raise Conflict(
            _("There is nothing left to label by version %(version)s of the constitution.")
            % {"version": constitution.version}
        )
    job = jobs.create_job(session, project.id, job_kind, spec, created_by_id=user.id)
    audit.record(session, user, "ai_labels.started", f"job:{job.id}", kind=kind, judge=judge.id)
    return job


def _unlabeled(task: Any, same: Any, constitution: Constitution) -> ColumnElement[bool]:
    return ~exists().where(same == task, AILabel.constitution_id == constitution.id)


def _comparisons(session: Session, project_id: int, constitution: Constitution, most: int) -> list[int]:
    """Of responses by models alone, to prompts that may train: what measures is nothing to learn from."""
    edited = exists().where(Completion.comparison_id == Comparison.id, Completion.author_id.is_not(None))
    query = (
        select(Comparison.id)
        .join(Comparison.prompt)
        .where(Comparison.project_id == project_id, Prompt.split == Split.TRAIN, Prompt.retired_at.is_(None))
        .where(~edited, _unlabeled(Comparison.id, AILabel.comparison_id, constitution))
        .order_by(Comparison.id.desc())
    )
    return list(session.scalars(query.limit(most)))


def _prompts(session: Session, project_id: int, constitution: Constitution, most: int) -> list[int]:
    done = exists().where(
        AILabel.prompt_id == Prompt.id, AILabel.kind == TaskKind.DEMONSTRATION,
        AILabel.constitution_id == constitution.id,
    )  # fmt: skip
    query = select(Prompt.id).where(
        Prompt.project_id == project_id, Prompt.split == Split.TRAIN, Prompt.retired_at.is_(None), ~done
    )
    return list(session.scalars(query.order_by(Prompt.id.desc()).limit(most)))


def _completions(session: Session, prompt_ids: Sequence[int]) -> dict[str, str]:
    """The newest policy's first response to each prompt, where there is one: what a revision begins with."""
    query = (
        select(Completion.prompt_id, Completion.id)
        .where(Completion.prompt_id.in_(prompt_ids), Completion.checkpoint_id.is_not(None))
        .ext(distinct_on(Completion.prompt_id))
        .order_by(
            Completion.prompt_id, Completion.checkpoint_id.desc(), Completion.comparison_id.desc(),
            Completion.sample_index,
        )
    )  # fmt: skip
    return {str(row.prompt_id): str(row.id) for row in session.execute(query)}


def list_labels(
    session: Session, project_id: int, kind: str, before: int | None = None, snapshot_id: int | None = None
) -> list[AILabel]:
    """A page of AI labels, newest first, with their constitutions; those of a snapshot where one is named."""
    query = (
        select(AILabel)
        .options(joinedload(AILabel.constitution, innerjoin=True))
        .where(AILabel.project_id == project_id, AILabel.kind == kind)
        .order_by(AILabel.id.desc())
        .limit(PAGE)
    )
    if before is not None:
        query = query.where(AILabel.id < before)
    if snapshot_id is not None:
        query = query.where(AILabel.id.in_(checkpoints.items_of(snapshot_id)))
    return list(session.scalars(query))


def list_ai_jobs(session: Session, project_id: int) -> list[tuple[Job, int]]:
    """The newest jobs of AI labeling, each with the number of its labels."""
    counted = select(func.count()).select_from(AILabel).where(AILabel.job_id == Job.id).scalar_subquery()
    query = select(Job, counted).where(Job.project_id == project_id, Job.kind.in_(list(AI_JOBS.values())))
    return [(row[0], row[1]) for row in session.execute(query.order_by(Job.id.desc()).limit(20))]


def describe_label(session: Session, label_id: int) -> AILabelPage:
    """A label with its prompt, order, principles, and where it went. Raises NotFound."""
    label = session.scalar(
        select(AILabel).options(joinedload(AILabel.constitution, innerjoin=True)).where(AILabel.id == label_id)
    )
    if label is None:
        raise NotFound(_("There is no AI label %(id)s.") % {"id": label_id})
    tiers, wins = _order(session, label)
    every = principles_of(label.constitution.text)
    numbers = label.details.get("principles") or [step["principle"] for step in label.details.get("steps", [])]
    snapshots, reached = checkpoints.ai_label_reach(session, label)
    prompt = session.get_one(Prompt, label.prompt_id)
    return AILabelPage(label, prompt, tiers, wins, [every[number] for number in numbers], snapshots, reached)


def _order(session: Session, label: AILabel) -> tuple[list[list[Completion]], dict[str, float]]:
    if label.comparison_id is None:
        return [], {}
    comparison = session.scalars(
        select(Comparison).options(selectinload(Comparison.completions)).where(Comparison.id == label.comparison_id)
    ).one()
    by_id = {str(completion.id): completion for completion in comparison.completions}
    return [[by_id[key] for key in tier] for tier in label.tiers or []], label.details["wins"]
