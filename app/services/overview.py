"""The loop at a glance: one sentence, the circle of stations, what runs, what starts next and why not yet.

Called by the loop page and its JSON twin. Everything is counted in a handful of queries; templates only print.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import figures
from app.errors import NotFound
from app.models import Assignment, Checkpoint, Comparison, Completion, Demonstration, Job, Project, Ranking, Round, User
from app.models.columns import TaskKind
from app.names import kind_name, kind_subject
from app.rules import rounds as rules
from app.rules.programs import ALGORITHMS, PROGRAMS
from app.services import rounds
from app.services.prompts import count_prompts
from app.services.round_jobs import latest_checkpoint
from app.services.round_plans import Plan, next_kind, plan_of
from app.translation import gettext as _
from app.translation import mark, ngettext

DONE, NOW, WAITING = "done", "now", "waiting"
# The stations of the circle in the loop's order: key, label, whether people do it.
STATIONS = (
    ("prompts", mark("Prompts"), True),
    (rules.COLLECTING_DEMONSTRATIONS, mark("Demonstrations"), True),
    (rules.SFT, "SFT", False),
    (rules.SAMPLING, mark("Sampling"), False),
    (rules.COLLECTING_RANKINGS, mark("Rankings"), True),
    (rules.REWARD, mark("Reward model"), False),
    (rules.IMPROVEMENT, "", False),  # goes by the name of the round's algorithm
    ("policy", mark("Current policy"), False),
)
_ORDER = [key for key, _, _ in STATIONS]


@dataclass(frozen=True)
class Station:
    key: str
    label: str
    people: bool  # a circle; machines are squares
    state: str  # done, now, waiting
    lines: tuple[str, str]
    checkpoint_id: int | None = None


@dataclass(frozen=True)
class Condition:
    met: bool
    text: str
    value: str


@dataclass(frozen=True)
class Gate:
    title: str
    note: str
    conditions: list[Condition]


@dataclass(frozen=True)
class LabelerDay:
    """One labeler's last seven days, for the table of people."""

    name: str
    group: str
    simulated: bool
    demonstrations: int
    rankings: int
    median_seconds: float | None


@dataclass(frozen=True)
class LoopOverview:
    project: Project
    round: Round
    plan: Plan
    sentence: str
    stations: list[Station]
    job: Job | None  # queued or running, or what the round waits for because it failed
    gates: list[Gate]
    checkpoints: list[Checkpoint]  # newest first
    labelers: list[LabelerDay]
    labeling_now: int
    may_launch: bool
    launch_problem: str | None
    ai_labels: int  # that the training people label for would read as well
    pretraining_missing: bool  # the round's algorithm asks for text, and there is none


@dataclass(frozen=True)
class _Counts:
    prompts: int
    comparisons: int
    completions: int
    writing: int  # people, as in the next two
    ranking: int
    labeling: int  # whoever does both counts once


def loop_overview(session: Session, project: Project) -> LoopOverview:
    round_ = rounds.current_round(session, project.id)
    if round_ is None:
        raise NotFound(_("This project has no round under way."))
    facts = rounds.gather_facts(session, project, round_)
    job = rounds.phase_job(session, round_)
    counts = _count(session, project, round_)
    problem = rules.launch_problem(round_.phase, facts)
    return LoopOverview(
        project=project,
        round=round_,
        plan=plan_of(project, round_),
        sentence=_sentence(project, round_, facts, job),
        stations=_stations(session, project, round_, facts, job, counts),
        job=job,
        gates=_gates(project, round_, facts),
        checkpoints=list(
            session.scalars(
                select(Checkpoint).where(Checkpoint.project_id == project.id).order_by(Checkpoint.id.desc()).limit(12)
            )
        ),
        labelers=labeler_days(session, project.id),
        labeling_now=counts.labeling,
        may_launch=problem is None,
        launch_problem=problem,
        ai_labels=facts.ai_labels,
        pretraining_missing=facts.pretraining_missing,
    )


def _count(session: Session, project: Project, round_: Round) -> _Counts:
    def count(query: Any) -> int:
        return session.scalar(query) or 0

    # What was only fetched ahead is in nobody's hands yet.
    in_hand = (
        Assignment.project_id == project.id,
        Assignment.submitted_at.is_(None),
        Assignment.skipped_at.is_(None),
        Assignment.expires_at > func.now(),
        Assignment.ahead.is_(False),
    )

    def working(*kinds: TaskKind) -> int:
        return count(select(func.count(Assignment.user_id.distinct())).where(*in_hand, Assignment.kind.in_(kinds)))

    compared = Comparison.round_id == round_.id
    return _Counts(
        prompts=count_prompts(session, project.id),
        comparisons=count(select(func.count()).select_from(Comparison).where(compared)),
        completions=count(select(func.count()).select_from(Completion).join(Completion.comparison).where(compared)),
        writing=working(TaskKind.DEMONSTRATION),
        ranking=working(TaskKind.RANKING),
        labeling=working(*TaskKind),
    )


