"""The one task, and how Celery starts and stops the supervisor. Loaded by workers/celery_app.py.

A task is a wake-up: it rings the supervisor's bell and is done. Which jobs there are, and who may run them, is decided
in Postgres.
"""

from __future__ import annotations

import os
from typing import Any

from celery.signals import worker_init, worker_shutdown, worker_shutting_down

from app.queue import RUN_JOB
from app.services import outcomes
from workers.celery_app import celery_app
from workers.run import DRAIN_SECONDS
from workers.supervisor import Supervisor

supervisor = Supervisor(outcomes)


@celery_app.task(name=RUN_JOB, ignore_result=True)
def run_job(job_id: int) -> None:
    """There may be a job to run: `job_id`, or another one."""
    supervisor.wake()


@worker_init.connect
def start(**_: Any) -> None:
    """Before Celery looks for its broker, so that work goes on without one."""
    os.environ.setdefault("PGCONNECT_TIMEOUT", "10")  # libpq would wait for minutes
    supervisor.start()


@worker_shutting_down.connect
def stop(**_: Any) -> None:
    """SIGTERM or Ctrl-C came; this runs in the signal handler."""
    supervisor.stop()


@worker_shutdown.connect
def join(**_: Any) -> None:
    supervisor.stop()
    supervisor.join(DRAIN_SECONDS + 10)
