"""What changed between two contents of a label, in words. Asked by services/history.py.

A content is what models/revision.py keeps: the columns of a label by their names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LETTERS = "ABCDEFGHI"
FIRST = ("text", "tiers")  # is told before all else
SILENT = ("seconds", "pasted_share", "warnings", "presentation")  # says how it was written, not what is said


def letters_of(order_shown: Sequence[str]) -> dict[str, str]:
    """Completion id -> the letter under which this labeler knew it."""
    return dict(zip(order_shown, LETTERS, strict=False))


def order_in_letters(tiers: Sequence[Sequence[str]], letters: Mapping[str, str]) -> str:
    """Best first, ties joined: "B › A = C"."""
    return " › ".join(" = ".join(sorted(letters.get(key, "?") for key in tier)) for tier in tiers)


def same_content(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return all(before.get(name) == after.get(name) for name in {*before, *after} - {*SILENT})


def describe_changes(before: Mapping[str, Any], after: Mapping[str, Any], letters: Mapping[str, str]) -> list[str]:
    """One phrase for everything that is not as it was; empty when nothing is."""
    phrases = []
    for name in sorted({*before, *after}, key=lambda name: (name not in FIRST, name)):
        old, new = before.get(name), after.get(name)
        if old == new or name in SILENT:
            continue
        if name == "tiers":
            phrases.append(
                f"order {order_in_letters(old or [], letters)} became {order_in_letters(new or [], letters)}"
            )
        elif name == "ratings":
            phrases += _rating_changes(old or {}, new or {}, letters)
        elif name == "prompt_flags":
            phrases += _flag_changes(set(old or []), set(new or []), "the prompt")
        elif name == "confidence":
            phrases.append(f"confidence {old or 'not said'} became {new or 'not said'}")
        elif name == "text":
            phrases.append(f"{_words(old)} became {_words(new)}")
        else:
            phrases.append(_plain_change("reason" if name == "comment" else name.replace("_", " "), old, new))
    return phrases


def _rating_changes(old: Mapping[str, Any], new: Mapping[str, Any], letters: Mapping[str, str]) -> list[str]:
    phrases = []
    for key, letter in letters.items():
        before, after = old.get(key) or {}, new.get(key) or {}
        if before.get("overall") != after.get("overall"):
            phrases.append(
                f"{letter} rated {after.get('overall') or 'nothing'}, before {before.get('overall') or 'nothing'}"
            )
        phrases += _flag_changes(set(before.get("flags") or []), set(after.get("flags") or []), letter)
    return phrases


def _flag_changes(old: set[str], new: set[str], what: str) -> list[str]:
    return [f"flag {_said(flag)} set on {what}" for flag in sorted(new - old)] + [
        f"flag {_said(flag)} taken from {what}" for flag in sorted(old - new)
    ]


def _plain_change(name: str, old: Any, new: Any) -> str:
    return f"{name} added" if not old else f"{name} removed" if not new else f"{name} changed"


def _said(flag: str) -> str:
    return "“" + flag.replace("_", " ") + "”"


def _words(text: Any) -> str:
    count = len(str(text or "").split())
    return f"{count:,} word" if count == 1 else f"{count:,} words"
