"""An answer in its three shapes: a draft in JSON, a form without scripts, a submission. Called by the writing pages.

The fields of the form are `text`, `turn.N.user`, `turn.N.assistant`, `source.N.url` and `source.N.note`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, Field
from starlette.datastructures import FormData

from app.rules.demonstrations import MOST_SOURCES, MOST_TURNS
from app.services.answers import Details

BLANK_ROUNDS = BLANK_SOURCES = 3  # that a page without scripts offers beyond what is filled


class TurnIn(BaseModel):
    role: str
    content: str


class SourceIn(BaseModel):
    url: str = Field(max_length=5000)
    note: str = Field("", max_length=5000)


class DetailsIn(BaseModel):
    """What the pages' scripts send besides the text."""

    turns: list[TurnIn] | None = None
    sources: list[SourceIn] = Field(default_factory=list)
    pasted_share: float | None = None
    presentation: Any = None  # a log that does not fit is dropped, never the label

    def details(self) -> Details:
        turns = [turn.model_dump() for turn in self.turns] if self.turns else None
        sources = [source.model_dump() for source in self.sources]
        return Details(turns, sources, self.pasted_share, self.presentation)


@dataclass
class AnswerFields:
    """What the writing page fills in. A round is a further message of the user and the answer to it."""

    text: str = ""
    rounds: list[dict[str, str]] = field(default_factory=list)
    sources: list[dict[str, str]] = field(default_factory=list)


def answer_from_draft(draft: dict[str, Any]) -> AnswerFields:
    """A draft may be any JSON; what does not fit is left out."""
    turns = [turn for turn in _objects(draft.get("turns")) if isinstance(turn.get("content"), str)]
    contents = [str(turn["content"]) for turn in turns[:MOST_TURNS]]
    rounds = [
        {"user": contents[at], "assistant": contents[at + 1] if at + 1 < len(contents) else ""}
        for at in range(0, len(contents), 2)
    ]
    sources = [
        {"url": str(source.get("url") or ""), "note": str(source.get("note") or "")}
        for source in _objects(draft.get("sources"))[:MOST_SOURCES]
    ]
    text = draft.get("text")
    return AnswerFields(text if isinstance(text, str) else "", rounds, sources)


def answer_from_form(form: FormData) -> AnswerFields:
    """All that stands in the form, rounds and sources that are blank left out."""
    rounds = [_row(form, f"turn.{number}", ("user", "assistant")) for number in range(1, MOST_TURNS // 2 + 1)]
    sources = [_row(form, f"source.{number}", ("url", "note")) for number in range(1, MOST_SOURCES + 1)]
    return AnswerFields(
        _text(form, "text"),
        [row for row in rounds if any(value.strip() for value in row.values())],
        [row for row in sources if any(value.strip() for value in row.values())],
    )


def form_details(fields: AnswerFields) -> Details:
    turns = [{"role": role, "content": round_[role]} for round_ in fields.rounds for role in ("user", "assistant")]
    return Details(turns or None, [dict(source) for source in fields.sources])


def _row(form: FormData, prefix: str, names: tuple[str, ...]) -> dict[str, str]:
    return {name: _text(form, f"{prefix}.{name}") for name in names}


def _text(form: FormData, name: str) -> str:
    """A browser's form ends its lines with two characters."""
    return str(form.get(name, "")).replace("\r\n", "\n")


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
