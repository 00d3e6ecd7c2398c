"""The loop as a state machine: in which phase a round is next, given what has come in.

collecting_demonstrations -> sft -> sampling -> collecting_rankings -> reward -> improvement -> finished, and the next
round begins by sampling the new policy. `reward` is left out where the round's algorithm (rules/programs.py) needs no
reward model. Asked by services/rounds.py; the page's gates show the same facts.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.translation import gettext as _

COLLECTING_DEMONSTRATIONS = "collecting_demonstrations"
SFT = "sft"
SAMPLING = "sampling"
COLLECTING_RANKINGS = "collecting_rankings"
REWARD = "reward"
IMPROVEMENT = "improvement"
FINISHED = "finished"

COLLECTING = (COLLECTING_DEMONSTRATIONS, COLLECTING_RANKINGS)
WORKING = (SFT, SAMPLING, REWARD, IMPROVEMENT)
_AFTER = {SFT: SAMPLING, SAMPLING: COLLECTING_RANKINGS, REWARD: IMPROVEMENT, IMPROVEMENT: FINISHED}


@dataclass(frozen=True)
class Facts:
    """What the decision rests on."""

    new_demonstrations: int = 0  # labels that no training has read yet
    demonstrations: int = 0
    demonstration_threshold: int = 1
    new_rankings: int = 0
    rankings: int = 0
    ranking_threshold: int = 1
    ranking_slots: int = 0  # of this round: the new rankings, and the places where one may still come
    trains_reward_model: bool = True
    ai_labels: int = 0  # a model's that this phase's training would read: they start none, but an admin may
    launch_requested: bool = False  # an admin said: now
    paused: bool = False
    job_state: str | None = None  # of this phase's latest job
    pretraining_missing: bool = False  # the round's algorithm asks for pretraining text, and there is none


@dataclass(frozen=True)
class Step:
    """The phase to be in, and whether its job is to be created now."""

    phase: str
    start_job: bool = False


def rankings_wanted(facts: Facts) -> int:
    """The threshold, or all places for rankings where a round offers fewer: it must be reachable."""
    return min(facts.ranking_threshold, facts.ranking_slots) if facts.ranking_slots else facts.ranking_threshold


def next_step(phase: str, facts: Facts) -> Step:
    """Where the round goes now; the same phase without a job when it has to wait."""
    step = _step(phase, facts)
    if facts.pretraining_missing and _begins_learning(step):
        return Step(step.phase if phase in WORKING else phase)
    return step


def waits_for_pretraining(phase: str, facts: Facts) -> bool:
    """Whether nothing but the missing pretraining text holds the round up."""
    return facts.pretraining_missing and _begins_learning(_step(phase, facts))


def _begins_learning(step: Step) -> bool:
    """A training on rankings, with or without a reward model before it: neither is begun that cannot be ended."""
    return step.start_job and step.phase in (REWARD, IMPROVEMENT)


def _step(phase: str, facts: Facts) -> Step:
    """The same, were there all the pretraining text that is asked for."""
    if phase == COLLECTING_DEMONSTRATIONS:
        enough = facts.new_demonstrations >= facts.demonstration_threshold and not facts.paused
        return _begin(SFT) if _may_begin(facts.demonstrations, enough, facts) else Step(phase)
    if phase == COLLECTING_RANKINGS:
        enough = facts.new_rankings >= rankings_wanted(facts) and not facts.paused
        return _begin(after_rankings(facts)) if _may_begin(facts.rankings, enough, facts) else Step(phase)
    if phase in WORKING:
        return _next_of_working(phase, facts)
    return Step(phase)


def after_rankings(facts: Facts) -> str:
    """The phase that learns from the rankings first."""
    return REWARD if facts.trains_reward_model else IMPROVEMENT


def _may_begin(labels: int, enough: bool, facts: Facts) -> bool:
    """By itself on enough of people's labels; when an admin says so on whatever there is."""
    return bool(labels and enough) or bool((labels or facts.ai_labels) and facts.launch_requested)


def _begin(phase: str) -> Step:
    return Step(phase, start_job=True)


def _next_of_working(phase: str, facts: Facts) -> Step:
    """A working phase ends with its job; a failed or cancelled job waits for an admin to start it again."""
    if facts.job_state == "succeeded":
        after = _AFTER[phase]
        return Step(after, start_job=after in WORKING and not facts.paused)
    if facts.job_state is None:
        return Step(phase, start_job=not facts.paused or facts.launch_requested)
    if facts.job_state in ("failed", "cancelled"):
        if phase == REWARD and facts.launch_requested:  # perhaps with an algorithm that needs no reward model
            return _begin(after_rankings(facts))
        return Step(phase, start_job=facts.launch_requested)
    return Step(phase)


def opening_phase(facts: Facts, has_policy: bool) -> str:
    """Where a new round begins: with what is missing most."""
    if not has_policy:
        return COLLECTING_DEMONSTRATIONS
    return SFT if facts.new_demonstrations >= facts.demonstration_threshold else SAMPLING


def launch_problem(phase: str, facts: Facts) -> str | None:
    """Why an admin's 'start now' cannot be met, as a sentence; None when it can."""
    if phase == COLLECTING_DEMONSTRATIONS and not (facts.demonstrations or facts.ai_labels):
        return _("There is no demonstration to train on yet. Write at least one, or import some.")
    if phase == COLLECTING_RANKINGS and not (facts.rankings or facts.ai_labels):
        return _("There is no ranking to train on yet. Rank at least one comparison first.")
    if phase in WORKING and facts.job_state in ("queued", "running"):
        return _("This round is training already. Cancel its job first if it should start anew.")
    return None
