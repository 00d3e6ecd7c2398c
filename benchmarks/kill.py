"""kill -9 of the worker in the middle of SFT, of sampling and of PPO: each job finishes by itself, nothing is doubled.

    python -m benchmarks.kill

Runs `tutelage up` on a fresh home with the starter project, lets simulated labelers turn the loop once, and kills the
worker as soon as each of the three jobs is half-way. Prints how long each job stayed without a worker, and what the
database holds at the end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from typing import Any

import psutil
from sqlalchemy import func, select

from app.database import transaction
from app.models import Checkpoint, Comparison, Completion, Job
from app.simulate import simulate
from benchmarks.installation import home_installation

VICTIMS = ("sft", "sampling", "ppo")


def find_worker(parent: int) -> psutil.Process:
    """The Celery process that `tutelage up` started."""
    for child in psutil.Process(parent).children(recursive=True):
        if "celery" in " ".join(child.cmdline()):
            return child
    raise RuntimeError("no worker runs")


def half_way(job: Job) -> bool:
    step, of = job.progress.get("step", 0), job.progress.get("of", 0)
    return bool(0 < 0.4 * of <= step < of)


def watch(parent: int, killed: dict[str, dict[str, Any]], stop: threading.Event) -> None:
    """Kill the worker once in each victim's middle, and note when the job was claimed anew."""
    while not stop.is_set():
        with transaction() as session:
            jobs = {job.kind: job for job in session.scalars(select(Job).order_by(Job.id))}
            for kind in VICTIMS:
                job = jobs.get(kind)
                if job is None:
                    continue
                if kind not in killed and job.state == "running" and half_way(job):
                    os.kill(find_worker(parent).pid, signal.SIGKILL)
                    killed[kind] = {"at": time.monotonic(), "epoch": job.epoch, "step": job.progress["step"]}
                elif kind in killed and "seconds to reclaim" not in killed[kind] and job.epoch > killed[kind]["epoch"]:
                    killed[kind]["seconds to reclaim"] = round(time.monotonic() - killed[kind]["at"], 1)
        stop.wait(0.1)


def count() -> dict[str, Any]:
    with transaction() as session:
        jobs = session.scalars(select(Job).where(Job.round_id == 1).order_by(Job.id)).all()
        doubled = session.execute(
            select(Completion.job_id, Completion.prompt_id, Completion.checkpoint_id, Completion.sample_index)
            .group_by("job_id", "prompt_id", "checkpoint_id", "sample_index")
            .having(func.count() > 1)
        ).all()
        checkpoints = session.execute(select(Checkpoint.kind, func.count()).group_by(Checkpoint.kind)).all()
        first = next(job.id for job in jobs if job.kind == "sampling")
        return {
            "jobs of round 1": {job.kind: [job.state, f"{job.attempts} attempts"] for job in jobs},
            "jobs in round 1": len(jobs),
            "checkpoints": {row[0]: row[1] for row in checkpoints},
            "comparisons": session.scalar(select(func.count()).where(Comparison.job_id == first)),
            "completions": session.scalar(select(func.count()).where(Completion.job_id == first)),
            "completions doubled": len(doubled),
        }


def main() -> int:
    with home_installation() as place:
        killed: dict[str, dict[str, Any]] = {}
        stop = threading.Event()
        watcher = threading.Thread(target=watch, args=(place.pid, killed, stop), daemon=True)
        watcher.start()
        report = simulate(place.url, place.admin_token, project="starter", labelers=8, rounds=1, tell=lambda line: None)
        stop.set()
        watcher.join()
        result = count()
    for entry in killed.values():
        del entry["at"]
    print(json.dumps({"killed": killed, "minutes": round(report.seconds / 60, 1)} | result, indent=1))
    ended = all(state == "succeeded" for state, _ in result["jobs of round 1"].values())
    whole = result["checkpoints"] == {"base": 1, "sft": 1, "reward": 1, "ppo": 1} and result["jobs in round 1"] == 4
    return 0 if ended and whole and len(killed) == len(VICTIMS) and not result["completions doubled"] else 1


if __name__ == "__main__":
    sys.exit(main())
