"""Simulated labelers: programs that sign in through the API as people do, with the starter's judge plus noise as taste.

`tutelage simulate` runs them: the demo, the soak test and the referee's driver. Their labels are marked simulated,
because their users are. They write while a round collects demonstrations, rank while it collects rankings, and wait
while it trains.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from starter.labelers import SimulatedTaste

WORK = {"collecting_demonstrations": "demonstration", "collecting_rankings": "ranking"}
LOOK_SECONDS = 1.0  # between two looks at the round


class SimulationError(Exception):
    """Why the simulation cannot go on, as one sentence."""


@dataclass
class Board:
    """What all simulated labelers share: which kind of label is wanted now, and what has been done."""

    kind: str | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    done: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    failure: str | None = None

    def count(self, what: str) -> None:
        with self.lock:
            self.done[what] += 1


def check(response: httpx.Response) -> httpx.Response:
    """Raises SimulationError with the server's own sentence."""
    if response.is_success:
        return response
    try:
        detail = response.json().get("detail", response.text)
    except ValueError:
        detail = response.text[:200]
    raise SimulationError(f"{response.request.method} {response.request.url.path}: {response.status_code} {detail}")


class SimulatedLabeler(threading.Thread):
    """One labeler at work until the board says stop."""

    def __init__(self, board: Board, client: httpx.Client, project: str, seed: int) -> None:
        super().__init__(name=f"labeler-{seed}", daemon=True)
        self.board, self.client, self.project = board, client, project
        self.taste = SimulatedTaste(seed)
        self.pause = random.Random(seed)
        self.asked: dict[int, dict[str, Any]] = {}  # what each version of the label schema asks

    def run(self) -> None:
        try:
            while not self.board.stop.is_set():
                kind = self.board.kind
                if kind is None or not self.do_one(kind):
                    self.board.stop.wait(LOOK_SECONDS * self.pause.uniform(0.5, 1.0))
        except (SimulationError, httpx.HTTPError) as error:
            self.board.failure = str(error)
            self.board.stop.set()

    def do_one(self, kind: str) -> bool:
        """Claim, judge, submit; False when nothing is left for this labeler."""
        response = check(self.client.post(f"/projects/{self.project}/assignments", json={"kind": kind}))
        if response.status_code == 204:
            return False
        task = response.json()
        answer = self.write(task) if kind == "demonstration" else self.rank(task)
        sent = self.client.post(
            f"/assignments/{task['id']}/submission", json=answer, headers={"Idempotency-Key": str(uuid4())}
        )
        if sent.status_code != httpx.codes.CONFLICT:  # somebody else was quicker after a lapse: not worth stopping for
            check(sent)
            self.board.count(kind)
        return True

    def write(self, task: dict[str, Any]) -> dict[str, Any]:
        return {"text": self.taste.demonstrate(task["prompt"]["messages"])}

    def rank(self, task: dict[str, Any]) -> dict[str, Any]:
        ids = [completion["id"] for completion in task["completions"]]
        texts = [completion["text"] for completion in task["completions"]]
        ranking = self.taste.rank(task["prompt"]["messages"], texts)
        asked = self.look_up(task["schema_version"])
        known = {flag["key"] for flag in asked["response_flags"]}
        answer: dict[str, Any] = {
            "tiers": [[ids[index] for index in tier] for tier in ranking.tiers],
            "ratings": {
                ids[index]: {"overall": rating, "flags": [flag for flag in flags if flag in known]}
                for index, (rating, flags) in enumerate(zip(ranking.ratings, ranking.flags, strict=True))
            },
            "comment": ranking.comment,
        }
        if asked["confidence"]:
            # The further apart she rates them, the surer she is: 1 for all alike, 9 for the whole scale.
            spread = max(ranking.ratings) - min(ranking.ratings)
            answer["confidence"] = 1 + round(8 * spread / 6)
        return answer

    def look_up(self, version: int) -> dict[str, Any]:
        if version not in self.asked:
            schema = check(self.client.get(f"/projects/{self.project}/label-schemas/{version}")).json()
            self.asked[version] = schema["fields"]
        return self.asked[version]


