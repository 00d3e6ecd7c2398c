"""No page says anything that cannot be translated: every text is marked (tests/wording.py)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from app.models import Project
from app.rules.label_schemas import DEFAULT_PROMPT_FLAGS, DEFAULT_RESPONSE_FLAGS
from app.settings import ROOT
from tests.routes.conftest import Person
from tests.wording import forgotten, prose, speak_wide, unmarked, widen

TEMPLATES = sorted(path.relative_to(ROOT / "templates") for path in (ROOT / "templates").rglob("*.html"))
# Folders whose texts are still to be marked; take out a name when its templates are done.
EXCUSED: set[str] = set()


@pytest.mark.parametrize("path", TEMPLATES, ids=str)
def test_every_text_of_a_template_is_marked(path: Path) -> None:
    if path.parts[0] in EXCUSED:
        pytest.skip("its texts are still to be marked")
    assert unmarked((ROOT / "templates" / path).read_text()) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<p>Good day</p>", ["Good day"]),
        ("<p>{% if yes %}{{ _('Good') }}{% else %}Bad{% endif %}</p>", ["0Bad"]),
        ("<a title='Open it'>{{ 3 }}</a>", ["Open it"]),
        ("{{ 'person' if n == 1 else 'people' }}", ["0person|people"]),
        ("<p class=\"{{ 'good' if n else 'bad' }}\">{{ n }}</p>", []),
        ("{{ {'a': 'done'}[key] }}", ["0done"]),
        ("{% for name in [('a', 'A name')] %}{{ name }}{% endfor %}", ["A name"]),
        ("{{ field('name', 'Its name') }}", ["Its name"]),
        ("{% trans n=3 %}{{ n }} <b>labels</b>{% endtrans %} <kbd>Enter</kbd>{{ _('Send') }}", []),
    ],
)
def test_a_text_that_is_not_marked_is_found(source: str, found: list[str]) -> None:
    assert unmarked(source) == found


def test_wide_letters_leave_placeholders_and_markup_alone() -> None:
    assert widen('<a href="%(url)s">Go</a> 5 %% &lt;') == '<a href="%(url)s">Ｇｏ</a> 5 %% &lt;'
    assert forgotten(["Ｇｏ to Marta", "Ｇｏ"], ["Marta"]) == ["Ｇｏ to Marta"]


OPEN_PAGES = ["/sign-in", "/invitations/{token}", "/nothing-here"]
PAGES = [
    "/projects/{slug}",
    "/projects/{slug}/data",
    "/projects/{slug}/labels/demonstration",
    "/projects/{slug}/labels/ranking",
    "/projects/{slug}/prompts",
    "/projects/{slug}/pretraining?imported=true",
    "/pretraining-sets/{set_id}",
    "/projects/{slug}/prompts/write",
    "/projects/{slug}/prompts/write?kind=few_shot&stored=2",
    "/projects/{slug}/checkpoints",
    "/projects/{slug}/rounds",
    "/projects/{slug}/rounds/new",
    "/projects/{slug}/guidelines",
    "/projects/{slug}/label-schema?saved=true",
    "/checkpoints/{checkpoint_id}",
    "/projects/{slug}/ai",
    "/projects/{slug}/ai-labels",
    "/projects/{slug}/ai-labels?kind=demonstration",
    "/ai-labels/{ai_label_id}",
    "/snapshots/{snapshot_id}",
    "/jobs/{job_id}",
    "/nothing-here",
    "/projects/new",
    "/projects/{slug}/settings?saved=true",
    "/projects/{slug}/labelers?marked=true",
    "/projects/{slug}/gold-items/new",
    "/projects/{slug}/gold-items/new?before=1",
    "/comparisons/{comparison_id}/gold",
    "/projects/{slug}/positions",
    "/projects/{slug}/positions?simulated=true",
    "/projects/{slug}/reports",
    "/projects/{slug}/reports?state=answered",
    "/projects/{slug}/review",
    "/projects/{slug}/reviews",
    "/projects/{slug}/reviews?state=done",
    "/me/work",
    "/users",
    "/account",
]
FLAGS = [text for flag in (*DEFAULT_RESPONSE_FLAGS, *DEFAULT_PROMPT_FLAGS) for text in (flag["label"], flag["key"])]
COLUMNS = ["prompt / completion", "prompt / chosen / rejected"]  # of an export, as its rows name them
DATA = [
    "Village",
    "village",
    "Ada",
    "Scratch",
    "scratch",
    "config.json",
    "model.safetensors",
    "flag_1",
    "UP",
    "ada",
    '{"sft": {"epochs": 4}, "ppo": {"kl_target": 6}}',
    *FLAGS,
    *COLUMNS,
]


def test_pages_of_a_project_say_only_what_is_marked(
    client: TestClient,
    session: Session,
    world: dict[str, Any],
    admin: Person,
    sign_in: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = session.query(Project).one()
    project.labelers_write_prompts = True
    session.commit()
    speak_wide(monkeypatch)
    said: dict[str, list[str]] = {}
    for path in [*OPEN_PAGES, None, *PAGES]:
        if path is None:
            sign_in(admin.user)
            continue
        answer = client.get(path.format(**world))
        assert answer.status_code in (200, 404), path
        texts = prose(answer.text)
        assert any("Ｔ" in text or "ｅ" in text for text in texts), path
        if left := forgotten(texts, DATA):
            said[path] = left
    assert said == {}


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/projects/village/prompts/write", {"kind": "few_shot", "pair.1.query": "9"}),
        ("/projects/village/prompts/write", {"kind": "user_based"}),
        ("/projects/village/label-schema", {"response_flags": "UP: 2\n1: 3\n1: 3"}),
        ("/projects/village/guidelines", {"text": " "}),
        ("/jobs/{job_id}/cancel", {}),
        ("/invitations/{token}", {"password": "1", "repeated": "2"}),
        ("/invitations/{token}", {"password": "1", "repeated": "1"}),
        ("/sign-out/never", {}),
    ],
)
def test_refusals_say_only_what_is_marked(
    path: str,
    form: dict[str, str],
    client: TestClient,
    session: Session,
    world: dict[str, Any],
    admin: Person,
    sign_in: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session.query(Project).one().labelers_write_prompts = True
    session.commit()
    sign_in(admin.user)
    speak_wide(monkeypatch)
    answer = client.post(path.format(**world), data=form)
    assert answer.status_code >= 400
    assert forgotten(prose(answer.text), DATA) == []
