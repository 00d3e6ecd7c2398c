"""What a demonstration may hold: an answer, further turns of a chat, sources. Asked by services/demonstrations.py."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from app import figures
from app.translation import gettext as _

LONGEST_TEXT = 100_000  # characters of the answer and all further turns together
MOST_TURNS = 100  # after the first answer
MOST_SOURCES = 10
LONGEST_URL, LONGEST_NOTE = 2000, 500


def text_problem(text: str, turns: Sequence[Any] = ()) -> str | None:
    """Why the answer cannot be stored, as a sentence; None when it can."""
    if not text.strip():
        return _("The answer is empty. Write one, or skip the task.")
    if len(text) + sum(len(turn["content"]) for turn in turns) > LONGEST_TEXT:
        return _("The answer is longer than %(most)s characters.") % {"most": figures.number(LONGEST_TEXT)}
    if any("\x00" in part for part in (text, *(turn["content"] for turn in turns))):
        return _("The answer holds a zero byte, which no text may.")
    return None


def turns_problem(turns: Any, chat: bool) -> str | None:
    """Why `turns` does not carry the conversation on: user and assistant in turn, ending with an answer."""
    if not turns:
        return None
    if not chat:
        return _("This project takes one answer to a prompt, not a conversation.")
    if not isinstance(turns, list) or len(turns) > MOST_TURNS:
        return _("A conversation may go on for %(most)s turns at most.") % {"most": MOST_TURNS}
    for number, turn in enumerate(turns):
        role = "assistant" if number % 2 else "user"
        if not isinstance(turn, dict) or set(turn) != {"role", "content"} or turn["role"] != role:
            sentence = _(
                "Turn %(number)s after the answer must be an object of the %(role)s with `role` and `content`."
            )
            return sentence % {"number": number + 1, "role": role}
        if not isinstance(turn["content"], str) or not turn["content"].strip():
            sentence = (
                _("The answer in round %(round)s is empty. Write it, or remove that round.")
                if role == "assistant"
                else _("The message of the user in round %(round)s is empty. Write it, or remove that round.")
            )
            return sentence % {"round": number // 2 + 2}
    if len(turns) % 2:
        return _("The conversation ends with the user. Write the last answer, or remove that round.")
    return None


def clean_turns(turns: Iterable[dict[str, str]] | None) -> list[dict[str, str]] | None:
    """As stored: without space at the ends; None for a single answer."""
    kept = [{"role": turn["role"], "content": turn["content"].strip()} for turn in turns or ()]
    return kept or None


def sources_problem(sources: Any) -> str | None:
    """Why the list of sources cannot be stored, as a sentence; None when it can."""
    if not isinstance(sources, list) or len(sources) > MOST_SOURCES:
        return _("Name %(most)s sources at most.") % {"most": MOST_SOURCES}
    for source in sources:
        if not isinstance(source, dict) or not set(source) <= {"url", "note"}:
            return _("A source must be an object with `url` and, if you like, `note`.")
        url, note = source.get("url"), source.get("note") or ""
        if not isinstance(url, str) or not _is_web_address(url):
            sentence = _("“%(address)s” is no address of a web page. It has to begin with https:// or http://.")
            return sentence % {"address": str(url or "")[:80]}
        if not isinstance(note, str) or len(note) > LONGEST_NOTE or "\x00" in note:
            return _("The note of a source may have %(most)s characters at most.") % {"most": LONGEST_NOTE}
    return None


def clean_sources(sources: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
    """As stored: each address once, notes without space at the ends."""
    kept: dict[str, str] = {}
    for source in sources:
        kept.setdefault(source["url"].strip(), str(source.get("note") or "").strip())
    return [{"url": url, "note": note} for url, note in kept.items()]


def _is_web_address(text: str) -> bool:
    text = text.strip()
    if not 0 < len(text) <= LONGEST_URL or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def clamp_share(told: float | None) -> float | None:
    """The share that a browser told, held to 0..1; None when it told nothing that is a number."""
    if told is None or math.isnan(told):
        return None
    return min(1.0, max(0.0, told))
