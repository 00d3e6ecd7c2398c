"""How the judge reads a response: cut into pieces, each with what it claims; used by `judge` and `judge_tasks`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from starter import scenes
from starter.phrases import Claim, parse_claim
from starter.world import make_world

_PIECE = re.compile(r"\s*(?:(?P<number>\d)\.\s+)?(?P<text>[^.!?\n]+)(?P<stop>[.!?]*)")
_LEAD = re.compile(r"^(?:(?P<aside>by the way|also|and|in fact|besides),?\s+)", re.IGNORECASE)
_GREETINGS = frozenset(g.rstrip("!").lower() for g in scenes.GREETINGS)
_WARM = re.compile(
    r"^(?:good (?:day|morning|evening)|hello|of course|certainly|sure|my pleasure)\b[^:]{0,25}$", re.IGNORECASE
)


@dataclass
class Piece:
    """One sentence or one numbered item."""

    text: str
    stop: str
    number: int | None
    aside: bool
    claim: Claim | None
    rude: bool
    used: bool = False  # a task has counted it as part of the answer proper


@dataclass
class Reading:
    pieces: list[Piece]
    greeting: str | None
    finished: bool
    entities: set[str] = field(default_factory=set)

    def claims(self) -> list[Claim]:
        return [piece.claim for piece in self.pieces if piece.claim]


def is_rude(text: str) -> bool:
    lowered = text.lower()
    return any(re.search(rf"\b{re.escape(word)}", lowered) for word in scenes.RUDE_WORDS)


def named_entities(text: str) -> set[str]:
    """The people, pets, places, foods and feasts that a text names."""
    return {
        match.group(0) if match.group(0) in make_world().entities else _by_lower()[match.group(0).lower()]
        for match in _any_name().finditer(text)
    }


@lru_cache(maxsize=1)
def _by_lower() -> dict[str, str]:
    return {name.lower(): name for name in make_world().entities}


@lru_cache(maxsize=1)
def _any_name() -> re.Pattern[str]:
    entities = make_world().entities.values()
    proper = [e.name for e in entities if e.kind in ("villager", "pet")]
    other = [f"(?i:{re.escape(e.name)})" for e in entities if e.kind not in ("villager", "pet")]
    return re.compile(r"\b(?:" + "|".join(other + proper) + r")\b")


def read(text: str, subject: str | None = None) -> Reading:
    """Cut `text` into pieces. `subject` is the entity that an opening pronoun stands for."""
    text = text.strip()
    pieces: list[Piece] = []
    greeting, last = None, subject
    for match in _PIECE.finditer(text):
        body = match["text"].strip(" ,\"'")
        if not body:
            continue
        lowered = body.lower()
        if not pieces and greeting is None and (lowered in _GREETINGS or (match["stop"] and _WARM.match(body))):
            greeting = lowered
            continue
        lead = _LEAD.match(body)
        bare = body[lead.end() :] if lead else body
        claim = parse_claim(bare, last)
        if claim:
            last = claim.entity
        elif match["number"] is None:
            named = named_entities(bare)
            people = [name for name in named if make_world().entities[name].kind == "villager"]
            if subject in named:
                last = subject
            elif len(people) == 1:
                last = people[0]
        number = int(match["number"]) if match["number"] else None
        pieces.append(Piece(bare, match["stop"], number, bool(lead), claim, is_rude(body)))
    finished = text.endswith((".", "!", "?", '"'))
    return Reading(pieces, greeting, finished, named_entities(text))
