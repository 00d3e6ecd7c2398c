"""Wake a worker after a commit. Services that add a job call `wake`; workers/celery_app.py takes the names from here.

The row in Postgres is the job; the message only saves a worker its next look (RELIABILITY: "the broker only wakes
workers"). So sending happens beside the request, in one background thread, with short timeouts and no retries: Redis
may be slow, deaf or gone, and nobody who saves anything notices. A lost wake-up costs `poll_seconds`.
"""

from __future__ import annotations

import atexit
import logging
import queue
import threading
import time
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import event
from sqlalchemy.orm import Session

from app.settings import get_settings

if TYPE_CHECKING:
    from celery import Celery

log = logging.getLogger(__name__)

RUN_JOB = "run_job"  # the one task; its argument is the id of a job
ANY = "any"

SEND_SECONDS = 0.5  # how long Redis may take over one wake-up
QUIET_SECONDS = 5.0  # after a failed one, send none for so long: workers look by themselves meanwhile
WAITING = 1000  # wake-ups kept while Redis is slow; more are dropped

_KEY = "jobs to wake"


def queues_for(device: str) -> list[str]:
    """The queues that a worker of this device (`cpu` or `gpu`) listens to. A queue is named like `Job.device`."""
    return [device, ANY]


def broker_url(redis_url: str) -> str:
    """The same Redis in kombu's spelling, which names a unix socket otherwise than redis-py does."""
    return "redis+socket://" + redis_url.removeprefix("unix://") if redis_url.startswith("unix://") else redis_url


class Wake(NamedTuple):
    url: str
    job_id: int
    device: str


def wake(session: Session | None, job_id: int, device: str = ANY) -> None:
    """Once `session` has committed (now, when None), tell the workers of `device` that job `job_id` waits.

    Never raises and never waits for Redis; does nothing when REDIS_URL is unset.
    """
    url = get_settings().redis_url
    if url is None:
        return
    message = Wake(url.get_secret_value(), job_id, device)
    if session is None:
        _post(message)
    else:
        session.info.setdefault(_KEY, {})[job_id] = message


@event.listens_for(Session, "after_commit")
def _committed(session: Session) -> None:
    if not session.in_nested_transaction():  # a savepoint is not a commit yet
        for message in session.info.pop(_KEY, {}).values():
            _post(message)


@event.listens_for(Session, "after_rollback")
def _rolled_back(session: Session) -> None:
    if not session.in_nested_transaction():
        session.info.pop(_KEY, None)


class _Sender:
    """One daemon thread that sends what is put in its queue."""

    def __init__(self) -> None:
        self.waiting: queue.Queue[Wake] = queue.Queue(WAITING)
        self.quiet_until = 0.0
        threading.Thread(target=self.run, name="wake", daemon=True).start()
        atexit.register(self.flush)

    def run(self) -> None:
        while True:
            message = self.waiting.get()
            try:
                if time.monotonic() >= self.quiet_until:
                    _send(message)
            except Exception as error:  # whatever ails Redis, workers look for themselves
                self.quiet_until = time.monotonic() + QUIET_SECONDS
                log.warning("No wake-up sent for job %s: %s", message.job_id, type(error).__name__)
            finally:
                self.waiting.task_done()

    def flush(self) -> None:
        """At the end of a short command: give what waits one moment to leave."""
        end = time.monotonic() + SEND_SECONDS
        while self.waiting.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.01)


@lru_cache
def _sender() -> _Sender:
    return _Sender()


def _post(message: Wake) -> None:
    with suppress(queue.Full):  # then Redis is slow, and workers look for themselves
        _sender().waiting.put_nowait(message)


@lru_cache
def _celery(url: str) -> Celery:
    """A client that can only send; kept apart from the worker's own application."""
    from celery import Celery  # here, in the background: it takes a third of a second to import

    client = Celery("tutelage-wake", broker=broker_url(url), set_as_current=False)
    client.conf.update(
        task_ignore_result=True,
        broker_connection_retry=False,
        broker_connection_timeout=SEND_SECONDS,
        broker_transport_options={
            "socket_timeout": SEND_SECONDS,
            "socket_connect_timeout": SEND_SECONDS,
            "retry_on_timeout": False,
            "max_retries": 0,
        },
    )
    return client


def _send(message: Wake) -> None:
    _celery(message.url).send_task(
        RUN_JOB, args=[message.job_id], queue=message.device, ignore_result=True, retry=False, expires=600
    )
