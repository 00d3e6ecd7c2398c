"""What the ranking page asks beside the order: flags of the prompt and how sure she is."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Assignment, Project, User
from app.services import label_schemas
from tests.browser.conftest import OpenContext
from tests.browser.content import NINE, PANDAS, Example
from tests.browser.test_ranking_page import Keys, SignIn, begin, only_ranking, prepare, ready, sent
from tests.seed import make_user


@pytest.fixture
def labeler(session: Session) -> User:
    user = make_user(session, "mara")
    session.commit()
    return user


def prepare_asking(session: Session, folder: Path, example: Example, **settings: object) -> Project:
    """A project that asks for confidence, with one task."""
    project = prepare(session, folder, example, **settings)
    fields = label_schemas.fields_of(label_schemas.current_schema(session, project.id))
    label_schemas.publish_schema(session, project, {**fields, "confidence": True}, None)
    session.commit()
    return project


def test_prompt_flags_by_keyboard(page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    Keys(page)("p", "x", "1", "8", "8", "9", "x", "Shift+2", "p")
    expect(page.locator("#P .chip")).to_have_text(["Ambiguous", "Sensitive", "Intent unclear"])
    expect(page.locator("#P")).to_have_attribute("aria-label", "Prompt, Ambiguous, Sensitive, Intent unclear")
    page.get_by_role("button", name="Remove flag: Sensitive").click()
    Keys(page)("a", "6", "5", "2", "6", "Enter", "Enter", "Enter")
    sent(page)
    assert only_ranking(session).prompt_flags == ["ambiguous", "unclear_intent"]


def test_four_responses_with_confidence_take_eight_keys(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare_asking(session, tmp_path, PANDAS))
    expect(page.locator("#sure")).to_be_hidden()
    keys = Keys(page)
    keys("6", "5", "2", "6", "Enter")
    expect(page.locator("#sure")).to_be_visible()
    keys("Enter")
    expect(page.locator("#sure")).to_be_focused()
    keys("7", "Enter")
    sent(page)
    assert keys.count == 8
    ranking = only_ranking(session)
    assert (ranking.confidence, ranking.schema_version) == (7, 2)


def test_nine_responses_with_confidence_by_keyboard_alone(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    ids = begin(page, sign_in, labeler, prepare_asking(session, tmp_path, NINE, responses_per_prompt=9))
    Keys(page)("7", "6", "5", "4", "3", "2", "1", "1", "7", "Enter", "Enter", "9", "Enter")
    sent(page)
    ranking = only_ranking(session)
    assert ranking.tiers == [[ids[0], ids[8]], *[[key] for key in ids[1:6]], [ids[6], ids[7]]]
    assert ranking.confidence == 9


def test_nothing_is_sent_without_the_confidence_that_is_asked(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare_asking(session, tmp_path, PANDAS))
    keys = Keys(page)
    keys("6", "5", "2", "6", "Enter", "Enter", "Enter", "Enter")
    expect(page.locator("#go")).to_contain_text("Say how sure")
    expect(page.locator("#hint")).to_contain_text("How sure are you?")
    keys("a", "4")  # a digit on a response is its rating, and asks for the confirmation again
    expect(page.locator("#go")).to_contain_text("Confirm order")
    expect(page.locator("[data-letter=A] .rate input:checked")).to_have_value("4")
    expect(page.locator("#sure input:checked")).to_have_count(0)
    keys("u", "3", "5")  # the key leads there at once; the last digit counts
    expect(page.locator("#sure input:checked")).to_have_value("5")
    keys("Enter", "Enter")
    sent(page)
    assert only_ranking(session).confidence == 5


def test_confidence_with_a_pointer_and_with_tab_and_arrows(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare_asking(session, tmp_path, PANDAS))
    Keys(page)("6", "5", "2", "6", "Enter")
    page.locator("#sure label").nth(7).click()
    expect(page.locator("#sure input:checked")).to_have_value("8")
    expect(page.locator("#go")).to_contain_text("Confirm order")
    page.locator("[data-letter=B] h2").click()
    page.locator("#sure input:checked").focus()  # as Tab brings it
    Keys(page)("ArrowLeft", "ArrowLeft", "4")
    expect(page.locator("#sure input:checked")).to_have_value("4")
    expect(page.locator("[data-letter=B] .rate input:checked")).to_have_value("5")


def test_a_draft_keeps_prompt_flags_and_confidence(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare_asking(session, tmp_path, PANDAS))
    Keys(page)("p", "Shift+4", "p", "6", "5", "2", "6", "Enter", "Enter", "6")
    expect(page.locator("#save")).to_have_attribute("data-is", "saved", timeout=15_000)
    session.expire_all()
    draft = session.scalars(select(Assignment)).one().draft
    assert draft is not None
    assert (draft["prompt_flags"], draft["confidence"]) == (["closed_domain"], 6)
    page.evaluate("localStorage.clear()")  # from the server, not from this browser
    page.reload()
    ready(page)
    expect(page.locator("#P .chip")).to_have_text("Closed domain")
    expect(page.locator("#sure input:checked")).to_have_value("6")
    Keys(page)("z")
    expect(page.locator("#go")).to_contain_text("Send")


def test_without_scripts_the_form_asks_for_prompt_flags_and_confidence(
    open_context: OpenContext, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    page, watch = open_context(scripts=False)
    watch.allow("422")
    project = prepare_asking(session, tmp_path, PANDAS)
    sign_in(page, labeler)
    page.goto(f"/projects/{project.slug}/rank")
    page.get_by_role("button", name="Next ranking").click()
    for at, key in enumerate(page.locator(".resp").evaluate_all("all => all.map((e) => e.dataset.id)"), start=1):
        page.locator(f"input[name='rating.{key}'][value='{at}']").check(force=True)
        page.locator(f"input[name='place.{key}']").fill(str(at))
    page.locator("#P summary").click()
    page.get_by_label("Sensitive").check()
    page.locator("#task").evaluate("(form) => { form.noValidate = true; }")
    page.locator("#go").click()
    expect(page.locator("#notice")).to_contain_text("Say how sure you are of the order.")
    assert page.locator("input[name=prompt_flag]:checked").evaluate_all("all => all.map((e) => e.value)") == [
        "sensitive"
    ]
    page.locator("#sure input[value='3']").check(force=True)
    page.locator("#go").click()
    page.wait_for_url("**/rank")
    ranking = only_ranking(session)
    assert (ranking.prompt_flags, ranking.confidence) == (["sensitive"], 3)


def test_on_a_phone_confidence_stands_at_the_thumb(
    open_context: OpenContext, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    page, _ = open_context(390, 844, has_touch=True)
    begin(page, sign_in, labeler, prepare_asking(session, tmp_path, PANDAS))
    for rating in (6, 5, 2, 6):
        page.locator(".resp.cur .rate label").nth(rating - 1).click()
    page.locator("#go").click()
    head, sure = page.locator(".resp.cur .head").bounding_box(), page.locator("#sure").bounding_box()
    assert head is not None
    assert sure is not None
    assert head["y"] + head["height"] <= sure["y"] + 1  # one stands on the other and hides nothing
    page.locator("#go").click()
    page.locator("#sure label").nth(4).click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("#go").click()
    sent(page)
    assert only_ranking(session).confidence == 5
