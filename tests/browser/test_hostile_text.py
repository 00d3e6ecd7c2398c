"""Text of models and people is hostile: shown as text wherever it comes up, runs nothing, fetches nothing.

The watch of the context fails a test at any dialog, exception, violation of the content policy or outside request.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from playwright.sync_api import Page
from sqlalchemy.orm import Session

from app.models import Demonstration, User
from app.services import guidelines
from tests.browser.content import XSS, user
from tests.seed import add_prompt, add_ranking_task, add_writing_task, make_project, make_user

SignIn = Callable[[Page, User], None]


def test_hostile_text_stays_text_on_every_page(page: Page, session: Session, sign_in: SignIn, tmp_path: Path) -> None:
    nasty = "\n\n".join(XSS)
    admin = make_user(session, "mallory", "admin", name=XSS[1])
    flags = [{"key": f"flag_{n}", "label": text[:80]} for n, text in enumerate(XSS[:5])]
    project = make_project(
        session, tmp_path / "base", name=XSS[2], slug="hostile", response_flags=flags, responses_per_prompt=9
    )
    guidelines.publish_guideline(session, project, nasty)
    add_ranking_task(session, project, ([user(nasty)], [*XSS[:8], nasty]))
    add_writing_task(session, project, [user(text) for text in XSS])
    prompt = add_prompt(session, project, [user(XSS[0])])
    label = Demonstration(
        project_id=project.id, prompt_id=prompt.id, user_id=admin.id, idempotency_key=uuid4(), text=nasty, seconds=1.0
    )
    session.add(label)
    session.commit()
    sign_in(page, admin)

    for way, button in (("rank", "Next ranking"), ("write", "Next prompt")):
        page.goto(f"/projects/hostile/{way}")
        page.get_by_role("button", name=button).click()
        page.wait_for_url("**/assignments/*")
        page.locator("body[data-ready]").wait_for()
        for element in ("script:not([src])", "iframe", "object", "embed", "base", "style", ".md img", ".md form"):
            assert page.locator(element).count() == 0, element
        assert page.locator("[href^='javascript:'], [href^='data:']").count() == 0
        assert page.evaluate(
            "[...document.querySelectorAll('*')].every((e) => ![...e.attributes].some((a) => a.name.startsWith('on')))"
        )
        page.keyboard.press("m")
        page.wait_for_timeout(100)

    page.locator("#answer").fill(nasty)
    page.keyboard.press("Alt+r")
    page.locator("#read > *").first.wait_for()
    assert page.locator("#read script, #read img, #read iframe").count() == 0
    page.goto("/projects/hostile/rank")
    page.locator("body[data-ready]").wait_for()
    page.keyboard.press("Shift+1")
    page.locator("#why").evaluate("(e, text) => { e.value = text; e.dispatchEvent(new Event('input')); }", nasty)
    page.locator("#save[data-is=saved]").wait_for()
    page.reload()
    page.locator("body[data-ready]").wait_for()
    assert page.locator("#why").input_value() == nasty
    for path in (
        "",
        "projects/hostile",
        "projects/hostile/label",
        "projects/hostile/guidelines",
        "projects/hostile/prompts",
        "projects/hostile/data",
        "projects/hostile/labels/demonstration",
        f"labels/demonstration/{label.id}",
        "projects/hostile/checkpoints",
        "projects/hostile/settings",
        "projects/hostile/label-schema",
        "users",
    ):
        answer = page.goto(f"/{path}")
        assert answer is not None
        assert answer.status == 200, path
        assert page.locator("script:not([src]), iframe, main img").count() == 0, path
