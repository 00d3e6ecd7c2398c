"""Finds texts that nobody marked for translation: in the source of a template, and on a page in a made-up language.

That language writes every marked message in wide letters (Ａ for A). Whatever is still in plain letters is data that
the test put in, or a text that was forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from gettext import NullTranslations
from html.parser import HTMLParser
from typing import Any

import pytest
from jinja2 import nodes

from app import pages, translation

# What is the same in every language: names, units, keys.
SAME = {
    "Tutelage", "SFT", "PPO", "RLOO", "GRPO", "DPO", "TFLOP", "SHA", "TRL", "KL", "JSONL", "Aa",
    "Esc", "Alt", "min", "kB", "MB", "bytes", "UTC",
}  # fmt: skip
NO_PROSE = ("kbd", "code", "pre", "script", "style", "time", "textarea")
VOID = ("br", "hr", "img", "input", "link", "meta", "wbr")
READ_OUT = ("aria-label", "title", "placeholder", "alt", "data-confirm", "data-heading")
WORD = re.compile(r"[A-Za-z]{2,}")
KEPT = re.compile(r"(%\(\w+\)s|%%|<[^>]+>|&\w+;)")


def widen(message: str) -> str:
    """The message in wide letters; placeholders and markup stay."""
    wide = {code: code + 0xFEE0 for code in range(ord("A"), ord("z") + 1) if chr(code).isalpha()}
    return "".join(part if KEPT.fullmatch(part) else part.translate(wide) for part in KEPT.split(message))


class WideCatalog(NullTranslations):
    def gettext(self, message: str) -> str:
        return widen(message)

    def ngettext(self, one: str, many: str, count: int) -> str:
        return widen(one if count == 1 else many)

    def pgettext(self, context: str, message: str) -> str:
        return widen(message)


def speak_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the application speaks in wide letters, its modules in the browser too."""
    said: dict[str, Any] = {}
    for message in translation.read_catalog("de"):
        if message.id and any(path.endswith(".js") for path, _ in message.locations):
            one = message.id if isinstance(message.id, str) else message.id[0]
            said[one] = widen(one) if isinstance(message.id, str) else [widen(form) for form in message.id]
    monkeypatch.setattr(translation, "_catalog", lambda code: WideCatalog())
    monkeypatch.setattr(pages, "browser_messages", lambda code: said)


class Prose(HTMLParser):
    """The texts of a page: `found` holds what stands in text nodes and in attributes that are read out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[tuple[str, bool]] = []  # (tag, whether data or code stands in it)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        classes = (given.get("class") or "").split()
        if "hash" not in classes:
            self.found += [given[name] or "" for name in READ_OUT if name in given]
        if tag not in VOID:
            silent = tag in NO_PROSE or given.get("dir") == "auto" or "hash" in classes or "figures" in classes
            silent = silent or (tag != "html" and "lang" in given)  # a language by its own name
            self.open.append((tag, silent or (bool(self.open) and self.open[-1][1])))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        while self.open and tag in [name for name, _ in self.open]:
            if self.open.pop()[0] == tag:
                return

    def handle_data(self, data: str) -> None:
        if not (self.open and self.open[-1][1]):
            self.found.append(data)


def prose(html: str) -> list[str]:
    parser = Prose()
    parser.feed(html)
    parser.close()
    return parser.found


def forgotten(texts: Iterable[str], data: Iterable[str] = ()) -> list[str]:
    """Those that hold plain letters besides `data` and what is the same in every language."""
    found = []
    for text in texts:
        rest = text
        for known in sorted(data, key=len, reverse=True):
            rest = rest.replace(known, "")
        if set(WORD.findall(rest)) - SAME:
            found.append(" ".join(text.split()))
    return found


def unmarked(source: str) -> list[str]:
    """Texts in the source of a template that no {% trans %} and no _() marks, in any of its branches."""
    markup, said = [], []
    for kind, text in _printed(pages.templates.parse(source)):
        (markup if kind == "markup" else said).append(text)
    texts = (re.sub(r'[\w-]+="[^"]*"', "", text) for text in prose("".join(markup)))  # attributes that a macro prints
    return forgotten([*texts, *said])


def _printed(node: nodes.Node) -> Iterator[tuple[str, str]]:
    """("markup", ...) of what the template prints, ("said", ...) of strings that it hands on."""
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.TemplateData):
            yield "markup", child.data
        elif isinstance(node, nodes.Output):
            yield "markup", "0" + "|".join(_values(child))  # something is printed here, perhaps one of these
            yield from _names(child)
        elif isinstance(child, nodes.Expr):
            yield from _names(child)
        elif not (isinstance(child, nodes.Block) and child.name in IN_ATTRIBUTES):
            yield from _printed(child)


def _values(node: nodes.Node) -> Iterator[str]:
    """Strings that the expression may come to."""
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, nodes.CondExpr):
        yield from _values(node.expr1)
        yield from _values(node.expr2) if node.expr2 else ()
    elif isinstance(node, nodes.Or | nodes.And):
        yield from _values(node.right)
    elif isinstance(node, nodes.Concat):
        yield from (text for part in node.nodes for text in _values(part))
    elif isinstance(node, nodes.Dict):
        yield from (text for pair in node.items for text in _values(pair.value))
    elif isinstance(node, nodes.Getitem | nodes.Getattr):
        yield from _values(node.node)
    elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):  # {...}.get(key, "otherwise")
        yield from _values(node.node)
        yield from (text for part in node.args[1:] for text in _values(part))


SENTENCE = re.compile(r"[A-Z][a-z]|[A-Za-z] [a-z]")
MARKS = ("_", "gettext", "ngettext", "pgettext")
UNREAD = ("static_url",)
IN_ATTRIBUTES = ("body_class", "main_id")


def _names(node: nodes.Node) -> Iterator[tuple[str, str]]:
    """Strings that look like words, as arguments of macros and in lists that a template goes through."""
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in (*MARKS, *UNREAD):
        return
    if isinstance(node, nodes.Call | nodes.Tuple | nodes.List):
        for part in node.iter_child_nodes():
            if isinstance(part, nodes.Const) and isinstance(part.value, str) and SENTENCE.search(part.value):
                yield "said", part.value
    for part in node.iter_child_nodes():
        yield from _names(part)
