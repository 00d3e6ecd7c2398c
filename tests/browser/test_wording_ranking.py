"""The ranking page says nothing that cannot be translated, whatever she does on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.models import Slot, User
from app.rules.label_schemas import DEFAULT_PROMPT_FLAGS, DEFAULT_RESPONSE_FLAGS
from app.services import label_schemas
from tests.browser.conftest import Watch
from tests.browser.content import PANDAS, TWO
from tests.browser.test_ranking_page import Keys, SignIn, prepare, ready
from tests.seed import make_user
from tests.wording import forgotten, prose, speak_wide

DATA = ["Household helper", *(flag["label"] for flag in (*DEFAULT_RESPONSE_FLAGS, *DEFAULT_PROMPT_FLAGS))]


@pytest.fixture
def labeler(session: Session) -> User:
    user = make_user(session, "mara")
    session.commit()
    return user


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    speak_wide(monkeypatch)


def start(page: Page, session: Session, sign_in: SignIn, labeler: User, folder: Path, *, ratings: bool = True) -> None:
    """In a project that asks for all that there is to ask."""
    project = prepare(session, folder, PANDAS, TWO, improves_responses=True)
    fields = label_schemas.fields_of(label_schemas.current_schema(session, project.id))
    label_schemas.publish_schema(session, project, {**fields, "confidence": True, "ratings": ratings}, None)
    session.commit()
    sign_in(page, labeler)
    page.goto(f"/projects/{project.slug}/rank")
    page.locator("form[action$='/rank'] button").first.click()
    ready(page)


def left(page: Page) -> list[str]:
    """Texts in plain letters on the page as it stands, those that styles print too."""
    printed = page.evaluate("""() => [...document.querySelectorAll("body *")].flatMap((e) =>
      ["::before", "::after"].map((which) => getComputedStyle(e, which).content))
      .filter((text) => !["none", "normal"].includes(text))""")
    return forgotten([*prose(page.locator("body").evaluate("body => body.outerHTML")), *printed], DATA)


@pytest.mark.parametrize("ratings", [True, False])
def test_from_the_first_key_to_the_next_task(
    ratings: bool, page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    start(page, session, sign_in, labeler, tmp_path, ratings=ratings)
    keys, hint = Keys(page), page.locator("#hint")
    assert left(page) == []
    digits = ("3", "4", "2", "3") if ratings else ("2", "1", "3", "2")
    for step in (
        *digits,
        "Enter",
        "Shift+ArrowRight",
        "Shift+ArrowLeft",
        "Shift+Home",
        "Enter",
        "5",
        "Shift+1",
        "p",
        "x",
        "1",
    ):
        keys(step)
        assert left(page) == [], step
    keys("x", "j", "a", "Enter")
    expect(hint).not_to_be_empty()
    assert left(page) == []
    keys("Enter", "Enter")
    expect(page.locator("#announce")).to_contain_text("Ｓｅｎｔ")
    assert left(page) == []


def test_tools_keys_and_reports(page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path) -> None:
    start(page, session, sign_in, labeler, tmp_path)
    keys, said, told = Keys(page), page.locator("#said"), page.locator("#keys-said")
    for step in ("v", "b", "v", "t", "t", "Shift+t", "Shift+t"):
        keys(step)
        if step != "v":
            expect(said).not_to_be_empty()
        assert left(page) == [], step
    keys("?")
    change = page.locator("[data-command=guide] [data-change]")
    change.click()
    assert left(page) == []
    for key in ("Control+k", "Delete", "a", "5", "/", "Shift+l", "s", "F5", "CapsLock"):
        keys(key)
        assert left(page) == [], key
    keys("l")
    expect(told).to_contain_text("L.")
    assert left(page) == []
    expect(page.locator("[data-key=guide]").first).to_have_text("L")
    page.locator("#keys-reset").click()
    assert left(page) == []
    page.locator("#keys [data-close]").click()
    keys("r")
    page.locator("#report .pick .btn").first.click()
    expect(page.locator("#notice")).to_contain_text("Ｒｅｐｏｒｔｅｄ")
    assert left(page) == []


def test_without_a_connection_signed_out_and_overtaken(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path, watch: Watch
) -> None:
    watch.allow("ERR_INTERNET_DISCONNECTED", "401", "409", "Failed to load")
    start(page, session, sign_in, labeler, tmp_path)
    keys, notice = Keys(page), page.locator("#notice")
    page.context.set_offline(True)
    keys("6")
    expect(notice).to_be_visible()
    assert left(page) == []
    page.context.set_offline(False)
    expect(notice).to_be_hidden(timeout=15_000)
    cookies = page.context.cookies()
    page.context.clear_cookies()
    keys("5", "2", "6", "Enter", "Enter", "7", "Enter")
    expect(notice).to_be_visible()
    assert left(page) == []
    page.context.add_cookies(cookies)  # type: ignore[arg-type]  # as they were given
    session.execute(update(Slot).values(holder_id=make_user(session, "nell").id))
    session.commit()
    keys("Enter")
    expect(notice.locator("form button")).to_have_text("Ｎｅｘｔ ｔａｓｋ")
