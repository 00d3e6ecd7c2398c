"""One claimed job from its folder to its end, on a real Postgres, with real child processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from app.database import transaction
from app.models import Job
from app.services import jobs
from app.settings import get_settings
from tests.workers import outcomes
from tests.workers.conftest import eventually, folder_of, load, recorded, starts
from workers import clock
from workers.run import JobRun

FOREVER: dict[str, Any] = {"steps": 10_000, "seconds": 0.05}


@pytest.fixture
def claim(quick: None, add_job: Callable[..., int]) -> Callable[..., JobRun]:
    """Add a job, claim it, and make ready to run it; `settings` change those of the worker."""

    def claim(spec: dict[str, Any], **settings: Any) -> JobRun:
        add_job(**spec)
        return again(**settings)

    return claim


def again(**settings: Any) -> JobRun:
    stamp = clock.now()
    with transaction() as session:
        job = jobs.claim_job(session, "host:1:1", ["any", "cpu"])
    assert job is not None
    state = SimpleNamespace(stopping=False)
    run = JobRun(job, stamp, outcomes, get_settings().model_copy(update=settings), lambda: state.stopping)
    run.test_state = state  # type: ignore[attr-defined]  # the test's hand on the worker's stop
    return run


def meanwhile(run: JobRun, act: Callable[[], None]) -> Job:
    """Let it run, and act once training is under way; answers the job at the end."""
    thread = threading.Thread(target=run.run)
    thread.start()
    eventually(lambda: (folder_of(run.job.id) / "state" / "step").exists())
    act()
    thread.join(20)
    assert not thread.is_alive()
    return load(run.job.id)


def test_success_records_result_and_progress_in_order(claim: Callable[..., JobRun]) -> None:
    run = claim({"steps": 8, "seconds": 0.2})
    run.run()
    job = load(run.job.id)
    assert (job.state, job.result, job.attempts, recorded(job.id)) == ("succeeded", {"steps": 8}, 1, 1)
    with transaction() as session:
        events = jobs.list_events(session, job.id)
    told = [event.payload["step"] for event in events]
    assert told == sorted(set(told))
    assert told[-1] == 8
    assert len(told) <= 4, "at most about one event a second"
    assert job.progress == {"step": 8, "of": 8, "phase": "train", "metrics": {"loss": 0.125}}


def test_a_clean_error_fails_at_once_with_the_last_line(claim: Callable[..., JobRun]) -> None:
    run = claim({"steps": 2, "at": {"2": "fail:The learning rate is negative; give one above 0."}})
    run.run()
    job = load(run.job.id)
    assert (job.state, job.error) == ("failed", "The learning rate is negative; give one above 0.")
    assert (len(starts(job.id)), recorded(job.id)) == (1, 0)


def test_a_job_that_kills_itself_gets_three_attempts(claim: Callable[..., JobRun]) -> None:
    run = claim({"steps": 2, "at": {"2": "kill"}})
    run.run()
    assert load(run.job.id).state == "queued"
    again().run()
    again().run()
    job = load(run.job.id)
    assert (job.state, job.attempts, len(starts(job.id))) == ("failed", 3, 3)
    assert job.error == (
        "It was killed by SIGKILL (this happens when a machine runs out of memory); "
        "that was attempt 3 of 3, so it was given up."
    )


def test_no_progress_for_too_long_counts_as_a_crash(
    claim: Callable[..., JobRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUTELAGE_JOB_ATTEMPTS", "1")
    get_settings.cache_clear()
    run = claim({"steps": 3, "at": {"2": "spin"}}, job_stall_minutes=1.5 / 60)
    run.run()
    job = load(run.job.id)
    assert (job.state, job.attempts) == ("failed", 1)
    assert "made no progress" in str(job.error)


def test_a_refused_folder_fails_with_its_reason(claim: Callable[..., JobRun]) -> None:
    run = claim({"cannot_prepare": "The snapshot's file is gone."})
    run.run()
    job = load(run.job.id)
    assert (job.state, job.error) == ("failed", "The snapshot's file is gone.")


def test_a_result_that_cannot_be_recorded_leaves_nothing_and_fails(claim: Callable[..., JobRun]) -> None:
    run = claim({"steps": 1, "cannot_record": "half a row"})
    run.run()
    job = load(run.job.id)
    assert (job.state, recorded(job.id)) == ("failed", 0)
    assert job.error == "Its result could not be recorded: ValueError: half a row"


def test_cancelling_stops_training_soon(claim: Callable[..., JobRun]) -> None:
    run = claim(FOREVER)
    asked: list[float] = []

    def cancel() -> None:
        with transaction() as session:
            jobs.request_cancel(session, run.job.id, None)
        asked.append(time.monotonic())

    job = meanwhile(run, cancel)
    assert (job.state, job.error, recorded(job.id)) == ("cancelled", None, 0)
    assert time.monotonic() - asked[0] < 5


def test_a_lost_job_is_stopped_and_forgotten(claim: Callable[..., JobRun]) -> None:
    """The supervisor sees within about a second that another epoch has the job, and writes nothing more."""
    run = claim(FOREVER)

    def take_away() -> None:
        with transaction() as session:
            session.execute(text("UPDATE jobs SET epoch = epoch + 1, owner = 'elsewhere:1:1'"))

    job = meanwhile(run, take_away)
    assert (job.state, job.epoch, job.owner, job.attempts) == ("running", 2, "elsewhere:1:1", 1)
    assert recorded(job.id) == 0


def test_draining_saves_the_state_and_is_not_charged(claim: Callable[..., JobRun]) -> None:
    run = claim({"steps": 40, "seconds": 0.05})
    job = meanwhile(run, lambda: setattr(run.test_state, "stopping", True))  # type: ignore[attr-defined]
    assert (job.state, job.attempts, job.owner) == ("queued", 0, None)
    reached = int((folder_of(job.id) / "state" / "step").read_text())
    assert reached < 40
    again().run()
    with transaction() as session:
        told = [event.payload["step"] for event in jobs.list_events(session, job.id)]
    assert (load(job.id).state, load(job.id).attempts) == ("succeeded", 1)
    assert told == sorted(set(told)), "the second attempt went on where the first stopped"


def test_a_training_that_had_its_result_is_recorded_when_it_runs_again(claim: Callable[..., JobRun]) -> None:
    """The worker died between the result and its recording: the rerun finds the result and ends at once."""
    run = claim({"steps": 1})
    folder_of(run.job.id).mkdir(parents=True)
    (folder_of(run.job.id) / "run.json").write_text('{"steps": 1}')
    run.run()
    assert (load(run.job.id).state, recorded(run.job.id)) == ("succeeded", 1)
