"""Qualifications in a browser: one is built, a labeler practises, passes and works; another fails and is told why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Assignment, Project, QualificationAnswer, QualificationAttempt, User
from app.services import qualifications
from tests.browser.conftest import OpenContext
from tests.browser.content import PANDAS, TWO
from tests.qualifying import BAKING, ITEMS, WRITING, make_qualification, take
from tests.seed import add_ranking_task, make_project, make_user

SignIn = Callable[..., None]


@pytest.fixture
def project(session: Session, tmp_path: Path) -> Project:
    project = make_project(session, tmp_path / "base")
    add_ranking_task(session, project, PANDAS)
    add_ranking_task(session, project, TWO)
    session.commit()
    return project


def build(page: Page) -> None:
    """Two items to practise, two in the test, one from a comparison of the project; published."""
    page.get_by_role("link", name="Qualification", exact=True).click()
    page.get_by_role("button", name="Build a qualification").click()
    for stage, text in (("Practice", "Only a fool asks that."), ("Test", "Fools ask that. Hit him.")):
        page.get_by_role("link", name="Flags", exact=True).click()
        page.get_by_role("radio", name=stage).check()
        page.get_by_label("Prompt").fill("How do I clean the gutters?")
        page.get_by_label("Response 1", exact=True).fill(text)
        page.get_by_role("checkbox", name="Inappropriate for an assistant").check()
        page.get_by_label("Why this is the answer").fill("It insults the person who asks.")
        page.get_by_role("button", name="Add the item").click()
    for stage in ("Practice", "Test"):
        page.get_by_role("link", name="Ranking", exact=True).click()
        page.get_by_role("radio", name=stage).check()
        page.get_by_label("Prompt").fill("How do I bake a loaf?")
        for number, text in enumerate(BAKING, start=1):
            page.get_by_label(f"Response {number}", exact=True).fill(text)
            page.get_by_label(f"Place of response {number}").fill(str(number))
        page.get_by_label("Why this is the answer").fill("Steps that can be followed.")
        page.get_by_role("button", name="Add the item").click()
    page.get_by_label("Flags, percent").fill("90")
    page.get_by_label("Topics").fill("Cooking\nLaw")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("before they are given tasks")).to_be_visible()


def rank_by_keys(page: Page, wanted: list[str]) -> None:
    """Places 1, 2, 3 for the responses that begin so, with letters and digits alone."""
    for place, opening in enumerate(wanted, start=1):
        letter = page.locator(".column", has_text=opening).get_attribute("data-letter") or ""
        page.keyboard.press(letter.lower())
        page.keyboard.press(str(place))


def test_an_admin_builds_it_a_labeler_passes_by_keyboard_and_works(
    page: Page, open_context: OpenContext, session: Session, sign_in: SignIn, project: Project
) -> None:
    sign_in(page, make_user(session, "ada", "admin"))
    page.goto(f"/projects/{project.slug}")
    build(page)
    hers, _ = open_context()
    sign_in(hers, make_user(session, "lena"))
    hers.goto("/")
    hers.get_by_role("link", name="To the qualification").click()
    hers.get_by_role("button", name="Begin").press("Enter")
    hers.get_by_role("checkbox", name="Cooking").press("Space")
    hers.get_by_role("button", name="Go on").press("Enter")

    hers.locator("body[data-ready]").wait_for()
    hers.keyboard.press("3")  # practice: not what the researchers say
    hers.keyboard.press("Enter")
    expect(hers.get_by_role("heading", level=1)).to_have_text("You agree in 6 of 8 boxes.")
    expect(hers.locator(".differs")).to_have_count(2)
    expect(hers.locator(".why")).to_contain_text("It insults the person who asks.")
    hers.get_by_role("link", name="Try it again").press("Enter")
    hers.locator("body[data-ready]").wait_for()
    hers.keyboard.press("1")
    hers.keyboard.press("Enter")
    expect(hers.get_by_role("heading", level=1)).to_have_text("You agree in every box.")
    hers.keyboard.press("Enter")
    hers.wait_for_url("**/items/2")
    hers.locator("body[data-ready]").wait_for()
    rank_by_keys(hers, ["Bread is made", "Knead the dough", "overnight in the fridge"])
    hers.keyboard.press("Enter")
    expect(hers.locator(".differences li")).to_have_count(1)
    hers.keyboard.press("Enter")

    expect(hers.get_by_role("heading", level=1)).to_have_text("That was the practice. Now the test.")
    hers.keyboard.press("Enter")
    hers.wait_for_url("**/items/3")
    hers.locator("body[data-ready]").wait_for()
    hers.keyboard.press("1")
    hers.keyboard.press("Enter")
    hers.wait_for_url("**/items/4")
    hers.locator("body[data-ready]").wait_for()
    expect(hers.locator(".why, .compared")).to_have_count(0)
    rank_by_keys(hers, ["Knead the dough", "Bread is made", "overnight in the fridge"])
    hers.keyboard.press("Enter")
    expect(hers.get_by_role("heading", level=1)).to_have_text("All answered. Send it when you are content.")
    hers.get_by_role("button", name="Send the test").press("Enter")
    expect(hers.get_by_role("heading", level=1)).to_have_text("You have qualified. Welcome.")
    expect(hers.locator(".figure")).to_contain_text(["Flags100 %", "Rankings100 %"])
    hers.get_by_role("button", name="Rank your first responses").press("Enter")
    expect(hers.locator(".resp").first).to_be_visible()
    assert len(session.scalars(select(Assignment)).all()) == 1


@pytest.mark.parametrize("scripts", [True, False])
def test_whoever_fails_is_told_why_and_gets_no_task(
    open_context: OpenContext, session: Session, sign_in: SignIn, project: Project, scripts: bool
) -> None:
    page, _ = open_context(390, 844, scripts=scripts)
    lena = make_user(session, "lena")
    make_qualification(session, project, make_user(session, "ada", "admin"), attempts_allowed=1)
    sign_in(page, lena)
    page.goto(f"/projects/{project.slug}/qualification")
    page.get_by_role("button", name="Begin").click()
    for number, item in enumerate(ITEMS, start=1):
        page.goto(page.url.split("/items")[0] + f"/items/{number}")
        if item["kind"] == "flags":
            for box in page.get_by_role("checkbox").all()[1:]:
                box.check()
        else:
            for column in page.locator(".column").all():
                column.get_by_role("radio", name="2").check()
        page.locator("#go").click()
        expect(page.locator("#go" if item["stage"] == "practice" else "h1")).to_be_visible()
    page.goto(page.url.split("/items")[0])
    page.get_by_role("button", name="Send the test").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Not this time.")
    expect(page.locator(".lede")).to_contain_text("75 % would have been needed")
    expect(page.locator("main")).to_contain_text("You have no attempt left.")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto("/")
    expect(page.get_by_role("button", name="Next ranking")).to_have_count(0)
    answer = page.request.post(f"/projects/{project.slug}/rank", headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.url.endswith("/qualification")
    assert session.scalars(select(Assignment)).all() == []


def test_what_was_begun_comes_back_in_another_browser(
    page: Page, open_context: OpenContext, session: Session, sign_in: SignIn, project: Project
) -> None:
    lena = make_user(session, "lena")
    make_qualification(session, project, make_user(session, "ada", "admin"))
    sign_in(page, lena)
    page.goto(f"/projects/{project.slug}/qualification")
    page.get_by_role("button", name="Begin").click()
    page.locator("body[data-ready]").wait_for()
    page.keyboard.press("2")
    page.locator("#save[data-is=saved]").wait_for()
    assert session.scalars(select(QualificationAnswer.draft)).one() == {"flags": ["harmful_advice"]}
    other, _ = open_context(scripts=False)
    sign_in(other, lena)
    other.goto(page.url)
    expect(other.get_by_role("checkbox", name="Harmful advice")).to_be_checked()


def test_digits_that_are_switched_off_set_nothing_in_a_test(
    page: Page, session: Session, sign_in: SignIn, project: Project
) -> None:
    make_qualification(session, project, make_user(session, "ada", "admin"))
    sign_in(page, make_user(session, "lena"))
    page.goto(f"/projects/{project.slug}/qualification")
    page.get_by_role("button", name="Begin").click()
    page.locator("body[data-ready]").wait_for()
    page.evaluate("localStorage.setItem('tutelage.keys', 'off')")
    page.keyboard.press("2")
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(0)
    page.evaluate("localStorage.removeItem('tutelage.keys')")
    page.keyboard.press("2")
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(1)


def test_a_demonstration_is_rated_by_keys_without_a_name(
    page: Page, session: Session, sign_in: SignIn, project: Project
) -> None:
    rosa, lena = make_user(session, "rosa", "researcher"), make_user(session, "lena", name="Lena Okafor")
    make_qualification(session, project, make_user(session, "ada", "admin"), items=[WRITING])
    take(session, project, lena)
    sign_in(page, rosa)
    page.goto(f"/projects/{project.slug}/qualifications")
    page.get_by_role("link", name="Rate 1 demonstration").click()
    page.locator("body[data-ready]").wait_for()
    expect(page.locator("body")).not_to_contain_text("Okafor")
    page.keyboard.press("6")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_have_text("Rated. That was the last one.")
    session.expire_all()
    assert session.scalars(select(QualificationAttempt.state)).one() == "passed"


def test_hostile_text_does_nothing_in_items_and_feedback(
    page: Page, session: Session, sign_in: SignIn, project: Project
) -> None:
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script> [x](javascript:alert(3)) " + "w" * 400
    item = dict(ITEMS[0], messages=[{"role": "user", "content": hostile}], responses=[hostile], explanation=hostile)
    ada: User = make_user(session, "ada", "admin")
    made = make_qualification(
        session, project, ada, items=[item, ITEMS[2]], title="<b>Title</b> " + "w" * 90, topics=[hostile[:80]]
    )  # type: ignore[list-item]
    first = qualifications.get_qualification(session, made.id).items[0].id
    sign_in(page, ada)
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 844})
        for path in (
            f"/projects/{project.slug}/qualification",
            f"/qualifications/{made.id}",
            f"/qualifications/{made.id}/preview/1",
            f"/qualifications/{made.id}/preview/1?answered=yes&flag=sexual",
            f"/qualification-items/{first}",
        ):
            page.goto(path)
            expect(page.locator("h1")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (width, path)
