"""The least that a claim and a submission can cost here: the same two requests to a bare FastAPI without a database.

For `benchmarks.task_cost`, so that its figures can be read as a ratio: one hour a machine is quicker than the next.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.installation import ANSWER


class Claim(BaseModel):
    """What a labeler asks for."""

    kind: str


class Submission(BaseModel):
    """What she sends."""

    tiers: list[list[int]]
    ratings: dict[str, dict[str, Any]]


class Task(BaseModel):
    """What she gets."""

    id: int
    kind: str
    completions: list[dict[str, Any]]


def create_app() -> FastAPI:
    """The two requests of a label."""
    app, numbers = FastAPI(), count(1)

    @app.post("/api/v1/projects/{project}/assignments", status_code=201)
    def claim(project: str, wanted: Claim) -> Task:
        shown = [{"id": n, "text": f"{ANSWER} {n}"} for n in range(4)]
        return Task(id=next(numbers), kind=wanted.kind, completions=shown)

    @app.post("/api/v1/assignments/{number}/submission", status_code=201)
    def submit(number: int, sent: Submission) -> dict[str, int]:
        return {"id": number + len(sent.tiers)}

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    return app
