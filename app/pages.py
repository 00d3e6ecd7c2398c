"""Pages: the template environment and `render()`. Every HTML route ends here.

Autoescape is always on and an undefined name is an error. `markdown` is the only place where text becomes Markup; a
test greps the templates for `|safe`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from typing import Any

from babel.dates import format_skeleton
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.ext import Extension
from markupsafe import Markup

from app import compression, figures
from app.markdown import count_words, render_markdown
from app.names import kind_name, named
from app.rules.reports import REASONS, REPORTABLE
from app.settings import ROOT
from app.static_files import static_url
from app.translation import SOURCE, browser_messages, gettext, language, languages, ngettext, pgettext

PACK_FROM = 1000  # characters; below that a packet holds it anyhow


def markdown(text: str, breaks: bool = True) -> Markup:
    """Sanitised HTML; see app.markdown for what passes."""
    return Markup(render_markdown(text, breaks))


def clock(moment: datetime | None) -> str:
    """What a page shows before the browser puts it into the reader's own time zone."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%-d %b %Y, %H:%M UTC")


def day(at: date) -> str:
    """21 Nov 2026, in the reader's language."""
    return at.strftime("%-d %b %Y") if language() == SOURCE else format_skeleton("yMMMd", at, locale=language())


def weekday(at: date) -> str:
    """Sat 21 Nov, in the reader's language."""
    return at.strftime("%a %-d %b") if language() == SOURCE else format_skeleton("MMMEd", at, locale=language())


def duration(start: datetime | None, end: datetime | None = None) -> str:
    """2 h 10 min; up to now where the end is not known."""
    if start is None:
        return ""
    seconds = int(((end or datetime.now(UTC)) - start).total_seconds())
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


def spent(seconds: float) -> str:
    """Active time for people: 1 h 5 min, 41 min, 2 min 10 s, 45 s."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min {rest} s" if minutes < 10 and rest else f"{minutes} min"
    return f"{whole} s"


class NoIndent(Extension):
    """Templates are indented for those who read them, pages are not: the template's own lines, never a text in them."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return re.sub(r"^[ \t]+", "", source, flags=re.MULTILINE)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n", NoIndent],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        gettext, ngettext, newstyle=True, pgettext=pgettext
    )
    environment.filters.update(
        markdown=markdown,
        words=count_words,
        number=figures.number,
        percent=figures.percent,
        size=figures.size,
        metric=figures.metric,
        shortest=figures.shortest,
        clock=clock,
        day=day,
        weekday=weekday,
        duration=duration,
        spent=spent,
        named=named,
        kind_name=kind_name,
    )
    environment.globals.update(
        static_url=static_url, languages=languages, skip_reasons=REASONS, report_reasons=REPORTABLE
    )
    return environment


templates = _environment()


def render(
    request: Request,
    template: str,
    page: object = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> HTMLResponse:
    """The page as a response. `page` is a dataclass whose fields become the template's names; `context` adds to them.

    Templates may always use `user` (None when nobody is signed in), `project` (None outside of one), `path`,
    `language`, `browser_messages` (what the page's modules say in it), and `open_reports` (project id -> count, for
    admins).
    """
    values: dict[str, Any] = {
        "user": getattr(request.state, "user", None),
        "project": None,
        "path": request.url.path,
        "language": language(),
        "browser_messages": browser_messages(language()),
        "open_reports": getattr(request.state, "open_reports", {}),
    }
    if is_dataclass(page):
        values |= {field.name: getattr(page, field.name) for field in fields(page)}
    values |= context
    html = templates.get_template(template).render(values)
    encoding = _packing(request, html)
    if encoding is None:
        return HTMLResponse(html, status_code=status, headers=headers)
    packed = compression.pack(html.encode(), encoding)
    packing = {"Content-Encoding": encoding, "Vary": "Accept-Encoding"}
    return HTMLResponse(packed, status_code=status, headers={**(headers or {}), **packing})


def _packing(request: Request, html: str) -> str | None:
    """How to compress a page, if at all.

    Only whole pages are compressed, and here, in the thread that made them: event streams and downloads never pass.

    Only answers to GET: somebody who sees the length of compressed answers, and can have text of theirs in them, may
    guess a secret on the same page (BREACH). Our one-time secrets, links of invitations and new tokens, stand in
    answers to POST alone, which no other site can make a browser send; pages hold no CSRF token or session.
    """
    if request.method != "GET" or len(html) <= PACK_FROM:
        return None
    return compression.choose_encoding(request.headers.get("accept-encoding", ""))
