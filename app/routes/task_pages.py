"""What the ranking page and the writing page show, as typed contexts. Called by app/routes/labeling.py.

Blind by construction: nothing of a completion but its random id and its text gets into a context.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from starlette.datastructures import FormData

from app.errors import Invalid
from app.models import Guideline, Project, Prompt
from app.routes.answer_forms import answer_from_draft, answer_from_form
from app.services.assignments import Task
from app.services.rankings import RankingDraft

LETTERS = "ABCDEFGHI"
WHO = {"user": "User", "assistant": "Assistant", "system": "System"}
RATINGS = 7


@dataclass(frozen=True)
class Turn:
    who: str
    text: str


@dataclass
class TaskPage:
    """What both pages share."""

    template: ClassVar[str]

    heading: str
    project: Project
    guideline: Guideline
    assignment_id: int
    turns: list[Turn]
    expires_at: datetime
    ended: datetime | None  # when the hold has run out
    saved_at: datetime | None
    draft_json: str
    done_today: int
    key: UUID  # for the form without scripts
    problem: str | None


@dataclass
class Response:
    """One response, under the letter by which the page knows it."""

    id: str
    letter: str
    text: str
    overall: int | None = None
    flags: list[str] = field(default_factory=list)
    place: int | None = None


@dataclass
class RankPage(TaskPage):
    template: ClassVar[str] = "rankings/rank.html"

    responses: list[Response]
    asks_ratings: bool
    scale: int  # how many digits rate: 7, or K places where a project asks for places only
    flags: list[dict[str, str]]
    comment: str


@dataclass
class WritePage(TaskPage):
    template: ClassVar[str] = "demonstrations/write.html"

    text: str
    chat: bool
    rounds: list[dict[str, str]]  # further turns of a chat, a message of the user and its answer each
    sources: list[dict[str, str]]


def rank_page(
    task: Task, guideline: Guideline, done_today: int, *, form: FormData | None, key: UUID, problem: str | None
) -> RankPage:
    asks_ratings = task.project.asks_ratings
    draft = _draft(task)
    responses = [
        Response(str(completion.id), letter, completion.text)
        for letter, completion in zip(LETTERS, task.completions, strict=False)
    ]
    for response in responses:
        if form is not None:
            _fill_from_form(response, form)
        else:
            _fill_from_draft(response, draft)
    return RankPage(
        **_shared(task, guideline, done_today, key, problem),
        heading=f"Rank {len(responses)} responses",
        responses=responses,
        asks_ratings=asks_ratings,
        scale=RATINGS if asks_ratings else len(responses),
        flags=task.project.response_flags,
        comment=str(form.get("comment", "")) if form is not None else str(draft.get("comment") or ""),
    )


def write_page(
    task: Task, guideline: Guideline, done_today: int, *, form: FormData | None, key: UUID, problem: str | None
) -> WritePage:
    answer = answer_from_form(form) if form is not None else answer_from_draft(_draft(task))
    return WritePage(
        **_shared(task, guideline, done_today, key, problem),
        heading="Write an answer",
        text=answer.text,
        chat=task.project.chat,
        rounds=answer.rounds if task.project.chat else [],
        sources=answer.sources,
    )


def prompt_turns(prompt: Prompt) -> list[Turn]:
    return [Turn(WHO.get(turn["role"], turn["role"]), turn["content"]) for turn in prompt.messages]


def _shared(task: Task, guideline: Guideline, done_today: int, key: UUID, problem: str | None) -> dict[str, Any]:
    assignment = task.assignment
    return {
        "project": task.project,
        "guideline": guideline,
        "assignment_id": assignment.id,
        "turns": prompt_turns(task.prompt),
        "expires_at": assignment.expires_at,
        "ended": assignment.expires_at if assignment.expires_at < datetime.now(UTC) else None,
        "saved_at": assignment.draft_saved_at if assignment.draft is not None else None,
        "draft_json": json.dumps(_draft(task)) if _draft(task) else "",
        "done_today": done_today,
        "key": key,
        "problem": problem,
    }


def _draft(task: Task) -> dict[str, Any]:
    """Programs may keep any JSON as a draft; the pages read objects."""
    return task.assignment.draft if isinstance(task.assignment.draft, dict) else {}


def _fill_from_draft(response: Response, draft: dict[str, Any]) -> None:
    ratings, tiers = draft.get("ratings"), draft.get("tiers")
    rating = ratings.get(response.id) if isinstance(ratings, dict) else None
    if isinstance(rating, dict):
        flags = rating.get("flags")
        response.overall, response.flags = rating.get("overall"), flags if isinstance(flags, list) else []
    for place, tier in enumerate(tiers if isinstance(tiers, list) else [], start=1):
        if isinstance(tier, list) and response.id in tier:
            response.place = place


def _fill_from_form(response: Response, form: FormData) -> None:
    response.overall = _whole(form.get(f"rating.{response.id}"))
    response.place = _whole(form.get(f"place.{response.id}"))
    response.flags = [str(flag) for flag in form.getlist(f"flag.{response.id}")]


def _whole(value: object) -> int | None:
    text = str(value or "").strip()
    return int(text) if text.isdecimal() and len(text) < 4 else None


def ranking_from_form(task: Task, form: FormData) -> RankingDraft:
    """The ranking that a form without scripts states. Raises Invalid, naming responses by their letters."""
    responses = [Response(str(c.id), letter, "") for letter, c in zip(LETTERS, task.completions, strict=False)]
    for response in responses:
        _fill_from_form(response, form)
    missing = []
    if task.project.asks_ratings and (unrated := [r.letter for r in responses if r.overall is None]):
        missing.append(f"Rate {', '.join(unrated)}.")
    if unplaced := [r.letter for r in responses if r.place is None]:
        missing.append(f"Give a place to {', '.join(unplaced)}.")
    if missing:
        raise Invalid(" ".join(missing))
    places = sorted({response.place for response in responses if response.place is not None})
    tiers = [[r.id for r in responses if r.place == place] for place in places]
    ratings: dict[str, dict[str, Any]] = {}
    for response in responses:
        if task.project.asks_ratings:
            ratings[response.id] = {"overall": response.overall, "flags": response.flags}
        elif response.flags:
            ratings[response.id] = {"flags": response.flags}
    return RankingDraft(tiers, ratings, str(form.get("comment", "")))
