"""What modules say in the browser can be translated too: the check of tests/routes/test_wording.py, with scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from app.models import User
from app.services import projects
from app.services.projects import ProjectDraft
from tests.browser.content import user
from tests.browser.test_loop_page import run_job
from tests.filled import SETTINGS, fill
from tests.seed import add_writing_task, make_project, make_user
from tests.wording import forgotten, prose, speak_wide

SignIn = Callable[[Page, User], None]
DATA = ["Mossbrook", "Mara", "Household helper", "Ada", "worker-1", "Hallucination"]


def left(page: Page, *parts: str) -> list[str]:
    """Texts in plain letters in these parts of the page as it stands."""
    html = "".join(str(page.locator(part).evaluate("part => part.outerHTML")) for part in parts)
    return forgotten(prose(html), DATA)


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    speak_wide(monkeypatch)


def ready(page: Page) -> None:
    page.locator("body[data-ready]").wait_for()


def test_the_writing_page_says_only_what_is_marked(page: Page, session: Session, wide: None, sign_in: SignIn) -> None:
    draft = ProjectDraft(name="Mossbrook", slug="mossbrook", base_model="starter/model", chat=True)
    project = projects.create_project(session, draft)
    prompt = "Explain to a child why bread rises, in at most 5 words, and say what is in the dough."
    add_writing_task(session, project, [user(prompt)])
    session.commit()
    sign_in(page, make_user(session, "mara"))
    page.goto("/projects/mossbrook/write")
    page.locator("form[action$='/write'] button").first.click()
    ready(page)
    parts, hints = ("#main", "footer.dock", "#keys"), page.locator("#hint")
    assert left(page, *parts) == []
    page.keyboard.press("Control+Enter")
    expect(hints).to_contain_text("Ｗｒｉｔｅ")
    assert left(page, *parts) == []
    page.keyboard.type("Η μαγιά τρώει τη ζάχαρη και βγάζει φυσαλίδες που φουσκώνουν το ζυμάρι.")
    expect(page.locator("#told li")).to_have_count(1, timeout=15_000)
    assert left(page, *parts) == []
    page.keyboard.press("Alt+t")
    page.keyboard.press("Alt+t")
    page.keyboard.press("Alt+u")
    page.keyboard.press("Alt+z")
    assert left(page, *parts) == []
    page.keyboard.press("Alt+Shift+t")
    expect(hints.locator("kbd")).to_have_text("Alt Z")
    assert left(page, *parts) == []
    page.keyboard.press("Alt+r")
    expect(page.locator("#read")).to_be_visible()
    assert left(page, *parts) == []


def test_writing_a_prompt_says_only_what_is_marked(page: Page, session: Session, wide: None, sign_in: SignIn) -> None:
    draft = ProjectDraft(
        name="Mossbrook", slug="mossbrook", base_model="starter/model", labelers_write_prompts=True,
        use_case_texts=["Κήπος"],
    )  # fmt: skip
    projects.create_project(session, draft)
    session.commit()
    sign_in(page, make_user(session, "mara"))
    for kind in ("plain", "user_based", "few_shot"):
        page.goto(f"/projects/mossbrook/prompts/write?kind={kind}")
        ready(page)
        field = "#instruction" if kind == "few_shot" else "#text"
        page.locator(field).fill("1 2 3")
        expect(page.locator("#kept")).not_to_be_empty()
        assert left(page, "body") == []
        page.reload()
        ready(page)
        assert left(page, "body") == []


def test_a_job_that_runs_says_only_what_is_marked(
    page: Page, session: Session, wide: None, sign_in: SignIn, tmp_path: Path
) -> None:
    project = make_project(session, tmp_path / "base", name="Household helper")
    job = run_job(session, project, 40)
    sign_in(page, make_user(session, "ada", "admin"))
    for path in (f"/projects/{project.slug}", f"/jobs/{job.id}"):
        page.goto(path)
        expect(page.locator(".curve canvas").first).to_be_visible()
        page.locator(".curve .u-over").first.hover()
        expect(page.locator("[data-line]")).to_contain_text("40")
        assert left(page, "body") == []


def test_a_review_says_only_what_is_marked(
    page: Page, session: Session, wide: None, sign_in: SignIn, tmp_path: Path
) -> None:
    project = make_project(session, tmp_path / "base", **SETTINGS)
    sign_in(page, fill(session, project)["Rosa"])
    page.goto(f"/projects/{project.slug}/review")
    page.locator("form[action$='/review'] button").click()
    ready(page)
    parts, hint = ("#main, #stage", "#task", "#keys"), page.locator("#hint")
    assert left(page, *parts) == []
    page.keyboard.press("Enter")
    expect(hint).to_contain_text("Ｃｈｏｏｓｅ")
    page.keyboard.press("4")
    expect(page.locator("#go")).to_contain_text("Ｏｒｄｅｒ")
    page.keyboard.press("1")
    page.keyboard.press("Control+Enter")
    expect(hint).to_contain_text("Ｓａｙ")
    assert left(page, *parts) == []
