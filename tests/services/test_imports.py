from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import Invalid
from app.models import Demonstration, Project, Prompt, Slot
from app.services import demonstrations, prompts


def count(session: Session, table: type) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def test_bad_rows_are_named_by_line_and_nothing_stays(session: Session, make_project: Callable[..., Project]) -> None:
    project = make_project(prompt_count=0)
    lines = [b'{"prompt": "Good?"}', b"{not json", b"", b'{"prompt": "Good too?", "split": "odd"}', b"\xff"]
    with pytest.raises(Invalid) as refused:
        prompts.import_prompts(session, project, lines)
    session.rollback()
    assert [error["line"] for error in refused.value.extra["errors"]] == [2, 4, 5]
    assert count(session, Prompt) == 0


def test_known_prompts_are_passed_over(session: Session, make_project: Callable[..., Project]) -> None:
    project = make_project(prompt_count=3)
    lines = [b'{"prompt": "Question 1?"}', b'{"prompt": "New?"}']
    assert prompts.import_prompts(session, project, lines) == 1
    assert count(session, Prompt) == count(session, Slot) == 4


def test_too_long_a_line_is_refused(
    session: Session, make_project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(prompt_count=0)
    from app.settings import get_settings

    monkeypatch.setattr(get_settings(), "import_line", 2000)
    with pytest.raises(Invalid) as refused:
        prompts.import_prompts(session, project, [json.dumps({"prompt": "x" * 3000}).encode()])
    assert "longer than" in refused.value.extra["errors"][0]["message"]


def test_imported_demonstration_fills_its_prompts_slot(session: Session, make_project: Callable[..., Project]) -> None:
    project = make_project(prompt_count=1)
    rows = [{"prompt": "Question 0?", "response": "Yes."}, {"prompt": "Another?", "response": "No."}]
    assert demonstrations.import_demonstrations(session, project, [json.dumps(r).encode() for r in rows]) == 2
    assert count(session, Prompt) == 2
    assert count(session, Demonstration) == 2
    open_slots = select(func.count()).select_from(Slot).where(Slot.submitted_at.is_(None))
    assert session.scalar(open_slots) == 0
