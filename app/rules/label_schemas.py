"""What the ranking page asks: ratings, flags of a response, flags of the prompt, confidence.

The questions of a project have versions; a task keeps the version that it was claimed under. Asked by
services/label_schemas.py when a version is published, and by the pages that read one as typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from app.translation import gettext as _
from app.translation import mark

MOST_FLAGS = 20
LONGEST_LABEL = 80
KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")

FlagKind = Literal["response_flags", "prompt_flags"]
FLAG_KINDS: dict[FlagKind, str] = {"response_flags": "flag of a response", "prompt_flags": "flag of the prompt"}


# What a version says about flags, by what happened to them.
CHANGES: dict[FlagKind, dict[str, str]] = {
    "response_flags": {
        "new": mark("New flag of a response: %(label)s (%(key)s)."),
        "out": mark("Took out a flag of a response: %(label)s (%(key)s)."),
        "reworded": mark("Reworded a flag of a response: “%(before)s” is now “%(label)s” (%(key)s)."),
        "order": mark("Put each flag of a response in another order."),
    },
    "prompt_flags": {
        "new": mark("New flag of the prompt: %(label)s (%(key)s)."),
        "out": mark("Took out a flag of the prompt: %(label)s (%(key)s)."),
        "reworded": mark("Reworded a flag of the prompt: “%(before)s” is now “%(label)s” (%(key)s)."),
        "order": mark("Put each flag of the prompt in another order."),
    },
}


class Flag(TypedDict):
    """A box that she may tick. The key is what labels keep, the label what she reads."""

    key: str
    label: str


class Fields(TypedDict):
    """What one version asks."""

    ratings: bool  # each response from 1 to 7, before the order
    response_flags: list[Flag]
    prompt_flags: list[Flag]
    confidence: bool  # how sure she is of the order, from 1 to 9


def _flags(labels: Mapping[str, str]) -> list[Flag]:
    return [Flag(key=key, label=label) for key, label in labels.items()]


# InstructGPT, table 3; "satisfies the constraint" is asked the other way round, so that every flag is a fault or a
# content to look for. The ones that labelers need most stand first and have a key of their own.
DEFAULT_RESPONSE_FLAGS = _flags(
    {
        "fails_instruction": "Fails the instruction",
        "hallucination": "Hallucination",
        "breaks_constraint": "Breaks a constraint",
        "inappropriate": "Inappropriate for an assistant",
        "harmful_advice": "Harmful advice",
        "encourages_harm": "Encourages harm",
        "denigrates": "Denigrates a protected group",
        "sexual": "Sexual content",
        "violent": "Violent content",
        "opinion": "Gives an opinion",
        "moral_judgment": "Moral judgment",
    }
)
# InstructGPT, table 3, the part that is about the prompt.
DEFAULT_PROMPT_FLAGS = _flags(
    {
        "ambiguous": "Ambiguous",
        "sensitive": "Sensitive",
        "identity_dependent": "Depends on who asks",
        "closed_domain": "Closed domain",
        "continuation": "Continuation style",
        "requests_opinion": "Wants opinion, advice or moral judgment",
        "safety_constraints": "Has safety constraints",
        "other_constraints": "Has other constraints",
        "unclear_intent": "Intent unclear",
    }
)


def default_fields(ratings: bool = True, response_flags: Sequence[Flag] | None = None) -> Fields:
    """What a new project asks: version 1."""
    return Fields(
        ratings=ratings,
        response_flags=list(DEFAULT_RESPONSE_FLAGS if response_flags is None else response_flags),
        prompt_flags=list(DEFAULT_PROMPT_FLAGS),
        confidence=False,
    )


def flag_keys(fields: Mapping[str, Any], kind: FlagKind) -> list[str]:
    return [flag["key"] for flag in fields[kind]]


def field_problems(fields: Fields) -> list[dict[str, str]]:
    """Everything that keeps a version from being published, as {"field", "message"}; empty when it is sound."""
    return [{"field": kind, "message": message} for kind in FLAG_KINDS for message in flag_problems(fields[kind])]


def flag_problems(flags: Sequence[Flag]) -> list[str]:
    """Why these cannot be asked, as sentences."""
    problems = []
    if len(flags) > MOST_FLAGS:
        problems.append(_("At most %(most)s flags; these are %(count)s.") % {"most": MOST_FLAGS, "count": len(flags)})
    for flag in flags:
        if not KEY.fullmatch(flag["key"]):
            sentence = _("“%(key)s” is no key: small letters, digits and _, a letter first, 40 at most.")
            problems.append(sentence % {"key": flag["key"][:50]})
        label = flag["label"]
        if not label.strip():
            problems.append(_("The flag %(key)s has no label.") % {"key": flag["key"][:50]})
        elif len(label) > LONGEST_LABEL or any(ord(sign) < 32 or ord(sign) == 127 for sign in label):
            sentence = _("“%(label)s…” must be one line of at most %(most)s characters.")
            problems.append(sentence % {"label": label[:40], "most": LONGEST_LABEL})
    problems += [_("The key %(key)s is there twice.") % {"key": key} for key in _twice(flag["key"] for flag in flags)]
    labels = _twice(flag["label"].strip().lower() for flag in flags)
    problems += [_("“%(label)s” is there twice.") % {"label": label} for label in labels]
    return problems


def _twice(names: Iterable[str]) -> list[str]:
    listed = list(names)
    return sorted({name for name in listed if listed.count(name) > 1})


def parse_flags(lines: str, known: Iterable[Flag]) -> list[Flag]:
    """Flags as typed, one a line: `key: Label`, or the label alone.

    A label alone takes the key that it has among `known` (the flags of all versions), since labels that are stored
    speak of it; a new one gets a key made of its words.
    """
    keys = {flag["label"]: flag["key"] for flag in known}
    taken = set(keys.values())
    flags: list[Flag] = []
    for line in filter(None, (line.strip() for line in lines.splitlines())):
        key, colon, label = line.partition(":")
        if not (colon and KEY.fullmatch(key.strip()) and label.strip()):
            key, label = keys.get(line) or _new_key(line, taken), line
        taken.add(key.strip())
        flags.append(Flag(key=key.strip(), label=label.strip()))
    return flags


def _new_key(label: str, taken: set[str]) -> str:
    """Made of the words; where they give none (中文), the next free number."""
    made = re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")
    if not made:
        number = 1
        while f"flag_{number}" in taken:
            number += 1
        return f"flag_{number}"
    return (made if made[0].isalpha() else f"flag_{made}")[:40]


def flags_to_lines(flags: Iterable[Flag]) -> str:
    return "\n".join(f"{flag['key']}: {flag['label']}" for flag in flags)


def describe_changes(before: Fields, after: Fields) -> list[str]:
    """What a version asks otherwise than the one before it, a sentence each."""
    changes = []
    if before["ratings"] != after["ratings"]:
        changes.append(_("Asks for ratings.") if after["ratings"] else _("Asks for no ratings any more."))
    if before["confidence"] != after["confidence"]:
        asks = _("Asks how sure the labeler is.") if after["confidence"] else _("Asks for no confidence any more.")
        changes.append(asks)
    for kind in FLAG_KINDS:
        changes += _flag_changes(before[kind], after[kind], CHANGES[kind])
    return changes


def _flag_changes(before: Sequence[Flag], after: Sequence[Flag], said: Mapping[str, str]) -> list[str]:
    old, new = ({flag["key"]: flag["label"] for flag in flags} for flags in (before, after))
    came, went, reworded, moved = (said[what] for what in ("new", "out", "reworded", "order"))
    changes = [_(came) % {"label": label, "key": key} for key, label in new.items() if key not in old]
    changes += [_(went) % {"label": label, "key": key} for key, label in old.items() if key not in new]
    changes += [
        _(reworded) % {"before": old[key], "label": label, "key": key}
        for key, label in new.items()
        if key in old and old[key] != label
    ]
    if [key for key in old if key in new] != [key for key in new if key in old]:
        changes.append(_(moved))
    return changes
