"""32 labelers at once over the API on a real Postgres: no task beyond overlap, no label lost, none doubled.

    python -m benchmarks.labelers [--labelers 32] [--tasks 5000] [--overlap 1] [--responses 4]

Starts a throw-away Postgres and a real web server and lets every labeler claim and submit until nothing is left. Every
tenth submission is sent three times, every fiftieth task is skipped; at the end the database is counted.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import func, select

from app.database import transaction
from app.models import Assignment, Ranking, Slot
from benchmarks.installation import Installation, installation


@dataclass
class Tally:
    """What the labelers saw, shared between their threads."""

    submitted: list[int] = field(default_factory=list)
    skipped: int = 0
    claim: list[float] = field(default_factory=list)
    submit: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


class Labeler(threading.Thread):
    """Claims, ranks after about `pause` seconds, submits, `until` then or until three looks in a row find nothing."""

    def __init__(
        self, place: Installation, token: str, tally: Tally, seed: int, pause: float = 0, until: float = math.inf
    ) -> None:
        super().__init__(daemon=True)
        self.place, self.token, self.tally, self.rng = place, token, tally, random.Random(seed)
        self.pause, self.until = pause, until

    def run(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        # A connection that has rested is not used again: the server closes it after five seconds, maybe just then.
        limits = httpx.Limits(keepalive_expiry=3)
        with httpx.Client(base_url=f"{self.place.url}/api/v1", headers=headers, timeout=60, limits=limits) as client:
            empty = 0
            while empty < 3 and time.monotonic() < self.until:
                start = time.perf_counter()
                answer = client.post(f"/projects/{self.place.project}/assignments", json={"kind": "ranking"})
                self.tally.claim.append(time.perf_counter() - start)
                if answer.status_code == 204:
                    empty += 1
                    time.sleep(0.3)
                    continue
                empty = 0
                if answer.status_code != 201:
                    self.tally.errors[f"claim {answer.status_code}"] += 1
                    continue
                time.sleep(self.pause * self.rng.uniform(0.5, 1.5))
                self.finish(client, answer.json())

    def finish(self, client: httpx.Client, task: dict[str, Any]) -> None:
        if self.rng.random() < 0.02:
            client.post(f"/assignments/{task['id']}/skip", json={"reason": "benchmark"})
            self.tally.skipped += 1
            return
        ids = [completion["id"] for completion in task["completions"]]
        body = {"tiers": [[key] for key in ids], "ratings": {key: {"overall": 4, "flags": []} for key in ids}}
        key = {"Idempotency-Key": str(uuid4())}
        answers = set()
        for _ in range(3 if self.rng.random() < 0.1 else 1):
            start = time.perf_counter()
            answer = client.post(f"/assignments/{task['id']}/submission", json=body, headers=key)
            self.tally.submit.append(time.perf_counter() - start)
            if answer.status_code != 201:
                self.tally.errors[f"submit {answer.status_code} {answer.text[:80]}"] += 1
                return
            answers.add(answer.json()["id"])
        if len(answers) != 1:
            self.tally.errors["a repeated key gave another id"] += 1
        self.tally.submitted.extend(answers)


def count(place: Installation, tally: Tally) -> dict[str, object]:
    """What the database holds after all, beside what the labelers were told."""
    with transaction() as session:
        stored = list(session.scalars(select(Ranking.id)))
        per_task = [
            tuple(row) for row in session.execute(select(Ranking.comparison_id, func.count()).group_by("comparison_id"))
        ]
        twice = session.execute(
            select(Ranking.comparison_id, Ranking.user_id).group_by("comparison_id", "user_id").having(func.count() > 1)
        ).all()
        left = session.scalar(
            select(func.count()).select_from(Slot).where(Slot.kind == "ranking", Slot.submitted_at.is_(None))
        )
        dangling = session.scalar(
            select(func.count())
            .select_from(Assignment)
            .where(Assignment.submitted_at.is_(None), Assignment.skipped_at.is_(None))
        )
    return {
        "rankings stored": len(stored),
        "acknowledged but not stored": len(set(tally.submitted) - set(stored)),
        "stored but not acknowledged": len(set(stored) - set(tally.submitted)),
        "tasks beyond overlap": sum(1 for _, n in per_task if n > place.overlap),
        "task twice to one labeler": len(twice),
        "slots left open": left,
        "leases left dangling": dangling,
    }


def milliseconds(values: list[float], share: float) -> float:
    return round(1000 * sorted(values)[min(len(values) - 1, int(len(values) * share))], 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labelers", type=int, default=32)
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--overlap", type=int, default=1)
    parser.add_argument("--responses", type=int, default=4)
    options = parser.parse_args()
    with installation(options.tasks, options.responses, options.overlap, options.labelers) as place:
        tally = Tally()
        start = time.monotonic()
        people = [Labeler(place, token, tally, seed) for seed, token in enumerate(place.tokens)]
        for person in people:
            person.start()
        for person in people:
            person.join()
        seconds = time.monotonic() - start
        result = count(place, tally) | {
            "wanted": options.tasks * options.overlap,
            "skipped": tally.skipped,
            "errors": dict(tally.errors),
            "seconds": round(seconds, 1),
            "submissions a second": round(len(tally.submitted) / seconds, 1),
            "claim ms p50, p95": [milliseconds(tally.claim, 0.5), milliseconds(tally.claim, 0.95)],
            "submit ms p50, p95": [milliseconds(tally.submit, 0.5), milliseconds(tally.submit, 0.95)],
        }
    print(json.dumps(result, indent=1))
    wrong = (
        "acknowledged but not stored",
        "stored but not acknowledged",
        "tasks beyond overlap",
        "task twice to one labeler",
    )
    whole = result["rankings stored"] == result["wanted"] and not result["errors"]
    return 0 if whole and not any(result[name] for name in wrong) else 1


if __name__ == "__main__":
    sys.exit(main())
