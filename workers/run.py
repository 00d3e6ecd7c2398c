"""One claimed job, from its folder to its end. Called by workers/supervisor.py.

Prepare the folder, start training behind its guard, follow its progress, and record how it ended: the result and the
end of the job in one transaction that our epoch must still hold.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from sqlalchemy.orm import Session

from app.database import transaction
from app.errors import AppError
from app.models import Job
from app.models.columns import JobState
from app.services import jobs
from app.settings import Settings
from workers.child import Child
from workers.database import AWAY, describe, insist
from workers.guard import BUSY, DRAINED, SILENT
from workers.heartbeat import Heartbeat
from workers.progress import Tail, thin

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.1
EVENT_SECONDS = 1.0
DRAIN_SECONDS = 60.0  # for training to save its state when the worker is told to stop
SETTLE_SECONDS = 600.0  # how long an end that cannot be stored is tried again before it is left to the lease


class Outcomes(Protocol):
    """Between a job's row and its folder: app.services.outcomes."""

    def program_of(self, job: Job) -> str: ...
    def prepare_folder(self, session: Session, job: Job, folder: Path) -> None: ...
    def record_result(self, session: Session, job: Job, folder: Path) -> Any: ...


class Ending(NamedTuple):
    """How a run ended: succeeded, failed, cancelled, crashed (an attempt was lost), released (it was not) or lost."""

    how: str
    reason: str = ""


