"""The worker under test: the real application and supervisor, with the programs of `programs/` instead of training.

Started as `celery -A tests.workers.stand_in worker`.
"""

from __future__ import annotations

from tests.workers import outcomes
from workers import tasks
from workers.celery_app import celery_app
from workers.supervisor import Supervisor

app = celery_app
tasks.supervisor = Supervisor(outcomes)
