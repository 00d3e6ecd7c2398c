"""The Celery application: configuration only. Started as `celery -A workers.celery_app worker` (app/local/programs.py).

A message only wakes a worker; the job is a row in Postgres that workers claim (workers/supervisor.py). So messages are
acknowledged early, nothing is stored in a result backend, and losing, doubling or delaying one does no harm.
"""

from __future__ import annotations

from celery import Celery
from kombu import Exchange, Queue

from app.queue import ANY, RUN_JOB, broker_url, queues_for
from app.settings import get_settings

settings = get_settings()
if settings.redis_url is None:
    raise RuntimeError("REDIS_URL is not set. `make run` starts an embedded Redis and sets it.")

celery_app = Celery(
    "tutelage", broker=broker_url(settings.redis_url.get_secret_value()), include=["workers.tasks"], set_as_current=True
)
celery_app.conf.update(
    # The solo pool: tasks run in the process whose threads supervise the jobs (workers/tasks.py).
    worker_pool="solo",
    worker_concurrency=1,
    worker_prefetch_multiplier=1,
    task_acks_late=False,
    task_ignore_result=True,
    result_backend=None,
    task_serializer="json",
    accept_content=["json"],
    task_queues=[Queue(name, Exchange(name), routing_key=name) for name in queues_for(settings.device)],
    task_default_queue=ANY,
    task_routes={RUN_JOB: {"queue": ANY}},
    # Liveness is judged by the leases in Postgres, and cancelling is a column there.
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    # Redis may be gone for as long as it likes: workers look for work by themselves meanwhile.
    broker_connection_retry=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_transport_options={
        "socket_timeout": 30,
        "socket_connect_timeout": 10,
        "socket_keepalive": True,
        "health_check_interval": 25,
    },
)
