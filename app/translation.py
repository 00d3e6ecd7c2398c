"""The interface in the reader's language: gettext, with the catalogs of `locale/`.

`_` marks what people read: in Python, in templates ({% trans %}, _()) and in modules of the browser (t()). English is
the language of the source and needs no catalog. A request has its language from app/middleware.py; what runs outside of
one speaks English. `make messages` brings the catalogs up to date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Any

LOCALE = Path(__file__).parents[1] / "locale"
SOURCE = "en"

_language: ContextVar[str] = ContextVar("language", default=SOURCE)


@lru_cache
def languages() -> dict[str, str]:
    """Those that the interface speaks: code -> its own name for itself."""
    from babel import Locale

    codes = [SOURCE, *sorted(path.parts[-3] for path in LOCALE.glob("*/LC_MESSAGES/tutelage.po"))]
    return {code: (Locale.parse(code).get_display_name(code) or code).capitalize() for code in codes}


def language() -> str:
    """The language of this request."""
    return _language.get()


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speak this language for a while; one without a catalog is English."""
    token = _language.set(code if code in languages() else SOURCE)
    try:
        yield
    finally:
        _language.reset(token)


@lru_cache(maxsize=1000)
def choose_language(chosen: str | None, accepted: str) -> str:
    """What the reader picked, or else the first of the Accept-Language header that there is; English at last."""
    wanted = [chosen] if chosen else []
    for code in (*wanted, *_preferred(accepted)):
        for known in (code, code.split("-")[0]):
            if known in languages():
                return known
    return SOURCE


def _preferred(header: str) -> list[str]:
    """Language tags of an Accept-Language header, most wanted first (RFC 9110, 12.5.4), without malformed ones."""
    weighted: list[tuple[float, str]] = []
    for part in header[:400].split(","):
        match = re.fullmatch(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*", part)
        if match and float(match[2] or 1) > 0:
            weighted.append((float(match[2] or 1), match[1]))
    return [code for _, code in sorted(weighted, key=lambda pair: -pair[0])]


@lru_cache
def _catalog(code: str) -> NullTranslations:
    """A catalog, compiled when it is first asked for: what lies in the repository is text."""
    if code == SOURCE:
        return NullTranslations()
    from babel.messages.mofile import write_mo

    compiled = BytesIO()
    write_mo(compiled, read_catalog(code))
    compiled.seek(0)
    return GNUTranslations(compiled)


def read_catalog(code: str) -> Any:
    """The messages of a language with their places in the source (babel.messages.Catalog)."""
    from babel.messages.pofile import read_po

    with (LOCALE / code / "LC_MESSAGES" / "tutelage.po").open("rb") as file:
        return read_po(file, locale=code)


@lru_cache
def browser_messages(code: str) -> dict[str, str | Sequence[str]]:
    """What modules of the browser say: message -> translation, or its plural forms. Empty for English."""
    if code == SOURCE:
        return {}
    said: dict[str, str | Sequence[str]] = {}
    for message in read_catalog(code):
        if message.id and message.string and any(path.endswith(".js") for path, _ in message.locations):
            said[message.id if isinstance(message.id, str) else message.id[0]] = message.string
    return said


def mark(message: str) -> str:
    """Mark what is made once and said later: whoever shows it calls gettext."""
    return message


def gettext(message: str) -> str:
    """The message in the language of this request."""
    return _catalog(_language.get()).gettext(message)


def pgettext(context: str, message: str) -> str:
    """The same for a message that English says alike in several senses; the context tells which one."""
    return _catalog(_language.get()).pgettext(context, message)


def ngettext(one: str, many: str, count: int) -> str:
    """The form that fits the count; put the count in by `% {"count": count}`."""
    return _catalog(_language.get()).ngettext(one, many, count)
