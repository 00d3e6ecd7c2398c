"""The supervisor: two threads in a worker's process that do all its work. Started and stopped by workers/tasks.py.

`rounds` looks every few seconds whether a round of the loop can move on and whether a job lies with the dead; `jobs`
claims one job after the other and runs it. Both also look at once when a message comes (`wake`). So work goes on with
Redis dead, deaf or emptied, and a worker that runs one job for hours still turns the rounds of the others.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from sqlalchemy import text

from app.database import transaction
from app.queue import queues_for
from app.services import jobs, rounds
from app.settings import Settings, get_settings
from workers import clock, locks
from workers.database import AWAY, describe
from workers.environment import visible_gpus
from workers.owner import host_name, is_dead, own_name
from workers.run import JobRun, Outcomes

log = logging.getLogger(__name__)
TICK_LOCK = 7_283_401  # advisory lock, with the project: one worker moves its round at a time
LONGEST_PAUSE = 5.0  # between tries while the database is away


class Bell:
    """Rings a thread awake. Ringing is safe in a signal handler, which an Event is not."""

    def __init__(self) -> None:
        self._rings: SimpleQueue[None] = SimpleQueue()

    def ring(self) -> None:
        self._rings.put(None)

    def wait(self, seconds: float) -> None:
        """Return once it rang, or after `seconds`; many rings count as one."""
        try:
            self._rings.get(timeout=seconds)
            while True:
                self._rings.get_nowait()
        except Empty:
            return


class Supervisor:
    def __init__(self, outcomes: Outcomes) -> None:
        self.outcomes = outcomes
        self.faults: dict[int, str] = {}  # project id -> why its round could not move when last looked at
        self.settings: Settings = get_settings()
        self.owner = own_name()
        self.stopping = False
        self.jobs_bell, self.rounds_bell = Bell(), Bell()
        self.threads = [
            threading.Thread(target=self._loop, args=(self._work, self.jobs_bell), name="jobs", daemon=True),
            threading.Thread(target=self._loop, args=(self._tick, self.rounds_bell), name="rounds", daemon=True),
        ]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def wake(self) -> None:
        """Look for work now."""
        self.jobs_bell.ring()
        self.rounds_bell.ring()

    def stop(self) -> None:
        """Begin to drain: the running job is asked to save its state and is given back. Safe in a signal handler."""
        self.stopping = True
        self.wake()

    def join(self, seconds: float) -> None:
        """Wait until all has ended. What still trains after that ends with this process: its guard sees to it."""
        until = clock.now() + seconds
        for thread in self.threads:
            if thread.is_alive():
                thread.join(max(0.0, until - clock.now()))

    def _loop(self, work: Callable[[], Any], bell: Bell) -> None:
        """Do `work` at each ring and every few seconds, whatever goes wrong; one line for each kind of trouble."""
        trouble, pause = "", 0.1
        while not self.stopping:
            try:
                work()
                trouble, pause = "", 0.1
                bell.wait(self.settings.poll_seconds)
                continue
            except AWAY as error:
                if not trouble:
                    log.warning("The database is away: %s", describe(error))
                trouble = "away"
            except Exception as error:
                if trouble != describe(error):
                    log.exception("Looking for work failed; it is tried again.")
                trouble = describe(error)
            bell.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    # --- jobs ---

    def _work(self) -> None:
        """Run jobs until there is none left for us."""
        while not self.stopping and self._gpus_free():
            stamp = clock.now()  # before the claim: the lease runs at least from here
            with transaction() as session:
                job = jobs.claim_job(session, self.owner, queues_for(self.settings.device))
            if job is None:
                return
            JobRun(job, stamp, self.outcomes, self.settings, lambda: self.stopping).run()
            if not self.stopping:
                self._advance(wait=True)  # so that the next job of the round is there at once

    def _gpus_free(self) -> bool:
        """Whether nobody trains on our GPUs: else we leave the jobs to others."""
        return self.settings.device != "gpu" or locks.all_free(locks.gpu_locks(visible_gpus(os.environ)))

    # --- rounds ---

    def _tick(self) -> None:
        self._release_dead()
        with transaction() as session:
            for job in jobs.expire_jobs(session):
                log.info("Job %s: %s. %s", job.id, job.state, job.error or "")
        self._advance()

    def _release_dead(self) -> None:
        """Take their jobs from workers of this host that have died, before their leases end."""
        with transaction() as session:
            dead = [owner for owner in jobs.list_owners(session, host_name()) if is_dead(owner)]
            freed = sum(jobs.expire_owner(session, owner) for owner in dead)
        if freed:
            log.info("%s job(s) of dead workers are free again.", freed)
            self.jobs_bell.ring()

    def _advance(self, wait: bool = False) -> None:
        """Let the rounds move on, each unless another worker is just moving it (`wait`: after that one)."""
        with transaction() as session:
            project_ids = rounds.list_under_way(session)
        if sum(self._advance_project(project_id, wait) for project_id in project_ids):
            self.jobs_bell.ring()

    def _advance_project(self, project_id: int, wait: bool) -> int:
        """How many jobs that made. A transaction for each project: a fault is noted, and the next has its turn."""
        lock = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
        try:
            with transaction() as session:
                keys = {"lock": TICK_LOCK, "project": project_id % 2**31}
                if session.scalar(text(f"SELECT {lock}(:lock, :project)"), keys) is False:
                    return 0
                created = rounds.advance_project(session, project_id)
        except AWAY:
            raise
        except Exception as error:
            self._note_fault(project_id, error)
            return 0
        self.faults.pop(project_id, None)
        return len(created)

    def _note_fault(self, project_id: int, error: Exception) -> None:
        """Once for each kind of trouble: in the log with its place in the code, on the round in one line."""
        fault = describe(error)
        if self.faults.get(project_id) == fault:
            return
        log.exception("The round of project %s cannot move on; it is tried again.", project_id)
        with transaction() as session:
            rounds.note_fault(session, project_id, fault)
        self.faults[project_id] = fault
