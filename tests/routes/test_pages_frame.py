"""What every page rests on: escaping, Markdown of hostile texts, static files, the geometry of plots."""

from __future__ import annotations

import gzip
import re
import time
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from app.markdown import LONGEST, count_words, render_markdown
from app.pages import templates
from app.plots import curves, progress_share, ring
from app.services.overview import Station
from app.settings import ROOT
from app.static_files import static_files, static_url
from tests.browser.content import XSS

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_templates_compile_and_hold_no_inline_code(path: Path) -> None:
    text = path.read_text()
    templates.get_template(path.relative_to(ROOT / "templates").as_posix())
    assert not re.search(r"\|\s*safe\b|autoescape", text)
    code = text.replace('<script type="application/json"', "")  # data for the modules, which no browser runs
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", code)
    assert "https://" not in text.replace("http://www.w3.org", "")


def test_undefined_names_are_errors() -> None:
    with pytest.raises(UndefinedError):
        templates.from_string("{{ nobody }}").render()


def test_text_is_escaped_by_default() -> None:
    assert templates.from_string("{{ text }}").render(text="<b>&\"'") == "&lt;b&gt;&amp;&#34;&#39;"


@pytest.mark.parametrize("text", XSS)
def test_markdown_lets_no_code_and_no_image_through(text: str) -> None:
    html = render_markdown(text)
    tags = {tag.lower() for tag in re.findall(r"<([a-zA-Z]+)", html)}
    assert tags <= {"p", "a", "br", "em", "strong", "code", "pre", "span", "ol", "ul", "li", "blockquote", "table"}
    attributes = set(re.findall(r"<[a-z]+[^>]*?\s([a-z-]+)=", html))
    assert attributes <= {"dir", "href", "target", "rel", "class", "start"}
    assert not re.search(r'<a [^>]*href="(?!https?://|mailto:)', html)


def test_markdown_keeps_what_models_write() -> None:
    html = render_markdown("# Top\n\none\ntwo\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n3. c\n\n```py\nx <y\n\nz\n```")
    assert '<h3 dir="auto">Top</h3>' in html
    assert "one<br>" in html
    assert '<td class="end" dir="auto">2</td>' in html
    assert '<ol start="3" dir="auto">' in html
    assert '<span class="ln">x &lt;y\n</span><span class="ln">\n</span>' in html
    assert "one two" not in render_markdown("one\ntwo")
    assert "one\ntwo" in render_markdown("one\ntwo", False)


@pytest.mark.parametrize(
    "text", ["[" * 20_000, "> " * 5_000 + "x", "*a _b " * 5_000, "`" * 20_000, "x" * (LONGEST + 1)]
)
def test_markdown_of_a_malicious_length_takes_no_endless_time(text: str) -> None:
    start = time.process_time()
    assert render_markdown(text)
    assert time.process_time() - start < 10


def test_words_are_counted_as_people_do() -> None:
    assert count_words("It’s a well-known fact: 3 – 2 = 1.") == 7
    assert count_words("把豆子泡一夜 ok") == 7
    assert count_words("--- *** ---") == 0


@pytest.fixture
def assets() -> TestClient:
    return TestClient(Starlette(routes=[Mount("/static", static_files)]))


def test_static_files_are_immutable_under_their_version_only(assets: TestClient) -> None:
    answer = assets.get(static_url("css/tutelage.css"))
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert assets.get("/static/0123456789ab/css/tutelage.css").headers["cache-control"] == "no-store"


def test_static_files_are_sent_compressed(assets: TestClient) -> None:
    with assets.stream("GET", static_url("js/ranking/state.js"), headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == (ROOT / "static/js/ranking/state.js").read_bytes()


@pytest.mark.parametrize(
    "path", ["../app/main.py", "..%2f..%2fpyproject.toml", "js", "", "js/none.js", "%00", "/etc/passwd"]
)
def test_static_files_stay_in_their_folder(assets: TestClient, path: str) -> None:
    version = static_url("").rstrip("/")
    assert assets.get(f"{version}/{path}").status_code == 404


def test_our_own_modules_stay_short() -> None:
    for path in (ROOT / "static" / "js").rglob("*.js"):
        assert len(path.read_text().splitlines()) <= 300, path


STATIONS = [
    Station(f"s{n}", f"S{n}", True, "done" if n < 3 else "now" if n == 3 else "waiting", ("1", "")) for n in range(8)
]


def test_the_ring_starts_at_the_top_and_goes_clockwise() -> None:
    placed = ring(STATIONS, 0.4)
    assert (placed[0].x, placed[0].anchor) == (400.0, "middle")
    assert placed[2].x > 400 > placed[6].x
    assert [station.arc_state for station in placed] == ["done"] * 3 + ["waiting"] * 5
    assert [bool(station.progress_arc) for station in placed] == [False] * 3 + [True] + [False] * 4


def test_curves_take_the_later_telling_of_a_step_and_pass_over_what_is_no_number() -> None:
    payloads = [
        {"step": 1, "metrics": {"loss": 9.0, "lr": 0.1}},
        {"step": 2, "metrics": {"loss": float("nan")}},
        {"phase": "starting"},
        {"step": 1, "metrics": {"loss": 3.0}},
        {"step": 3, "metrics": {"loss": 1.0}},
    ]
    (curve,) = curves("sft", payloads)
    assert (curve.first_step, curve.last_step, curve.last, curve.high) == (1, 3, 1.0, 3.0)
    assert curve.points == "0 4.0 200 70.0"
    assert curves("sampling", payloads) == []
    assert progress_share({"step": 5, "of": 20}) == 0.25
    assert progress_share({"step": 5}) is None
