"""A task is held while somebody works on it, and by nobody else: leaving, coming back, sitting idle."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Project, Slot, User
from tests.seed import add_writing_task, make_project, make_user


@pytest.fixture
def project(session: Session, tmp_path: Path) -> Project:
    made = make_project(session, tmp_path / "base")
    add_writing_task(session, made, [{"role": "user", "content": "Who bakes the bread?"}])
    session.commit()
    return made


@pytest.fixture
def writer(session: Session, project: Project) -> User:
    user = make_user(session, "lena")
    session.commit()
    return user


def left(session: Session) -> timedelta:
    """How long the task is still held."""
    session.expire_all()
    session.rollback()
    until = session.scalars(select(Slot.leased_until)).one()
    return timedelta(0) if until is None else until - datetime.now(UTC)


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


def begin(page: Page, project: Project) -> None:
    page.goto("/")
    page.get_by_role("button", name="Next prompt").click()
    page.wait_for_url("**/assignments/*")
    page.wait_for_function("document.querySelector('#save').textContent !== ''")


def test_a_page_that_goes_frees_its_task_in_two_minutes_and_a_reload_keeps_it(
    page: Page, session: Session, project: Project, writer: User, sign_in: Callable[..., None]
) -> None:
    sign_in(page, writer)
    page.clock.install()
    begin(page, project)
    assert left(session) > timedelta(minutes=25)
    address = page.url
    page.goto("/account")
    wait_for(lambda: left(session) < timedelta(minutes=2))
    assert left(session) > timedelta(0)
    page.goto(address)
    page.mouse.move(200, 200)
    page.clock.run_for(45_000)
    wait_for(lambda: left(session) > timedelta(minutes=25))


def test_an_idle_page_sends_no_sign_of_life(
    page: Page, session: Session, project: Project, writer: User, sign_in: Callable[..., None]
) -> None:
    signs: list[str] = []
    page.on("request", lambda request: signs.append(request.url) if request.url.endswith("/lease") else None)
    sign_in(page, writer)
    page.clock.install()
    begin(page, project)
    page.clock.run_for(20 * 60_000)
    assert signs == []
    page.mouse.move(300, 300)
    page.clock.run_for(5_000)
    wait_for(lambda: len(signs) == 1)
