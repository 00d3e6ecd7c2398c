"""What the script of an item says can be translated, and it follows the reader's language."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from app.models import User
from app.rules.label_schemas import DEFAULT_RESPONSE_FLAGS
from tests.browser.conftest import OpenContext
from tests.qualifying import ITEMS, RUDE, make_qualification
from tests.seed import make_project, make_user
from tests.wording import forgotten, prose, speak_wide

SignIn = Callable[..., None]
DATA = ["Household helper", "Lena", "lena", *[flag["label"] for flag in DEFAULT_RESPONSE_FLAGS]]


def begin(page: Page, session: Session, sign_in: Callable[[Page, User], None], folder: Path) -> None:
    project = make_project(session, folder / "base", name="Household helper")
    make_qualification(session, project, make_user(session, "ada", "admin"), items=ITEMS[:3])
    lena = make_user(session, "lena", name="Lena")
    session.commit()
    sign_in(page, lena)
    page.goto(f"/projects/{project.slug}/qualification")
    page.locator(".qual-card form button").click()
    page.locator("body[data-ready]").wait_for()


def test_an_item_with_its_script_says_only_what_is_marked(
    page: Page, session: Session, monkeypatch: pytest.MonkeyPatch, sign_in: SignIn, tmp_path: Path
) -> None:
    speak_wide(monkeypatch)
    begin(page, session, sign_in, tmp_path)
    page.keyboard.press("2")
    expect(page.locator("#save")).to_have_text("Ｓａｖｅｄ")
    assert forgotten(prose(page.locator("body").evaluate("body => body.outerHTML")), DATA) == []
    page.keyboard.press("Enter")
    expect(page.locator(".differs").first).to_be_visible()
    assert forgotten(prose(page.locator("body").evaluate("body => body.outerHTML")), DATA) == []
    mark = page.locator(".differs th").first.evaluate("cell => getComputedStyle(cell, '::after').content")
    assert mark == '"ｄｉｆｆｅｒｓ"'


def test_an_item_speaks_german_where_the_browser_does(
    open_context: OpenContext, session: Session, sign_in: SignIn, tmp_path: Path
) -> None:
    page, _ = open_context(390, 844, locale="de-DE")
    begin(page, session, sign_in, tmp_path)
    expect(page.get_by_text(RUDE)).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Was davon trifft auf die Antwort zu?")
    page.keyboard.press("1")
    expect(page.locator("#save")).to_have_text("Gespeichert")
    page.get_by_role("button", name="Mit dem Forschungsteam vergleichen").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sie stimmen in jedem Kästchen überein.")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
