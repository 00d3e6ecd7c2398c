"""Pictures of the running application for the documentation: `python -m tests.browser.pictures [FOLDER]`.

Starts a throw-away database and a server, fills them (picture_world.py), does what a person would do, and writes
docs/img/*.png. Where Pillow is installed each picture keeps 192 colours, in a third of the bytes.
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
from typing import Any

import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from app.database import transaction
from app.local import schema, throwaway
from app.security import cookie_name
from app.settings import ROOT, get_settings
from tests.browser import picture_world
from tests.browser.conftest import FLAGS
from tests.browser.content import ANSWER
from tests.browser.picture_world import PictureWorld

WIDE, PHONE, PAGE, STAFF = (1440, 900), (390, 844), (1180, 760), (1280, 860)
COLOURS = 192


@contextmanager
def application() -> Iterator[tuple[str, PictureWorld]]:
    """The address of an application that holds the world of the pictures."""
    with throwaway.postgres() as server, throwaway.pointed_at(server.url()), tempfile.TemporaryDirectory() as home:
        os.environ.update(TUTELAGE_HOME=home, TUTELAGE_SECRET_KEY="for pictures only, of 32 characters or more")
        throwaway.forget()
        schema.upgrade()
        with transaction() as session:
            world = picture_world.build(session, Path(home) / "base")
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
        yield f"http://127.0.0.1:{port}", world
        running.should_exit = True
        thread.join(20)


class Camera:
    """Opens windows of one of the people and takes their pictures."""

    def __init__(self, browser: Browser, address: str, world: PictureWorld, folder: Path) -> None:
        self.browser, self.address, self.world, self.folder = browser, address, world, folder

    def window(self, who: str, size: tuple[int, int]) -> Page:
        context = self.browser.new_context(
            base_url=self.address,
            viewport={"width": size[0], "height": size[1]},
            color_scheme="light",
            timezone_id="Europe/Lisbon",
            reduced_motion="reduce",
            device_scale_factor=2 if size is PHONE else 1,
        )
        context.set_default_timeout(90_000)
        context.add_cookies([{"name": cookie_name(), "value": self.world.sessions[who], "url": self.address}])
        return context.new_page()

    def take(self, page: Page, name: str) -> None:
        page.mouse.move(0, 0)
        file = self.folder / f"{name}.png"
        page.screenshot(path=file)
        shrink(file)

    def show(self, who: str, name: str, address: str, size: tuple[int, int] = PAGE) -> None:
        """A page that only has to be opened."""
        page = self.window(who, size)
        page.goto(address.format(**self.world.names))
        page.wait_for_load_state("networkidle")
        self.take(page, name)
        page.context.close()


def shrink(file: Path) -> None:
    """Fewer colours, where Pillow is installed: screenshots have few anyhow."""
    try:
        from PIL import Image
    except ImportError:
        return
    picture = Image.open(file).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


def saved(page: Page) -> None:
    page.locator("#save[data-is=saved]").wait_for()


def take_ranking(camera: Camera) -> None:
    """Half rated; the list of keys; lined up, on a phone; and of the next task two that are compared."""
    page = camera.window("labeler", WIDE)
    page.goto("/projects/household-helper/rank")
    page.get_by_role("button", name="Next ranking").click()
    page.locator("body[data-ready]").wait_for()
    openings = ("Two small", "Great question", "Lisbon is one", "Change the")
    letters: dict[str, Any] = {
        text: page.locator(".resp", has_text=text).first.get_attribute("data-letter") for text in openings
    }
    for text, keys in (("Two small", "6"), ("Great question", "5"), ("Lisbon is one", "Shift+2 2")):
        page.keyboard.press(letters[text].lower())
        for key in keys.split():
            page.keyboard.press(key)
    page.keyboard.press(letters["Change the"].lower())
    saved(page)
    camera.take(page, "rank")
    page.keyboard.press("?")
    page.locator("#keys[open]").wait_for()
    camera.take(page, "keys")
    page.keyboard.press("Escape")
    for key in ("6", "Enter"):
        page.keyboard.press(key)
    saved(page)
    phone = camera.window("labeler", PHONE)
    phone.goto(page.url)
    phone.locator("body[data-ready]").wait_for()
    saved(phone)
    camera.take(phone, "rank-phone")
    for _ in ("Confirm order", "Send"):
        page.keyboard.press("Enter")
    page.locator("#P .md", has_text="My kettle is full of lime").wait_for()
    page.locator("body[data-ready]").wait_for()
    take_comparison(camera, page)


def take_comparison(camera: Camera, page: Page) -> None:
    """Two responses that differ in a few words, which matter."""
    halfway, brim = (
        page.locator(".resp", has_text=text).first.get_attribute("data-letter") or ""
        for text in ("halfway", "to the brim")
    )
    for key in (halfway, "6", halfway, "v", brim):
        page.keyboard.press(key.lower())
    page.wait_for_function("() => CSS.highlights.has('differs')")
    saved(page)
    camera.take(page, "compare")


def take_writing(camera: Camera) -> None:
    page = camera.window("labeler", WIDE)
    page.goto("/projects/household-helper/write")
    page.get_by_role("button", name="Next prompt").click()
    page.locator("body[data-ready]").wait_for()
    page.locator("#answer").fill(ANSWER)
    page.keyboard.press("Alt+u")
    page.locator("#source-1-url").fill("https://example.org/water-outages")
    page.locator("#source-1-note").fill("fill pots and a bucket the evening before")
    page.locator("#answer").focus()
    saved(page)
    page.wait_for_timeout(1500)  # the counts come when she pauses
    camera.take(page, "write")


def take(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with application() as (address, world), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        camera = Camera(browser, address, world, folder)
        house = "/projects/household-helper"
        camera.show("admin", "loop", house, WIDE)
        take_ranking(camera)
        take_writing(camera)
        with transaction() as session:
            picture_world.set_rates(session)
        camera.show("reader", "guidelines", f"{house}/guidelines?then=rank")
        camera.show("labeler", "history", "/history", (PAGE[0], 900))
        camera.show("labeler", "work", "/me/work", (PAGE[0], 1060))
        camera.show("labeler", "practice", "/qualification-attempts/{attempt}/items/1")
        camera.show("admin", "qualification", "/qualifications/{draft}", STAFF)
        camera.show("researcher", "labelers", f"{house}/labelers", STAFF)
        camera.show("researcher", "review", "/reviews/{review}", WIDE)
        camera.show("admin", "reports", f"{house}/reports", STAFF)
        camera.show("admin", "members", f"{house}/members", (STAFF[0], 560))
        browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "img")
