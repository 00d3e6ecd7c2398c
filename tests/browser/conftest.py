"""A real server and a real Chromium for the tests of the pages.

    server    its address; a database of its own, the application in a thread; `web` can stop it and start it again
    page      a page of a fresh context, 1440 x 900; at its end no
              CSP violation, console error or dialog may have come up
    sign_in   sign_in(page, user) puts a live session into the page's context; she has read all guidelines
    open_context   for tests that need another window, a phone, or a browser without scripts

`page.problems` (see `Watch`) collects what must not happen; a test that provokes a refusal says so with `allow`.
"""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright
from sqlalchemy.orm import Session

from app.models import User
from app.security import cookie_name
from app.services import sign_ins
from app.settings import get_settings
from tests.seed import read_guidelines

# Each window makes two pages of its own for an address bar that nobody sees: half of what a context costs. Chromium
# heeds one list only, so what Playwright switches off stands in it too, as far as it matters here.
OFF = [
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "PreloadTopChromeWebUI",
    "AimEnabled",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
]
FLAGS = [
    f"--disable-features={','.join(OFF)}",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TELL_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error("CSP " + event.violatedDirective + " " + event.blockedURI));
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        yield browser
        browser.close()


class Web:
    """The application on one port, in a thread; it can be stopped and started again as on an update."""

    def __init__(self, port: int) -> None:
        self.port, self.address = port, f"http://127.0.0.1:{port}"

    def start(self) -> None:
        from app.main import create_app

        config = uvicorn.Config(create_app(), port=self.port, log_level="warning", timeout_graceful_shutdown=1)
        self.running = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.running.run, daemon=True)
        self.thread.start()
        deadline = time.monotonic() + 60
        while not self.running.started and time.monotonic() < deadline:
            time.sleep(0.02)
        assert self.running.started, "the server did not start"

    def stop(self) -> None:
        self.running.should_exit = True
        self.thread.join(20)


@pytest.fixture
def web(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """The application on a free port, with the database of this test."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    monkeypatch.setenv("TUTELAGE_PORT", str(port))
    get_settings.cache_clear()
    web = Web(port)
    web.start()
    yield web
    web.stop()


@pytest.fixture
def server(web: Web) -> str:
    return web.address


class Watch:
    """What must not happen: console errors (CSP violations among them), exceptions, dialogs, outside requests."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.address = address
        self.found: list[str] = []
        self.allowed: tuple[str, ...] = ()
        context.on("console", lambda message: message.type == "error" and self.note(f"console: {message.text}"))
        context.on("weberror", lambda error: self.note(f"exception: {error.error}"))
        context.on("dialog", lambda dialog: (self.note(f"dialog: {dialog.message}"), dialog.dismiss()))
        context.on("request", lambda request: self.check(request.url))

    def check(self, url: str) -> None:
        if not url.startswith((self.address, "data:", "blob:", "about:")):
            self.note(f"request: {url}")

    def note(self, problem: str) -> None:
        self.found.append(problem)

    def allow(self, *parts: str) -> None:
        """Expect problems that hold one of these texts, such as a refusal that the test provokes."""
        self.allowed += parts

    def problems(self) -> list[str]:
        return [problem for problem in self.found if not any(part in problem for part in self.allowed)]


OpenContext = Callable[..., tuple[Page, Watch]]


def close(context: BrowserContext) -> None:
    """Close a context whose pages stand still: Chromium may never end one in which a page is on its way to another."""
    for page in context.pages:
        with suppress(Error):  # a navigation that the page began at the same moment wins
            page.goto("about:blank")
        page.goto("about:blank")
    context.close()


@pytest.fixture
def open_context(chromium: Browser, server: str) -> Iterator[OpenContext]:
    """open_context(width, height, scripts=True, **options) -> (page, watch); closed and checked at the end."""
    opened: list[tuple[BrowserContext, Watch]] = []

    def open_one(width: int = 1440, height: int = 900, scripts: bool = True, **options: Any) -> tuple[Page, Watch]:
        context = chromium.new_context(
            base_url=server,
            viewport={"width": width, "height": height},
            java_script_enabled=scripts,
            reduced_motion="reduce",
            **options,
        )
        context.set_default_timeout(60_000)
        context.add_init_script(TELL_VIOLATIONS)
        watch = Watch(context, server)
        opened.append((context, watch))
        return context.new_page(), watch

    yield open_one
    found = [problem for _, watch in opened for problem in watch.problems()]
    for context, _ in opened:
        close(context)
    assert not found


@pytest.fixture
def watched(open_context: OpenContext) -> tuple[Page, Watch]:
    return open_context()


@pytest.fixture
def page(watched: tuple[Page, Watch]) -> Page:
    return watched[0]


@pytest.fixture
def watch(watched: tuple[Page, Watch]) -> Watch:
    return watched[1]


@pytest.fixture
def sign_in(session: Session, server: str) -> Callable[..., None]:
    def put_session(page: Page, user: User, *, has_read: bool = True) -> None:
        if has_read:
            read_guidelines(session, user)
        token = sign_ins.start_session(session, user)
        session.commit()
        page.context.add_cookies([{"name": cookie_name(), "value": token, "url": server}])

    return put_session
