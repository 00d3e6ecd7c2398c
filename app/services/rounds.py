"""Rounds: the loop turns here. `advance_project` is called by the workers' tick and as jobs end; pages ask the rest.

What to do is decided by rules/rounds.py; this file gathers the facts, freezes the snapshot and creates the job, all
in the caller's transaction, so that a phase and its job always come together. A project has a transaction of its own
(workers/supervisor.py), so that the fault of one holds up no other.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import case, func, or_, select, update
from sqlalchemy.orm import Session

from app.errors import Conflict
from app.models import Checkpoint, Comparison, Job, Project, Prompt, Ranking, Round, Slot, User
from app.rules import rounds as rules
from app.rules.sampling import sampling_plan
from app.services import ai_exports, audit, exports, jobs, snapshots
from app.services.demonstrations import count_demonstrations
from app.translation import gettext as _

JOB_OF_PHASE = {rules.SFT: "sft", rules.SAMPLING: "sampling", rules.REWARD: "reward", rules.PPO: "ppo"}


def current_round(session: Session, project_id: int) -> Round | None:
    """The round that is under way; one always is, but for the instant between two."""
    return session.scalar(select(Round).where(Round.project_id == project_id, Round.finished_at.is_(None)))


def list_rounds(session: Session, project_id: int) -> list[Round]:
    return list(session.scalars(select(Round).where(Round.project_id == project_id).order_by(Round.number.desc())))


def phase_job(session: Session, round_: Round) -> Job | None:
    """The latest job of the phase that a round is in."""
    kind = JOB_OF_PHASE.get(round_.phase)
    if kind is None:
        return None
    return session.scalar(
        select(Job).where(Job.round_id == round_.id, Job.kind == kind).order_by(Job.id.desc()).limit(1)
    )


def gather_facts(session: Session, project: Project, round_: Round) -> rules.Facts:
    """What the decision of the next step rests on; the loop page shows the same numbers."""
    last = snapshots.last_snapshot(session, project.id, "demonstration")
    counted = snapshots.count_labels(session, project.id, "demonstration")
    job = phase_job(session, round_)
    new_rankings = _count(session, Ranking.round_id == round_.id)
    return rules.Facts(
        new_demonstrations=counted - (last.counted if last else 0),
        demonstrations=count_demonstrations(session, project.id),
        demonstration_threshold=project.demonstration_threshold,
        new_rankings=new_rankings,
        rankings=_count(session, Ranking.project_id == project.id),
        ranking_threshold=project.ranking_threshold,
        ranking_slots=new_rankings + _count_to_fill(session, round_),
        launch_requested=round_.launch_requested_at is not None,
        ai_labels=_ai_labels(session, project, round_.phase),
        paused=project.paused_at is not None,
        job_state=job.state if job else None,
    )


def _ai_labels(session: Session, project: Project, phase: str) -> int:
    """A model's labels that the next training of this phase would read."""
    kinds = {rules.COLLECTING_DEMONSTRATIONS: "demonstration", rules.COLLECTING_RANKINGS: "ranking"}
    if not project.ai_weight or phase not in kinds:
        return 0
    return ai_exports.count_usable(session, project.id, kinds[phase])


def request_launch(session: Session, project: Project, user: User | None) -> Round:
    """Train on what there is, now. Raises Conflict with the reason when that is not possible."""
    round_ = current_round(session, project.id)
    if round_ is None:
        raise Conflict(_("The next round is just being opened. Try again in a moment."))
    if problem := rules.launch_problem(round_.phase, gather_facts(session, project, round_)):
        raise Conflict(problem)
    round_.launch_requested_at = datetime.now(UTC)
    round_.launched_by_id = user.id if user else None
    audit.record(session, user, "round.launch", f"round {round_.id}", phase=round_.phase)
    session.flush()
    jobs.wake_workers(session)
    return round_


def pause_loop(session: Session, project: Project, user: User | None) -> None:
    """Start no training by itself from now on; what runs goes on."""
    project.paused_at = project.paused_at or datetime.now(UTC)
    audit.record(session, user, "loop.pause", f"project {project.id}")


def resume_loop(session: Session, project: Project, user: User | None) -> None:
    project.paused_at = None
    audit.record(session, user, "loop.resume", f"project {project.id}")
    session.flush()
    jobs.wake_workers(session)


def list_under_way(session: Session) -> list[int]:
    """The projects whose round may move, oldest round first."""
    return list(session.scalars(select(Round.project_id).where(Round.finished_at.is_(None)).order_by(Round.id)))


def advance_project(session: Session, project_id: int) -> list[Job]:
    """Move the round of a project if it can move, and return the jobs created. Safe to call at any time by anybody."""
    under_way = select(Round).where(Round.project_id == project_id, Round.finished_at.is_(None))
    round_ = session.scalar(under_way.with_for_update(skip_locked=True))
    if round_ is None:
        return []
    created = advance_round(session, session.get_one(Project, project_id), round_)
    round_.error = None  # what was wrong, if anything was, is wrong no more
    return created


