"""The writing pages in a real browser: several turns, sources, warnings, what was pasted, prompts, better responses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Demonstration, Draft, Project, Prompt, Ranking, User
from app.services import projects
from app.services.projects import ProjectDraft
from tests.browser.conftest import OpenContext, Watch
from tests.browser.content import TWO, user
from tests.seed import add_ranking_task, add_writing_task, make_user

SignIn = Callable[[Page, User], None]
ASKED = "Explain to a child why bread rises in the oven, and say what is in the dough and what each of it does."
FEW = len(ASKED) // 4
GREEK = "Η μαγιά τρώει τη ζάχαρη και βγάζει φυσαλίδες που φουσκώνουν το ζυμάρι."


@pytest.fixture
def labeler(session: Session) -> User:
    return make_user(session, "mara")


@pytest.fixture
def project(session: Session) -> Project:
    draft = ProjectDraft(
        name="Mossbrook", slug="mossbrook", base_model="starter/model", chat=True, improves_responses=True,
        labelers_write_prompts=True, use_case_texts=["Answer letters to the council."],
    )  # fmt: skip
    project = projects.create_project(session, draft)
    add_writing_task(session, project, [user(ASKED)])
    session.commit()
    return project


def begin(page: Page, sign_in: SignIn, labeler: User) -> None:
    sign_in(page, labeler)
    page.goto("/projects/mossbrook/write")
    page.get_by_role("button", name="Next prompt").click()
    page.wait_for_url("**/assignments/*")


def ready(page: Page) -> None:
    page.locator("body[data-ready]").wait_for()


def saved(page: Page) -> None:
    expect(page.locator("#save")).to_have_attribute("data-is", "saved", timeout=15_000)


def only(session: Session) -> Demonstration:
    session.expire_all()
    return session.scalars(select(Demonstration)).one()


def test_a_chat_is_written_kept_undone_and_sent_by_keyboard_alone(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    begin(page, sign_in, labeler)
    ready(page)
    page.keyboard.type("The yeast makes bubbles.")
    page.keyboard.press("Alt+t")
    page.keyboard.type("What is yeast?")
    page.keyboard.press("Tab")
    page.keyboard.type("A tiny mushroom.")
    page.keyboard.press("Alt+t")
    page.keyboard.type("One too many")
    page.keyboard.press("Alt+Shift+t")
    expect(page.locator("#rounds .round")).to_have_count(1)
    expect(page.locator("#hint")).to_contain_text("brings it back")
    page.keyboard.press("Alt+z")
    expect(page.locator("#turn-2-user")).to_have_value("One too many")
    page.keyboard.press("Alt+Shift+t")
    page.keyboard.press("Alt+u")
    page.keyboard.type("https://example.org/yeast")
    saved(page)
    page.evaluate("localStorage.clear()")
    page.reload()
    ready(page)
    expect(page.locator("#turn-1-assistant")).to_have_value("A tiny mushroom.")
    page.keyboard.press("Alt+r")
    expect(page.locator("#read .who")).to_have_text(["Assistant", "User", "Assistant"])
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/projects/mossbrook/write")
    stored = only(session)
    assert stored.text == "The yeast makes bubbles."
    assert stored.turns == [
        {"role": "user", "content": "What is yeast?"},
        {"role": "assistant", "content": "A tiny mushroom."},
    ]
    assert stored.sources == [{"url": "https://example.org/yeast", "note": ""}]
    assert stored.pasted_share == 0


def test_an_unfinished_round_is_refused_in_words_and_nothing_is_lost(
    page: Page, watch: Watch, sign_in: SignIn, labeler: User, project: Project
) -> None:
    watch.allow("422")
    begin(page, sign_in, labeler)
    ready(page)
    page.keyboard.type("Bubbles.")
    page.keyboard.press("Alt+t")
    page.keyboard.type("Why?")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#notice")).to_contain_text("The answer in round 2 is empty")
    expect(page.locator("#turn-1-user")).to_have_value("Why?")


def test_tokens_and_warnings_come_while_she_writes(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    begin(page, sign_in, labeler)
    ready(page)
    expect(page.locator("#tokens")).to_contain_text("of 512 tokens with the prompt")
    page.locator("#answer").fill("Yeast.")
    expect(page.locator("#told li")).to_have_text("Very short for what the prompt asks.")
    page.locator("#answer").fill(GREEK)
    noticed = "The prompt seems to be in Latin letters, the answer in Greek letters."
    expect(page.locator("#told li")).to_have_text(noticed)
    page.locator("#answer").fill("bread " * 400)
    expect(page.locator("#tokens")).to_contain_text("training leaves it out")
    page.locator("#answer").fill(GREEK)
    page.locator("#answer").press("Control+Enter")
    page.wait_for_url("**/projects/mossbrook/write")
    assert only(session).warnings == ["other_language"]


def paste_the_prompt(page: Page) -> None:
    """As a person does: select it, copy, paste."""
    page.locator("#answer").blur()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.said.last .md'))")
    page.keyboard.press("Control+c")
    page.locator("#answer").focus()
    page.keyboard.press("Control+v")


def test_what_was_pasted_is_measured_shown_kept_and_recorded(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    begin(page, sign_in, labeler)
    ready(page)
    page.locator("#answer").press_sequentially("x" * FEW)
    paste_the_prompt(page)
    expect(page.locator("#answer")).to_have_value("x" * FEW + ASKED)
    expect(page.locator("#told")).to_contain_text("80 % of this was pasted; it is recorded with your answer.")
    saved(page)
    page.reload()
    ready(page)
    expect(page.locator("#told")).to_contain_text("80 % of this was pasted")
    page.locator("#answer").press("Control+Enter")
    page.wait_for_url("**/projects/mossbrook/write")
    stored = only(session)
    assert stored.pasted_share == pytest.approx(len(ASKED) / (len(ASKED) + FEW))
    assert stored.warnings == ["pasted"]


def test_moving_her_own_words_is_no_paste_and_typing_over_takes_it_away(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    begin(page, sign_in, labeler)
    ready(page)
    page.locator("#answer").press_sequentially("Bubbles lift the dough. ")
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+x")
    page.keyboard.press("Control+v")
    page.keyboard.press("Control+v")
    expect(page.locator("#answer")).to_have_value("Bubbles lift the dough. " * 2)
    paste_the_prompt(page)
    page.keyboard.press("Control+a")
    page.locator("#answer").press_sequentially("All typed by hand, every word.")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/projects/mossbrook/write")
    assert only(session).pasted_share == 0


def test_without_scripts_turns_and_sources_are_written(
    open_context: OpenContext, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    page, _ = open_context(scripts=False)
    begin(page, sign_in, labeler)
    page.locator("#answer").fill("Bubbles.")
    page.locator("summary", has_text="Continue the conversation").click()
    page.locator("#turn-1-user").fill("Whose?")
    page.locator("#turn-1-assistant").fill("The yeast's.")
    page.locator("summary", has_text="I used a source").click()
    page.locator("#source-1-url").fill("https://example.org")
    page.locator("#go").click()
    page.wait_for_url("**/projects/mossbrook/write")
    stored = only(session)
    assert stored.turns == [{"role": "user", "content": "Whose?"}, {"role": "assistant", "content": "The yeast's."}]
    assert stored.sources == [{"url": "https://example.org", "note": ""}]


def test_a_few_shot_prompt_is_written_by_keyboard_and_kept_through_a_reload(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    sign_in(page, labeler)
    page.goto("/")
    page.get_by_role("link", name="Write a prompt").press("Enter")
    page.get_by_role("link", name="Few-shot").press("Enter")
    ready(page)
    page.locator("#instruction").focus()
    page.keyboard.type("Good or bad?")
    for words in ("burnt", "bad", "warm", "good"):
        page.keyboard.press("Tab")
        page.keyboard.type(words)
    page.keyboard.press("Alt+t")
    page.keyboard.type("late")
    page.keyboard.press("Tab")
    page.keyboard.type("bad")
    expect(page.locator("#pair-count")).to_have_text("3 pairs make 3 examples.")
    expect(page.locator("#kept")).to_have_text("Saved")
    page.evaluate("localStorage.clear()")  # from the server, not from this browser
    page.reload()
    ready(page)
    expect(page.locator("#pair-3-query")).to_have_value("late")
    page.get_by_role("radio", name="Classification").press("Space")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("status").first).to_contain_text("3 examples are stored")
    expect(page.locator("#instruction")).to_have_value("")
    session.expire_all()
    assert len(session.scalars(select(Prompt).where(Prompt.kind == "few_shot")).all()) == 3
    assert len(session.scalars(select(Demonstration)).all()) == 3


def test_a_prompt_written_offline_is_kept_and_sent_when_the_connection_is_back(
    page: Page, watch: Watch, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    watch.allow("Failed to load resource", "ERR_INTERNET_DISCONNECTED")
    sign_in(page, labeler)
    page.goto("/projects/mossbrook/prompts/write")
    ready(page)
    page.context.set_offline(True)
    page.locator("#text").fill("Who has the key of the mill?")
    expect(page.locator("#kept")).to_have_text("Kept in this browser")
    page.context.set_offline(False)
    expect(page.locator("#kept")).to_have_text("Saved")
    session.expire_all()
    [kept] = session.scalars(select(Draft))
    assert (kept.place, kept.content["text"]) == ("prompt:plain", "Who has the key of the mill?")
    page.get_by_role("radio", name="Open QA").check()
    page.locator("#text").press("Control+Enter")
    expect(page.get_by_role("status").first).to_contain_text("Your prompt is stored.")
    expect(page.locator("#text")).to_have_value("")
    session.expire_all()
    assert session.scalars(select(Draft)).all() == []


def test_a_refused_prompt_without_scripts_and_on_a_phone_loses_nothing(
    open_context: OpenContext, watch: Watch, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    page, refusals = open_context(390, 844, scripts=False, has_touch=True)
    refusals.allow("422")
    sign_in(page, labeler)
    page.goto("/projects/mossbrook/prompts/write?kind=user_based")
    page.locator("#text").fill("Dear council, " + "w" * 200)
    page.locator("#go").click()
    expect(page.get_by_role("alert")).to_contain_text("Say what the prompt is for.")
    expect(page.locator("#text")).to_have_value("Dear council, " + "w" * 200)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("radio", name="Rewrite").check()
    page.locator("#use_case_text").select_option("Answer letters to the council.")
    page.locator("#go").click()
    expect(page.get_by_role("status")).to_contain_text("Your prompt is stored.")


def test_a_better_one_is_asked_for_while_ranking_and_written_after_sending(
    page: Page, session: Session, sign_in: SignIn, labeler: User, project: Project
) -> None:
    add_ranking_task(session, project, TWO)
    sign_in(page, labeler)
    page.goto("/projects/mossbrook/rank")
    page.get_by_role("button", name="Next ranking").click()
    page.wait_for_url("**/assignments/*")
    ready(page)
    for pressed in ("5", "3", "b", "j"):
        page.keyboard.press(pressed)
    expect(page.locator(".dock [data-do=better]")).to_have_text("Better B after sending J")
    chosen = page.locator(".resp[data-letter=B]").get_attribute("data-id") or ""
    for _ in range(3):
        page.keyboard.press("Enter")
    page.wait_for_url(f"**/completions/{chosen}/edit")
    ready(page)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#hint")).to_contain_text("still the response as it was")
    page.locator("#answer").press("Control+End")
    page.keyboard.type(" And that is why.")
    expect(page.locator("#save")).to_have_text("Saved")
    page.evaluate("localStorage.clear()")  # from the server, not from this browser
    page.reload()
    ready(page)
    assert page.locator("#answer").input_value().endswith(" And that is why.")
    page.locator("#answer").press("Control+Enter")
    page.wait_for_url("**/projects/mossbrook/rank")
    stored = only(session)
    assert (stored.source, str(stored.edited_completion_id)) == ("edit", chosen)
    assert stored.text.endswith("And that is why.")
    assert session.scalars(select(Ranking.source).order_by(Ranking.id)).all() == ["labeler", "edit"]


@pytest.mark.parametrize("path", ["write", "prompts/write?kind=few_shot"])
def test_on_a_phone_nothing_is_wider_than_the_page(
    open_context: OpenContext, session: Session, sign_in: SignIn, labeler: User, project: Project, path: str
) -> None:
    page, _ = open_context(390, 844, has_touch=True)
    sign_in(page, labeler)
    page.goto(f"/projects/mossbrook/{path}")
    if path == "write":
        page.get_by_role("button", name="Next prompt").click()
        page.wait_for_url("**/assignments/*")
    ready(page)
    if path == "write":
        page.locator("#answer").fill("w" * 400)
        page.get_by_role("button", name="Continue the conversation").click()
        page.locator("#turn-1-user").fill("w" * 400)
        page.get_by_role("button", name="I used a source").click()
    else:
        page.locator("#pair-1-query").fill("w" * 400)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