def _sentence(project: Project, round_: Round, facts: rules.Facts, job: Job | None) -> str:
    if job is not None and job.state in ("failed", "cancelled"):
        sentence = (
            _("%(job)s of round %(round)s failed. Nothing is lost: start it again when ready.")
            if job.state == "failed"
            else _("%(job)s of round %(round)s was cancelled. Nothing is lost: start it again when ready.")
        )
        return sentence % {"job": kind_subject(job.kind), "round": round_.number}
    if project.paused_at is not None:
        sentence = _("The loop is paused in round %(round)s. Labels are still taken; training waits.")
        return sentence % {"round": round_.number}
    if rules.waits_for_pretraining(round_.phase, facts):
        sentence = _("%(job)s of round %(round)s waits for pretraining text, and the project has none.")
        return sentence % {"job": kind_subject(plan_of(project, round_).algorithm), "round": round_.number}
    if round_.phase == rules.COLLECTING_DEMONSTRATIONS:
        missing = max(0, facts.demonstration_threshold - facts.new_demonstrations)
        if not missing:
            return _("Enough demonstrations are in. SFT starts in a moment.")
        sentence = _("People are writing demonstrations. SFT starts after %(missing)s more.")
        return sentence % {"missing": figures.number(missing)}
    if round_.phase == rules.COLLECTING_RANKINGS:
        missing = max(0, rules.rankings_wanted(facts) - facts.new_rankings)
        first = "reward" if facts.trains_reward_model else plan_of(project, round_).algorithm
        sentence = (
            _("People are ranking. %(job)s starts after %(missing)s more.")
            if missing
            else _("Enough rankings are in. %(job)s starts in a moment.")
        )
        return sentence % {"job": kind_subject(first), "missing": figures.number(missing)}
    if job is None or job.state == "queued":
        sentence = _("%(job)s of round %(round)s waits for a worker.")
    elif round_.phase == rules.SAMPLING:
        sentence = _("%(job)s of round %(round)s is writing the responses that people will rank.")
    else:
        sentence = _("%(job)s of round %(round)s is training.")
    return sentence % {"job": kind_subject(next_kind(project, round_)), "round": round_.number}


def _stations(
    session: Session, project: Project, round_: Round, facts: rules.Facts, job: Job | None, counts: _Counts
) -> list[Station]:
    here = _ORDER.index(round_.phase)
    policy = session.get(Checkpoint, project.current_policy_id) if project.current_policy_id else None
    sft = latest_checkpoint(session, project.id, "sft")
    reward = latest_checkpoint(session, project.id, "reward")
    lines: dict[str, tuple[str, str]] = {
        "prompts": (figures.number(counts.prompts), ""),
        rules.COLLECTING_DEMONSTRATIONS: (
            figures.number(facts.demonstrations),
            _("%(count)s being written now") % {"count": counts.writing}
            if counts.writing
            else _("%(count)s new") % {"count": figures.number(facts.new_demonstrations)},
        ),
        rules.SFT: _checkpoint_lines(sft, "loss/validation", _("loss")),
        rules.SAMPLING: (
            _numbered(ngettext("%(count)s response", "%(count)s responses", counts.completions), counts.completions),
            _numbered(ngettext("for %(count)s prompt", "for %(count)s prompts", counts.comparisons), counts.comparisons)
            if counts.comparisons
            else _("none this round yet"),
        ),
        rules.COLLECTING_RANKINGS: (
            _of(facts.new_rankings, rules.rankings_wanted(facts)),
            _("%(count)s being ranked now") % {"count": counts.ranking}
            if counts.ranking
            else _("%(total)s in all") % {"total": figures.number(facts.rankings)},
        ),
        rules.REWARD: _checkpoint_lines(reward, "accuracy", _("accuracy"))
        if facts.trains_reward_model
        else (_("not in this round"), ""),
        rules.IMPROVEMENT: _improvement_lines(policy),
        "policy": (
            _("checkpoint %(id)s") % {"id": policy.id} if policy else _("none yet"),
            _("from %(kind)s") % {"kind": kind_name(policy.kind)} if policy else "",
        ),
    }
    checkpoints = {rules.SFT: sft, rules.REWARD: reward, rules.IMPROVEMENT: policy, "policy": policy}
    stations = []
    for index, (key, label, people) in enumerate(STATIONS):
        state = NOW if index == here else DONE if index < here else WAITING
        shown = lines[key]
        if state == NOW and job is not None and job.state in ("queued", "running"):
            shown = (_progress_line(job), shown[1])
        found = checkpoints.get(key)
        name = kind_name(plan_of(project, round_).algorithm) if key == rules.IMPROVEMENT else _(label)
        stations.append(Station(key, name, people, state, shown, found.id if found else None))
    return stations


