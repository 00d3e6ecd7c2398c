"""Reading tools and own keys of the ranking page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from app.models import Ranking, User
from app.static_files import static_url
from tests.browser.content import PANDAS, TWO, user
from tests.browser.test_ranking_page import Keys, SignIn, begin, prepare, ready
from tests.seed import make_user

QUESTION = [user("Who bakes the bread?")]
STORE = "tutelage.keymap.{}"
MARKED = "() => [...(CSS.highlights.get('differs') || [])].map((range) => range.toString())"


@pytest.fixture
def labeler(session: Session) -> User:
    user = make_user(session, "mara")
    session.commit()
    return user


def marked(page: Page) -> list[str]:
    found: list[str] = page.evaluate(MARKED)
    return sorted(found)


def wait_for_marks(page: Page) -> None:
    page.wait_for_function("() => CSS.highlights.has('differs')")


def test_the_words_that_differ_are_marked_and_unmarked_by_the_same_key(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    texts = ["Old Marta bakes the **fresh** bread.", "Young Marta bakes the bread daily."]
    begin(page, sign_in, labeler, prepare(session, tmp_path, (QUESTION, texts), responses_per_prompt=2))
    before = page.locator("#responses").inner_text()
    Keys(page)("v")
    wait_for_marks(page)
    assert marked(page) == ["Old", "Young", "daily", "fresh"]
    drawn = "getComputedStyle(document.querySelector('.md p'), '::highlight(differs)').textDecorationLine"
    assert page.evaluate(drawn) == "underline"
    expect(page.locator("#said")).to_have_text(re.compile(r"A and B compared: 2 words only in A, 2 words only in B\."))
    expect(page.locator(".versus .chip")).to_have_text(["2 words not in B", "2 words not in A"])
    Keys(page)("v")
    assert marked(page) == []
    expect(page.locator("#said")).to_have_text("Comparison ended.")
    assert page.locator("#responses").inner_text() == before


def test_with_more_than_two_the_next_letter_chooses_and_the_pair_has_the_page(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    ids = begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    keys = Keys(page)
    keys("b", "v")
    expect(page.locator("#said")).to_have_text("Compare B with which one? Press its letter.")
    keys("d")
    wait_for_marks(page)
    assert page.locator(".resp:visible").evaluate_all("all => all.map((e) => e.dataset.letter)") == ["B", "D"]
    keys("ArrowRight", "5")  # the arrows stay within the two, and rating goes on
    expect(page.locator("[data-letter=D] .rate input:checked")).to_have_value("5")
    keys("c")  # going elsewhere ends it
    expect(page.locator(".resp:visible")).to_have_count(4)
    assert marked(page) == []
    page.get_by_label("Reading tools of A", exact=True).first.click()
    page.get_by_role("button", name="Compare A with C").click()
    wait_for_marks(page)
    assert page.locator(f"[data-id='{ids[0]}'].compared").count() == 1
    page.get_by_role("button", name=re.compile("words not in C")).click()
    expect(page.locator(".resp:visible")).to_have_count(4)


def test_marks_stay_when_the_columns_line_up(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, TWO, responses_per_prompt=2))
    Keys(page)("v")
    wait_for_marks(page)
    before = marked(page)
    Keys(page)("3", "6", "Enter")
    expect(page.locator(".resp").first).to_have_attribute("data-letter", "B")
    page.wait_for_function(f"(count) => ({MARKED})().filter(Boolean).length === count", arg=len(before))
    assert marked(page) == before


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ("这是一个关于猫的句子。", "这是一个关于狗的句子。", ["狗", "猫"]),
        ("קמח ומים בלבד", "קמח ושמן בלבד", ["ומים", "ושמן"]),
        ("```python\nx = 1\ny = 2\n```", "```python\nx = 1\ny = 3\n```", ["2", "3"]),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "| a | b |\n|---|---|\n| 1 | 4 |", ["2", "4"]),
        ("<b onclick=alert(1)>x</b>", "<i onclick=alert(1)>x</i>", ["b", "b", "i", "i"]),
    ],
)
def test_differing_words_in_other_scripts_code_and_tables(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path, one: str, other: str, words: list[str]
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, (QUESTION, [one, other]), responses_per_prompt=2))
    Keys(page)("v")
    wait_for_marks(page)
    assert marked(page) == sorted(words)


def test_two_answers_of_two_thousand_words_that_share_nothing_compare_at_once(page: Page) -> None:
    page.goto("/sign-in")
    took = page.evaluate(
        """async (url) => {
             const { mark } = await import(url), made = (sign) => {
               const p = document.createElement("p");
               p.textContent = Array.from({length: 2000}, (_, n) => sign + n).join(" ");
               return document.body.appendChild(p);
             };
             const one = made("a"), other = made("b"), start = performance.now();
             return [await mark(one, other), performance.now() - start];
           }""",
        static_url("js/ranking/compare.js"),
    )
    assert took[0] == [2000, 2000]
    assert took[1] < 2000  # milliseconds, on a busy machine


def test_raw_text_of_one_and_of_all(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    texts = ["| a | b |\n|---|---|\n| **1** | 2 |", "\n  `שלום` <b>x</b>", "这是 *一个*\n\tx"]
    begin(page, sign_in, labeler, prepare(session, tmp_path, (QUESTION, texts), responses_per_prompt=3))
    shown = page.locator(".resp .raw:visible")
    Keys(page)("t")
    expect(shown).to_have_count(1)
    expect(page.locator("#said")).to_have_text("A as raw text.")
    expect(page.locator("[data-letter=A] .md")).to_be_hidden()
    Keys(page)("Shift+T")
    expect(shown).to_have_count(3)
    assert sorted(shown.evaluate_all("all => all.map((e) => e.textContent)")) == sorted(texts)
    assert page.evaluate("document.querySelector('.stage').scrollWidth <= innerWidth")
    Keys(page)("Shift+T")
    expect(shown).to_have_count(0)
    page.get_by_label("Reading tools of B", exact=True).first.click()
    page.locator("[data-letter=B] [data-do=raw]").click()
    expect(page.locator("[data-letter=B] .raw")).to_be_visible()
    expect(page.locator("[data-letter=B] [data-do=raw]")).to_have_attribute("aria-pressed", "true")


def change(page: Page, command: str, *keys: str) -> None:
    page.locator(f"[data-command={command}] [data-change]").click()
    Keys(page)(*keys)


def test_every_command_is_listed_with_the_key_that_it_has(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    delivered: dict[str, str] = page.evaluate(
        "async (url) => (await import(url)).DELIVERED", static_url("js/ranking/keymap.js")
    )
    listed = page.locator("[data-command]").evaluate_all(
        "all => all.map((e) => [e.dataset.command, e.querySelector('kbd').textContent.toLowerCase()])"
    )
    assert dict(listed) == delivered


def test_a_key_is_changed_and_the_buttons_follow(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    Keys(page)("?")
    change(page, "skip", "k")
    expect(page.locator("#keys-said")).to_have_text("“Skip” is now on K.")
    change(page, "undo", "l")
    Keys(page)("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    for _ in range(2):
        expect(page.locator(".acts [data-do=skip]")).to_have_text("Skip K")
        Keys(page)("s")
        expect(page.locator("#skip")).to_be_hidden()
        Keys(page)("k")
        expect(page.locator("#skip")).to_be_visible()
        Keys(page)("Escape")
        page.reload()
        ready(page)
    Keys(page)("6", "l")
    expect(page.locator(".rate input:checked")).to_have_count(0)
    Keys(page)("Shift+L")  # the second meaning moves along
    expect(page.locator(".rate input:checked")).to_have_count(1)
    Keys(page)("?")
    page.get_by_role("button", name="As delivered").click()
    expect(page.locator(".acts [data-do=skip]")).to_have_text("Skip S")
    expect(page.locator("#keys-said")).to_have_text("All keys are as delivered.")


def test_a_key_that_collides_is_refused_with_a_sentence(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    Keys(page)("?")
    page.locator("[data-command=skip] [data-change]").click()
    for key, sentence in (
        ("c", "A to I are the responses."),
        ("7", "Digits and the hyphen"),
        ("-", "Digits and the hyphen"),
        ("Enter", "Enter, space"),
        (" ", "Enter, space"),
        ("ArrowLeft", "Enter, space"),
        ("Control+k", "belong to the browser and to screen readers"),
        ("Alt+k", "belong to the browser and to screen readers"),
        ("CapsLock", "belongs to screen readers"),
        ("F2", "Only a key that writes one sign"),
        ("/", "open their search"),
        ("Shift+K", "Press the letter alone"),
        ("z", "Z is “Undo” already."),
    ):
        Keys(page)(key)
        expect(page.locator("#keys-said")).to_contain_text(sentence)
        expect(page.locator("[data-command=skip] kbd")).to_have_text("S")
    Keys(page)("Escape")  # leaves the waiting, not the list
    expect(page.locator("#keys-said")).to_have_text("Nothing was changed.")
    expect(page.locator("#keys")).to_be_visible()
    page.locator("[data-command=skip] [data-change]").click()
    Keys(page)("Tab")  # no trap
    expect(page.locator("[data-command=skip] [data-change]")).to_have_text("Change")
    assert page.evaluate("document.activeElement.closest('[data-command]').dataset.command") == "report"


def test_escape_leaves_the_waiting_first_and_closes_the_list_only_then(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    """Wherever the focus stands, however many keys were refused, and whatever else asks for the dialog to close."""
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    said, keys = page.locator("#keys-said"), page.locator("#keys")
    Keys(page)("?")
    for _ in range(2):
        page.locator("[data-command=skip] [data-change]").click()
        page.evaluate("document.activeElement.blur()")  # as in browsers that give a clicked button no focus
        Keys(page)(*["c", "7"] * 10)
        expect(said).to_contain_text("Digits and the hyphen")
        Keys(page)("Escape")
        expect(said).to_have_text("Nothing was changed.")
        expect(keys).to_be_visible()
    page.locator("[data-command=skip] [data-change]").click()
    page.evaluate("document.querySelector('#keys').requestClose()")
    expect(said).to_have_text("Nothing was changed.")
    expect(keys).to_be_visible()
    Keys(page)("Escape")
    expect(keys).to_be_hidden()
    expect(page.locator(".rate input:checked")).to_have_count(0)  # no key went through to the page
    Keys(page)("s")
    expect(page.locator("#skip")).to_be_visible()


def test_keys_belong_to_a_person_and_a_spoilt_store_does_no_harm(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    for person, kept in (
        (labeler.id, {"skip": "k", "undo": "a", "raw": 3, "odd": "j", "report": "s"}),
        (labeler.id + 1, {"skip": "q"}),
    ):
        page.evaluate("([key, kept]) => localStorage.setItem(key, kept)", [STORE.format(person), json.dumps(kept)])
    page.reload()
    ready(page)
    shown = {
        name: page.locator(f"[data-command={name}] kbd").text_content() for name in ("skip", "undo", "raw", "report")
    }
    assert shown == {"skip": "K", "undo": "Z", "raw": "T", "report": "S"}
    page.evaluate("(key) => localStorage.setItem(key, 'nonsense')", STORE.format(labeler.id))
    page.reload()
    ready(page)
    Keys(page)("s")
    expect(page.locator("#skip")).to_be_visible()
    assert session.query(Ranking).count() == 0


def test_letters_can_still_be_switched_off_and_the_list_opens_all_the_same(
    page: Page, session: Session, sign_in: SignIn, labeler: User, tmp_path: Path
) -> None:
    begin(page, sign_in, labeler, prepare(session, tmp_path, PANDAS))
    Keys(page)("?")
    change(page, "keys", "l")
    page.get_by_label("Letters and digits act at once").uncheck()
    Keys(page)("Escape", "6", "v", "t", "s")
    expect(page.locator(".rate input:checked")).to_have_count(0)
    expect(page.locator("dialog[open], .menu-box[open], .raw:visible")).to_have_count(0)
    Keys(page)("l")
    expect(page.locator("#keys")).to_be_visible()
