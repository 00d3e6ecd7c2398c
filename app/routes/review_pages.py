"""What the review page shows, as typed contexts: two labels without a name, and where they differ.

Called by app/routes/reviews.py and by the API of reviews. Nothing in here knows who made a label or a response.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from app.models import Guideline, Project, Ranking
from app.routes.task_pages import Turn, prompt_turns
from app.rules import reviews as rules
from app.rules.label_schemas import Fields
from app.rules.revisions import letters_of, order_in_letters
from app.services.reviews import ReviewTask
from app.translation import gettext as _
from app.translation import mark, ngettext

# A task has nine responses at most.
PLACES = (
    mark("1st"), mark("2nd"), mark("3rd"), mark("4th"), mark("5th"), mark("6th"), mark("7th"), mark("8th"), mark("9th"),
)  # fmt: skip
ROW, CHART = 34, 220  # of the chart: the height of a row, the width in all


@dataclass(frozen=True)
class Mark:
    """What one label says of one response."""

    label: str  # X or Y
    place: str  # 1st, or 2nd, 3 tied
    overall: int | None
    flags: list[str]


@dataclass(frozen=True)
class Judged:
    """One response with what both labels say of it."""

    id: str
    letter: str
    text: str
    marks: list[Mark]
    moved: bool  # part of a pair on which the two do not agree


@dataclass(frozen=True)
class SeenLabel:
    """One label, blind. `other_letters`: the letters that its labeler knew, where they are not the reviewer's."""

    name: str
    order: str
    tiers: list[list[str]]
    confidence: int | None
    comment: str
    prompt_flags: list[str]
    other_letters: str


@dataclass(frozen=True)
class Box:
    """A tier in the chart: a frame around its letters."""

    x: int
    y: int
    height: int


@dataclass(frozen=True)
class Line:
    """A response in the chart: from its row on the left to its row on the right."""

    letter: str
    left: int
    right: int
    moved: bool


@dataclass(frozen=True)
class Chart:
    height: int
    boxes: list[Box]
    lines: list[Line]


@dataclass
class ReviewPage:
    project: Project
    guideline: Guideline
    review_id: int
    assignment_id: int
    at: str
    turns: list[Turn]
    responses: list[Judged]
    labels: list[SeenLabel]
    pairs: list[str]  # every pair on which they differ, in words
    pair_count: int
    chart: Chart
    choice: str
    comment: str
    seen: str
    draft_json: str
    expires_at: datetime
    ended: datetime | None
    saved_at: datetime | None
    key: UUID = field(default_factory=uuid4)
    problem: str | None = None


def review_page(
    task: ReviewTask,
    guideline: Guideline,
    asked: dict[int, Fields],
    *,
    choice: str | None = None,
    comment: str | None = None,
    key: UUID | None = None,
    problem: str | None = None,
) -> ReviewPage:
    """`asked`: version -> what it asks, of the two labels. `choice` and `comment` come from a refused form."""
    assignment = task.task.assignment
    letters = letters_of(assignment.order_shown)
    pairs = rules.differing_pairs(task.x.tiers, task.y.tiers, assignment.order_shown)
    moved = {key for pair in pairs for key in (pair.one, pair.other)}
    draft = assignment.draft if isinstance(assignment.draft, dict) else {}
    count = len(task.task.completions)
    return ReviewPage(
        project=task.task.project,
        guideline=guideline,
        review_id=task.review.id,
        assignment_id=assignment.id,
        at=f"/reviews/{task.review.id}",
        turns=prompt_turns(task.task.prompt),
        responses=[
            Judged(
                str(completion.id),
                letters[str(completion.id)],
                completion.text,
                [_mark(name, label, str(completion.id), asked) for name, label in named(task)],
                str(completion.id) in moved,
            )
            for completion in task.task.completions
        ],
        labels=[_seen(name, label, letters, asked) for name, label in named(task)],
        pairs=[_pair_in_words(pair, letters) for pair in pairs],
        pair_count=count * (count - 1) // 2,
        chart=draw_chart(task.x.tiers, task.y.tiers, letters, pairs),
        choice=choice if choice is not None else _text(draft.get("choice")),
        comment=comment if comment is not None else _text(draft.get("comment")),
        seen=f"{task.x.revision}.{task.y.revision}",
        draft_json=json.dumps(draft) if draft else "",
        expires_at=assignment.expires_at,
        ended=assignment.expires_at if assignment.expires_at < datetime.now(UTC) else None,
        saved_at=assignment.draft_saved_at if assignment.draft is not None else None,
        key=key or uuid4(),
        problem=problem,
    )


