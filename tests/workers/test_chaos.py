"""Workers, guards and training processes killed, paused and told to stop at random: each job ends once.

CHAOS_JOBS and CHAOS_HARMS make it longer: `CHAOS_JOBS=300 CHAOS_HARMS=300 pytest tests/workers/test_chaos.py -s`.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest
import redis
from sqlalchemy import func, select

from app import queue
from app.database import transaction
from app.models import AuditEvent, Job
from tests.workers.conftest import Worker, assert_never_two_at_once, eventually, folder_of

JOBS = int(os.environ.get("CHAOS_JOBS", "12"))
HARMS = int(os.environ.get("CHAOS_HARMS", "25"))
SEED = int(os.environ.get("CHAOS_SEED", str(random.randrange(1_000_000))))


class Chaos:
    def __init__(self, start: Callable[..., Worker], redis_url: str) -> None:
        self.rng = random.Random(SEED)
        self.start = start
        self.redis = redis.Redis.from_url(redis_url)
        self.workers = [start() for _ in range(2)]
        self.paused: dict[int, float] = {}
        self.done: Counter[str] = Counter()

    def family(self, worker: Worker) -> list[psutil.Process]:
        """The guard of a worker and its training process, as far as they are there."""
        with suppress(psutil.Error):
            return psutil.Process(worker.pid).children(recursive=True)
        return []

    def working(self) -> list[Worker]:
        """Those that hold a job just now."""
        with transaction() as session:
            owners = [owner for owner in session.scalars(select(Job.owner)) if owner]
        pids = {int(owner.rsplit(":", 2)[1]) for owner in owners}
        return [worker for worker in self.workers if worker.pid in pids and worker.pid not in self.paused]

    def harm(self) -> None:
        """Do something to one of those at work, at some moment of it."""
        working = self.working()
        if not working:
            return
        time.sleep(self.rng.uniform(0, 0.7))
        worker = self.rng.choice(working)
        acts = {
            "training killed": (8, lambda: self.kill_one(worker, last=True)),
            "guard killed": (6, lambda: self.kill_one(worker, last=False)),
            "worker killed": (2, lambda: worker.send(signal.SIGKILL)),
            "all killed": (1, lambda: self.kill_all(worker)),
            "worker paused": (1, lambda: self.pause(worker)),
            "worker drained": (2, lambda: worker.send(signal.SIGTERM)),
            "redis emptied": (1, self.redis.flushall),
            "messages doubled": (1, lambda: [queue.wake(None, n % JOBS + 1) for n in range(20)]),
        }
        (name,) = self.rng.choices(list(acts), [weight for weight, _ in acts.values()])
        with suppress(psutil.Error, ProcessLookupError, IndexError):  # IndexError: no job runs there just now
            acts[name][1]()
            self.done[name] += 1

    def kill_one(self, worker: Worker, last: bool) -> None:
        self.family(worker)[-1 if last else 0].kill()

    def kill_all(self, worker: Worker) -> None:
        for process in [*self.family(worker), psutil.Process(worker.pid)]:
            process.kill()

    def pause(self, worker: Worker) -> None:
        worker.send(signal.SIGSTOP)
        self.paused.setdefault(worker.pid, time.monotonic() + self.rng.uniform(0.5, 10))

    def tend(self) -> None:
        """Let the paused go on when their time has come, and replace the dead."""
        for pid, until in list(self.paused.items()):
            if time.monotonic() > until:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
                del self.paused[pid]
        for n, worker in enumerate(self.workers):
            if worker.process.poll() is not None:
                self.workers[n] = self.start()


def unfinished() -> int:
    with transaction() as session:
        return session.scalar(select(func.count()).select_from(Job).where(Job.state.in_(["queued", "running"]))) or 0


@pytest.mark.timeout(600)
def test_each_job_ends_once_whatever_is_killed(
    short_lease: None,
    redis_url: str,
    start_worker: Callable[..., Worker],
    add_job: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    print(f"CHAOS_SEED={SEED}")
    monkeypatch.setenv("TUTELAGE_JOB_ATTEMPTS", "1000")
    ids = [add_job(steps=10, seconds=0.05) for _ in range(JOBS)]
    chaos = Chaos(start_worker, redis_url)
    began = time.monotonic()
    while sum(chaos.done.values()) < HARMS and unfinished():
        chaos.harm()
        chaos.tend()
        time.sleep(0.02)
    eventually(lambda: chaos.tend() or not unfinished(), 300)

    print(f"{JOBS} jobs in {time.monotonic() - began:.1f} s;", dict(chaos.done))
    with transaction() as session:
        states = Counter(session.scalars(select(Job.state)))
        attempts = session.scalar(select(func.sum(Job.attempts)))
        times = Counter(session.scalars(select(AuditEvent.subject).where(AuditEvent.action == "test.recorded")))
        print(f"{attempts} attempts")
        assert states == {"succeeded": JOBS}
        assert times == {f"job {job_id}": 1 for job_id in ids}
        assert set(session.scalars(select(Job.result["steps"].as_integer()))) == {10}
    for job_id in ids:
        assert_never_two_at_once(job_id)
        assert folder_of(job_id).exists()