def _checkpoint_lines(checkpoint: Checkpoint | None, metric: str, name: str) -> tuple[str, str]:
    if checkpoint is None:
        return (_("not trained yet"), "")
    value = checkpoint.metrics.get(metric)
    return (
        _("checkpoint %(id)s") % {"id": checkpoint.id},
        f"{name} {figures.number(value, 2)}" if isinstance(value, int | float) else "",
    )


def _improvement_lines(policy: Checkpoint | None) -> tuple[str, str]:
    if policy is None or policy.kind not in ALGORITHMS:
        return _checkpoint_lines(None, "", "")
    metric, title = PROGRAMS[policy.kind].headline
    return _checkpoint_lines(policy, metric, _(title))


def _progress_line(job: Job) -> str:
    step, of = job.progress.get("step"), job.progress.get("of")
    if job.state == "queued":
        return _("waits for a worker")
    if step is None or not of:
        return _("starting")
    return _("step %(step)s of %(of)s") % {"step": figures.number(step), "of": figures.number(of)}


def _of(count: int, wanted: int) -> str:
    return _("%(step)s of %(of)s") % {"step": figures.number(count), "of": figures.number(wanted)}


def _numbered(sentence: str, count: int) -> str:
    return sentence % {"count": figures.number(count)}


def _gates(project: Project, round_: Round, facts: rules.Facts) -> list[Gate]:
    demonstrations = Condition(
        facts.new_demonstrations >= facts.demonstration_threshold,
        _("New demonstrations"),
        _of(facts.new_demonstrations, facts.demonstration_threshold),
    )
    wanted = rules.rankings_wanted(facts)
    rankings = Condition(facts.new_rankings >= wanted, _("New rankings"), _of(facts.new_rankings, wanted))
    running = Condition(not facts.paused, _("The loop is not paused"), _("paused") if facts.paused else _("running"))
    places = _numbered(ngettext("%(count)s place", "%(count)s places", facts.ranking_slots), facts.ranking_slots)
    algorithm = kind_name(plan_of(project, round_).algorithm)
    text = [Condition(False, _("Pretraining text"), _("there is none"))] if facts.pretraining_missing else []
    title = _("Next reward model and %(algorithm)s") if facts.trains_reward_model else _("Next %(algorithm)s")
    return [
        Gate(_("Next SFT"), _("starts by itself"), [demonstrations, running]),
        Gate(
            title % {"algorithm": algorithm},
            _("start by themselves") if facts.trains_reward_model else _("starts by itself"),
            [
                Condition(facts.ranking_slots > 0, _("Responses to rank"), places),
                rankings,
                *text,
                running,
            ],
        ),
    ]


def labeler_days(session: Session, project_id: int, days: int = 7) -> list[LabelerDay]:
    """What each labeler did in the last days, most first."""
    since = datetime.now(UTC) - timedelta(days=days)
    ranked = (
        select(
            Ranking.user_id, func.count().label("n"), func.percentile_cont(0.5).within_group(Ranking.seconds).label("m")
        )
        .where(Ranking.project_id == project_id, Ranking.created_at > since, Ranking.withdrawn_at.is_(None))
        .group_by(Ranking.user_id)
        .subquery()
    )
    written = (
        select(Demonstration.user_id, func.count().label("n"))
        .where(
            Demonstration.project_id == project_id,
            Demonstration.created_at > since,
            Demonstration.withdrawn_at.is_(None),
        )
        .group_by(Demonstration.user_id)
        .subquery()
    )
    query = (
        select(User, func.coalesce(written.c.n, 0), func.coalesce(ranked.c.n, 0), ranked.c.m)
        .outerjoin(ranked, ranked.c.user_id == User.id)
        .outerjoin(written, written.c.user_id == User.id)
        .where((ranked.c.n > 0) | (written.c.n > 0))
        .order_by((func.coalesce(written.c.n, 0) + func.coalesce(ranked.c.n, 0)).desc(), User.id)
        .limit(50)
    )
    return [
        LabelerDay(user.name, user.labeler_group, user.simulated, demonstrations, rankings, median)
        for user, demonstrations, rankings, median in session.execute(query)
    ]
