"""The commands that start the web server and a worker. For app/local/supervisor.py and app/cli.py."""

from __future__ import annotations

import sys

from app.queue import queues_for
from app.settings import Settings


def web_command(settings: Settings) -> list[str]:
    return [
        sys.executable, "-m", "uvicorn", "app.main:create_app", "--factory", "--host", settings.host,
        "--port", str(settings.port), "--no-proxy-headers", "--no-server-header", "--timeout-graceful-shutdown", "3",
    ]  # fmt: skip


def worker_command(settings: Settings) -> list[str]:
    return [
        sys.executable, "-m", "celery", "-A", "workers.celery_app", "worker", "--pool=solo", "--loglevel=INFO",
        "--without-gossip", "--without-mingle", "--without-heartbeat", "-n", f"{settings.device}@%h",
        "-Q", ",".join(queues_for(settings.device)),
    ]  # fmt: skip
