"""What one item of a qualification shows: the question, and in practice the answer beside the gold one.

Typed contexts of templates/qualifications/_sheet.html, for a labeler's attempt and for the preview of those who build.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from starlette.datastructures import FormData

from app.models import QualificationItem
from app.names import named
from app.routes.task_pages import Turn
from app.rules.label_schemas import Flag
from app.rules.qualification_items import tiers_of
from app.rules.qualifications import FLAGS, RANKING, sign
from app.rules.revisions import LETTERS
from app.services.qualification_attempts import Question, score_answer
from app.translation import gettext as _
from app.translation import mark

ASKS = {
    FLAGS: mark("Which of these apply to the response?"),
    RANKING: mark("Put the responses in order."),
    "demonstration": mark("Write the answer that you would be glad to read."),
}
DIFFERENCES = 6  # that feedback spells out


@dataclass
class Box:
    """One flag in the feedback: as she set it, and as the researchers did."""

    label: str
    hers: bool
    ours: bool


@dataclass
class Feedback:
    """Her answer beside the gold one."""

    points: float | None
    out_of: int | None
    explanation: str
    boxes: list[Box] = field(default_factory=list)  # flags that either set
    empty: int = 0  # flags that both left empty
    hers: list[list[str]] = field(default_factory=list)  # tiers of letters
    ours: list[list[str]] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    more_differences: int = 0
    text: str = ""


@dataclass
class Sheet:
    """One question with what she has said to it so far."""

    number: int
    kind: str
    practice: bool
    asks: str
    turns: list[Turn]
    responses: list[tuple[str, str]]  # (letter, text), in the order shown
    flags: list[Flag]
    flagged: list[str]
    places: list[int | None]
    text: str
    feedback: Feedback | None = None


def make_sheet(question: Question, flags: Sequence[Flag], said: Mapping[str, Any]) -> Sheet:
    """The question with `said` filled in: {"flags"}, {"places"} in the order shown, or {"text"}; all may be missing."""
    item = question.item
    places, flagged, text = said.get("places"), said.get("flags"), said.get("text")
    count = len(item.responses)
    whole = [place if isinstance(place, int) else None for place in places] if isinstance(places, list) else []
    return Sheet(
        number=question.number,
        kind=item.kind,
        practice=question.practice,
        asks=_(ASKS[item.kind]),
        turns=[Turn(named(message["role"]), message["content"]) for message in item.messages],
        responses=list(zip(LETTERS, question.responses, strict=False)),
        flags=list(flags),
        flagged=[flag for flag in flagged if isinstance(flag, str)] if isinstance(flagged, list) else [],
        places=whole if len(whole) == count else [None] * count,
        text=text if isinstance(text, str) else "",
    )


def said_so_far(question: Question) -> dict[str, Any]:
    """Her draft, or else her answer, as `make_sheet` reads it."""
    row = question.answer
    if row is None:
        return {}
    if isinstance(row.draft, dict):
        return row.draft
    return shown_answer(question, row.answer) if row.answer is not None else {}


def shown_answer(question: Question, answer: Mapping[str, Any]) -> dict[str, Any]:
    """A stored answer, with places in the order shown."""
    if question.item.kind != RANKING:
        return dict(answer)
    return {"places": [answer["ranks"][position] for position in question.order]}


def answer_from_form(item: QualificationItem, form: FormData) -> dict[str, Any]:
    """What a form says: boxes `flag`, a place for each letter as `place.A`, or `text`."""
    if item.kind == FLAGS:
        return {"flags": [str(flag) for flag in form.getlist("flag")]}
    if item.kind == RANKING:
        letters = LETTERS[: len(item.responses)]
        return {"places": [_whole(form.get(f"place.{letter}")) for letter in letters]}
    return {"text": str(form.get("text", "")).replace("\r\n", "\n")}


def _whole(value: object) -> int | None:
    text = str(value or "")
    return int(text) if text.isdecimal() and len(text) < 3 else None


def make_feedback(
    question: Question, flags: Sequence[Flag], answer: Mapping[str, Any], *, own: bool = True
) -> Feedback:
    """A stored answer beside the gold one, and why the gold one is so; `own`: the reader gave it herself."""
    item = question.item
    score = score_answer(item, answer, [flag["key"] for flag in flags])
    points, out_of = (score.points, score.out_of) if score else (None, None)
    feedback = Feedback(points, out_of, item.explanation, text=str(answer.get("text", "")))
    gold = item.gold or []
    if item.kind == FLAGS:
        boxes = [Box(flag["label"], flag["key"] in answer["flags"], flag["key"] in gold) for flag in flags]
        feedback.boxes = [box for box in boxes if box.hers or box.ours]
        feedback.empty = len(boxes) - len(feedback.boxes)
    if item.kind == RANKING:
        letter_of = {position: letter for letter, position in zip(LETTERS, question.order, strict=False)}
        feedback.hers = letter_tiers(answer["ranks"], letter_of)
        feedback.ours = letter_tiers(gold, letter_of)
        found = _differences(answer["ranks"], gold, letter_of, own)
        feedback.differences, feedback.more_differences = found[:DIFFERENCES], max(0, len(found) - DIFFERENCES)
    return feedback


def letter_tiers(ranks: Sequence[int], letter_of: Mapping[int, str]) -> list[list[str]]:
    return [sorted(letter_of[position] for position in tier) for tier in tiers_of(ranks)]


def _differences(hers: Sequence[int], ours: Sequence[int], letter_of: Mapping[int, str], own: bool) -> list[str]:
    """The pairs that she and the researchers order in different ways, each as a sentence."""
    told = []
    for one, other in combinations(sorted(letter_of, key=lambda position: letter_of[position]), 2):
        said, wanted = sign(hers[other] - hers[one]), sign(ours[other] - ours[one])
        if said == wanted:
            continue
        first, second = letter_of[one], letter_of[other]
        better, worse = (first, second) if (said or wanted) > 0 else (second, first)
        letters = {"first": first, "second": second, "better": better, "worse": worse}
        told.append((_own_difference if own else _difference)(said, wanted) % letters)
    return told


def _own_difference(said: int, wanted: int) -> str:
    if not wanted:
        return _("You say %(better)s is better than %(worse)s; the researchers say %(first)s and %(second)s are alike.")
    if not said:
        return _("You say %(first)s and %(second)s are alike; the researchers say %(better)s is better than %(worse)s.")
    return _("You say %(better)s is better than %(worse)s; the researchers say %(worse)s is better than %(better)s.")


def _difference(said: int, wanted: int) -> str:
    if not wanted:
        return _(
            "The labeler says %(better)s is better than %(worse)s; "
            "the researchers say %(first)s and %(second)s are alike."
        )
    if not said:
        return _(
            "The labeler says %(first)s and %(second)s are alike; "
            "the researchers say %(better)s is better than %(worse)s."
        )
    return _(
        "The labeler says %(better)s is better than %(worse)s; the researchers say %(worse)s is better than %(better)s."
    )
