"""Pictures of the running application for the documentation: `python -m tests.browser.pictures [FOLDER]`.

Starts a throw-away database and a server, labels a little as a person would, and writes docs/img/*.png.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from playwright.sync_api import Page, sync_playwright

from app.database import transaction
from app.local import schema, throwaway
from app.security import cookie_name
from app.services import sign_ins
from app.settings import ROOT, get_settings
from tests.browser.conftest import FLAGS
from tests.browser.content import ANSWER, GREEK, LETTER, PANDAS
from tests.seed import add_ranking_task, add_writing_task, make_project, make_user, read_guidelines

WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@contextmanager
def application() -> Iterator[tuple[str, str]]:
    """(address, session token of a labeler) of an application that holds one project with tasks."""
    with throwaway.postgres() as server, throwaway.pointed_at(server.url()), tempfile.TemporaryDirectory() as home:
        os.environ.update(TUTELAGE_HOME=home, TUTELAGE_SECRET_KEY="for pictures only, of 32 characters or more")
        throwaway.forget()
        schema.upgrade()
        with transaction() as session:
            project = make_project(session, Path(home) / "base", responses_per_prompt=4)
            add_ranking_task(session, project, PANDAS, priority=2)
            add_ranking_task(session, project, GREEK, priority=1)
            add_writing_task(session, project, LETTER[0])
            labeler = make_user(session, "labeler", name="A labeler")
            read_guidelines(session, labeler)
            token = sign_ins.start_session(session, labeler)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        os.environ["TUTELAGE_PORT"] = str(port)
        get_settings.cache_clear()
        from app.main import create_app

        running = uvicorn.Server(uvicorn.Config(create_app(), port=port, log_level="warning"))
        thread = threading.Thread(target=running.run, daemon=True)
        thread.start()
        while not running.started:
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", token
        running.should_exit = True
        thread.join(20)


def take(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with application() as (address, token), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)

        def open_page(viewport: dict[str, int]) -> Page:
            context = browser.new_context(
                base_url=address,
                viewport=viewport,  # type: ignore[arg-type]  # a plain dict of the two
                color_scheme="light",
                reduced_motion="reduce",
                device_scale_factor=2 if viewport is PHONE else 1,
            )
            context.set_default_timeout(90_000)
            context.add_cookies([{"name": cookie_name(), "value": token, "url": address}])
            return context.new_page()

        def save(page: Page, name: str) -> None:
            page.locator("#save[data-is=saved]").wait_for()
            page.screenshot(path=folder / f"{name}.png")

        page = open_page(WIDE)
        page.goto("/projects/household-helper/rank")
        page.get_by_role("button", name="Next ranking").click()
        page.locator("body[data-ready]").wait_for()
        openings = ("Two small", "Great question", "Lisbon is one", "Change the")
        letter = {
            text: page.locator(".resp", has_text=text).first.get_attribute("data-letter") or "" for text in openings
        }
        for text, keys in (("Two small", "6"), ("Great question", "5"), ("Lisbon is one", "Shift+2 2")):
            page.keyboard.press(letter[text].lower())
            for key in keys.split():
                page.keyboard.press(key)
        page.keyboard.press(letter["Change the"].lower())
        save(page, "rank")
        page.keyboard.press("6")
        page.keyboard.press("Enter")
        page.locator("#save[data-is=saved]").wait_for()
        phone = open_page(PHONE)
        phone.goto(page.url)
        phone.locator("body[data-ready]").wait_for()
        save(phone, "rank-phone")
        page.goto("/projects/household-helper/write")
        page.get_by_role("button", name="Next prompt").click()
        page.locator("body[data-ready]").wait_for()
        page.locator("#answer").fill(ANSWER)
        save(page, "write")
        browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "img")
