"""Reading on the ranking page: everything in full, side by side, at any size; blind; and nothing lost on the way."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Assignment, Ranking, User
from tests.browser.axe import overflow
from tests.browser.conftest import FLAGS, OpenContext, Watch, Web
from tests.browser.content import GREEK, NINE, PANDAS, TWO, user
from tests.browser.test_ranking_page import Keys, SignIn, begin, only_ranking, prepare, ready, sent
from tests.seed import make_user

LONG = " ".join(f"word{n}" for n in range(2000))
# What a person could not read: text cut off by a box that hides or cannot scroll to it.
CUT = """() => [...document.querySelectorAll(".resp .text, .resp .text *, .turn, .turn *")].filter((e) => {
  const style = getComputedStyle(e);
  if (!e.checkVisibility() || style.display === "inline") return false;
  const clamped = style.textOverflow === "ellipsis" || !["none", ""].includes(style.webkitLineClamp);
  return e.scrollWidth > e.clientWidth + 1 || clamped
    || (style.overflowY !== "visible" && e.scrollHeight > e.clientHeight + 1);
}).map((e) => `${e.tagName}.${e.className}: ${e.textContent.slice(0, 40)}`)"""


@pytest.fixture
def labeler(session: Session) -> User:
    made = make_user(session, "mara")
    session.commit()
    return made


@pytest.mark.parametrize("count", [2, 4, 9])
def test_all_responses_stand_side_by_side_in_full_with_their_heads_in_view(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path, count: int
) -> None:
    texts = [f"{LONG} end{n}" if n % 2 == 0 else f"Short, end{n}" for n in range(count)]
    begin(page, sign_in, labeler, prepare(session, tmp_path, ([user("Why?")], texts), responses_per_prompt=count))
    boxes = [response.bounding_box() for response in page.locator(".resp").all()]
    tops, lefts = {round(box["y"]) for box in boxes if box}, [box["x"] for box in boxes if box]
    assert len(tops) == 1
    assert lefts == sorted(set(lefts))
    assert page.evaluate(CUT) == []
    page.locator("#stage").evaluate("(stage) => { stage.scrollTop = stage.scrollHeight; }")
    stage = page.locator("#stage").bounding_box()
    assert stage is not None
    for n in range(count):
        page.keyboard.press("ABCDEFGHI"[n])
        page.locator("#stage").evaluate("(stage) => { stage.scrollTop = stage.scrollHeight; }")
        head, end = (page.locator(f".resp.cur {part}").bounding_box() for part in (".head", ".end-note"))
        assert head is not None
        assert end is not None
        assert abs(head["y"] - stage["y"]) <= 1, "the head stays at the top"
        assert stage["y"] < end["y"] < stage["y"] + stage["height"], "the end of the text is in view"
    assert overflow(page) == []


def test_no_writing_of_any_kind_is_cut(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, NINE, GREEK, responses_per_prompt=9))
    assert page.evaluate(CUT) == []
    arabic = page.locator(".resp .md", has_text="انقعي").locator("p").first
    assert arabic.evaluate("(e) => getComputedStyle(e).direction") == "rtl"
    for selector in (".md table", ".md pre code .ln", ".md blockquote", ".md ul ul", ".md ol", ".md s", ".md hr"):
        assert page.locator(selector).count() >= 1, selector
    for text in ("🫘🫘🫘", "第二天倒掉水", "Pneumonoultramicroscopicsilicovolcanoconiosis"):
        expect(page.locator(".resp .md", has_text=text)).to_have_count(1)
    expect(page.locator(".resp", has_text="This response is empty.")).to_have_count(1)


def test_the_prompt_is_shown_raw_like_the_responses(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    press = Keys(page)
    press("p", "t")
    expect(page.locator("#P .raw").nth(1)).to_contain_text("```python\ndf.groupby")
    expect(page.locator("#P .md:visible")).to_have_count(0)
    expect(page.locator(".resp .raw:visible")).to_have_count(0)
    expect(page.locator("#said")).to_have_text("Prompt as raw text.")
    press("Shift+T")
    expect(page.locator(".raw:visible")).to_have_count(7)
    press("Shift+T")
    expect(page.locator(".raw:visible")).to_have_count(0)


@pytest.mark.parametrize(("width", "height"), [(720, 450), (640, 400)])
def test_at_two_hundred_percent_everything_is_there_and_works(
    open_context: OpenContext, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path, width: int, height: int
) -> None:
    """A window of 1440 or 1280 pixels at 200 % is one of half as many."""
    page, _ = open_context(width, height, device_scale_factor=2)
    ids = begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    assert overflow(page) == []
    for number, key in enumerate(ids):
        page.keyboard.press("ABCD"[number])
        page.locator(f"[data-id='{key}'] .rate label").nth(number).click()
        expect(page.locator(f"[data-id='{key}'] .rate input:checked")).to_have_value(str(number + 1))
    for _ in range(3):
        page.locator("#go").click()
    sent(page)
    assert len(only_ranking(session).tiers) == 4


@pytest.mark.parametrize("width", [1440, 1024])
def test_letters_twice_as_large_fit(
    chromium: Browser, server: str, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path, width: int
) -> None:
    """By the browser's own setting, which only a browser that is started with it has."""
    project = prepare(session, tmp_path, PANDAS)
    large = chromium.browser_type.launch(
        executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
        args=[*FLAGS, "--blink-settings=defaultFontSize=32"],
    )
    page = large.new_context(base_url=server, viewport={"width": width, "height": 900}).new_page()
    begin(page, sign_in, labeler, project)
    assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == "32px"
    assert page.evaluate(CUT) == []
    assert overflow(page) == []
    expect(page.locator("#go")).to_be_in_viewport(ratio=1)
    expect(page.locator("#rail")).to_be_in_viewport()
    Keys(page)("6", "5", "2", "6", "Enter", "Enter", "Enter")
    sent(page)
    large.close()


