"""Ranking and writing as a screen reader tells them: landmarks, headings in order, names, and what is spoken when."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from app.models import User
from tests.browser.axe import OF_COLOURS, violations
from tests.browser.conftest import Watch
from tests.browser.content import LETTER, PANDAS, TWO
from tests.browser.test_ranking_page import Keys, SignIn, begin, only_ranking, prepare, sent
from tests.seed import add_writing_task, make_project, make_user

LISTEN = """() => {
  window.spoken = [];
  const live = (e) => e?.closest?.("[role=status], [role=alert]");
  new MutationObserver((records) => {
    const regions = records.map((r) => live(r.target.nodeType === 3 ? r.target.parentElement : r.target));
    for (const e of new Set(regions.filter(Boolean)))
      if (!e.hidden && e.textContent.trim()) window.spoken.push(e.textContent.trim().replace(/\\s+/g, " "));
  }).observe(document.documentElement,
    { childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ["hidden"] });
}"""


@pytest.fixture
def labeler(session: Session) -> User:
    made = make_user(session, "mara")
    session.commit()
    return made


def spoken(page: Page) -> list[str]:
    """What live regions said since the last time."""
    page.wait_for_timeout(50)
    return list(page.evaluate("window.spoken.splice(0)"))


def headings(page: Page) -> list[int]:
    return list(
        page.evaluate(
            """() => [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter((e) => e.checkVisibility())
                 .map((e) => Number(e.tagName[1]))"""
        )
    )


def test_the_ranking_page_has_landmarks_headings_and_names(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    expect(page.get_by_role("banner")).to_have_count(1)
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("contentinfo")).to_have_count(1)
    expect(page.get_by_role("link", name="Skip to the content")).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_text("Rank 4 responses")
    levels = headings(page)
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels
    expect(page.get_by_role("region", name="Prompt")).to_have_count(1)
    for letter in "ABCD":
        response = page.get_by_role("article", name=f"Response {letter}, not rated")
        expect(response.get_by_role("heading", level=2)).to_have_text(f"Response {letter}")
        ratings = response.get_by_role("radiogroup", name=f"Overall quality of {letter}, 1 poor to 7 excellent")
        expect(ratings.get_by_role("radio")).to_have_count(7)
        expect(ratings.get_by_role("radio", name="7")).to_have_count(1)
    expect(page.get_by_role("list", name="Order so far, best first")).to_have_count(1)
    expect(page.get_by_role("button", name="Rate 4 more Enter")).to_have_count(1)


def test_ranks_saving_errors_and_the_next_task_are_spoken(
    page: Page, watch: Watch, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    watch.allow("ERR_INTERNET_DISCONNECTED", "Failed to load resource")
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS, TWO))
    page.evaluate(LISTEN)
    press = Keys(page)
    press("6")
    expect(page.get_by_role("article", name="Response A, rated 6")).to_have_count(1)
    assert spoken(page)[-1] == "Rate B, 1 poor to 7 excellent"
    press("5", "2", "6")
    assert any("All rated." in each for each in spoken(page))
    press("Enter")
    assert any("Proposed by your ratings." in each for each in spoken(page))
    expect(page.get_by_role("article", name="Response A, rated 6, 1st, 2 tied")).to_have_count(1)
    press("Shift+ArrowRight")
    assert any("Your order." in each or "stands above" in each for each in spoken(page))
    expect(page.get_by_role("article", name="Response A, rated 6, 2nd")).to_have_count(1)
    expect(page.get_by_role("article", name="Response D, rated 6, 1st")).to_have_count(1)
    press("Enter")
    assert any("Order confirmed." in each for each in spoken(page))
    page.context.set_offline(True)
    press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("No connection.")
    said = spoken(page)
    assert any("Sending." in each for each in said)
    assert any("No connection." in each and "kept in this browser" in each for each in said)
    page.context.set_offline(False)
    expect(page.locator(".resp")).to_have_count(2)
    assert "Sent. Next task: Rank 2 responses." in spoken(page)
    expect(page.get_by_role("article", name="Response A, not rated")).to_be_focused()


def test_a_walk_by_tab_and_arrows_alone_ranks(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    """With the letter keys switched off, as people do who dictate or whose screen reader needs the letters."""
    ids = begin(page, sign_in, labeler, prepare(session, tmp_path, TWO, responses_per_prompt=2))
    press = Keys(page)
    press("?")
    page.get_by_label("Letters and digits act at once").uncheck()
    press("Escape")
    for letter, presses in (("A", 3), ("B", 1)):
        page.get_by_role("article", name=f"Response {letter}, not rated").focus()
        while not page.evaluate("document.activeElement.matches('.rate input')"):
            press("Tab")
        press("Space", *["ArrowRight"] * presses)
    press("Enter", "Enter", "Enter")
    sent(page)
    assert [only_ranking(session).ratings[key]["overall"] for key in ids] == [4, 2]


def test_no_state_of_the_ranking_page_has_a_violation(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    press, found = Keys(page), list[str]()
    states: dict[str, tuple[str, ...]] = {
        "flag menu": ("x",),
        "flagged": ("1", "x"),
        "prompt and its flags": ("p", "x"),
        "back": ("Escape", "a"),
        "raw": ("t",),
        "compared": ("t", "v", "b"),
        "guidelines": ("v", "m"),
        "reason": ("m", "n"),
        "keys": ("Escape", "?"),
        "skip": ("Escape", "s"),
        "lined up": ("Escape", "6", "5", "2", "6", "Enter"),
        "confirmed": ("Enter",),
    }
    for name, keys in states.items():
        press(*keys)
        for theme, rules in (("light", None), ("dark", OF_COLOURS)):
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # one of the two that it takes
            found += [f"{theme}, {name}: {each}" for each in violations(page, rules)]
    assert not found, "\n".join(found)


def test_the_writing_page_tells_what_it_notices_and_what_it_refuses(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    project = make_project(session, tmp_path / "base")
    add_writing_task(session, project, LETTER[0])
    session.commit()
    sign_in(page, labeler)
    page.goto(f"/projects/{project.slug}/write")
    page.get_by_role("button", name="Next prompt").click()
    page.locator("body[data-ready]").wait_for()
    page.evaluate(LISTEN)
    expect(page.get_by_role("region", name="Prompt")).to_have_count(1)
    expect(page.get_by_role("region", name="Your answer")).to_have_count(1)
    expect(page.get_by_role("textbox", name="Your answer")).to_be_focused()
    levels = headings(page)
    assert all(after <= before + 1 for before, after in pairwise(levels)), levels
    page.keyboard.press("Control+Enter")
    assert "Write an answer first, or skip the task." in spoken(page)
    page.keyboard.type("Eh?")
    expect(page.get_by_role("status", name="Noticed about your answer")).to_contain_text("Very short")
    assert any("Very short" in each for each in spoken(page))
