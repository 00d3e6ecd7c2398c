"""The presentation log: what is believed of it, and what drops it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from app.rules.presentations import clean_presentation, seconds_by_position

IDS = ["a", "b"]
LOG: dict[str, Any] = {
    "version": 1, "viewport": "wide", "active_seconds": 61, "dwell": "focus", "prompt_seconds": 5, "moves": 2,
    "responses": {"a": {"seconds": 12, "opened": 2, "end": True, "raw": 1, "compared": 0}, "b": {"seconds": 3.5}},
}  # fmt: skip


def test_a_log_that_fits_is_kept_as_it_is() -> None:
    assert clean_presentation(LOG, IDS) == LOG
    answer = {"version": 1, "viewport": "phone", "active_seconds": 3, "edits": 40}
    assert clean_presentation(answer, None) == answer
    assert clean_presentation(None, IDS) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": 2}, "version"),
        ({"viewport": "cinema"}, "word"),
        ({"dwell": "guess"}, "word"),
        ({"active_seconds": -1}, "time"),
        ({"active_seconds": math.nan}, "time"),
        ({"active_seconds": 1e9}, "time"),
        ({"active_seconds": "61"}, "time"),
        ({"active_seconds": True}, "time"),
        ({"moves": -1}, "count"),
        ({"moves": 1.5}, "count"),
        ({"moves": 10**9}, "count"),
        ({"secret": 1}, "unknown member"),
        ({"edits": 3}, "unknown member"),
        ({"responses": []}, "objects"),
        ({"responses": {"a": 3}}, "objects"),
        ({"responses": {"c": {}}}, "another task"),
        ({"responses": {"a": {"seconds": -0.1}}}, "time of a response"),
        ({"responses": {"a": {"end": 1}}}, "time of a response"),
        ({"responses": {"a": {"opened": None}}}, "count of a response"),
        ({"responses": {"a": {"model": "x"}}}, "unknown member of a response"),
    ],
)
def test_a_log_that_does_not_fit_is_dropped_with_a_note(change: dict[str, Any], why: str) -> None:
    dropped = clean_presentation(LOG | change, IDS)
    assert dropped is not None
    assert set(dropped) == {"version", "dropped"}
    assert why in dropped["dropped"]


@pytest.mark.parametrize("log", [[], "x", 3, True, {}])
def test_what_is_no_log_is_dropped(log: Any) -> None:
    dropped = clean_presentation(log, IDS)
    assert dropped is not None
    assert "dropped" in dropped


def test_times_are_read_by_place() -> None:
    assert seconds_by_position(LOG, ["b", "a"]) == [3.5, 12]
    assert seconds_by_position(None, ["b", "a"]) == [None, None]
    assert seconds_by_position({"version": 1, "dropped": "not a time"}, ["b"]) == [None]