def named(task: ReviewTask) -> list[tuple[str, Ranking]]:
    return [("X", task.x), ("Y", task.y)]


def draw_chart(left: rules.Tiers, right: rules.Tiers, letters: dict[str, str], pairs: Sequence[rules.Pair]) -> Chart:
    """Both orders, best on top, joined by lines: where two lines cross, the labels say the opposite.

    Within a tie responses stand as the other side has them, so that a tie makes no crossing.
    """
    columns = [_rows(left, right, letters), _rows(right, left, letters)]
    moved = {key for pair in pairs for key in (pair.one, pair.other)}
    row_of = [{key: row for row, key in enumerate(key for tier in tiers for key in tier)} for tiers in columns]
    boxes = []
    for x, tiers in zip((0, CHART - ROW), columns, strict=True):
        row = 0
        for tier in tiers:
            boxes.append(Box(x, row * ROW + 2, len(tier) * ROW - 4))
            row += len(tier)
    lines = [
        Line(letter, row_of[0][key] * ROW + ROW // 2, row_of[1][key] * ROW + ROW // 2, key in moved)
        for key, letter in letters.items()
        if key in row_of[0] and key in row_of[1]
    ]
    return Chart(len(row_of[0]) * ROW, boxes, lines)


def _rows(tiers: rules.Tiers, other: rules.Tiers, letters: dict[str, str]) -> list[list[str]]:
    place = {key: at for at, tier in enumerate(other) for key in tier}
    return [sorted(tier, key=lambda key: (place.get(key, 0), letters.get(key, ""))) for tier in tiers]


def _mark(name: str, label: Ranking, key: str, asked: dict[int, Fields]) -> Mark:
    rating, words = label.ratings.get(key) or {}, _flag_words(label, asked, "response_flags")
    flags = [words.get(flag, flag.replace("_", " ")) for flag in rating.get("flags") or []]
    return Mark(name, _place(label.tiers, key), rating.get("overall"), flags)


def _seen(name: str, label: Ranking, letters: dict[str, str], asked: dict[int, Fields]) -> SeenLabel:
    words, theirs = _flag_words(label, asked, "prompt_flags"), letters_of(label.order_shown)
    others = sorted((letter, letters[key]) for key, letter in theirs.items() if letters.get(key, letter) != letter)
    return SeenLabel(
        name=name,
        order=order_in_letters(label.tiers, letters),
        tiers=[sorted(letters[key] for key in tier) for tier in label.tiers],
        confidence=label.confidence,
        comment=label.comment or "",
        prompt_flags=[words.get(flag, flag.replace("_", " ")) for flag in label.prompt_flags],
        other_letters=", ".join(_("%(letter)s is %(here)s here") % {"letter": one, "here": now} for one, now in others),
    )


def _flag_words(label: Ranking, asked: dict[int, Fields], kind: Any) -> dict[str, str]:
    return {flag["key"]: flag["label"] for flag in asked[label.schema_version][kind]}  # type: ignore[literal-required]


def _place(tiers: rules.Tiers, key: str) -> str:
    rank = 1
    for tier in tiers:
        if key in tier:
            ordinal = _(PLACES[rank - 1])
            tied = ngettext("%(place)s, %(count)s tied", "%(place)s, %(count)s tied", len(tier))
            return tied % {"place": ordinal, "count": len(tier)} if len(tier) > 1 else ordinal
        rank += len(tier)
    return ""


def _pair_in_words(pair: rules.Pair, letters: dict[str, str]) -> str:
    def says(better: str | None) -> str:
        return _("a tie") if better is None else _("%(letter)s is better") % {"letter": letters[better]}

    both = {"one": letters[pair.one], "other": letters[pair.other], "x": says(pair.first), "y": says(pair.second)}
    return _("%(one)s and %(other)s: X says %(x)s, Y says %(y)s") % both


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
