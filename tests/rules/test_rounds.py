from __future__ import annotations

from dataclasses import replace

import pytest

from app.rules.rounds import (
    COLLECTING_DEMONSTRATIONS,
    COLLECTING_RANKINGS,
    FINISHED,
    IMPROVEMENT,
    REWARD,
    SAMPLING,
    SFT,
    Facts,
    Step,
    launch_problem,
    next_step,
    opening_phase,
    rankings_wanted,
    waits_for_pretraining,
)

READY = Facts(
    new_demonstrations=10,
    demonstrations=10,
    demonstration_threshold=10,
    new_rankings=5,
    rankings=5,
    ranking_threshold=5,
    ranking_slots=20,
)


def test_whole_round_goes_through_every_phase_in_order() -> None:
    phase, path = COLLECTING_DEMONSTRATIONS, []
    while phase != FINISHED:
        step = next_step(phase, replace(READY, job_state="succeeded"))
        path.append(step)
        phase = step.phase
    assert path == [
        Step(SFT, True),
        Step(SAMPLING, True),
        Step(COLLECTING_RANKINGS),
        Step(REWARD, True),
        Step(IMPROVEMENT, True),
        Step(FINISHED),
    ]


@pytest.mark.parametrize(
    ("phase", "facts"),
    [
        (COLLECTING_DEMONSTRATIONS, replace(READY, new_demonstrations=9)),
        (COLLECTING_RANKINGS, replace(READY, new_rankings=4)),
    ],
)
def test_round_waits_for_the_last_label_unless_launched(phase: str, facts: Facts) -> None:
    assert next_step(phase, facts) == Step(phase)
    assert next_step(phase, replace(facts, launch_requested=True)).start_job


@pytest.mark.parametrize("phase", [COLLECTING_DEMONSTRATIONS, COLLECTING_RANKINGS])
def test_launch_without_any_label_trains_nothing(phase: str) -> None:
    facts = Facts(launch_requested=True)
    assert next_step(phase, facts) == Step(phase)
    assert launch_problem(phase, facts) is not None


def test_paused_loop_starts_nothing_by_itself() -> None:
    paused = replace(READY, paused=True)
    assert next_step(COLLECTING_DEMONSTRATIONS, paused) == Step(COLLECTING_DEMONSTRATIONS)
    assert next_step(REWARD, replace(paused, job_state="succeeded")) == Step(IMPROVEMENT, False)
    assert next_step(COLLECTING_RANKINGS, replace(paused, launch_requested=True)) == Step(REWARD, True)


@pytest.mark.parametrize("state", ["queued", "running"])
def test_working_phase_waits_for_its_job(state: str) -> None:
    facts = replace(READY, job_state=state)
    assert next_step(SFT, facts) == Step(SFT)
    assert "training already" in (launch_problem(SFT, facts) or "")


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_failed_job_waits_for_an_admin(state: str) -> None:
    facts = replace(READY, job_state=state)
    assert next_step(IMPROVEMENT, facts) == Step(IMPROVEMENT)
    assert launch_problem(IMPROVEMENT, facts) is None
    assert next_step(IMPROVEMENT, replace(facts, launch_requested=True)) == Step(IMPROVEMENT, True)


def test_threshold_beyond_the_places_offered_stays_reachable() -> None:
    assert rankings_wanted(replace(READY, ranking_threshold=300, ranking_slots=20)) == 20


def test_next_round_begins_with_what_is_missing() -> None:
    assert opening_phase(READY, has_policy=False) == COLLECTING_DEMONSTRATIONS
    assert opening_phase(READY, has_policy=True) == SFT
    assert opening_phase(replace(READY, new_demonstrations=3), has_policy=True) == SAMPLING


def test_a_round_whose_algorithm_needs_no_reward_model_trains_none() -> None:
    facts = replace(READY, trains_reward_model=False)
    assert next_step(COLLECTING_RANKINGS, facts) == Step(IMPROVEMENT, True)
    failed = replace(facts, job_state="failed", launch_requested=True)
    assert next_step(REWARD, failed) == Step(IMPROVEMENT, True)
    assert next_step(REWARD, replace(failed, trains_reward_model=True)) == Step(REWARD, True)


def test_a_round_that_lacks_pretraining_text_begins_no_training_on_rankings() -> None:
    lacking = replace(READY, pretraining_missing=True)
    assert next_step(COLLECTING_DEMONSTRATIONS, lacking) == Step(SFT, True)
    assert next_step(COLLECTING_RANKINGS, lacking) == Step(COLLECTING_RANKINGS)
    assert next_step(COLLECTING_RANKINGS, replace(lacking, launch_requested=True)) == Step(COLLECTING_RANKINGS)
    # The text went while the reward model trained: the round stands before the algorithm, and no job fails.
    assert next_step(REWARD, replace(lacking, job_state="succeeded")) == Step(IMPROVEMENT)
    assert next_step(IMPROVEMENT, lacking) == Step(IMPROVEMENT)
    assert next_step(IMPROVEMENT, replace(lacking, job_state="running")) == Step(IMPROVEMENT)
    assert next_step(IMPROVEMENT, replace(lacking, job_state="succeeded")) == Step(FINISHED)


def test_a_round_waits_for_text_only_where_nothing_else_holds_it_up() -> None:
    lacking = replace(READY, pretraining_missing=True)
    assert waits_for_pretraining(COLLECTING_RANKINGS, lacking)
    assert waits_for_pretraining(IMPROVEMENT, lacking)
    assert not waits_for_pretraining(COLLECTING_RANKINGS, replace(lacking, new_rankings=4))
    assert not waits_for_pretraining(IMPROVEMENT, replace(lacking, job_state="failed"))
    assert not waits_for_pretraining(COLLECTING_RANKINGS, READY)
