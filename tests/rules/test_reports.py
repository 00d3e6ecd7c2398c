"""Reasons to skip and to report."""

from __future__ import annotations

import pytest

from app.models.columns import ReportReason
from app.rules import reports as rules


def test_what_concerns_the_prompt_is_what_the_table_of_reports_knows() -> None:
    assert {reason.key for reason in rules.REPORTABLE} == {str(reason) for reason in ReportReason}


@pytest.mark.parametrize(
    ("key", "note", "words"),
    [
        ("unclear", "", None),
        ("other", "The table is cut off.", None),
        ("other", "  ", "few words"),
        ("unclear", "x" * 401, "at most"),
        ("boring", "", "Choose"),
    ],
)
def test_a_reason_is_known_and_something_else_says_what(key: str, note: str, words: str | None) -> None:
    problem = rules.reason_problem(key, note)
    assert (problem is None) if words is None else (problem is not None and words in problem)


def test_what_speaks_of_the_labeler_reports_no_prompt() -> None:
    assert rules.reason_problem("knowledge", "", rules.REPORTABLE) is not None
    assert rules.kept_reason("other", " Cut off. ") == "other: Cut off."
    assert rules.kept_reason("unclear", "") == "unclear"
