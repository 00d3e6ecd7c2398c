"""The commands that start the web server and a worker. For app/local/supervisor.py and app/cli.py."""

from __future__ import annotations

import sys

from app.settings import Settings


def web_command() -> list[str]:
    return [sys.executable, "-m", "app.local.serve"]


def worker_command(settings: Settings) -> list[str]:
    from app.queue import queues_for  # imports SQLAlchemy, which nothing waits for by then

    return [
        sys.executable, "-m", "celery", "-A", "workers.celery_app", "worker", "--pool=solo", "--loglevel=INFO",
        "--without-gossip", "--without-mingle", "--without-heartbeat", "-n", f"{settings.device}@%h",
        "-Q", ",".join(queues_for(settings.device)),
    ]  # fmt: skip
