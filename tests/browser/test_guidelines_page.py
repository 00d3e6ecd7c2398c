"""Guidelines: read before the first task, read again with what has changed, published by an admin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Assignment, GuidelineReading, Project
from app.services import guidelines
from tests.browser.conftest import OpenContext
from tests.browser.content import PANDAS, TWO
from tests.seed import add_ranking_task, make_project, make_user

SignIn = Callable[..., None]


@pytest.fixture
def project(session: Session, tmp_path: Path) -> Project:
    project = make_project(session, tmp_path / "base")
    guidelines.publish_guideline(session, project, "Rate each response alone.\n\nTie freely.")
    add_ranking_task(session, project, PANDAS)
    add_ranking_task(session, project, TWO)
    session.commit()
    return project


def test_guidelines_are_read_before_the_first_task(
    page: Page, session: Session, sign_in: SignIn, project: Project
) -> None:
    lena = make_user(session, "lena")
    sign_in(page, lena, has_read=False)
    page.goto(f"/projects/{project.slug}/rank")
    page.get_by_role("button", name="Next ranking").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Please read this before your first task.")
    assert session.scalars(select(Assignment)).all() == []
    page.get_by_role("button", name="I have read this, go on").press("Enter")
    expect(page.locator(".resp").first).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_change_is_shown_word_by_word_and_read_before_the_next_task(
    open_context: OpenContext, session: Session, sign_in: SignIn, project: Project, scripts: bool
) -> None:
    page, _ = open_context(390, 844, scripts=scripts)
    sign_in(page, make_user(session, "lena"))
    changed = guidelines.publish_guideline(session, project, "Rate every response alone.\n\nTie freely.\n\nBe quick.")
    session.commit()
    page.goto(f"/projects/{project.slug}/rank")
    page.get_by_role("button", name="Next ranking").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The guidelines have changed.")
    changes = page.get_by_role("region", name="What changed since version 2")
    expect(changes.locator("ins")).to_have_text(["every", "Be quick."])
    expect(changes.locator("del")).to_have_text(["each"])
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="I have read version 3, go on").click()
    page.wait_for_url("**/assignments/*")
    assert session.scalars(select(Assignment.guideline_version)).one() == changed.version
    read = session.scalars(select(GuidelineReading.guideline_id)).all()
    assert changed.id in read


def test_an_admin_publishes_and_a_refused_text_is_kept(
    page: Page, session: Session, sign_in: SignIn, project: Project, watch: object
) -> None:
    sign_in(page, make_user(session, "ada", "admin"))
    watch.allow("422")  # type: ignore[attr-defined]
    page.goto(f"/projects/{project.slug}/guidelines")
    page.get_by_role("button", name="Publish version 3").click()
    expect(page.get_by_role("alert")).to_contain_text("word for word")
    page.get_by_label("What labelers are asked to do").fill("Rate each response alone, and kindly.")
    page.get_by_role("button", name="Publish version 3").click()
    expect(page.locator("table")).to_contain_text("version 3")
    page.get_by_role("link", name="version 1").click()
    expect(page.get_by_role("link", name="Version 3", exact=True)).to_be_visible()
