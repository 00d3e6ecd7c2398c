"""The check of test_wording.py on pages that have something to show: labels, figures, reviews and reports."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Ranking, Review
from app.security import cookie_name
from app.services import sign_ins
from tests.filled import NAMES, SETTINGS, fill
from tests.routes.test_wording import FLAGS
from tests.seed import make_project
from tests.wording import forgotten, prose, speak_wide

DATA = [*FLAGS, *NAMES, *(name.lower() for name in NAMES), "Village", "village", "Europe/Athens"]
DATA += ['{"sft": {"epochs": 4}, "ppo": {"kl_target": 6}}']


def test_pages_with_labels_say_only_what_is_marked(
    client: TestClient, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(session, tmp_path / "base", name="Village", **SETTINGS)
    people = fill(session, project)
    session.commit()
    home, ranking = f"/projects/{project.slug}", session.scalars(select(Ranking)).first()
    comparison = session.scalar(select(Ranking.comparison_id).where(Ranking.purpose == "gold"))
    decided = session.scalars(select(Review.id).where(Review.decided_at.is_not(None)))
    assert ranking is not None
    paths = {
        "Ada": [f"{home}/labelers", f"{home}/gold-items/new", f"/comparisons/{comparison}/gold", f"{home}/positions",
                f"/comparisons/{ranking.comparison_id}/gold?ranking={ranking.id}",
                f"{home}/reports", f"{home}/reports?state=answered", f"{home}/reviews", f"{home}/reviews?state=done",
                "/users", "/account", f"{home}/settings"],
        "Rosa": [f"{home}/review", *(f"/reviews/{one}" for one in decided)],
        "Walburga": ["/me/work", "/me/work?zone=Europe/Athens"],
    }  # fmt: skip
    speak_wide(monkeypatch)
    said: dict[str, list[str]] = {}
    for name, visited in paths.items():
        client.cookies.set(cookie_name(), sign_ins.start_session(session, people[name]))
        session.commit()
        for path in visited:
            answer = client.get(path)
            assert answer.status_code == 200, path
            if left := forgotten(prose(answer.text), DATA):
                said[path] = left
    assert said == {}
