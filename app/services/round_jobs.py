"""The job of a round's phase: which checkpoints and frozen labels it is given. Called by services/rounds.py.

What a job is given stands in its spec by ids; services/outcomes.py writes the folder from it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Checkpoint, Comparison, Job, Project, Prompt, Round
from app.rules import programs
from app.rules import rounds as rules
from app.rules.sampling import sampling_plan
from app.services import jobs, pretraining, snapshots
from app.services.recipes import recipe_of
from app.services.round_plans import next_kind, plan_of


def start_job(session: Session, project: Project, round_: Round) -> Job:
    kind = next_kind(project, round_)
    spec = {
        rules.SFT: _sft_spec,
        rules.SAMPLING: _sampling_spec,
        rules.REWARD: _reward_spec,
        rules.IMPROVEMENT: _improvement_spec,
    }[round_.phase](session, project, round_)
    earlier = session.scalar(select(func.count()).select_from(Job).where(Job.round_id == round_.id, Job.kind == kind))
    spec["try"] = (earlier or 0) + 1
    spec["recipe"] = recipe_of(project, kind)
    if project.ai_weight and programs.weighs_ai_labels(kind):
        spec["recipe"]["ai_weight"] = project.ai_weight  # of the rows that the snapshot has taken in
    round_.launch_requested_at = None
    return jobs.create_job(session, project.id, kind, spec, round_id=round_.id, created_by_id=round_.launched_by_id)


def _sft_spec(session: Session, project: Project, round_: Round) -> dict[str, Any]:
    base = session.scalars(
        select(Checkpoint).where(Checkpoint.project_id == project.id, Checkpoint.kind == "base").order_by(Checkpoint.id)
    ).first()
    assert base is not None, "every project is created with its base checkpoint"
    snapshot = snapshots.freeze_snapshot(session, project, round_, "demonstration")
    return {"parent": base.id, "snapshot": snapshot.id}


def _sampling_spec(session: Session, project: Project, round_: Round) -> dict[str, Any]:
    policy = session.get_one(Checkpoint, project.current_policy_id)
    anchor = latest_checkpoint(session, project.id, "sft")
    plan = sampling_plan(project.responses_per_prompt, policy.id, anchor.id if anchor else None)
    prompt_ids = prompts_to_sample(session, project)
    spec = {
        "checkpoints": [{"id": checkpoint_id, "count": count} for checkpoint_id, count in plan.items()],
        "prompt_ids": prompt_ids,
        "settings": {"seed": round_.number},
    }
    judge = best_of_judge(session, project)
    return spec if judge is None else {**spec, "reward": judge.id}


def best_of_judge(session: Session, project: Project) -> Checkpoint | None:
    """The reward model that chooses the best of N samples; None where N is 1, or no reward model has been trained."""
    best_of = project.recipe.get("sampling", {}).get("best_of", 1)
    return latest_checkpoint(session, project.id, "reward") if best_of > 1 else None


def _reward_spec(session: Session, project: Project, round_: Round) -> dict[str, Any]:
    """Every ranking so far trains each reward model anew (Stiennon et al.; InstructGPT, C.2)."""
    parent = latest_checkpoint(session, project.id, "sft")
    assert parent is not None, "rankings come from a policy, and every policy from an SFT model"
    demonstrations = snapshots.last_snapshot(session, project.id, "demonstration")
    snapshot = snapshots.freeze_snapshot(session, project, round_, "ranking")
    return {
        "parent": parent.id,
        "snapshot": snapshot.id,
        "demonstration_snapshot": demonstrations.id if demonstrations else None,
    }


def _improvement_spec(session: Session, project: Project, round_: Round) -> dict[str, Any]:
    """Every algorithm starts from the newest SFT model; what learns from rankings reads those of the reward model."""
    parent = latest_checkpoint(session, project.id, "sft")
    assert parent is not None, "rankings come from a policy, and every policy from an SFT model"
    algorithm = plan_of(project, round_).algorithm
    program = programs.PROGRAMS[algorithm]
    spec: dict[str, Any] = {"parent": parent.id}
    if program.needs_reward_model:
        spec["reward"] = round_.reward_checkpoint_id
    if program.reads == programs.RANKING_DATA:
        reward = session.get(Checkpoint, round_.reward_checkpoint_id) if round_.reward_checkpoint_id else None
        frozen = reward.snapshot_id if reward is not None else None
        spec["snapshot"] = frozen or snapshots.freeze_snapshot(session, project, round_, "ranking").id
    if algorithm in pretraining.asking_kinds(project.recipe):
        spec["pretraining"] = pretraining.freeze_set(session, project, algorithm).id
    if project.recipe.get(algorithm, {}).get("loss") == "slic":  # whose SFT targets are the demonstrations
        demonstrations = snapshots.last_snapshot(session, project.id, "demonstration")
        spec["demonstration_snapshot"] = demonstrations.id if demonstrations else None
    return spec


def latest_checkpoint(session: Session, project_id: int, kind: str) -> Checkpoint | None:
    return session.scalar(
        select(Checkpoint)
        .where(Checkpoint.project_id == project_id, Checkpoint.kind == kind)
        .order_by(Checkpoint.id.desc())
        .limit(1)
    )


def prompts_to_sample(session: Session, project: Project) -> list[int]:
    """The prompts compared least so far, mixed by their hash so that use-cases do not come in blocks."""
    compared = (
        select(Comparison.prompt_id, func.count().label("times"))
        .where(Comparison.project_id == project.id)
        .group_by(Comparison.prompt_id)
        .subquery()
    )
    query = (
        select(Prompt.id)
        .outerjoin(compared, compared.c.prompt_id == Prompt.id)
        .where(Prompt.project_id == project.id, Prompt.split != "evaluation", Prompt.retired_at.is_(None))
        .order_by(func.coalesce(compared.c.times, 0), Prompt.content_hash)
        .limit(project.comparisons_per_round)
    )
    return list(session.scalars(query))