@dataclass(frozen=True)
class Report:
    """What a simulation did, for the terminal and for benchmarks."""

    seconds: float
    demonstrations: int
    rankings: int
    rounds: list[dict[str, Any]]
    phases: list[tuple[str, float]]  # each phase seen, with the seconds since the start


def simulate(
    url: str,
    admin_token: str,
    *,
    project: str,
    labelers: int,
    rounds: int,
    seed: int = 0,
    tell: Callable[[str], None] = print,
    limit_seconds: float = 6 * 3600,
) -> Report:
    """Let `labelers` simulated people work until `rounds` more rounds have finished. Raises SimulationError."""
    with httpx.Client(base_url=f"{url}/api/v1", headers=_bearer(admin_token), timeout=60) as admin:
        board = Board()
        already = sum(1 for r in _rounds(admin, project) if r["finished_at"])
        people = [
            SimulatedLabeler(board, _sign_in(admin, url, f"simulated-{number}"), project, seed * 1000 + number)
            for number in range(1, labelers + 1)
        ]
        for person in people:
            person.start()
        try:
            return _follow(admin, project, board, already + rounds, tell, limit_seconds)
        finally:
            board.stop.set()
            for person in people:
                person.join(timeout=30)
                person.client.close()


def _follow(
    admin: httpx.Client, project: str, board: Board, until: int, tell: Callable[[str], None], limit_seconds: float
) -> Report:
    """Look at the round once a second, set the labelers to its work, and say what changes."""
    start, phases, shown = time.monotonic(), list[tuple[str, float]](), ""
    while True:
        found = _rounds(admin, project)
        finished = [round_ for round_ in found if round_["finished_at"]]
        seconds = time.monotonic() - start
        if len(finished) >= until or board.stop.is_set() or seconds > limit_seconds:
            break
        current = next((round_ for round_ in found if not round_["finished_at"]), None)
        if current is not None:
            board.kind = WORK.get(current["phase"])
            _refuse_failed(admin, current)
            line = f"round {current['number']}: {current['phase'].replace('_', ' ')}"
            if line != shown:
                phases.append((line, seconds))
                shown = line
            tell(f"{_clock(seconds)}  {line}{_details(board, admin, current)}")
        board.stop.wait(LOOK_SECONDS)
    if board.failure:
        raise SimulationError(board.failure)
    if len(finished) < until:
        raise SimulationError(f"Stopped after {_clock(seconds)} with {len(finished)} of {until} rounds finished.")
    phases.append(("finished", seconds))
    return Report(seconds, board.done["demonstration"], board.done["ranking"], found, phases)


def _refuse_failed(admin: httpx.Client, round_: dict[str, Any]) -> None:
    job_id = round_.get("job_id")
    if job_id is None:
        return
    job = check(admin.get(f"/jobs/{job_id}")).json()
    if job["state"] in ("failed", "cancelled"):
        raise SimulationError(f"Job {job_id} ({job['kind']}) {job['state']}: {job.get('error') or 'no reason given'}")


def _details(board: Board, admin: httpx.Client, round_: dict[str, Any]) -> str:
    if board.kind is not None:
        return f", {board.done[board.kind]:,} {board.kind}s sent"
    if round_.get("job_id") is None:
        return ""
    progress = check(admin.get(f"/jobs/{round_['job_id']}")).json()["progress"] or {}
    return f", step {progress['step']:,} of {progress['of']:,}" if progress.get("of") else ", starting"


def _rounds(admin: httpx.Client, project: str) -> list[dict[str, Any]]:
    found = check(admin.get(f"/projects/{project}/rounds")).json()
    listed: list[dict[str, Any]] = found["rounds"] if isinstance(found, dict) else found
    return listed


def _sign_in(admin: httpx.Client, url: str, username: str) -> httpx.Client:
    """A client with a token of its own for this simulated person, who is made when new."""
    made = admin.post(
        "/users", json={"username": username, "name": username.title(), "role": "labeler", "simulated": True}
    )
    if made.status_code != httpx.codes.CONFLICT:
        check(made)
    token = check(admin.post("/tokens", json={"username": username, "name": "simulation", "days": 2})).json()["token"]
    return httpx.Client(base_url=f"{url}/api/v1", headers=_bearer(token), timeout=60)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"
