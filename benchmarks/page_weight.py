"""What a ranking page weighs on the wire, cold and warm, and when its first key works, in Chromium.

    python -m benchmarks.page_weight [--responses 4 7 9] [--words 300] [--tries 5]

Bytes are what the browser received, headers and compression counted (CDP, Network.loadingFinished). The texts are
sentences of our own documentation, none of them twice on a page. The first key is pressed by a script in the page when
that says it is ready; what counts is the moment when the key has set a rating, from the start of the navigation.
Ends with 1 above 150 KiB or 400 ms cold, or above 15 KiB warm.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import statistics
import sys
from typing import Any

from playwright.sync_api import Browser, BrowserContext, sync_playwright
from sqlalchemy import select

from app.database import transaction
from app.models import Completion
from app.services import guidelines, users
from app.services.sign_ins import start_session
from app.settings import ROOT
from benchmarks.installation import installation

COLD_BYTES, COLD_MS, WARM_BYTES = 150 * 1024, 400, 15 * 1024
FIRST_KEY = """
new MutationObserver((_, watching) => {
  if (!document.body?.dataset.ready) return;
  watching.disconnect();
  document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "6", code: "Digit6", bubbles: true }));
  if (document.querySelector(".rate input:checked")) window.firstKey = performance.now();
}).observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-ready"] });
"""


def write_texts(words: int) -> None:
    """Every response of at least so many words, in paragraphs of three sentences."""
    texts = [path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))]
    prose = re.sub(r"```.*?```|^[#|][^\n]*$|[`*_]", "", "\n".join(texts), flags=re.S | re.M)
    sentences = sorted({found.replace("\n", " ") for found in re.findall(r"[A-Z][^.!?#|]{30,200}[.!?]", prose)})
    with transaction() as session:
        for prompt_id in session.scalars(select(Completion.prompt_id).distinct()):
            random.Random(prompt_id).shuffle(sentences)
            left = iter(sentences)
            for completion in session.scalars(select(Completion).where(Completion.prompt_id == prompt_id)):
                chosen: list[str] = []
                while len(" ".join(chosen).split()) < words:
                    chosen.append(next(left))
                completion.text = "\n\n".join(" ".join(chosen[at : at + 3]) for at in range(0, len(chosen), 3))


def load(context: BrowserContext, address: str) -> dict[str, Any]:
    """Open the page and count what comes until the network is quiet."""
    page = context.new_page()
    cdp = context.new_cdp_session(page)
    cdp.send("Network.enable")
    urls: dict[str, str] = {}
    received: dict[str, float] = {}
    cached: set[str] = set()
    cdp.on("Network.requestWillBeSent", lambda e: urls.__setitem__(e["requestId"], e["request"]["url"]))
    cdp.on("Network.requestServedFromCache", lambda e: cached.add(e["requestId"]))
    cdp.on("Network.loadingFinished", lambda e: received.__setitem__(e["requestId"], e["encodedDataLength"]))
    page.goto(address, wait_until="networkidle")
    page_url, first_key = page.url, page.evaluate("window.firstKey ?? null")
    page.close()
    sent = {urls[key]: size for key, size in received.items() if key not in cached and key in urls}
    # The work that the first key began (a draft, the next task) is not part of the page.
    mine = {url: size for url, size in sent.items() if "/static/" in url or url.endswith(address)}
    return {"bytes": int(sum(mine.values())), "requests": len(mine), "page": int(mine[page_url]), "ms": first_key}


def measure(browser: Browser, url: str, token: str, project: str, tries: int) -> dict[str, Any]:
    def open_context(press: bool) -> BrowserContext:
        context = browser.new_context(base_url=url, viewport={"width": 1440, "height": 900})
        context.add_cookies([{"name": "tutelage", "value": token, "url": url}])
        if press:
            context.add_init_script(FIRST_KEY)
        return context

    first = open_context(press=False)  # a key would leave a draft, which the next page brings
    page = first.new_page()
    page.goto(f"/projects/{project}/rank")
    page.get_by_role("button", name="Next ranking").click()
    page.locator("body[data-ready]").wait_for()
    address = page.url.removeprefix(url)
    page.close()
    warm = [load(first, address) for _ in range(tries)]
    first.close()
    cold = []
    for _ in range(tries):
        context = open_context(press=True)
        cold.append(load(context, address))
        context.close()
    assert all(each["ms"] is not None for each in cold), "the first key did nothing"
    return {"cold": in_the_middle(cold), "warm": in_the_middle(warm)}


def in_the_middle(loads: list[dict[str, Any]]) -> dict[str, Any]:
    times = [each["ms"] for each in loads if each["ms"] is not None]
    counted: dict[str, Any] = {
        "bytes": max(each["bytes"] for each in loads),
        "of which the page": max(each["page"] for each in loads),
        "requests": max(each["requests"] for each in loads),
    }
    if times:
        counted["first key, ms"] = {"median": round(statistics.median(times)), "best": round(min(times))}
    return counted


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--responses", type=int, nargs="+", default=[4, 7, 9])
    parser.add_argument("--words", type=int, default=300)
    parser.add_argument("--tries", type=int, default=5)
    options = parser.parse_args()
    path = shutil.which("chromium") or shutil.which("google-chrome")
    results: dict[str, Any] = {}
    for responses in options.responses:
        with installation(3, responses, 1, 0) as place, sync_playwright() as playwright:
            write_texts(options.words)
            with transaction() as session:
                ada = users.create_user(session, "ada", "Ada", "labeler")
                guidelines.note_reading(session, guidelines.get_guideline(session, 1, 1), ada)
                token = start_session(session, ada)
            browser = playwright.chromium.launch(executable_path=path, headless=True, args=["--no-sandbox"])
            results[f"K = {responses}"] = measure(browser, place.url, token, place.project, options.tries)
            browser.close()
    print(json.dumps({"words": options.words, **results}, indent=1))
    kept = all(
        each["cold"]["bytes"] <= COLD_BYTES
        and each["cold"]["first key, ms"]["median"] <= COLD_MS
        and each["warm"]["bytes"] <= WARM_BYTES
        for each in results.values()
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
