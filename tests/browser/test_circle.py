"""Once round the whole circle in a browser, as admin, labeler and researcher, on everything that `tutelage up` starts.

A tiny model, but the real programs: embedded Postgres and Redis, the web server, the Celery worker, four trainings.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from app.settings import ROOT
from tests.seed import TINY_RECIPE

PASSWORD = "seven quiet herons wade"
TRAINING_MS = 180_000
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[str]:
    """`tutelage up` on a fresh home; yields what it printed up to the sign-in link."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home, log = tmp_path / "home", tmp_path / "up.log"
    environment = {**os.environ, "TUTELAGE_HOME": str(home), "TUTELAGE_PORT": str(port)}
    environment.pop("TUTELAGE_SECRET_KEY", None)
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "up"], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    try:
        for _ in range(1200):
            if "/invitations/" in log.read_text() and "ready" in log.read_text():
                break
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        yield log.read_text()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


class Person:
    """Somebody in a browser of her own; what the page must never do is noted."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.violations: list[str] = []
        self.page.on("console", lambda message: self.note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.violations.append(str(error)))

    def note(self, kind: str, text: str) -> None:
        if kind == "error":
            self.violations.append(text)

    def join(self, link: str) -> None:
        self.page.goto(link)
        self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        self.page.get_by_label("The same again").fill(PASSWORD)
        self.page.get_by_role("button", name="Set the password").click()
        expect(self.page).not_to_have_url(link)


def invite(admin: Person, base: str, username: str, role: str) -> str:
    admin.page.goto(f"{base}/users")
    admin.page.get_by_label("Username").fill(username)
    admin.page.get_by_label("Role").select_option(role)
    admin.page.get_by_role("button", name="Invite").click()
    return admin.page.locator("#invitation-link").inner_text()


def make_project(admin: Person, base: str, model: Path, prompts: Path) -> None:
    page = admin.page
    page.goto(f"{base}/projects/new")
    values = {
        "name": "Tiny",
        "slug": "tiny",
        "base_model": str(model),
        "responses_per_prompt": "3",
        "demonstration_threshold": "2",
        "ranking_threshold": "2",
        "comparisons_per_round": "4",
        "recipe": json.dumps(TINY_RECIPE),
    }
    for name, value in values.items():
        page.locator(f"[name={name}]").fill(value)
    page.locator("form [type=submit], form button.primary").last.click()
    expect(page).to_have_url(re.compile("/projects/tiny"))
    rows = [{"prompt": f"the cat sat on mat {number}", "use_case": "open_qa"} for number in range(6)]
    prompts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    page.goto(f"{base}/projects/tiny/prompts")
    page.locator("input[type=file]").set_input_files(prompts)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("status")).to_contain_text("6 new prompts")


def write(labeler: Person, base: str, text: str) -> None:
    page = labeler.page
    page.goto(f"{base}/projects/tiny/write")
    if page.locator("#answer").count() == 0:
        page.get_by_role("button", name=re.compile("Next")).first.click()
    if "/guidelines" in page.url:
        page.get_by_role("button", name="I have read this").click()
    page.locator("body[data-ready]").wait_for()  # before that its keys do nothing
    page.locator("textarea#answer").fill(text)
    before = page.url
    page.keyboard.press("Control+Enter")
    expect(page).not_to_have_url(before)


def rank(labeler: Person, base: str) -> None:
    """By keyboard alone: rate each, line up, confirm, send."""
    page = labeler.page
    page.goto(f"{base}/projects/tiny/rank")
    if page.locator(".resp").count() == 0:
        page.get_by_role("button", name=re.compile("ranking")).first.click()
    expect(page.locator(".resp")).to_have_count(3)
    assert "checkpoint" not in page.content().lower()  # blind
    for done, key in enumerate(("6", "4", "2")):
        expect(page.locator("#go")).to_contain_text(f"Rate {3 - done} more")
        page.keyboard.press(key)
    before = page.url
    for step in ("Line up", "Confirm order", "Send"):
        expect(page.locator("#go")).to_contain_text(step)
        page.keyboard.press("Enter")
    expect(page).not_to_have_url(before)


def await_round(page: Page, base: str, number: int, words: str) -> None:
    """Wait on the loop page, which follows the training by itself, for the round and what it says of it."""
    page.goto(f"{base}/projects/tiny")
    expect(page.get_by_role("heading", level=1)).to_contain_text(words, timeout=TRAINING_MS)
    expect(page.locator("#loop .ring svg .big")).to_have_text(str(number))


def download(page: Page, link: str) -> list[dict[str, Any]]:
    with page.expect_download() as info:
        page.get_by_role("link", name=link).last.click()
    return [json.loads(line) for line in Path(info.value.path()).read_text().splitlines()]


def test_whole_circle_as_labeler_admin_and_researcher(
    running: str, chromium: Browser, tiny_model: Path, tmp_path: Path
) -> None:
    link = re.search(r"(http://\S+)/invitations/\S+", running)
    assert link is not None, running
    base = link.group(1)
    admin, labeler, researcher = (Person(chromium.new_context(accept_downloads=True)) for _ in range(3))

    admin.join(link.group(0))
    make_project(admin, base, tiny_model, tmp_path / "prompts.jsonl")
    labeler.join(invite(admin, base, "lina", "labeler"))
    researcher.join(invite(admin, base, "rosa", "researcher"))

    write(labeler, base, "a red bird sings")
    write(labeler, base, "hello please thank you")
    await_round(admin.page, base, 1, "People are ranking")

    rank(labeler, base)
    rank(labeler, base)
    admin.page.goto(f"{base}/projects/tiny")
    expect(admin.page.locator("[data-job]")).to_be_visible(timeout=TRAINING_MS)
    await_round(admin.page, base, 2, "People are ranking")
    rank(labeler, base)

    page = researcher.page
    page.goto(f"{base}/projects/tiny/data")
    pairs = download(page, "TRL prompt / chosen / rejected")
    assert len(pairs) == 9  # three rankings of three without ties
    assert set(pairs[0]) == {"prompt", "chosen", "rejected"}
    native = download(page, "native rows")
    assert [sorted(row["ranks"]) for row in native] == [[1, 2, 3]] * 3
    page.goto(f"{base}/projects/tiny/checkpoints")
    page.get_by_role("link", name=re.compile("checkpoint 5|PPO", re.IGNORECASE)).first.click()
    expect(page.locator("body")).to_contain_text("4 labels of 1 labeler went into it")
    page.goto(f"{base}/projects/tiny/labels/ranking")
    page.locator("main a[href^='/labels/ranking/']").last.click()
    expect(page.locator("body")).to_contain_text("PPO")
    page.goto(f"{base}/users")
    expect(page.locator("body")).not_to_contain_text("Invite somebody")

    assert admin.violations == []
    assert labeler.violations == []
    assert [text for text in researcher.violations if "404" not in text] == []
