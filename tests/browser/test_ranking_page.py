"""The ranking page in a real browser: keys, dragging, drafts, sending once, phone, no scripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.models import Assignment, Project, Ranking, Slot, User
from tests.browser.conftest import OpenContext, Watch
from tests.browser.content import GREEK, NINE, PANDAS, TWO, Example
from tests.seed import add_ranking_task, make_project, make_user

SignIn = Callable[[Page, User], None]


class Keys:
    """Presses keys and counts them; a chord is one."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.count = 0

    def __call__(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.count += 1


@pytest.fixture
def labeler(session: Session) -> User:
    user = make_user(session, "mara")
    session.commit()
    return user


def prepare(session: Session, folder: Path, *examples: Example, **settings: object) -> Project:
    project = make_project(session, folder / "base", **settings)
    for number, example in enumerate(examples):
        add_ranking_task(session, project, example, priority=len(examples) - number)
    session.commit()
    return project


def begin(page: Page, sign_in: SignIn, labeler: User, project: Project) -> list[str]:
    """Sign in, ask for a task, and return the responses' ids as dealt."""
    sign_in(page, labeler)
    page.goto(f"/projects/{project.slug}/rank")
    page.get_by_role("button", name="Next ranking").click()
    page.wait_for_url("**/assignments/*")
    return ready(page)


def ready(page: Page) -> list[str]:
    page.locator("body[data-ready]").wait_for()
    return page.locator(".resp").evaluate_all("all => all.map((e) => e.dataset.id)")


def sent(page: Page) -> None:
    page.wait_for_url("**/projects/*/rank")


def only_ranking(session: Session) -> Ranking:
    session.expire_all()
    return session.scalars(select(Ranking)).one()


def test_four_responses_take_seven_keys(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    ids = begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    keys = Keys(page)
    keys("6", "5", "2", "6", "Enter", "Enter", "Enter")
    sent(page)
    assert keys.count == 7
    ranking = only_ranking(session)
    assert ranking.tiers == [[ids[0], ids[3]], [ids[1]], [ids[2]]]
    assert [ranking.ratings[key]["overall"] for key in ids] == [6, 5, 2, 6]
    assert ranking.order_shown == ids
    assert ranking.seconds >= 0


def test_four_responses_with_two_flags_and_one_move_take_ten_keys(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    ids = begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    keys = Keys(page)
    keys("6", "5", "Shift+2", "2", "Shift+1", "6", "Enter", "Shift+ArrowRight", "Enter", "Enter")
    sent(page)
    assert keys.count == 10
    ranking = only_ranking(session)
    assert ranking.tiers == [[ids[3]], [ids[0]], [ids[1]], [ids[2]]]
    assert ranking.ratings[ids[2]]["flags"] == ["hallucination"]
    assert ranking.ratings[ids[3]]["flags"] == ["fails_instruction"]


def test_seven_responses_take_ten_keys_and_eighteen_with_flags_jumps_and_moves(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    project = prepare(session, tmp_path, GREEK, TWO, responses_per_prompt=7)
    begin(page, sign_in, labeler, project)
    keys = Keys(page)
    keys("6", "3", "6", "2", "1", "6", "1", "Enter", "Enter", "Enter")
    page.wait_for_url(lambda url: "/assignments/" in url and not url.endswith("/1"))
    assert keys.count == 10
    add_ranking_task(session, project, (GREEK[0], GREEK[1][::-1]), priority=9)
    session.commit()
    ready(page)
    page.keyboard.press("s")
    page.keyboard.press("1")
    expect(page.locator(".resp")).to_have_count(7)
    ids = ready(page)
    keys = Keys(page)
    keys("6", "Shift+1", "3", "6", "Shift+2", "2", "Shift+1", "1", "6", "Shift+2", "1")  # 7 ratings, 4 flags
    keys("Enter")
    first = page.locator(".resp").first.get_attribute("data-letter")
    keys("G", "Shift+ArrowLeft", "B", "Shift+ArrowRight")  # 2 jumps, 2 moves
    assert first == "A"
    keys("Enter", "Enter")
    page.wait_for_url("**/rank")
    assert keys.count == 18
    session.expire_all()
    ranking = session.scalars(select(Ranking).order_by(Ranking.id.desc())).first()
    assert ranking is not None
    assert sorted(key for tier in ranking.tiers for key in tier) == sorted(ids)
    assert sum(len(rating["flags"]) for rating in ranking.ratings.values()) == 4


def test_nine_responses_by_keyboard_alone(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    ids = begin(page, sign_in, labeler, prepare(session, tmp_path, NINE, responses_per_prompt=9))
    Keys(page)("7", "6", "5", "4", "3", "2", "1", "1", "7", "Enter", "Enter", "Enter")
    sent(page)
    assert only_ranking(session).tiers == [
        [ids[0], ids[8]],
        *[[key] for key in ids[1:6]],
        [ids[6], ids[7]],
    ]


def test_nothing_is_sent_without_a_confirmation(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    keys = Keys(page)
    keys("Enter", "Enter", "Enter")
    expect(page.locator("#go")).to_contain_text("Rate 4 more")
    keys("6", "5", "2", "6", "Enter")
    expect(page.locator("#go")).to_contain_text("Confirm order")
    keys("Enter")
    expect(page.locator("#go")).to_contain_text("Send")
    keys("A", "4")  # a new rating asks for the confirmation again
    expect(page.locator("#go")).to_contain_text("Confirm order")
    assert session.scalar(select(func.count()).select_from(Ranking)) == 0


def test_undo_and_redo_walk_through_the_history(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    keys = Keys(page)
    keys("6", "5", "2", "6", "Enter", "Shift+End")
    expect(page.locator(".resp").last).to_have_attribute("data-letter", "A")
    keys("z")
    expect(page.locator(".resp").first).to_have_attribute("data-letter", "A")
    keys("Shift+Z")
    expect(page.locator(".resp").last).to_have_attribute("data-letter", "A")


def test_dragging_a_bead_makes_and_breaks_a_tie(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    ids = begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    Keys(page)("7", "5", "3", "1", "Enter")

    def drag(bead: str, target: str) -> None:
        start, end = page.locator(bead).bounding_box(), page.locator(target).bounding_box()
        assert start is not None
        assert end is not None
        page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
        page.mouse.down()
        x, y = end["x"] + end["width"] / 2, end["y"] + end["height"] / 2
        page.mouse.move((start["x"] + x) / 2, y, steps=3)
        for wiggle in range(100):  # the library looks where the pointer is every 50 ms
            page.mouse.move(x + wiggle % 2, y)
            page.wait_for_timeout(60)
            if page.locator(f"{target} >> .lift").count():
                break
        page.mouse.up()
        page.locator(".carried, .lift").first.wait_for(state="detached")

    drag(f".bead[data-go='{ids[3]}']", ".tier.placed >> nth=0")
    expect(page.locator(".tier.placed").first.locator(".bead")).to_have_count(2)
    drag(f".bead[data-go='{ids[0]}']", ".gap >> nth=-1")
    expect(page.locator(".resp").last).to_have_attribute("data-id", ids[0])
    expect(page.locator("#hint")).to_contain_text("stands above a higher rating")
    Keys(page)("Enter", "Enter")
    sent(page)
    assert only_ranking(session).tiers == [[ids[3]], [ids[1]], [ids[2]], [ids[0]]]


def test_a_draft_survives_a_reload(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    keys = Keys(page)
    keys("6", "5", "Shift+3", "2", "6", "Enter", "Shift+ArrowRight", "n")
    page.keyboard.type("D is shorter and right.")
    expect(page.locator("#save")).to_have_attribute("data-is", "saved", timeout=15_000)
    session.expire_all()
    draft = session.scalars(select(Assignment)).one().draft
    assert draft is not None
    assert draft["comment"] == "D is shorter and right."
    page.evaluate("localStorage.clear()")  # from the server, not from this browser
    order = page.locator(".resp").evaluate_all("all => all.map((e) => e.dataset.letter)")
    page.reload()
    ready(page)
    assert page.locator(".resp").evaluate_all("all => all.map((e) => e.dataset.letter)") == order
    expect(page.locator("#go")).to_contain_text("Confirm order")
    expect(page.locator("[data-letter=C] .chip")).to_have_text("Breaks a constraint")
    assert page.locator("#why").input_value() == "D is shorter and right."


def test_offline_work_is_kept_and_sent_when_the_connection_is_back(
    page: Page, watch: Watch, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    watch.allow("Failed to load resource", "ERR_INTERNET_DISCONNECTED")
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    page.context.set_offline(True)
    Keys(page)("6", "5", "2", "6")
    expect(page.locator("#save")).to_have_text("Offline, kept here")
    expect(page.locator("#notice")).to_contain_text("No connection.")
    Keys(page)("Enter", "Enter", "Enter")
    expect(page.locator("#go")).to_contain_text("Sending")
    page.context.set_offline(False)
    sent(page)
    assert only_ranking(session).tiers


def test_three_tries_at_once_store_one_row(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    ids = begin(page, sign_in, labeler, prepare(session, tmp_path, TWO, responses_per_prompt=2))
    label = {"tiers": [[ids[0]], [ids[1]]], "ratings": {key: {"overall": 4, "flags": []} for key in ids}}
    statuses = page.evaluate(
        """([url, body, key]) => {
             const headers = {"Content-Type": "application/json", "Idempotency-Key": key};
             return Promise.all([1, 2, 3].map(() => fetch(url, {method: "POST", body, headers}).then((r) => r.status)));
           }""",
        [f"{page.url}/submission", json.dumps(label), str(uuid4())],
    )
    assert statuses == [201, 201, 201]
    assert only_ranking(session).tiers == label["tiers"]


def test_an_ended_hold_is_told_and_can_be_taken_back(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    Keys(page)("6", "5")
    expect(page.locator("#save")).to_have_attribute("data-is", "saved", timeout=15_000)
    for table, column in ((Assignment, Assignment.expires_at), (Slot, Slot.leased_until)):
        session.execute(update(table).values({column: func.now() - timedelta(minutes=5)}))
    session.commit()
    page.reload()
    ready(page)
    expect(page.locator("#notice")).to_contain_text("Your hold on this task ended at")
    page.get_by_role("button", name="Take it back and go on").click()
    expect(page.locator("#notice")).to_be_hidden()
    Keys(page)("2", "6", "Enter", "Enter", "Enter")
    sent(page)
    assert only_ranking(session).tiers


def test_somebody_else_took_the_task_and_nothing_is_lost(
    page: Page, watch: Watch, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    watch.allow("409")
    ids = begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    other = make_user(session, "other")
    session.flush()
    session.execute(update(Slot).values(holder_id=other.id, leased_until=func.now() + timedelta(hours=1)))
    session.commit()
    Keys(page)("6", "5", "2", "6", "Enter", "Enter", "Enter")
    expect(page.locator("#notice")).to_contain_text("somebody else has taken it")
    session.expire_all()
    draft = session.scalars(select(Assignment)).one().draft
    assert draft is not None
    assert draft["ratings"][ids[0]]["overall"] == 6
    assert session.scalar(select(func.count()).select_from(Ranking)) == 0


def test_a_signed_out_labeler_keeps_her_work(
    page: Page, watch: Watch, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    watch.allow("401")
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    cookies = page.context.cookies()
    page.context.clear_cookies()
    Keys(page)("6", "5", "2", "6")
    expect(page.locator("#notice")).to_contain_text("You are signed out.")
    page.context.add_cookies(cookies)  # type: ignore[arg-type]  # read and write differ in optional keys only
    expect(page.locator("#save")).to_have_attribute("data-is", "saved", timeout=15_000)
    expect(page.locator("#notice")).to_be_hidden()


def test_skipping_says_why_and_leads_on(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    project = prepare(session, tmp_path, PANDAS, TWO)
    begin(page, sign_in, labeler, project)
    Keys(page)("s", "2")
    expect(page.locator(".resp")).to_have_count(2)
    session.expire_all()
    reasons = session.scalars(select(Assignment.skip_reason).order_by(Assignment.id)).all()
    assert reasons == ["knowledge", None]


def test_places_only_where_a_project_asks_for_no_ratings(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    ids = begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS, asks_ratings=False))
    Keys(page)("2", "1", "2", "4", "Enter", "Enter", "Enter")
    sent(page)
    ranking = only_ranking(session)
    assert ranking.tiers == [[ids[1]], [ids[0], ids[2]], [ids[3]]]
    assert ranking.ratings == {}


def test_on_a_phone_one_response_at_a_time(
    open_context: OpenContext, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    page, _ = open_context(390, 844, has_touch=True)
    ids = begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    assert page.locator(".resp:visible").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for rating in (6, 5, 2, 6):
        page.locator(".resp.cur .rate label").nth(rating - 1).click()
    page.locator("#go").click()
    page.get_by_role("button", name="Move A worse").click()
    page.locator("#go").click()
    page.locator("#go").click()
    sent(page)
    assert only_ranking(session).tiers == [[ids[3]], [ids[0]], [ids[1]], [ids[2]]]


def test_without_scripts_a_form_ranks(
    open_context: OpenContext, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    page, _ = open_context(scripts=False)
    project = prepare(session, tmp_path, PANDAS)
    sign_in(page, labeler)
    page.goto(f"/projects/{project.slug}/rank")
    page.get_by_role("button", name="Next ranking").click()
    ids = page.locator(".resp").evaluate_all("all => all.map((e) => e.dataset.id)")
    for key, rating, place in zip(ids, (6, 5, 2, 6), (1, 2, 3, 1), strict=True):
        page.locator(f"input[name='rating.{key}'][value='{rating}']").check(force=True)
        page.locator(f"input[name='place.{key}']").fill(str(place))
    page.locator("#why").fill("Short and right.")
    page.locator("#go").click()
    page.wait_for_url("**/rank")
    ranking = only_ranking(session)
    assert ranking.tiers == [[ids[0], ids[3]], [ids[1]], [ids[2]]]
    assert ranking.comment == "Short and right."


def test_a_second_tab_shows_the_same_task(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    project = prepare(session, tmp_path, PANDAS, TWO)
    begin(page, sign_in, labeler, project)
    second = page.context.new_page()
    second.goto(f"/projects/{project.slug}/rank")
    assert second.url == page.url


def test_the_page_tells_nothing_of_the_model(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    html = page.content().lower()
    for word in (
        "checkpoint",
        "policy",
        "safetensors",
        str(tmp_path).lower(),
        "sample_index",
        "logprob",
        "seed",
        "round",
    ):
        assert word not in html, word
