"""The presentation log of a label: how its page was looked at. Asked by services when a label is stored.

A browser measured it, so it is checked strictly and believed as far as that goes. A log that does not fit never costs
a label: what is stored then is that one was dropped, and why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

MOST_SECONDS, MOST_TIMES = 86_400, 100_000
VIEWPORTS = ("phone", "narrow", "wide")
DWELLS = ("shown", "focus", "mixed")
SHARED = ("version", "viewport", "active_seconds")
OF_RANKING = (*SHARED, "dwell", "prompt_seconds", "moves", "responses")
OF_RESPONSE = ("seconds", "opened", "end", "raw", "compared")
OF_ANSWER = (*SHARED, "edits")


def clean_presentation(log: Any, responses: Sequence[str] | None) -> dict[str, Any] | None:
    """What is stored of a log; `responses` are the ids of the task, None where an answer was written."""
    if log is None:
        return None
    problem = presentation_problem(log, responses)
    return {"version": 1, "dropped": problem} if problem else dict(log)


def presentation_problem(log: Any, responses: Sequence[str] | None) -> str | None:
    """Why a log cannot be stored, or None."""
    if not isinstance(log, dict):
        return "not an object"
    known = OF_ANSWER if responses is None else OF_RANKING
    if any(name not in known for name in log):
        return "an unknown member"
    if log.get("version") != 1:
        return "not version 1"
    if log.get("viewport", "wide") not in VIEWPORTS or log.get("dwell", "focus") not in DWELLS:
        return "an unknown word"
    if not all(_is_time(log.get(name, 0)) for name in ("active_seconds", "prompt_seconds")):
        return "not a time"
    if not all(_is_count(log.get(name, 0)) for name in ("moves", "edits")):
        return "not a count"
    return _responses_problem(log.get("responses", {}), responses or ())


def _responses_problem(found: Any, responses: Sequence[str]) -> str | None:
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        return "responses are not objects"
    if any(key not in responses for key in found):
        return "a response of another task"
    for one in found.values():
        if any(name not in OF_RESPONSE for name in one):
            return "an unknown member of a response"
        if not _is_time(one.get("seconds", 0)) or not isinstance(one.get("end", False), bool):
            return "not a time of a response"
        if not all(_is_count(one.get(name, 0)) for name in ("opened", "raw", "compared")):
            return "not a count of a response"
    return None


def _is_time(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and 0 <= value <= MOST_SECONDS


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TIMES


def seconds_by_position(log: Mapping[str, Any] | None, order_shown: Sequence[str]) -> list[float | None]:
    """How long each place had the reader, in the order shown; None where the log does not say."""
    responses = (log or {}).get("responses") or {}
    return [(responses.get(key) or {}).get("seconds") for key in order_shown]
