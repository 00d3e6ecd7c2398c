"""Undo, history and editing in a real browser: by key, on a phone, without scripts, and when a freeze comes between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Demonstration, Project, Ranking, Revision, User
from app.services import assignments, demonstrations, rounds, snapshots
from tests.browser.conftest import OpenContext, Watch
from tests.browser.content import GREEK, TWO, user
from tests.browser.test_ranking_page import begin, prepare, ready
from tests.seed import add_writing_task, make_user

SignIn = Callable[[Page, User], None]


@pytest.fixture
def labeler(session: Session) -> User:
    person = make_user(session, "mara")
    session.commit()
    return person


def written(session: Session, project: Project, labeler: User, text: str, prompt: str = "Why?") -> Demonstration:
    """An answer of hers that is sent."""
    add_writing_task(session, project, [user(prompt)])
    task = assignments.claim_task(session, project, labeler, "demonstration")
    assert task is not None
    label = demonstrations.submit_demonstration(session, task.assignment.id, labeler, uuid4(), text)
    session.commit()
    return label


def only(session: Session, table: type[Ranking]) -> Ranking:
    session.expire_all()
    return session.scalars(select(table)).one()


def rank_two(page: Page) -> str:
    """Rate both, line up, confirm, send; the address of the task that this was."""
    here = page.url
    for key in ("6", "2", "Enter", "Enter", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url(lambda url: url != here)
    ready(page)
    return here


def no_wider_than_the_window(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_z_takes_back_what_was_sent_and_sending_again_revives_it(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, TWO, GREEK))
    sent = rank_two(page)
    first = only(session, Ranking)
    expect(page.locator("#unsend")).to_contain_text("Sent. Undo")
    page.keyboard.press("z")
    page.wait_for_url(sent)
    ready(page)
    expect(page.locator("#go")).to_contain_text("Confirm order")  # as she had sent it, ready to be changed
    expect(page.locator(".bar")).to_contain_text("Taken back, not sent")
    assert only(session, Ranking).withdrawn_at is not None
    page.keyboard.press("Shift+ArrowRight")  # the best one ties
    for _ in range(2):
        page.keyboard.press("Enter")
    page.wait_for_url(lambda url: url != sent)
    again = only(session, Ranking)
    assert (again.id, again.revision, again.withdrawn_at) == (first.id, 2, None)
    assert [len(tier) for tier in again.tiers] == [2]
    assert again.created_at == first.created_at


def test_z_on_a_page_with_something_to_undo_leaves_what_was_sent_alone(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, TWO, GREEK))
    rank_two(page)
    here = page.url
    page.keyboard.press("5")
    for _ in range(3):
        page.keyboard.press("z")  # the rating is gone with the first; the others find nothing
    expect(page.locator(".resp.rated")).to_have_count(0)
    page.locator("#save[data-is=saved]").wait_for()
    assert page.url == here
    assert only(session, Ranking).withdrawn_at is None


def test_undo_after_the_last_task_is_on_the_page_that_follows(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, TWO))
    sent = page.url
    for key in ("6", "2", "Enter", "Enter", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url("**/projects/*/rank")
    page.get_by_role("button", name="Undo").click()
    page.wait_for_url(sent)
    assert only(session, Ranking).withdrawn_at is not None


def test_a_ranking_is_edited_by_keyboard_on_the_page_of_its_task(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, TWO, GREEK))
    rank_two(page)
    page.goto("/")
    page.get_by_role("link", name="What you have sent").click()
    page.locator(".sent-list a").first.click()
    page.get_by_role("link", name="Edit").press("Enter")
    page.wait_for_url("**/edit")
    ready(page)
    for key in ("s", "r"):  # nothing to skip or report here
        page.keyboard.press(key)
    page.keyboard.press("Shift+ArrowRight")
    page.locator("#save[data-is=saved]").wait_for()
    page.reload()  # the unsent edit is kept
    ready(page)
    expect(page.locator(".bead.cur")).to_have_count(1)
    for _ in range(2):
        page.keyboard.press("Enter")
    page.wait_for_url("**/history/ranking/*")
    expect(page.locator(".steps-list")).to_contain_text("Order A › B became A = B")
    edited = only(session, Ranking)
    assert (edited.revision, [len(tier) for tier in edited.tiers]) == (2, [2])


def test_a_freeze_during_an_edit_is_told_and_the_label_stays(
    page: Page, watch: Watch, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    project = prepare(session, tmp_path)
    label = written(session, project, labeler, "First thought.")
    sign_in(page, labeler)
    page.goto(f"/history/demonstration/{label.id}/edit")
    page.locator("body[data-ready]").wait_for()
    snapshots.freeze_snapshot(session, project, rounds.current_round(session, project.id), "demonstration")
    session.commit()
    watch.allow("409")
    page.locator("#answer").fill("Too late.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#notice")).to_contain_text("Snapshot 1 has frozen this label")
    page.get_by_role("link", name="Back to the label").click()
    expect(page.locator(".lede")).to_contain_text("Frozen in snapshot 1")
    session.expire_all()
    assert label.text == "First thought."
    assert session.scalar(select(func.count()).select_from(Revision)) == 0


def test_history_on_a_phone_fits_and_withdraws(
    open_context: OpenContext, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    project = prepare(session, tmp_path)
    hostile = "<img src=x onerror=alert(1)> " + "W" * 400 + " \u202eabc"
    label = written(session, project, labeler, hostile, hostile + " " + "and on " * 300)
    page, _ = open_context(390, 844)
    sign_in(page, labeler)
    page.goto("/history")
    assert no_wider_than_the_window(page)
    page.locator(".sent-list a").click()
    assert no_wider_than_the_window(page)
    page.locator("summary", has_text="Withdraw").click()
    assert no_wider_than_the_window(page)
    page.get_by_role("button", name="Withdraw it").click()
    expect(page.locator(".lede")).to_contain_text("It counts nowhere.")
    session.expire_all()
    assert label.withdrawn_at is not None
    page.get_by_role("button", name="Restore").click()
    expect(page.locator(".lede")).to_contain_text("It counts")
    session.expire_all()
    assert label.withdrawn_at is None


def test_the_bar_of_a_task_fits_a_phone_after_a_send(
    open_context: OpenContext, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    project = prepare(session, tmp_path, TWO)
    written(session, project, labeler, "An answer.")
    page, _ = open_context(390, 844)
    begin(page, sign_in, labeler, project)
    expect(page.locator("#unsend")).to_be_visible()
    assert page.locator(".bar").evaluate("(e) => e.scrollWidth <= e.clientWidth")


def test_without_scripts_a_label_is_undone_edited_withdrawn_and_restored(
    open_context: OpenContext, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    project = prepare(session, tmp_path)
    label = written(session, project, labeler, "First thought.")
    page, _ = open_context(scripts=False)
    sign_in(page, labeler)
    page.goto(f"/projects/{project.slug}/label")
    page.get_by_role("button", name="Undo").click()
    page.locator("#answer").fill("Second thought.")
    page.get_by_role("button", name="Send").click()
    page.goto("/history")
    page.locator(".sent-list a").click()
    page.get_by_role("link", name="Edit").click()
    page.locator("#answer").fill("Third thought.")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".steps-list > li")).to_have_count(4)  # sent, withdrawn, sent again, edited
    page.locator("summary", has_text="Withdraw").click()
    page.get_by_role("button", name="Withdraw it").click()
    session.expire_all()
    assert label.withdrawn_at is not None
    page.get_by_role("button", name="Restore").click()
    session.expire_all()
    assert (label.text, label.revision, label.withdrawn_at) == ("Third thought.", 3, None)
