"""The bar on top of a page: one line for who is there, and nothing cut off, at every width and in every language."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page
from sqlalchemy.orm import Session

from app.models import User
from tests.browser.conftest import OpenContext
from tests.browser.world import World, world

__all__ = ["world"]

WIDTHS = (1600, 1440, 1180, 1024, 768, 390)
LAYOUT = """() => {
  const box = (e) => e.getBoundingClientRect(), shown = (e) => box(e).width > 0;
  const end = [...document.querySelectorAll(".bar-end > *:not(form), .bar-end button")].filter(shown);
  const where = document.querySelector(".bar .where"), links = [...document.querySelectorAll(".nav .btn")];
  const middles = (all) => all.map((e) => Math.round((box(e).top + box(e).bottom) / 2));
  return {
    lines: Math.max(...middles(end)) - Math.min(...middles(end)),
    broken: Object.entries({
      cut: where.scrollWidth > where.clientWidth,
      wide: document.documentElement.scrollWidth > innerWidth,
      over: links.some((one) => end.some((other) =>
        box(one).right > box(other).left + 1 && box(one).left < box(other).right - 1
        && box(one).bottom > box(other).top + 1 && box(one).top < box(other).bottom - 1)),
    }).filter(([, is]) => is).map(([what]) => what),
  };
}"""


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("role", ["admin", "labeler"])
def test_the_bar_keeps_its_lines_and_its_names(
    open_context: OpenContext,
    session: Session,
    sign_in: Callable[[Page, User], None],
    world: World,
    role: str,
    language: str,
) -> None:
    page, _ = open_context(1440, 900)
    sign_in(page, world.people[role])
    page.goto("/")
    page.context.add_cookies([{"name": "tutelage-language", "value": language, "url": page.url}])
    for address in ("/projects/house/label", "/projects/house") if role == "admin" else ("/projects/house/label",):
        page.goto(address)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            layout = page.evaluate(LAYOUT)
            assert layout["lines"] <= 2, f"{address} at {width}: who is there stands on several lines"
            assert layout["broken"] == [], f"{address} at {width}: {layout['broken']}"
