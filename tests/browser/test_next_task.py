"""The next task is there when a label is sent: shown in place, held and given back rightly, never twice, never lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, Response, expect
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.models import Assignment, Demonstration, Project, Ranking, Slot, User
from app.services import guidelines, label_schemas
from tests.browser.conftest import OpenContext, Watch
from tests.browser.content import GREEK, PANDAS, TWO, user
from tests.browser.test_ranking_page import Keys, SignIn, begin, prepare, ready
from tests.seed import add_writing_task, make_project, make_user

RATE_FOUR = ("6", "5", "2", "6", "Enter", "Enter", "Enter")
RATE_TWO = ("6", "5", "Enter", "Enter", "Enter")


@pytest.fixture
def labeler(session: Session) -> User:
    made = make_user(session, "mara")
    session.commit()
    return made


@pytest.fixture
def project(session: Session, tmp_path: Path) -> Project:
    return prepare(session, tmp_path, PANDAS, TWO, GREEK)


def documents(page: Page) -> list[str]:
    """The addresses of whole pages that the browser loads from now on."""
    loaded: list[str] = []
    page.on("request", lambda request: request.is_navigation_request() and loaded.append(request.url))
    return loaded


def fetched_ahead(page: Page, act: Callable[[], None]) -> Response:
    """Do something that begins the work, and wait until the next task has come."""

    def last_word(answer: Response) -> bool:
        """Asking leads to the address of the next task, or ends with a status that says why there is none."""
        asked = answer.url.endswith("/ahead") and answer.status != 303
        return asked or (answer.request.method == "GET" and "/assignments/" in answer.url)

    with page.expect_response(last_word) as came:
        act()
    assert came.value.status == 200, f"no task came ahead: {came.value.status}"
    came.value.finished()
    page.wait_for_timeout(50)  # it is parsed
    return came.value


def work_through(page: Page, *keys: str) -> str:
    """Rate with the next task fetched meanwhile, send, and return where that led."""
    before = page.url
    press = Keys(page)
    fetched_ahead(page, lambda: press(keys[0]))
    press(*keys[1:])
    page.wait_for_url(lambda url: url != before)
    ready(page)
    return page.url


def until(holds: Callable[[], bool]) -> None:
    """What a page sends while it closes comes a moment later."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, "it has not come about"
        time.sleep(0.05)


def held(session: Session, person: User) -> list[int]:
    session.expire_all()
    return list(
        session.scalars(
            select(Slot.id)
            .where(Slot.holder_id == person.id, Slot.submitted_at.is_(None), Slot.leased_until > func.now())
            .order_by(Slot.id)
        )
    )


