"""The heartbeat of a job: a thread that renews its lease and hears of its cancelling or its loss. For workers/run.py.

A thread of its own, with a connection of its own, so that neither a long export into the job folder nor a long result
nor a slow page of progress can cost the lease.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from app.database import transaction
from app.services import jobs
from workers import clock
from workers.database import AWAY, describe

log = logging.getLogger(__name__)
WATCH_SECONDS = 1.0  # how soon a worker notices that its job was cancelled or lost


class Heartbeat:
    """`stamp` is the moment just before the last confirmed beat was sent: the lease runs at least from there."""

    def __init__(self, job_id: int, epoch: int, stamp: float, lease: float) -> None:
        self.job_id = job_id
        self.epoch = epoch
        self.stamp = stamp
        self.every = lease / 6
        self.lost = False
        self.cancel = False
        self.on_beat: Callable[[float], None] = lambda stamp: None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat-{job_id}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(timeout=5)  # it may hang in a dead connection; then it ends with that

    def _run(self) -> None:
        away = False
        while not self.lost and not self._ended.is_set():
            try:
                self._ask()
                away = False
            except AWAY as error:
                if not away:
                    log.warning("Job %s: no heartbeat: %s", self.job_id, describe(error))
                away = True
            self._ended.wait(min(WATCH_SECONDS, self.every))

    def _ask(self) -> None:
        sent = clock.now()
        due = sent - self.stamp >= self.every
        with transaction() as session:
            news = (jobs.beat_job if due else jobs.watch_job)(session, self.job_id, self.epoch)
        self.lost, self.cancel = news.lost, news.cancel
        if due and not news.lost:
            self.stamp = sent
            self.on_beat(sent)
