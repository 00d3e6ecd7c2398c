"""What changed between two contents of a label, in words. Asked by services/history.py.

A content is what models/revision.py keeps: the columns of a label by their names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app import figures
from app.translation import gettext as _
from app.translation import mark, ngettext, pgettext

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
            orders = {"old": order_in_letters(old or [], letters), "new": order_in_letters(new or [], letters)}
            phrases.append(_("order %(old)s became %(new)s") % orders)
        elif name == "ratings":
            phrases += _rating_changes(old or {}, new or {}, letters)
        elif name == "prompt_flags":
            phrases += _flag_changes(set(old or []), set(new or []))
        elif name == "confidence":
            said = {"old": old or _("not said"), "new": new or _("not said")}
            phrases.append(_("confidence %(old)s became %(new)s") % said)
        elif name == "text":
            phrases.append(_("%(old)s became %(new)s") % {"old": _words(old), "new": _words(new)})
        else:
            phrases.append(_plain_change(name, old, new))
    return phrases


def _rating_changes(old: Mapping[str, Any], new: Mapping[str, Any], letters: Mapping[str, str]) -> list[str]:
    phrases = []
    for key, letter in letters.items():
        before, after = old.get(key) or {}, new.get(key) or {}
        if before.get("overall") != after.get("overall"):
            none = pgettext("rating", "nothing")
            said = {"old": before.get("overall") or none, "new": after.get("overall") or none}
            phrases.append(_("%(letter)s rated %(new)s, before %(old)s") % {"letter": letter, **said})
        phrases += _flag_changes(set(before.get("flags") or []), set(after.get("flags") or []), letter)
    return phrases


def _flag_changes(old: set[str], new: set[str], letter: str = "") -> list[str]:
    """Of the response with that letter, else of the prompt."""
    came = _("flag “%(flag)s” set on %(letter)s") if letter else _("flag “%(flag)s” set on the prompt")
    went = _("flag “%(flag)s” taken from %(letter)s") if letter else _("flag “%(flag)s” taken from the prompt")
    changed = [(came, flag) for flag in sorted(new - old)] + [(went, flag) for flag in sorted(old - new)]
    return [phrase % {"flag": flag.replace("_", " "), "letter": letter} for phrase, flag in changed]


# (added, removed, changed)
PLAIN = {
    "comment": (mark("reason added"), mark("reason removed"), mark("reason changed")),
    "turns": (mark("turns added"), mark("turns removed"), mark("turns changed")),
    "sources": (mark("sources added"), mark("sources removed"), mark("sources changed")),
}


def _plain_change(name: str, old: Any, new: Any) -> str:
    at = 0 if not old else 1 if not new else 2
    if name in PLAIN:
        return _(PLAIN[name][at])
    return (_("%(name)s added"), _("%(name)s removed"), _("%(name)s changed"))[at] % {"name": name.replace("_", " ")}


def _words(text: Any) -> str:
    count = len(str(text or "").split())
    return ngettext("%(shown)s word", "%(shown)s words", count) % {"shown": figures.number(count)}
