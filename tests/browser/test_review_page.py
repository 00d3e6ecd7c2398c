"""The review page by keyboard, its own order on the ranking page, skipping with a reason, and the presentation log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Assignment, Project, PromptReport, Ranking, Review, User
from app.services import assignments, rankings
from app.services.rankings import RankingDraft
from tests.browser.conftest import OpenContext
from tests.browser.content import PANDAS, TWO
from tests.seed import add_ranking_task, make_project, make_user

SignIn = Callable[[Page, User], None]
HOSTILE = "<img src=x onerror=alert(1)> C is wrong."


@pytest.fixture
def disputed(session: Session, tmp_path: Path) -> Project:
    """Two labelers say the opposite of four responses."""
    project = make_project(session, tmp_path / "base", overlap=2, review_above=0.3)
    add_ranking_task(session, project, PANDAS)
    for name, way in (("ada", 1), ("ben", -1)):
        user = make_user(session, name, name=f"Labeler {name}")
        assignment = assignments.claim_assignment(session, project, user, "ranking")
        assert assignment is not None
        ids = sorted(assignment.order_shown)[::way]
        ratings = {key: {"overall": 7 - place, "flags": []} for place, key in enumerate(ids)}
        draft = RankingDraft([[key] for key in ids], ratings, HOSTILE)
        rankings.submit_ranking(session, assignment.id, user, uuid4(), draft)
    session.commit()
    return project


@pytest.fixture
def reviewer(session: Session) -> User:
    user = make_user(session, "rosa", "researcher")
    session.commit()
    return user


def begin(page: Page, sign_in: SignIn, user: User) -> None:
    sign_in(page, user)
    page.goto("/projects/household-helper/review")
    page.get_by_role("button", name="Next review").click()
    page.locator("body[data-ready]").wait_for()


def only_review(session: Session) -> Review:
    session.expire_all()
    return session.scalars(select(Review)).one()


def test_a_review_by_keyboard_alone(
    page: Page, session: Session, sign_in: SignIn, disputed: Project, reviewer: User
) -> None:
    begin(page, sign_in, reviewer)
    expect(page.locator("body")).not_to_contain_text("Labeler ada")
    expect(page.locator(".chart figcaption")).to_have_text("6 of 6 pairs differ")
    expect(page.locator(".chart line.moved")).to_have_count(4)
    page.keyboard.press("c")
    expect(page.locator("#RC")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#hint")).to_have_text("Choose first: 1 to 4.")
    page.keyboard.press("2")
    expect(page.locator("#why")).to_be_focused()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#hint")).to_contain_text("Say why")
    page.keyboard.type("It keeps to 1 point, X does not.")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/projects/household-helper/review")
    review = only_review(session)
    assert (review.outcome in ("first", "second"), review.comment) == (True, "It keeps to 1 point, X does not.")
    page.get_by_role("button", name="Undo").click()
    page.locator("body[data-ready]").wait_for()
    expect(page.locator("#why")).to_have_value("It keeps to 1 point, X does not.")
    expect(page.get_by_role("radio", name="Y is right")).to_be_checked()
    assert only_review(session).outcome is None


def test_a_reason_survives_a_reload(
    page: Page, session: Session, sign_in: SignIn, disputed: Project, reviewer: User
) -> None:
    begin(page, sign_in, reviewer)
    page.keyboard.press("3")
    page.keyboard.type("Both will do.")
    page.reload()
    page.locator("body[data-ready]").wait_for()
    expect(page.locator("#why")).to_have_value("Both will do.")
    expect(page.get_by_role("radio", name="Both acceptable")).to_be_checked()


def test_an_order_of_her_own_is_made_with_the_keys_of_the_ranking_page(
    page: Page, session: Session, sign_in: SignIn, disputed: Project, reviewer: User
) -> None:
    begin(page, sign_in, reviewer)
    page.keyboard.press("n")
    page.keyboard.type("Neither saw the time zone.")
    page.keyboard.press("Escape")
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    page.wait_for_url("**/order")
    page.locator("body[data-ready]").wait_for()
    for key in ("6", "5", "2", "6", "Enter", "Enter", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url("**/projects/household-helper/review")
    review = only_review(session)
    own = session.get_one(Ranking, review.ranking_id)
    assert (review.outcome, review.comment, own.purpose) == ("own", "Neither saw the time zone.", "review")
    assert [len(tier) for tier in own.tiers] == [2, 1, 1]


def test_a_review_on_a_phone_and_without_scripts(
    open_context: OpenContext, session: Session, sign_in: SignIn, disputed: Project, reviewer: User
) -> None:
    page, _ = open_context(390, 844, scripts=False)
    sign_in(page, reviewer)
    page.goto("/projects/household-helper/review")
    page.get_by_role("button", name="Next review").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_label("X is right").check()
    page.get_by_label("Why?").fill("It is short.")
    page.get_by_role("button", name="Decide").click()
    page.wait_for_url("**/projects/household-helper/review")
    assert only_review(session).comment == "It is short."


@pytest.fixture
def labeler(session: Session) -> User:
    user = make_user(session, "mara")
    session.commit()
    return user


def begin_ranking(page: Page, sign_in: SignIn, user: User, session: Session, folder: Path) -> None:
    project = make_project(session, folder / "base")
    add_ranking_task(session, project, TWO)
    session.commit()
    sign_in(page, user)
    page.goto(f"/projects/{project.slug}/rank")
    page.get_by_role("button", name="Next ranking").click()
    page.locator("body[data-ready]").wait_for()


def test_skipping_with_a_reason_takes_two_keys(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin_ranking(page, sign_in, labeler, session, tmp_path)
    page.keyboard.press("s")
    page.keyboard.press("1")
    page.wait_for_url("**/projects/*/rank")
    assert session.scalars(select(Assignment.skip_reason)).one() == "unclear"
    assert session.scalars(select(PromptReport.reason)).one() == "unclear"


def test_something_else_asks_for_words_and_digits_are_then_typed(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin_ranking(page, sign_in, labeler, session, tmp_path)
    page.keyboard.press("s")
    page.keyboard.press("7")
    page.keyboard.type("Row 12 is missing")
    page.keyboard.press("Enter")
    page.wait_for_url("**/projects/*/rank")
    assert session.scalars(select(PromptReport.note)).one() == "Row 12 is missing"


def test_a_report_goes_on_with_the_task_and_its_draft(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin_ranking(page, sign_in, labeler, session, tmp_path)
    page.keyboard.press("5")
    page.keyboard.press("r")
    page.keyboard.press("3")
    expect(page.locator("#notice")).to_contain_text("Reported.")
    expect(page.locator("#report")).to_be_hidden()
    expect(page.locator(".rate input:checked")).to_have_count(1)
    assert session.scalars(select(PromptReport.reason)).one() == "harmful"
    page.keyboard.press("4")
    expect(page.locator(".rate input:checked")).to_have_count(2)


def test_the_log_says_what_was_looked_at_and_survives_a_reload(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin_ranking(page, sign_in, labeler, session, tmp_path)
    page.keyboard.press("t")
    page.keyboard.press("t")
    page.keyboard.press("v")
    page.keyboard.press("v")
    page.wait_for_timeout(1500)
    page.keyboard.press("6")
    page.locator("#save[data-is=saved]").wait_for()
    page.reload()
    page.locator("body[data-ready]").wait_for()
    page.keyboard.press("b")
    page.keyboard.press("5")
    for key in ("Enter", "Shift+ArrowRight", "Enter", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url("**/projects/*/rank")
    ranking = session.scalars(select(Ranking)).one()
    log, first = ranking.presentation, ranking.order_shown[0]
    assert (log["version"], log["viewport"], log["dwell"]) == (1, "wide", "focus")
    assert set(log["responses"]) == set(ranking.order_shown)
    assert log["active_seconds"] >= 1
    assert log["moves"] == 1
    assert (log["responses"][first]["raw"], log["responses"][first]["compared"]) == (2, 1)
    assert log["responses"][first]["seconds"] >= 1
    assert all(one["end"] and one["opened"] for one in log["responses"].values())