@pytest.mark.parametrize("reduced", ["reduce", "no-preference"])
def test_nothing_moves_where_motion_is_reduced(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path, reduced: str
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    page.emulate_media(reduced_motion=reduced)  # type: ignore[arg-type]  # one of the two that it takes
    page.evaluate("""() => {
      window.moved = 0;
      const animate = Element.prototype.animate;
      Element.prototype.animate = function (...rest) { window.moved += 1; return animate.apply(this, rest); };
    }""")
    Keys(page)("2", "3", "4", "5", "Enter")
    expect(page.locator(".resp").first).to_have_attribute("data-letter", "D")
    assert (page.evaluate("window.moved") > 0) == (reduced == "no-preference")
    assert page.evaluate("document.getAnimations().filter((a) => a.effect.getTiming().duration > 150).length") == 0


def test_what_reaches_the_browser_never_names_a_model(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    """Blind: pages, scripts' answers and headers of a whole ranking, the one ahead and the look back."""
    project = prepare(session, tmp_path, PANDAS, TWO)
    told: list[str] = []

    def overhear(route: Route) -> None:
        answer = route.fetch(max_redirects=0)
        told.append(f"{answer.url} {answer.headers} {answer.text()}")
        route.fulfill(response=answer)

    page.route(lambda url: "/static/" not in url, overhear)
    begin(page, sign_in, labeler, project)
    first = page.url
    Keys(page)("6")
    expect(page.locator("#save")).to_have_attribute("data-is", "saved", timeout=15_000)
    Keys(page)("5", "2", "6", "Enter", "Enter", "Enter")
    page.wait_for_url(lambda url: url != first)
    ready(page)
    ranking = only_ranking(session)
    for address in ("/history", f"/history/ranking/{ranking.id}", f"/history/ranking/{ranking.id}/edit", "/"):
        page.goto(address)
    assert sum("Two small changes" in each for each in told) >= 2
    for word in (
        "checkpoint",
        "logprob",
        "sampling",
        "temperature",
        "LlamaForCausalLM",
        "purpose",
        "gold",
        project.base_model,
    ):
        assert not re.search(rf"\b{re.escape(word)}\b", "\n".join(told), re.IGNORECASE), word


def test_a_draft_goes_out_a_second_after_the_last_change(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    puts: list[float] = []
    page.on("request", lambda request: request.method == "PUT" and puts.append(time.monotonic()))
    for key in ("6", "5", "2"):
        Keys(page)(key)
        page.wait_for_timeout(300)
    changed = time.monotonic()
    expect(page.locator("#save")).to_have_attribute("data-is", "saved", timeout=15_000)
    assert len(puts) == 1
    assert 0.5 < puts[0] - changed + 0.3 < 5  # one second; the rest is a slow machine


def test_a_restart_of_the_server_in_the_middle_loses_nothing(
    page: Page, watch: Watch, web: Web, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    watch.allow("Failed to load resource", "ERR_CONNECTION_REFUSED")
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    Keys(page)("6", "5")
    web.stop()
    Keys(page)("2", "Shift+1", "6", "Enter")
    expect(page.locator("#notice")).to_contain_text("No connection.")
    Keys(page)("Shift+ArrowRight", "Enter", "Enter")
    expect(page.locator("#go")).to_contain_text("Sending")
    web.start()
    sent(page)
    ranking = only_ranking(session)
    assert [len(tier) for tier in ranking.tiers] == [1, 1, 1, 1]
    assert sum(len(rating["flags"]) for rating in ranking.ratings.values()) == 1


def test_a_triple_click_sends_once(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS, TWO))
    first = page.url
    Keys(page)("6", "5", "2", "6", "Enter", "Enter")
    page.locator("#go").click(click_count=3)
    page.wait_for_url(lambda url: url != first)
    page.wait_for_timeout(500)
    assert session.scalar(select(func.count()).select_from(Ranking)) == 1
    session.expire_all()
    assert session.scalar(select(func.count()).select_from(Assignment)) == 2


def test_a_key_held_down_confirms_nothing(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    Keys(page)("6", "5", "2", "6")
    for _ in range(10):
        page.keyboard.down("Enter")  # again and again without letting go is a key that repeats
    page.keyboard.up("Enter")
    expect(page.locator("#go")).to_contain_text("Confirm order")
    assert session.scalar(select(func.count()).select_from(Ranking)) == 0


def test_letters_typed_as_a_reason_are_letters(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    Keys(page)("n")
    written = "A is best? Skip 1 to 7, zap X: raw text & odd words!"
    page.keyboard.type(written)
    expect(page.locator("#why")).to_have_value(written)
    expect(page.locator(".rate input:checked, dialog[open], .menu-box[open], .raw:visible")).to_have_count(0)


def test_rating_boxes_are_as_wide_as_a_thumb(
    open_context: OpenContext, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    page, _ = open_context(390, 844, has_touch=True)
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    for box in (each.bounding_box() for each in page.locator(".resp.cur .rate label").all()):
        assert box is not None
        assert box["width"] >= 43.5
        assert box["height"] >= 43.5
    assert overflow(page) == []
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_role("button", name="Raw text", exact=True).click()
    expect(page.locator(".resp.cur .raw")).to_be_visible()
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_role("button", name="Compare with another response").click()
    page.get_by_role("button", name="Compare A with C").click()
    expect(page.locator("#said")).to_contain_text("A and C compared")


def test_on_a_tablet_columns_scroll_and_nothing_else_does(
    open_context: OpenContext, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    page, _ = open_context(820, 1180, has_touch=True)
    begin(page, sign_in, labeler, prepare(session, tmp_path, GREEK, responses_per_prompt=7))
    assert overflow(page) == []
    assert page.evaluate(CUT) == []
    for letter in "GA":
        page.locator(f".bead:has-text('{letter}')").first.tap()
        expect(page.locator(f"[data-letter={letter}]")).to_be_in_viewport(ratio=0.2)
    for control in page.locator(".acts button:visible").all():
        box = control.bounding_box()
        assert box is not None
        assert box["height"] >= 24