class JobRun:
    """`stamp` was taken just before the claim; `stopping` says whether the worker was told to stop."""

    def __init__(
        self, job: Job, stamp: float, outcomes: Outcomes, settings: Settings, stopping: Callable[[], bool]
    ) -> None:
        self.job = job
        self.outcomes = outcomes
        self.settings = settings
        self.stopping = stopping
        self.folder = settings.artifacts_folder / "jobs" / str(job.id)
        self.heartbeat = Heartbeat(job.id, job.epoch, stamp, settings.job_lease_seconds)
        self.events: list[dict[str, Any]] = []  # progress that is not stored yet
        self.next_event = 0.0

    def run(self) -> None:
        job, began = self.job, time.monotonic()
        log.info("Job %s (%s): attempt %s begins.", job.id, job.kind, job.attempts)
        self.heartbeat.start()
        try:
            ending = self._prepare() or self._train()
            stored = self._settle(ending)
        finally:
            self.heartbeat.stop()
        words = f" {ending.reason}" if ending.reason else ""
        fate = "" if stored else " It is no longer ours."
        log.info("Job %s: %s after %.1f s.%s%s", job.id, ending.how, time.monotonic() - began, words, fate)

    # --- before ---

    def _prepare(self) -> Ending | None:
        """Fill the folder; a whole one from an earlier attempt stays as it is, so that training resumes."""

        def fill(session: Session) -> bool:
            self.outcomes.prepare_folder(session, session.get_one(Job, self.job.id), self.folder)
            return True

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            filled = insist(f"Preparing job {self.job.id}", fill, lambda _: self.heartbeat.lost or self.stopping())
        except AppError as error:
            return Ending("failed", error.detail)
        except Exception as error:
            log.exception("Job %s cannot be prepared.", self.job.id)
            return Ending("failed", f"Its folder could not be prepared: {describe(error)}")
        if filled is None or self.heartbeat.lost:
            return Ending("lost" if self.heartbeat.lost else "released")
        return Ending("released") if self.stopping() else None

    # --- while it trains ---

    def _train(self) -> Ending:
        tail = Tail(self.folder / "progress.jsonl")
        program = self.outcomes.program_of(self.job)
        child = Child(self.settings, program, self.folder, self.job.epoch, self.heartbeat.stamp)
        try:
            self.heartbeat.on_beat = child.beat
            child.beat(self.heartbeat.stamp)
            asked: str | None = None
            while (code := child.wait(LOOK_SECONDS)) is None:
                self._report(tail.read())
                asked = self._order(child, tail, asked)
            self._report(tail.read(), final=True)
        finally:
            child.close()
        if asked is None and self.heartbeat.lost:
            asked = "lost"
        return judge(code, asked, tail.progressed, child.last_words(), self.settings.job_stall_minutes)

    def _order(self, child: Child, tail: Tail, asked: str | None) -> str | None:
        """Give the child the order that the moment asks for; answers the gravest so far."""
        if self.heartbeat.lost:
            wanted = "lost"
        elif self.heartbeat.cancel:
            wanted = "cancelled"
        elif asked == "stalled" or time.monotonic() - tail.changed > self.settings.job_stall_minutes * 60:
            wanted = "stalled"
        elif self.stopping():
            if asked is None:
                child.stop(DRAIN_SECONDS)
            return "drained"
        else:
            return asked
        child.kill()
        return wanted

    def _report(self, rows: list[dict[str, Any]], final: bool = False) -> None:
        """Store progress, at most once a second; while the database is away it waits."""
        self.events = thin(self.events + rows)
        if not self.events or self.heartbeat.lost or (time.monotonic() < self.next_event and not final):
            return
        self.next_event = time.monotonic() + EVENT_SECONDS
        try:
            with transaction() as session:
                for event in self.events:
                    jobs.append_progress(session, self.job.id, self.job.epoch, event)
            self.events = []
        except AWAY:
            return  # the heartbeat tells of it

    # --- the end ---

    def _settle(self, ending: Ending) -> bool:
        """Store the end; False when the job was no longer ours, or the database stayed away for too long."""
        if ending.how == "lost":
            return False
        try:
            stored = self._store(ending)
        except Exception as error:  # of recording the result: the training itself went well
            sentence = error.detail if isinstance(error, AppError) else describe(error)
            log.exception("Job %s: its result cannot be recorded.", self.job.id)
            stored = self._store(Ending("failed", f"Its result could not be recorded: {sentence}"))
        return bool(stored)

    def _store(self, ending: Ending) -> bool | None:
        limit = 5.0 if self.stopping() else SETTLE_SECONDS
        return insist(
            f"The end of job {self.job.id}", lambda session: self._write(session, ending), lambda s: s > limit
        )

    def _write(self, session: Session, ending: Ending) -> bool:
        job_id, epoch = self.job.id, self.job.epoch
        if self.events:
            for event in self.events:
                jobs.append_progress(session, job_id, epoch, event)
        if ending.how == "released":
            return jobs.release_job(session, job_id, epoch)
        if ending.how == "crashed":
            return jobs.put_back_job(session, job_id, epoch, ending.reason)
        if ending.how != JobState.SUCCEEDED:
            return jobs.finish_job(session, job_id, epoch, ending.how, error=ending.reason or None)
        job = jobs.hold_job(session, job_id, epoch)  # locked, so that nobody claims it while the result is recorded
        if job is None:
            return False
        result = self.outcomes.record_result(session, job, self.folder)
        return jobs.finish_job(session, job_id, epoch, JobState.SUCCEEDED, result=result)


def judge(code: int, asked: str | None, progressed: bool, last_words: str, stall_minutes: int) -> Ending:
    """What an exit code means, given what we had ordered."""
    if asked in ("lost", "cancelled"):
        return Ending(asked)
    if code == 0:
        return Ending("succeeded")
    if asked == "drained" or code in (SILENT, BUSY) or (code == DRAINED and progressed):
        return Ending("released")
    if asked == "stalled":
        return Ending("crashed", f"It made no progress for {stall_minutes} minutes and was stopped")
    if code == DRAINED:  # charged, or a program that always stops at once would go round for ever
        return Ending("crashed", "It stopped at once although nobody had asked it to")
    number = code - 128 if code > 128 else -code
    if number > 0:
        name = signal.Signals(number).name if number in signal.valid_signals() else f"signal {number}"
        memory = " (this happens when a machine runs out of memory)" if number == signal.SIGKILL else ""
        return Ending("crashed", f"It was killed by {name}{memory}")
    return Ending("failed", last_words or f"It ended with exit code {code} and said nothing.")
