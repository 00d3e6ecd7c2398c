"""A full workplace: labelers over the API and in real browsers at once, all on one server.

    python -m benchmarks.workplace [--labelers 64] [--browsers 16] [--seconds 180] [--pause 20] [--overlap 2]

Everybody claims, reads for about `--pause` seconds (people take minutes), ranks and sends, all for the same time. The
wait for the next task is, over the API, the answer to the claim; in a browser, from the key press that sends a ranking
until the next one is painted. At the end the database is counted. Ends with 1 when a label is lost or doubled, a task
has more labels than its overlap, or the 95th percentile of either wait is above 100 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import threading
import time
from dataclasses import dataclass, field

from playwright.async_api import async_playwright
from sqlalchemy import func, select

from app.database import transaction
from app.models import Ranking, User
from benchmarks.installation import Installation, installation
from benchmarks.labelers import Labeler, Tally, count, milliseconds
from benchmarks.next_task import LIMIT, make_browser_labeler, open_first, send_one

BROWSER_NAME = "browser-"


@dataclass
class Seen:
    """What the people in browsers saw."""

    sent: int = 0
    waits: list[float] = field(default_factory=list)  # seconds
    errors: list[str] = field(default_factory=list)


async def work_in_browsers(
    place: Installation, session_tokens: list[str], responses: int, pause: float, until: float
) -> Seen:
    """Everyone in a context of her own; returns when all have finished."""
    seen = Seen()
    path = shutil.which("chromium") or shutil.which("google-chrome")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, headless=True, args=["--no-sandbox"])

        async def work(number: int, session_token: str) -> None:
            rng = random.Random(number)
            await asyncio.sleep(pause * number / len(session_tokens))
            context = await browser.new_context(viewport={"width": 1440, "height": 900})
            page = await open_first(context, place, session_token)
            page.on("console", lambda message: seen.errors.extend([message.text] if message.type == "error" else []))
            page.on("pageerror", lambda error: seen.errors.append(str(error)))
            while time.monotonic() < until:
                waited = await send_one(page, responses, reads=pause * rng.uniform(0.5, 1.5))
                seen.sent += 1
                seen.waits.append(waited / 1000)
            await context.close()

        await asyncio.gather(*(work(number, token) for number, token in enumerate(session_tokens)))
        await browser.close()
    return seen


def sit_down(people: list[Labeler], seconds: float) -> None:
    """Begin one after the other: they do not all sit down in one instant."""
    for person in people:
        person.start()
        time.sleep(seconds / len(people))


def stored_from_browsers() -> int:
    """How many rankings of the people in browsers the database has."""
    query = select(func.count()).select_from(Ranking).join(User, User.id == Ranking.user_id)
    with transaction() as session:
        return session.scalar(query.where(User.username.startswith(BROWSER_NAME))) or 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labelers", type=int, default=64)
    parser.add_argument("--browsers", type=int, default=16)
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--pause", type=float, default=20)
    parser.add_argument("--overlap", type=int, default=2)
    parser.add_argument("--responses", type=int, default=4)
    options = parser.parse_args()
    pace = options.seconds / max(0.5, options.pause)
    tasks = int(2 * pace * (options.labelers + options.browsers) / options.overlap) + 200
    with installation(tasks, options.responses, options.overlap, options.labelers) as place:
        with transaction() as session:
            names = [f"{BROWSER_NAME}{number}" for number in range(options.browsers)]
            session_tokens = [make_browser_labeler(session, name) for name in names]
        tally, until = Tally(), time.monotonic() + options.seconds
        people = [Labeler(place, token, tally, n, options.pause, until) for n, token in enumerate(place.tokens)]
        threading.Thread(target=sit_down, args=(people, options.pause), daemon=True).start()
        seen = asyncio.run(work_in_browsers(place, session_tokens, options.responses, options.pause, until))
        for person in people:
            person.join()
        counted, in_browsers = count(place, tally), stored_from_browsers()
    result = {
        "over the API": {"submitted": len(tally.submitted), "skipped": tally.skipped, "errors": dict(tally.errors)},
        "in browsers": {"sent": seen.sent, "stored": in_browsers, "errors": seen.errors[:5]},
        "acknowledged but not stored": counted["acknowledged but not stored"],
        "stored but not acknowledged": int(str(counted["stored but not acknowledged"])) - in_browsers,
        "tasks beyond overlap": counted["tasks beyond overlap"],
        "task twice to one labeler": counted["task twice to one labeler"],
        "next task over the API, ms p50, p95": [milliseconds(tally.claim, share) for share in (0.5, 0.95)],
        "submission over the API, ms p50, p95": [milliseconds(tally.submit, share) for share in (0.5, 0.95)],
        "next task in a browser, ms p50, p95": [milliseconds(seen.waits, share) for share in (0.5, 0.95)],
    }
    print(json.dumps(result, indent=1))
    return 0 if is_right(result, tally, seen, in_browsers) else 1


def is_right(result: dict[str, object], tally: Tally, seen: Seen, in_browsers: int) -> bool:
    """Nothing lost, doubled or too much, no error, and nobody waited too long."""
    faults = ("acknowledged but not stored", "stored but not acknowledged", "tasks beyond overlap")
    whole = in_browsers == seen.sent and not tally.errors and not seen.errors
    quick = max(milliseconds(tally.claim, 0.95), milliseconds(seen.waits, 0.95)) <= LIMIT
    return whole and quick and not any(result[fault] for fault in (*faults, "task twice to one labeler"))


if __name__ == "__main__":
    sys.exit(main())
