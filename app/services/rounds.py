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

from app.errors import Conflict, Invalid
from app.models import Comparison, Job, Project, Prompt, Ranking, Round, Slot, User
from app.rules import programs
from app.rules import rounds as rules
from app.services import ai_exports, audit, exports, jobs, pretraining, snapshots
from app.services.demonstrations import count_demonstrations
from app.services.round_jobs import start_job
from app.services.round_plans import Plan, check_plan, plan_of
from app.translation import gettext as _

# From here on the next training goes by the round's algorithm.
LEARNING = (rules.COLLECTING_RANKINGS, rules.REWARD, rules.IMPROVEMENT)
# Where a round keeps the checkpoint that a phase made.
CHECKPOINT_OF_PHASE = {
    rules.SFT: "sft_checkpoint_id",
    rules.REWARD: "reward_checkpoint_id",
    rules.IMPROVEMENT: "policy_checkpoint_id",
}


def current_round(session: Session, project_id: int) -> Round | None:
    """The round that is under way; one always is, but for the instant between two."""
    return session.scalar(select(Round).where(Round.project_id == project_id, Round.finished_at.is_(None)))


def list_rounds(session: Session, project_id: int) -> list[Round]:
    return list(session.scalars(select(Round).where(Round.project_id == project_id).order_by(Round.number.desc())))


def phase_job(session: Session, round_: Round) -> Job | None:
    """The latest job of the phase that a round is in."""
    kinds = programs.kinds_of_phase(round_.phase)
    if not kinds:
        return None
    return session.scalar(
        select(Job).where(Job.round_id == round_.id, Job.kind.in_(kinds)).order_by(Job.id.desc()).limit(1)
    )


def gather_facts(session: Session, project: Project, round_: Round) -> rules.Facts:
    """What the decision of the next step rests on; the loop page shows the same numbers."""
    last = snapshots.last_snapshot(session, project.id, "demonstration")
    counted = snapshots.count_labels(session, project.id, "demonstration")
    job = phase_job(session, round_)
    new_rankings = _count(session, Ranking.round_id == round_.id)
    plan = plan_of(project, round_)
    return rules.Facts(
        new_demonstrations=counted - (last.counted if last else 0),
        demonstrations=count_demonstrations(session, project.id),
        demonstration_threshold=project.demonstration_threshold,
        new_rankings=new_rankings,
        rankings=_count(session, Ranking.project_id == project.id),
        ranking_threshold=project.ranking_threshold,
        ranking_slots=new_rankings + _count_to_fill(session, round_),
        trains_reward_model=plan.trains_reward_model,
        launch_requested=round_.launch_requested_at is not None,
        ai_labels=_ai_labels(session, project, round_.phase),
        paused=project.paused_at is not None,
        job_state=job.state if job else None,
        pretraining_missing=pretraining.is_missing(session, project, plan.algorithm),
    )


def _ai_labels(session: Session, project: Project, phase: str) -> int:
    """A model's labels that the next training of this phase would read."""
    kinds = {rules.COLLECTING_DEMONSTRATIONS: "demonstration", rules.COLLECTING_RANKINGS: "ranking"}
    if not project.ai_weight or phase not in kinds:
        return 0
    return ai_exports.count_usable(session, project.id, kinds[phase])


def request_launch(session: Session, project: Project, user: User | None, plan: Plan | None = None) -> Round:
    """Train on what there is, now; `plan` holds for this round alone. Raises Conflict or Invalid with the reason."""
    round_ = current_round(session, project.id)
    if round_ is None:
        raise Conflict(_("The next round is just being opened. Try again in a moment."))
    if problem := rules.launch_problem(round_.phase, gather_facts(session, project, round_)):
        raise Conflict(problem)
    if plan is not None:
        check_plan(round_, plan)
    if plan is not None or round_.phase in LEARNING:
        check_pretraining(session, project, plan or plan_of(project, round_))
    if plan is not None:
        round_.algorithm, round_.extra_reward_model = plan.algorithm, plan.extra_reward_model
    round_.launch_requested_at = datetime.now(UTC)
    round_.launched_by_id = user.id if user else None
    chosen = plan_of(project, round_)
    audit.record(session, user, "round.launch", f"round {round_.id}", phase=round_.phase, algorithm=chosen.algorithm)
    session.flush()
    jobs.wake_workers(session)
    return round_


def check_pretraining(session: Session, project: Project, plan: Plan) -> None:
    """Raises Invalid with what to do where the algorithm asks for pretraining text and there is none."""
    if pretraining.is_missing(session, project, plan.algorithm):
        message = pretraining.missing_sentence(plan.algorithm)
        raise Invalid(message, errors=[{"field": "algorithm", "message": message}])


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
    project = session.get_one(Project, project_id)
    created = advance_round(session, project, round_)
    # What was wrong, if anything was, is wrong no more.
    round_.error = None if created else what_holds_up(session, project, round_)
    return created


def what_holds_up(session: Session, project: Project, round_: Round) -> str | None:
    """Why a round that could train does not, where an admin has to do something."""
    algorithm = plan_of(project, round_).algorithm
    if round_.phase not in LEARNING or not pretraining.is_missing(session, project, algorithm):
        return None
    waits = rules.waits_for_pretraining(round_.phase, gather_facts(session, project, round_))
    return pretraining.missing_sentence(algorithm) if waits else None


def note_fault(session: Session, project_id: int, fault: str) -> None:
    """Why a round cannot move on, for the pages of the people who run the loop."""
    under_way = update(Round).where(Round.project_id == project_id, Round.finished_at.is_(None))
    session.execute(under_way.values(error=f"This round cannot move on: {fault}. It is tried again."))


def advance_round(session: Session, project: Project, round_: Round) -> list[Job]:
    """Move one locked round as far as it goes now."""
    step = rules.next_step(round_.phase, gather_facts(session, project, round_))
    if step.phase == round_.phase and not step.start_job:
        return []
    if step.phase in (rules.REWARD, rules.IMPROVEMENT):  # from here on the project's settings change nothing
        plan = plan_of(project, round_)
        round_.algorithm, round_.extra_reward_model = plan.algorithm, plan.extra_reward_model
    _enter(round_, step.phase)
    if step.phase == rules.FINISHED:
        round_.finished_at = datetime.now(UTC)
        session.flush()
        return advance_round(session, project, open_round(session, project, round_.number + 1))
    return [start_job(session, project, round_)] if step.start_job else []


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