def note_fault(session: Session, project_id: int, fault: str) -> None:
    """Why a round cannot move on, for the pages of the people who run the loop."""
    under_way = update(Round).where(Round.project_id == project_id, Round.finished_at.is_(None))
    session.execute(under_way.values(error=f"This round cannot move on: {fault}. It is tried again."))


def advance_round(session: Session, project: Project, round_: Round) -> list[Job]:
    """Move one locked round as far as it goes now."""
    step = rules.next_step(round_.phase, gather_facts(session, project, round_))
    if step.phase == round_.phase and not step.start_job:
        return []
    _enter(round_, step.phase)
    if step.phase == rules.FINISHED:
        round_.finished_at = datetime.now(UTC)
        session.flush()
        return advance_round(session, project, open_round(session, project, round_.number + 1))
    return [_start_job(session, project, round_)] if step.start_job else []


def open_round(session: Session, project: Project, number: int) -> Round:
    """Begin the next turn: with new demonstrations if there are enough, else by sampling the current policy."""
    round_ = Round(project_id=project.id, number=number, phase=rules.SAMPLING, phase_times={})
    facts = gather_facts(session, project, round_)
    _enter(round_, rules.opening_phase(facts, project.current_policy_id is not None))
    session.add(round_)
    session.flush()
    return round_


def _enter(round_: Round, phase: str) -> None:
    now = datetime.now(UTC)
    round_.phase = phase
    round_.phase_times = {**round_.phase_times, phase: now.isoformat()}


def _start_job(session: Session, project: Project, round_: Round) -> Job:
    spec = {
        rules.SFT: _sft_spec,
        rules.SAMPLING: _sampling_spec,
        rules.REWARD: _reward_spec,
        rules.PPO: _ppo_spec,
    }[round_.phase](session, project, round_)
    kind = JOB_OF_PHASE[round_.phase]
    earlier = session.scalar(select(func.count()).select_from(Job).where(Job.round_id == round_.id, Job.kind == kind))
    spec["try"] = (earlier or 0) + 1
    spec["recipe"] = dict(project.recipe.get(kind, {}))
    if project.ai_weight and kind in ("sft", "reward"):
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
    prompt_ids = _prompts_to_sample(session, project)
    return {
        "checkpoints": [{"id": checkpoint_id, "count": count} for checkpoint_id, count in plan.items()],
        "prompt_ids": prompt_ids,
        "settings": {"seed": round_.number},
    }


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


def _ppo_spec(session: Session, project: Project, round_: Round) -> dict[str, Any]:
    parent = latest_checkpoint(session, project.id, "sft")
    assert parent is not None, "the reward model was made from an SFT model"
    return {"parent": parent.id, "reward": round_.reward_checkpoint_id}


def latest_checkpoint(session: Session, project_id: int, kind: str) -> Checkpoint | None:
    return session.scalar(
        select(Checkpoint)
        .where(Checkpoint.project_id == project_id, Checkpoint.kind == kind)
        .order_by(Checkpoint.id.desc())
        .limit(1)
    )


def _prompts_to_sample(session: Session, project: Project) -> list[int]:
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


def close_old_slots(session: Session, project_id: int, round_id: int | None) -> None:
    """A newer policy's samples are there: nobody is asked about earlier ones, but a task in hand may be finished."""
    old = select(Comparison.id).where(Comparison.project_id == project_id, Comparison.round_id != round_id)
    session.execute(
        update(Slot)
        .where(
            Slot.comparison_id.in_(old),
            Slot.kind == "ranking",  # a review is worth as much: every training reads all labels
            Slot.submitted_at.is_(None),
            Slot.closed_at.is_(None),
        )
        .values(closed_at=func.now(), holder_id=case((Slot.leased_until > func.now(), Slot.holder_id)))
    )


def _count_to_fill(session: Session, round_: Round) -> int:
    """Places of the round that may still bring a ranking: open ones, and closed ones that somebody has in hand.

    Places that are filled are counted by their labels: one that was put aside or is held out brings training no nearer,
    and a training that waited for it would wait for ever.
    """
    may_be_filled = or_(Slot.closed_at.is_(None), Slot.leased_until > func.now())
    query = (
        select(func.count())
        .select_from(Slot)
        .join(Comparison, Comparison.id == Slot.comparison_id)
        .join(Comparison.prompt)
        .where(Comparison.round_id == round_.id, Prompt.retired_at.is_(None))
        .where(Slot.purpose == "label", Slot.submitted_at.is_(None), may_be_filled)
    )
    return session.scalar(query) or 0


def _count(session: Session, condition: Any) -> int:
    counted = exports.which_count(Ranking)
    return session.scalar(select(func.count()).select_from(Ranking).where(condition, *counted)) or 0
