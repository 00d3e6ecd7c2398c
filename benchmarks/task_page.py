"""Server time of a labeler's page: the next ranking task with 7 completions, and where the time goes.

    python -m benchmarks.task_page [--responses 7] [--tasks 60]

First over HTTP on a kept-alive connection, as a browser asks: POST for the next task, GET of its page, one after the
other on an otherwise idle machine. Then the same in one process with clocks around SQL, Markdown and the template.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
from fastapi.testclient import TestClient
from sqlalchemy import event

import app.pages
from app.database import get_engine, transaction
from app.services import guidelines, users
from app.services.sign_ins import start_session
from benchmarks.installation import installation

Clock = dict[str, float]


def rank_all(client: Any, project: str, tasks: int, times: dict[str, list[float]]) -> None:
    """Claim, open and submit `tasks` tasks, noting milliseconds."""
    for _ in range(tasks):
        start = time.perf_counter()
        claimed = client.post(f"/projects/{project}/rank")
        times["claim"].append(1000 * (time.perf_counter() - start))
        place = claimed.headers["location"]
        start = time.perf_counter()
        page = client.get(place)
        times["page"].append(1000 * (time.perf_counter() - start))
        assert page.status_code == 200, page.text[:300]
        ids = client.get(f"/api/v1{place}").json()["completions"]
        label = {
            "tiers": [[entry["id"]] for entry in ids],
            "ratings": {entry["id"]: {"overall": 4, "flags": []} for entry in ids},
        }
        sent = client.post(f"/api/v1{place}/submission", json=label, headers={"Idempotency-Key": str(uuid4())})
        assert sent.status_code == 201, sent.text
    times["both"] = [claim + page for claim, page in zip(times["claim"], times["page"], strict=True)]


def clock_calls(holder: Any, name: str, clock: Clock) -> None:
    """Replace a function by itself with a clock around it."""
    inner: Callable[..., Any] = getattr(holder, name)

    def clocked(*arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        try:
            return inner(*arguments, **named)
        finally:
            clock[name] += 1000 * (time.perf_counter() - start)

    setattr(holder, name, clocked)


def clock_sql(clock: Clock) -> None:
    engine = get_engine()
    event.listen(engine, "before_cursor_execute", lambda *a: clock.__setitem__("_from", time.perf_counter()))

    def ended(*_: Any) -> None:
        clock["sql"] += 1000 * (time.perf_counter() - clock["_from"])
        clock["statements"] += 1

    event.listen(engine, "after_cursor_execute", ended)


def break_down(project: str, cookie: dict[str, str], url: str, tasks: int) -> dict[str, float]:
    """Mean milliseconds of one page by part, in this process."""
    from app.main import create_app

    clock: Clock = defaultdict(float)
    parts: dict[str, list[float]] = defaultdict(list)
    clock_sql(clock)
    clock_calls(app.pages, "render_markdown", clock)
    template = app.pages.templates.get_template("rankings/rank.html")
    clock_calls(template, "render", clock)
    with TestClient(
        create_app(), base_url=url, cookies=cookie, headers={"Origin": url}, follow_redirects=False
    ) as client:
        for _ in range(tasks):
            place = client.post(f"/projects/{project}/rank").headers["location"]
            clock.clear()
            start = time.perf_counter()
            client.get(place)
            parts["whole page"].append(1000 * (time.perf_counter() - start))
            for name in ("sql", "statements", "render", "render_markdown"):
                parts[name].append(clock[name])
            client.post(f"{place}/skip", data={"reason": "benchmark"})
    return {name: round(statistics.median(values), 2) for name, values in parts.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--responses", type=int, default=7)
    parser.add_argument("--tasks", type=int, default=60)
    options = parser.parse_args()
    with installation(3 * options.tasks, options.responses, 1, 0) as place:
        with transaction() as session:
            ada = users.create_user(session, "ada", "Ada", "labeler")
            guidelines.note_reading(session, guidelines.get_guideline(session, 1, 1), ada)
            session_token = start_session(session, ada)
        cookie = {"tutelage": session_token}
        times: dict[str, list[float]] = defaultdict(list)
        with httpx.Client(base_url=place.url, cookies=cookie, headers={"Origin": place.url}, timeout=60) as client:
            rank_all(client, place.project, 10, defaultdict(list))  # warm
            rank_all(client, place.project, options.tasks, times)
        result: dict[str, Any] = {
            f"{name} ms": {
                "median": round(statistics.median(values), 1),
                "p95": round(sorted(values)[int(0.95 * len(values))], 1),
            }
            for name, values in times.items()
        }
        result["page by part, ms"] = break_down(place.project, cookie, place.url, options.tasks)
    print(json.dumps(result, indent=1))
    return 0 if result["both ms"]["median"] <= 30 else 1


if __name__ == "__main__":
    sys.exit(main())
