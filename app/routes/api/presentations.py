"""The presentation log as the API takes it: how a page was looked at, as a client measured it.

A log that does not have this shape is refused here. What the task itself rules out, such as a response of another
task, drops the log and keeps the label (rules/presentations.py).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from app.routes.api.shapes import Request
from app.rules.presentations import MOST_SECONDS, MOST_TIMES

Times = Annotated[int, Field(ge=0, le=MOST_TIMES)]
Dwelt = Annotated[float, Field(ge=0, le=MOST_SECONDS, allow_inf_nan=False)]


class ResponseShown(Request):
    """How one response was looked at."""

    seconds: Dwelt = 0.0
    opened: Times = Field(0, description="How often it came to be the one that is read.")
    end: bool = Field(False, description="Whether its end came into view.")
    raw: Times = Field(0, description="How often its raw text was switched.")
    compared: Times = 0


class Presentation(Request):
    """How the page was looked at, as a client measured it."""

    version: Literal[1]
    viewport: Literal["phone", "narrow", "wide"] = "wide"
    active_seconds: Dwelt = Field(0.0, description="Without the time in which nobody touched the page for a minute.")


class RankingPresentation(Presentation):
    """Of a ranking."""

    dwell: Literal["shown", "focus", "mixed"] | None = Field(
        None, description="What `seconds` of a response are: the time it alone was shown, or had the focus."
    )
    prompt_seconds: Dwelt = 0.0
    moves: Times = Field(0, description="Changes of the order by hand.")
    responses: dict[UUID, ResponseShown] = Field(default={}, max_length=9)


class AnswerPresentation(Presentation):
    """Of an answer."""

    edits: Times = Field(0, description="How many times the text was changed.")


def log_of(presentation: Presentation | None) -> dict[str, Any] | None:
    """As rules/presentations.py reads it: what was not told is left out."""
    return (
        presentation.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        if presentation is not None
        else None
    )
