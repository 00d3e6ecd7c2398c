"""Processor time of a label over the API: claiming the next task and submitting it, application and Postgres together.

    python -m benchmarks.task_cost [--labelers 1 8 32 64] [--tasks 2000] [--abandoned 0] [--rounds 600]

For each number of labelers: how many milliseconds of processor time the web server and Postgres spent on a claim and a
submission, from the accounts that the kernel keeps of their processes, and how long each request took. `--tasks`
fills the queue, `--abandoned` adds tasks whose lease has run out unfinished; neither should matter. Beside them stands
the floor: the same requests to a FastAPI without a database (benchmarks/floor.py), measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
from sqlalchemy import text

from app.database import transaction
from benchmarks.installation import Installation, free_port, installation, web_server


def processor_seconds(root: psutil.Process) -> float:
    """User and system time of a process and of its descendants, those that have ended included."""
    times = [process.cpu_times() for process in (root, *root.children(recursive=True))]
    return sum(t.user + t.system for t in times) + root.cpu_times().children_user + root.cpu_times().children_system


def abandon(count: int) -> None:
    """Let the last `count` slots look as if somebody had claimed each and never come back."""
    with transaction() as session:
        session.execute(
            text(
                "WITH left_behind AS (UPDATE slots SET holder_id = (SELECT min(id) FROM users), leased_until = now() -"
                " interval '1 hour' WHERE id IN (SELECT id FROM slots ORDER BY id LIMIT :count) RETURNING *)"
                " INSERT INTO assignments (project_id, slot_id, user_id, kind, prompt_id, comparison_id, order_shown,"
                " guideline_version, expires_at) SELECT project_id, id, holder_id, kind, prompt_id, comparison_id,"
                " (SELECT jsonb_agg(c.id) FROM completions c WHERE c.comparison_id = left_behind.comparison_id), 1,"
                " leased_until FROM left_behind"
            ),
            {"count": count},
        )


def label(place: Installation, token: str, rounds: int, times: dict[str, list[float]]) -> None:
    """Claim and submit `rounds` tasks as one labeler."""
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{place.url}/api/v1", headers=headers, timeout=120) as client:
        for _ in range(rounds):
            start = time.perf_counter()
            answer = client.post(f"/projects/{place.project}/assignments", json={"kind": "ranking"})
            claimed = time.perf_counter()
            assert answer.status_code == 201, answer.text
            task = answer.json()
            ids = [completion["id"] for completion in task["completions"]]
            body = {"tiers": [[key] for key in ids], "ratings": {key: {"overall": 4, "flags": []} for key in ids}}
            key = {"Idempotency-Key": str(uuid4())}
            sent = client.post(f"/assignments/{task['id']}/submission", json=body, headers=key)
            assert sent.status_code == 201, sent.text
            times["claim"].append(claimed - start)
            times["submit"].append(time.perf_counter() - claimed)


def measure(place: Installation, labelers: int, rounds: int) -> dict[str, float]:
    """Milliseconds a label, with `labelers` of them at once."""
    web = psutil.Process(place.pid)
    database = psutil.Process(place.database_pid) if place.database_pid else None
    times: dict[str, list[float]] = {"claim": [], "submit": []}
    share = max(1, rounds // labelers)
    people = [threading.Thread(target=label, args=(place, token, share, times)) for token in place.tokens[:labelers]]
    before = processor_seconds(web), processor_seconds(database) if database else 0.0
    for person in people:
        person.start()
    for person in people:
        person.join()
    done = share * labelers
    assert len(times["submit"]) == done, "a labeler gave up; its error stands above"
    spent = (
        (processor_seconds(web) - before[0]) / done,
        ((processor_seconds(database) - before[1]) / done if database else 0.0),
    )
    result = {"application": spent[0], "Postgres": spent[1], "both": sum(spent)}
    result |= {f"{name} p50": statistics.median(values) for name, values in times.items()}
    result |= {f"{name} p95": sorted(values)[int(0.95 * len(values))] for name, values in times.items()}
    return {name: round(1000 * value, 2) for name, value in result.items()}


@contextmanager
def floor() -> Iterator[Installation]:
    """The bare application, in the place of ours."""
    with tempfile.TemporaryDirectory(prefix="tutelage-bench-") as home:
        port = free_port()
        with web_server(Path(home), port, "benchmarks.floor:create_app") as pid:
            yield Installation(f"http://127.0.0.1:{port}", "bench", 1, pid, 0, ["none"] * 64)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labelers", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--tasks", type=int, default=2000, help="tasks that wait beside those that are done")
    parser.add_argument("--abandoned", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=600, help="labels for each number of labelers")
    parser.add_argument("--responses", type=int, default=4)
    options = parser.parse_args()
    tasks = options.tasks + options.abandoned + (options.rounds + 64) * (len(options.labelers) + 1)
    with installation(tasks, options.responses, 1, max(options.labelers) + 1) as place:
        if options.abandoned:
            abandon(options.abandoned)
        measure(place, min(8, max(options.labelers)), 64)  # warm
        result = {f"{count} labelers, ms": measure(place, count, options.rounds) for count in options.labelers}
        with floor() as bare:
            measure(bare, 8, 64)
            for count in options.labelers:
                result[f"{count} labelers, ms"]["floor"] = measure(bare, count, options.rounds)["both"]
    print(json.dumps(result, indent=1))
    return 0 if all(row["both"] <= 12 for row in result.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
