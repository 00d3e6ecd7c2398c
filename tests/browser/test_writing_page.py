"""The writing page in a real browser: counting, reading as sent, keeping, sending once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Assignment, Demonstration, Project, User
from tests.browser.conftest import OpenContext
from tests.browser.content import ANSWER, LETTER, user
from tests.seed import add_writing_task, make_project, make_user

SignIn = Callable[[Page, User], None]


@pytest.fixture
def labeler(session: Session) -> User:
    return make_user(session, "mara")


@pytest.fixture
def project(session: Session, tmp_path: Path) -> Project:
    project = make_project(session, tmp_path / "base")
    add_writing_task(session, project, LETTER[0], priority=2)
    add_writing_task(session, project, [user("Why do leaves turn red?")], priority=1)
    session.commit()
    return project


def begin(page: Page, sign_in: SignIn, labeler: User, project: Project) -> None:
    sign_in(page, labeler)
    page.goto(f"/projects/{project.slug}/write")
    page.get_by_role("button", name="Next prompt").click()
    page.wait_for_url("**/assignments/*")


def test_scripts_write_numbers_in_the_readers_language(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    begin(page, sign_in, labeler, project)
    for code, written in (("en", "1,200"), ("de", "1.200")):
        page.context.add_cookies([{"name": "tutelage-language", "value": code, "url": page.url}])
        page.reload()
        page.locator("body[data-ready]").wait_for()
        page.locator("#answer").fill("Wort " * 1200)
        expect(page.locator("#words b")).to_have_text(written)


def test_an_answer_is_counted_previewed_kept_and_sent(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    begin(page, sign_in, labeler, project)
    page.locator("body[data-ready]").wait_for()
    expect(page.locator("#answer")).to_be_focused()
    page.locator("#answer").fill(ANSWER)
    expect(page.locator("#words")).to_have_text("93 of at most 120 words, as the prompt asks")
    page.keyboard.press("Alt+r")
    expect(page.locator("#read strong")).to_contain_text("On Tuesday, 9 March")
    expect(page.locator("#read li")).to_have_count(2)
    page.keyboard.press("Alt+r")
    expect(page.locator("#save")).to_have_attribute("data-is", "saved", timeout=15_000)
    page.evaluate("localStorage.clear()")
    page.reload()
    assert page.locator("#answer").input_value() == ANSWER
    page.locator("body[data-ready]").wait_for()
    first = page.url
    page.locator("#answer").press("Control+Enter")
    page.wait_for_url(lambda url: "/assignments/" in url and url != first)
    session.expire_all()
    stored = session.scalars(select(Demonstration)).one()
    assert stored.text == ANSWER
    assert stored.seconds is not None
    page.goto(first)
    expect(page.get_by_role("heading", name="You have sent this one.")).to_be_visible()


def test_letters_act_only_outside_of_the_text(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    begin(page, sign_in, labeler, project)
    page.locator("body[data-ready]").wait_for()
    page.locator("#answer").press_sequentially("skip my room?")
    assert page.locator("#answer").input_value() == "skip my room?"
    page.keyboard.press("Escape")
    page.keyboard.press("m")
    expect(page.locator("#guide")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#guide")).to_be_hidden()
    first = page.url
    page.keyboard.press("s")
    page.keyboard.press("1")
    page.wait_for_url(lambda url: "/assignments/" in url and url != first)
    session.expire_all()
    assert session.scalars(select(Assignment.skip_reason).order_by(Assignment.id)).first() == "unclear"


def test_letters_that_are_switched_off_do_nothing_here_either(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    """For those whose screen reader or voice control needs them; keys with Alt or Ctrl, Enter and ? go on working."""
    begin(page, sign_in, labeler, project)
    page.locator("body[data-ready]").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.get_by_label("Letters and digits act at once").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    page.locator("body[data-ready]").wait_for()
    page.locator("#answer").blur()
    for key in ("m", "s", "r"):
        page.keyboard.press(key)
    expect(page.locator("#guide:visible, dialog[open]")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_be_focused()
    page.keyboard.press("Alt+r")
    expect(page.locator("#read")).to_be_visible()
    page.keyboard.press("Alt+r")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.get_by_label("Letters and digits act at once").check()
    page.reload()
    page.locator("body[data-ready]").wait_for()
    page.locator("#answer").blur()
    page.keyboard.press("m")
    expect(page.locator("#guide")).to_be_visible()


def test_an_empty_answer_is_not_sent(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    begin(page, sign_in, labeler, project)
    page.locator("body[data-ready]").wait_for()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#hint")).to_have_text("Write an answer first, or skip the task.")


def test_without_scripts_a_form_writes(
    open_context: OpenContext, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    page, _ = open_context(scripts=False)
    begin(page, sign_in, labeler, project)
    first = page.url
    page.locator("#answer").fill("Be at home on Tuesday.")
    page.locator("#go").click()
    page.wait_for_url(lambda url: "/assignments/" in url and url != first)
    session.expire_all()
    assert session.scalars(select(Demonstration)).one().text == "Be at home on Tuesday."


def test_on_a_phone_prompt_and_text_fit(
    open_context: OpenContext, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    page, _ = open_context(390, 844, has_touch=True)
    begin(page, sign_in, labeler, project)
    page.locator("body[data-ready]").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.get_by_role("button", name="Send")).to_be_in_viewport()
