"""What the ranking page and the writing page show, as typed contexts. Called by app/routes/labeling.py.

Blind by construction: nothing of a completion but its random id and its text gets into a context.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, TypedDict, Unpack
from uuid import UUID

from starlette.datastructures import FormData

from app.errors import Invalid
from app.models import Assignment, Guideline, Project, Prompt
from app.names import named
from app.routes.answer_forms import answer_from_draft, answer_from_form
from app.rules.label_schemas import Fields, Flag
from app.rules.revisions import LETTERS
from app.services.assignments import Task
from app.services.rankings import RankingDraft
from app.services.revisions import as_draft
from app.translation import gettext as _
from app.translation import ngettext

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
    edition: str  # what the page was made of; a page fetched ahead is shown only while this is what holds
    at: str  # the address below which the page keeps its draft and sends
    editing: bool  # the label is sent already; sending stores a revision
    taken_back: datetime | None  # when she took back what she had sent for this task
    undoable: Assignment | None  # what she sent just before, and may take back
    turns: list[Turn]
    expires_at: datetime | None  # None while editing: the slot is filled, by her
    ended: datetime | None  # when the hold has run out
    saved_at: datetime | None
    draft_json: str
    done_today: int
    key: UUID  # for the form without scripts
    problem: str | None


class Shared(TypedDict):
    """What the route knows and both pages show as it is."""

    done_today: int
    taken_back: datetime | None
    undoable: Assignment | None
    key: UUID
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
    flags: list[Flag]
    prompt_flags: list[Flag]
    prompt_flagged: list[str]  # keys of those that are ticked
    asks_confidence: bool
    confidence: int | None
    comment: str


@dataclass
class WritePage(TaskPage):
    template: ClassVar[str] = "demonstrations/write.html"

    text: str
    chat: bool
    rounds: list[dict[str, str]]  # further turns of a chat, a message of the user and its answer each
    sources: list[dict[str, str]]


def rank_page(
    task: Task, guideline: Guideline, asked: Fields, *, form: FormData | None, **shared: Unpack[Shared]
) -> RankPage:
    asks_ratings = asked["ratings"]
    draft = _draft(task)
    prompt_flagged, confidence = _beside(form, draft)
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
        **_shared(task, guideline, **shared),
        heading=_("Edit your ranking") if task.label else _rank_heading(len(responses)),
        responses=responses,
        asks_ratings=asks_ratings,
        scale=RATINGS if asks_ratings else len(responses),
        flags=asked["response_flags"],
        prompt_flags=asked["prompt_flags"],
        prompt_flagged=prompt_flagged,
        asks_confidence=asked["confidence"],
        confidence=confidence,
        comment=str(form.get("comment", "")) if form is not None else str(draft.get("comment") or ""),
    )


def _rank_heading(count: int) -> str:
    return ngettext("Rank %(count)s response", "Rank %(count)s responses", count) % {"count": count}


def write_page(task: Task, guideline: Guideline, *, form: FormData | None, **shared: Unpack[Shared]) -> WritePage:
    answer = answer_from_form(form) if form is not None else answer_from_draft(_draft(task))
    return WritePage(
        **_shared(task, guideline, **shared),
        heading=_("Edit your answer") if task.label else _("Write an answer"),
        text=answer.text,
        chat=task.project.chat,
        rounds=answer.rounds if task.project.chat else [],
        sources=answer.sources,
    )


def prompt_turns(prompt: Prompt) -> list[Turn]:
    return [Turn(named(turn["role"]), turn["content"]) for turn in prompt.messages]


def _shared(task: Task, guideline: Guideline, **shared: Unpack[Shared]) -> dict[str, Any]:
    assignment, editing = task.assignment, task.label is not None
    draft, ended = _draft(task), not editing and assignment.expires_at < datetime.now(UTC)
    return {
        "project": task.project,
        "guideline": guideline,
        "assignment_id": assignment.id,
        "edition": edition_of(assignment),
        "at": f"/history/{assignment.kind}/{task.label.id}" if task.label else f"/assignments/{assignment.id}",
        "editing": editing,
        "turns": prompt_turns(task.prompt),
        "expires_at": None if editing else assignment.expires_at,
        "ended": assignment.expires_at if ended else None,
        "saved_at": assignment.draft_saved_at if editing or assignment.draft is not None else None,
        "draft_json": json.dumps(draft) if draft else "",
        **shared,
    }


def edition_of(assignment: Assignment) -> str:
    """Guidelines, label schema and draft of a task: a page made of others is out of date."""
    saved = assignment.draft_saved_at.isoformat() if assignment.draft_saved_at else ""
    return f"{assignment.guideline_version} {assignment.schema_version} {saved}"


def _draft(task: Task) -> dict[str, Any]:
    """Programs may keep any JSON as a draft; the pages read objects. An edit begins with what was sent."""
    if isinstance(task.assignment.draft, dict):
        return task.assignment.draft
    return as_draft(task.label) if task.label else {}


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


def _beside(form: FormData | None, draft: dict[str, Any]) -> tuple[list[str], int | None]:
    """(flags of the prompt, confidence) as the form or else the draft has them."""
    if form is not None:
        return [str(flag) for flag in form.getlist("prompt_flag")], _whole(form.get("confidence"))
    flags, confidence = draft.get("prompt_flags"), draft.get("confidence")
    return flags if isinstance(flags, list) else [], confidence if isinstance(confidence, int) else None


def ranking_from_form(task: Task, asked: Fields, form: FormData) -> RankingDraft:
    """The ranking that a form without scripts states. Raises Invalid, naming responses by their letters."""
    responses = [Response(str(c.id), letter, "") for letter, c in zip(LETTERS, task.completions, strict=False)]
    for response in responses:
        _fill_from_form(response, form)
    missing = []
    if asked["ratings"] and (unrated := [r.letter for r in responses if r.overall is None]):
        missing.append(_("Rate %(letters)s.") % {"letters": ", ".join(unrated)})
    if unplaced := [r.letter for r in responses if r.place is None]:
        missing.append(_("Give a place to %(letters)s.") % {"letters": ", ".join(unplaced)})
    prompt_flags, confidence = _beside(form, {})
    if asked["confidence"] and confidence is None:
        missing.append(_("Say how sure you are of the order."))
    if missing:
        raise Invalid(" ".join(missing))
    places = sorted({response.place for response in responses if response.place is not None})
    tiers = [[r.id for r in responses if r.place == place] for place in places]
    ratings: dict[str, dict[str, Any]] = {}
    for response in responses:
        if asked["ratings"]:
            ratings[response.id] = {"overall": response.overall, "flags": response.flags}
        elif response.flags:
            ratings[response.id] = {"flags": response.flags}
    return RankingDraft(tiers, ratings, str(form.get("comment", "")), prompt_flags, confidence)
