"""axe-core in a page: what a program can find of WCAG 2.2 AA and of good practice.

The library comes from npm (a development dependency in package.json) and is put in by the test alone, past the content
policy; pages that people get never hold it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from playwright.sync_api import Page

from app.settings import ROOT

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OF_COLOURS = ["color-contrast", "link-in-text-block"]
RUN = """async ([runOnly]) => (await axe.run(document, { runOnly, resultTypes: ["violations"] }))
  .violations.flatMap((found) => found.nodes.map((node) => `${found.id}: ${node.target.join(" ")} (${found.help})`))"""


@lru_cache
def source() -> str:
    path = ROOT / "node_modules/axe-core/axe.min.js"
    assert path.is_file(), "axe-core is missing: run `npm ci` in the repository, or the tests by `make test`"
    return path.read_text()


def violations(page: Page, rules: list[str] | None = None) -> list[str]:
    """`rule: element (what it asks)` of everything that axe finds in the page as it stands, or of some rules only."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(source())
    found: Any = page.evaluate(RUN, [{"type": "rule", "values": rules} if rules else {"type": "tag", "values": TAGS}])
    return [str(each) for each in found]


def overflow(page: Page) -> list[str]:
    """What sticks out of the window sideways, where the page as a whole does."""
    wide = """() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("body *")]
      .filter((e) => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 5)
      .map((e) => `wider than the window: ${e.tagName.toLowerCase()}.${e.className}`)"""
    return [str(each) for each in page.evaluate(wide)]
