"""A labeler's own page, and marking gold: by keyboard, on a phone, without scripts, from the mark to the feedback."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Page, expect
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.models import Assignment, Comparison, GoldItem, Project, Ranking, Slot, User
from app.services import assignments
from tests.browser.conftest import OpenContext
from tests.browser.content import GREEK, PANDAS, TWO, user
from tests.browser.test_ranking_page import begin, prepare, sent
from tests.seed import add_ranking_task, make_user

SignIn = Callable[..., None]


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_gold_is_marked_by_keyboard_given_blindly_and_explained_afterwards(
    page: Page, open_context: OpenContext, session: Session, sign_in: SignIn, tmp_path: Path
) -> None:
    project = prepare(session, tmp_path, TWO, gold_rate=0.5, gold_feedback=True)
    rosa, mara = make_user(session, "rosa", "researcher"), make_user(session, "mara")
    sign_in(page, rosa)
    page.goto(f"/projects/{project.slug}/labelers")
    page.get_by_role("link", name="Add one").press("Enter")
    page.locator(".pick-list a").first.press("Enter")
    page.get_by_label("A, place 1").focus()
    page.keyboard.press("Space")
    page.get_by_label("B, place 1").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("B, place 2")).to_be_checked()
    page.get_by_label("Lowest rating accepted for A").select_option("5")
    page.get_by_label("Highest rating accepted for A").select_option("7")
    page.get_by_label("Why is this the right answer?").fill("B **makes it up**. <img src=x onerror=alert(1)>")
    page.get_by_role("button", name="Mark as gold").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The gold item is stored.")
    item = session.scalars(select(GoldItem)).one()
    assert len(item.tiers) == 2

    session.execute(update(Slot).values(closed_at=Comparison.created_at).where(Slot.comparison_id == Comparison.id))
    session.commit()
    assert _given_gold(session, page, open_context, sign_in, mara, project, item)


def _given_gold(
    session: Session,
    page: Page,
    open_context: OpenContext,
    sign_in: SignIn,
    mara: User,
    project: Project,
    item: GoldItem,
) -> bool:
    """She ranks it as any other task, and reads afterwards what was expected."""
    held = None
    for number in range(20):  # until the draw is for it
        add_ranking_task(session, project, ([user(f"Filler {number}")], ["a", "b"]))
        session.commit()
        held = assignments.claim_assignment(session, project, mara, "ranking")
        assert held is not None
        if held.purpose == "gold":
            break
        assignments.skip_task(session, held.id, mara, "Next.")
        session.commit()
    assert held is not None
    session.commit()
    hers, _ = open_context()
    sign_in(hers, mara)
    hers.goto(f"/assignments/{held.id}")
    hers.locator("body[data-ready]").wait_for()
    assert "gold" not in hers.content().lower()
    here = hers.url
    for key in ("6", "2", "Enter", "Enter", "Enter"):
        hers.keyboard.press(key)
    hers.wait_for_url(lambda url: url != here)
    hers.goto("/me/work")
    expect(hers.get_by_role("heading", level=1)).to_contain_text("1 label today")
    expect(hers.locator(".feedback")).to_have_count(0)  # she may still take it back
    session.execute(update(Ranking).values(created_at=Ranking.created_at - timedelta(minutes=31)))
    session.commit()
    hers.reload()
    expect(hers.locator(".feedback .why strong")).to_have_text("makes it up")
    expect(hers.locator(".feedback .why")).to_contain_text("<img src=x onerror=alert(1)>")
    return session.get_one(Assignment, held.id).comparison_id == item.comparison_id


def test_own_work_is_by_her_own_days_and_fits_a_phone(
    open_context: OpenContext, session: Session, sign_in: SignIn, tmp_path: Path
) -> None:
    project = prepare(session, tmp_path, TWO, name="A helper of " + "W" * 60, slug="helper", leaderboard=True)
    mara = make_user(session, "mara", name="Mara " + "W" * 80)
    page, _ = open_context(390, 844, timezone_id="Pacific/Auckland")
    begin(page, sign_in, mara, project)
    page.goto("/")
    page.locator("nav").get_by_role("link", name="Your work").click()
    page.wait_for_url("**/me/work?zone=Pacific%2FAuckland")
    kept = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    assert kept["tutelage-zone"] == "Pacific/Auckland"  # so that every page counts by it
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing here yet.")
    task = session.scalars(select(Assignment)).one()
    page.goto(f"/assignments/{task.id}")
    page.locator("body[data-ready]").wait_for()
    for _ in range(2):
        page.keyboard.press("5")
    for _ in range(3):
        page.keyboard.press("Enter")
    sent(page)
    page.goto("/me/work")
    expect(page.locator(".sub")).to_contain_text("Days of the zone Pacific/Auckland")
    expect(page.locator(".board .now")).to_contain_text("Mara")
    page.get_by_text("As a table").click()
    expect(page.locator("details table tbody tr")).to_have_count(14)
    expect(page.locator("details table tbody tr").first).to_contain_text("1")
    assert fits(page)


def test_without_scripts_own_work_is_in_utc_and_gold_can_be_marked(
    open_context: OpenContext, session: Session, sign_in: SignIn, tmp_path: Path
) -> None:
    prepare(session, tmp_path, PANDAS, GREEK)
    ada = make_user(session, "ada", "admin")
    page, _ = open_context(390, 844, scripts=False)
    sign_in(page, ada)
    page.goto("/me/work")
    expect(page.locator(".sub")).to_contain_text("Days in UTC")
    page.goto(f"/comparisons/{session.scalars(select(Comparison.id)).first()}/gold")
    assert fits(page)
    for place, letter in enumerate("ABCD", start=1):
        page.get_by_label(f"{letter}, place {place}").check()
    page.get_by_role("button", name="Mark as gold").click()
    expect(page.get_by_role("status")).to_contain_text("The gold item is stored.")
    assert fits(page)
    page.locator("#gold td a").first.click()
    expect(page.get_by_label("C, place 3")).to_be_checked()
    page.locator("summary", has_text="Remove").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.locator("#gold")).to_contain_text("No gold items yet.")
