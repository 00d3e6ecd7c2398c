"""The jobs floor: Celery workers that run training as child processes. Never imports torch (docs/jobs.md)."""