def test_the_next_task_is_shown_in_place_of_the_sent_one(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    begin(page, sign_in, labeler, project)
    first, loaded = page.url, documents(page)
    second = work_through(page, *RATE_FOUR)
    assert loaded == []
    assert second.rsplit("/", 1)[1] != first.rsplit("/", 1)[1]
    expect(page.get_by_role("heading", level=1)).to_have_text("Rank 2 responses")
    expect(page.locator(".resp").first).to_be_focused()
    expect(page.locator("#announce")).to_have_text("Sent. Next task: Rank 2 responses.")
    expect(page.locator(".day")).to_have_text("1 done today")
    expect(page.locator("#save")).to_have_text("Not begun")
    expect(page.locator("#hint")).to_contain_text("Rate A")
    third = work_through(page, *RATE_TWO)
    assert loaded == []
    expect(page.locator(".resp")).to_have_count(7)
    expect(page.locator(".day")).to_have_text("2 done today")
    assert len({first, second, third}) == 3
    session.expire_all()
    rankings = session.scalars(select(Ranking).order_by(Ranking.id)).all()
    assert [len(ranking.order_shown) for ranking in rankings] == [4, 2]
    asked = session.scalars(select(Assignment).order_by(Assignment.id)).all()
    assert [assignment.submitted_at is not None for assignment in asked] == [True, True, False]


def test_keys_act_once_on_the_task_that_is_shown(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    """What the first task set up is gone: one key, one change, on the second."""
    begin(page, sign_in, labeler, project)
    work_through(page, *RATE_FOUR)
    press = Keys(page)
    press("Shift+1")
    expect(page.locator("[data-letter=A] .chip")).to_have_count(1)
    press("z")
    expect(page.locator("[data-letter=A] .chip")).to_have_count(0)
    press("?")
    expect(page.locator("#keys")).to_be_visible()
    press("Escape", "t")
    expect(page.locator("[data-letter=A] .raw")).to_be_visible()
    press("v")
    expect(page.locator("body")).to_have_class("rank comparing")
    press("v", "m")
    expect(page.locator("#guide")).to_be_visible()
    press("m")
    page.get_by_role("button", name="Display: theme, typeface, size").click()
    page.get_by_text("Dark", exact=True).click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_way_back_is_printed_with_the_key_that_leads_there(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    """Her own key for undo, where the next task comes in place and where its page is loaded."""
    begin(page, sign_in, labeler, project)
    Keys(page)("?")
    page.locator("[data-command=undo] [data-change]").click()
    Keys(page)("l", "Escape")
    first = page.url
    work_through(page, *RATE_FOUR)
    expect(page.locator("#unsend kbd")).to_have_text("L")
    page.reload()
    ready(page)
    expect(page.locator("#unsend kbd")).to_have_text("L")
    Keys(page)("l")
    page.wait_for_url(first)


def test_drafts_of_the_task_that_is_shown_are_kept_and_of_the_sent_one_no_more(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    begin(page, sign_in, labeler, project)
    second = work_through(page, *RATE_FOUR)
    puts: list[str] = []
    page.on("request", lambda request: request.method == "PUT" and puts.append(request.url))
    Keys(page)("3")
    expect(page.locator("#save")).to_have_attribute("data-is", "saved", timeout=15_000)
    assert puts == [f"{second}/draft"]
    page.evaluate("localStorage.clear()")
    page.reload()
    ready(page)
    expect(page.locator("[data-letter=A] .rate input:checked")).to_have_value("3")
    seconds = session.scalars(select(Ranking.seconds)).one()
    draft = session.scalars(select(Assignment.draft).where(Assignment.draft.is_not(None))).one()
    assert draft["page"]["seconds"] <= seconds + 5  # the clock began anew


def test_undo_after_the_swap_leads_back_and_loses_nothing(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    ids = begin(page, sign_in, labeler, project)
    first = page.url
    work_through(page, *RATE_FOUR)
    Keys(page)("z")
    page.wait_for_url(first)
    assert ready(page) is not None
    expect(page.locator("#go")).to_contain_text("Confirm order")
    expect(page.locator(f"[data-id='{ids[2]}'] .rate input:checked")).to_have_value("2")
    Keys(page)("Enter", "Enter")
    page.wait_for_url(lambda url: url != first)
    session.expire_all()
    assert session.scalars(select(Ranking.withdrawn_at)).one() is None


def test_the_back_button_shows_what_has_become_of_the_sent_task(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    begin(page, sign_in, labeler, project)
    first = page.url
    second = work_through(page, *RATE_FOUR)
    Keys(page)("3")
    page.go_back()
    expect(page.get_by_role("heading", name="You have sent this one.")).to_be_visible()
    assert page.url == first
    page.go_forward()
    page.wait_for_url(second)
    ready(page)
    expect(page.locator("[data-letter=A] .rate input:checked")).to_have_value("3")  # the draft went out on leaving
    assert session.scalar(select(func.count()).select_from(Ranking)) == 1


def test_a_refused_label_leaves_her_task_with_everything_she_did(
    page: Page, watch: Watch, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    watch.allow("409")
    begin(page, sign_in, labeler, project)
    first, press = page.url, Keys(page)
    fetched_ahead(page, lambda: press("6"))
    press("5", "Shift+1", "2", "6", "Enter", "Shift+ArrowRight", "Enter")
    current = int(first.rsplit("/", 1)[1])
    other = make_user(session, "other")
    session.flush()
    slot = select(Assignment.slot_id).where(Assignment.id == current).scalar_subquery()
    session.execute(
        update(Slot).where(Slot.id == slot).values(holder_id=other.id, leased_until=func.now() + timedelta(hours=1))
    )
    session.commit()
    press("Enter")
    expect(page.locator("#notice")).to_contain_text("somebody else has taken it")
    assert page.url == first
    expect(page.locator(".rate input:checked")).to_have_count(4)
    expect(page.locator("[data-letter=C] .chip")).to_have_count(1)
    page.get_by_role("button", name="Next task").click()
    page.wait_for_url(lambda url: url != first)
    expect(page.locator(".resp")).to_have_count(2)
    assert session.scalar(select(func.count()).select_from(Ranking)) == 0


def test_a_stored_label_whose_answer_was_lost_is_sent_again_and_stored_once(
    page: Page, watch: Watch, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    watch.allow("Failed to load resource", "ERR_FAILED")
    lost = [True]

    def lose_first(route: object) -> None:
        route.fetch()  # type: ignore[attr-defined]
        if lost.pop():
            route.abort()  # type: ignore[attr-defined]

    page.route("**/submission", lose_first, times=1)
    begin(page, sign_in, labeler, project)
    loaded = documents(page)
    work_through(page, *RATE_FOUR)
    assert loaded == []
    assert session.scalar(select(func.count()).select_from(Ranking)) == 1
    expect(page.locator(".resp")).to_have_count(2)


def test_nothing_is_claimed_ahead_before_she_begins_and_it_is_given_back_when_she_leaves(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    begin(page, sign_in, labeler, project)
    page.wait_for_timeout(300)
    assert len(held(session, labeler)) == 1
    mine = held(session, labeler)
    fetched_ahead(page, lambda: Keys(page)("6"))
    assert len(held(session, labeler)) == 2
    page.goto("/")
    until(lambda: held(session, labeler) == mine)
    page.get_by_role("link", name="Go on with your task").click()
    assert ready(page)
    expect(page.locator(".resp")).to_have_count(4)


def test_two_tabs_share_one_task_ahead_and_the_closed_one_takes_nothing_from_the_other(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    begin(page, sign_in, labeler, project)
    first, press = page.url, Keys(page)
    fetched_ahead(page, lambda: press("6"))
    other = page.context.new_page()
    other.goto(first)
    ready(other)
    fetched_ahead(other, lambda: Keys(other)("6"))
    assert len(held(session, labeler)) == 2
    press("5", "2", "6", "Enter", "Enter", "Enter")
    page.wait_for_url(lambda url: url != first)
    ready(page)
    now = held(session, labeler)
    assert len(now) == 1
    other.goto("/")
    other.wait_for_timeout(1000)  # what it sends while it goes has arrived
    other.close()
    assert held(session, labeler) == now  # it is seen by now, in the first tab
    work_through(page, *RATE_TWO)
    assert session.scalar(select(func.count()).select_from(Ranking)) == 2


def test_a_task_begun_in_another_tab_comes_with_what_was_done_there(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    begin(page, sign_in, labeler, project)
    first, press = page.url, Keys(page)
    ahead = fetched_ahead(page, lambda: press("6")).url
    other = page.context.new_page()
    other.goto(ahead)
    ready(other)
    Keys(other)("3")
    expect(other.locator("#save")).to_have_attribute("data-is", "saved", timeout=15_000)
    other.evaluate("localStorage.removeItem('tutelage.draft.' + location.pathname.split('/').pop())")
    press("5", "2", "6", "Enter", "Enter", "Enter")
    page.wait_for_url(ahead)
    ready(page)
    assert first != ahead
    expect(page.locator("[data-letter=A] .rate input:checked")).to_have_value("3")


def test_changed_questions_or_guidelines_are_never_skipped_by_a_page_made_before(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    begin(page, sign_in, labeler, project)
    press = Keys(page)
    fetched_ahead(page, lambda: press("6"))
    fields = label_schemas.fields_of(label_schemas.current_schema(session, project.id))
    label_schemas.publish_schema(session, project, {**fields, "confidence": True}, None)
    session.commit()
    press("5", "2", "6", "Enter", "Enter", "Enter")
    expect(page.locator(".resp")).to_have_count(2)
    ready(page)
    expect(page.locator("#sure")).to_have_count(1)
    fetched_ahead(page, lambda: press("6"))
    guidelines.publish_guideline(session, project, "Rate each response alone, and kindly.")
    session.commit()
    press("5", "Enter", "Enter", "9", "Enter")
    page.wait_for_url("**/guidelines?then=rank")
    page.get_by_role("button", name="I have read version 2, go on").click()
    expect(page.locator(".resp")).to_have_count(7)
    session.expire_all()
    versions = session.execute(
        select(Assignment.guideline_version, Assignment.schema_version).order_by(Assignment.id)
    ).all()
    assert [tuple(each) for each in versions] == [(1, 1), (1, 2), (2, 2)]


def write(page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project, prompts: int) -> None:
    """Begin with the first of so many prompts."""
    for number in range(prompts):
        add_writing_task(session, project, [user(f"Why is {number} a number?")], priority=-number)
    session.commit()
    sign_in(page, labeler)
    page.goto(f"/projects/{project.slug}/write")
    page.get_by_role("button", name="Next prompt").click()


def test_answers_follow_each_other_too(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    write(page, session, sign_in, labeler, make_project(session, tmp_path / "base"), 3)
    page.wait_for_url("**/assignments/*")
    page.locator("body[data-ready]").wait_for()
    loaded = documents(page)
    for number in range(2):
        before = page.url
        expect(page.locator(".said.last")).to_contain_text(f"Why is {number} a number?")
        fetched_ahead(page, lambda number=number: page.keyboard.type(f"Answer {number}"))  # type: ignore[misc]
        page.keyboard.press("Control+Enter")
        page.wait_for_url(lambda url, before=before: url != before)  # type: ignore[misc]
        expect(page.locator("#answer")).to_be_focused()
        expect(page.locator("#answer")).to_have_value("")
        expect(page.locator("#announce")).to_have_text("Sent. Next task: Write an answer.")
    assert loaded == []
    session.expire_all()
    assert session.scalars(select(Demonstration.text).order_by(Demonstration.id)).all() == ["Answer 0", "Answer 1"]


def test_a_skipped_task_gives_way_to_the_one_fetched_meanwhile(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    begin(page, sign_in, labeler, project)
    first, loaded, press = page.url, documents(page), Keys(page)
    press("6")
    fetched_ahead(page, lambda: press("s"))  # while she looks for the reason
    press("2")
    page.wait_for_url(lambda url: url != first)
    ready(page)
    assert loaded == []
    expect(page.locator(".resp")).to_have_count(2)
    expect(page.locator("#announce")).to_have_text("Skipped. Next task: Rank 2 responses.")
    expect(page.locator(".day")).to_have_text("")
    expect(page.locator("#unsend")).to_have_count(0)  # nothing was sent that could be taken back
    until(lambda: len(held(session, labeler)) == 1)
    skipped, second = session.scalars(select(Assignment).order_by(Assignment.id)).all()
    assert (skipped.skip_reason, second.skip_reason) == ("knowledge", None)
    assert page.url.endswith(f"/assignments/{second.id}")
    until(lambda: session.scalar(select(Assignment.draft).where(Assignment.id == skipped.id)) is not None)
    work_through(page, *RATE_TWO)  # and sending goes on from there
    assert loaded == []
    expect(page.locator(".day")).to_have_text("1 done today")
    page.go_back()
    expect(page.get_by_role("heading", name="You have sent this one.")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="You skipped this one.")).to_be_visible()


def test_a_refused_skip_leaves_her_task_and_says_why(
    page: Page, watch: Watch, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    watch.allow("409", "Failed to load resource", "ERR_FAILED")
    begin(page, sign_in, labeler, project)
    first, press = page.url, Keys(page)
    press("6")
    page.route("**/skip", lambda route: route.abort(), times=1)
    press("s", "2")
    expect(page.locator("#notice")).to_contain_text("There is no connection.")
    expect(page.locator("#skip")).to_be_hidden()
    session.execute(
        update(Assignment).where(Assignment.id == int(first.rsplit("/", 1)[1])).values(submitted_at=func.now())
    )
    session.commit()
    press("s", "2")
    expect(page.locator("#notice")).to_contain_text("can no longer be skipped")
    assert page.url == first
    expect(page.locator("[data-letter=A] .rate input:checked")).to_have_value("6")


def test_skipped_prompts_follow_each_other_too(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    write(page, session, sign_in, labeler, make_project(session, tmp_path / "base"), 2)
    page.locator("body[data-ready]").wait_for()
    loaded = documents(page)
    page.keyboard.press("Escape")
    fetched_ahead(page, lambda: page.keyboard.press("s"))
    page.keyboard.press("2")
    expect(page.locator(".said.last")).to_contain_text("Why is 1 a number?")
    assert loaded == []
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    page.keyboard.press("2")  # there is no further one
    expect(page.get_by_role("heading", level=1)).to_have_text("No prompt left for you to answer just now.")


def test_the_last_task_leads_to_the_page_that_says_so(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    Keys(page)(*RATE_FOUR)
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing left for you to rank just now.")


def test_on_a_phone_the_next_task_comes_in_place_too(
    open_context: OpenContext, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    page, _ = open_context(390, 844, has_touch=True)
    begin(page, sign_in, labeler, project)
    first, loaded = page.url, documents(page)
    fetched_ahead(page, lambda: page.locator(".resp.cur .rate label").nth(5).click())
    for rating in (5, 2, 6):
        page.locator(".resp.cur .rate label").nth(rating - 1).click()
    for _ in range(3):
        page.locator("#go").click()
    page.wait_for_url(lambda url: url != first)
    assert loaded == []
    assert page.locator(".resp:visible").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
