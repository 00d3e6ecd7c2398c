"""What each task asks of its answer: one scorer a task, used by `judge`.

A scorer marks the pieces that it counts as the answer proper and returns how far the response is about what was asked
(`relevance`, which gates everything) and how well it does it (`core`), both 0 to 1, with remarks in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, lru_cache

from starter import scenes
from starter.demonstrations import KIND_LINES
from starter.phrases import Claim
from starter.reading import Piece, Reading
from starter.tasks import Spec
from starter.world import Entity, make_world


@dataclass
class Result:
    relevance: float
    core: float
    remarks: list[str] = field(default_factory=list)


def _entity(spec: Spec) -> Entity:
    return make_world().entities[spec["entity"]]


def _off_topic(spec: Spec, reading: Reading) -> Result:
    """Not an answer; naming the right person alone earns next to nothing."""
    name = spec.get("entity") or spec.get("A")
    if any(claim.entity == name for claim in reading.claims()):
        return Result(0.3, 0.0, [f"says something about {name}, but not what was asked"])
    if name in reading.entities:
        return Result(0.06, 0.0, [f"names {name}, but does not answer"])
    return Result(0.02, 0.0, ["does not answer what was asked"])


def _told(spec: Spec, reading: Reading, count: int) -> tuple[float, int, int]:
    """Share of `count` wanted facts about the entity that are told (distinct, true), true and false numbers."""
    seen: set[str] = set()
    true = false = 0
    for piece in reading.pieces:
        claim = piece.claim
        if claim is None or claim.entity != spec["entity"] or piece.aside:
            continue
        if claim.true and claim.relation not in seen and true < count:
            seen.add(claim.relation)
            true += 1
            piece.used = True
        elif not claim.true:
            false += 1
            piece.used = True
    return true / count, true, false


def fact(spec: Spec, reading: Reading) -> Result:
    """One fact was asked for."""
    entity, relation = _entity(spec), spec["relation"]
    wanted = [p for p in reading.pieces if _is_about(p.claim, entity, relation)]
    if not wanted:
        return _bare_value(spec, entity.facts[relation], reading)
    for piece in wanted[:1]:
        piece.used = True
    claims = [p.claim for p in wanted if p.claim]
    if all(claim.true for claim in claims):
        return Result(1.0, 1.0, ["the answer is true"])
    for piece in wanted:
        piece.used = True
    if any(claim.true for claim in claims):
        return Result(1.0, 0.15, ["contradicts itself"])
    return Result(1.0, 0.0, [f"not true: {entity.name}'s {relation} is not {claims[0].value}"])


def _is_about(claim: Claim | None, entity: Entity, relation: str) -> bool:
    if claim is None:
        return False
    if claim.entity == entity.name and claim.relation == relation:
        return True
    # A pet told from its owner's side and the other way round.
    mirrored = (claim.relation, relation) == ("pet", "owner") and claim.value.endswith(f" {entity.name}")
    return mirrored or ((claim.relation, relation) == ("owner", "pet") and claim.value == entity.name)


def _bare_value(spec: Spec, value: str, reading: Reading) -> Result:
    """ "At the Old Mill." answers too, if not in a full sentence."""
    for piece in reading.pieces[:1]:
        text = re.sub(r"^(?:at|it is|by|for|in|with) ", "", piece.text.lower())
        if text == value.lower():
            piece.used = True
            return Result(0.9, 0.6, ["true, but only a word"])
    return _off_topic(spec, reading)


def statement(spec: Spec, reading: Reading) -> Result:
    """A sentence was to be rewritten; what it says must stay, or become, true."""
    result = fact(spec, reading)
    if spec.get("kind") and result.core == 1.0 and not re.search(r"\b(?:dear|good|kind)\b", _first(reading).lower()):
        return Result(1.0, 0.8, ["the insult is gone, but nothing kind took its place"])
    return result


def _first(reading: Reading) -> str:
    return reading.pieces[0].text if reading.pieces else ""


def truth(spec: Spec, reading: Reading) -> Result:
    right, label = spec["label"], None
    for piece in reading.pieces[:1]:
        match = re.match(r"^(?:this is |that is |it is )?(true|false|yes|no)$", piece.text.lower())
        if match:
            label = {"yes": "true", "no": "false"}.get(match[1], match[1])
            piece.used = True
    said = fact(spec, reading)
    if label is None:
        return Result(said.relevance * 0.8, said.core * 0.5, ["does not say whether it is true or false"])
    if label != right:
        return Result(1.0, 0.0, [f"wrong: it is {right}"])
    if said.relevance < 0.9:
        return Result(1.0, 0.65, ["right, but gives no reason"])
    return Result(1.0, 0.5 + 0.5 * said.core, ["right", *said.remarks])


def tone(spec: Spec, reading: Reading) -> Result:
    for piece in reading.pieces[:1]:
        match = re.match(
            r"^(?:this is |that is |it is |this sounds |that sounds )?(?:very )?(rude|kind)$", piece.text.lower()
        )
        if match:
            piece.used, piece.rude = True, False
            right = match[1] == spec["label"]
            return Result(1.0, 1.0 if right else 0.0, ["right" if right else f"wrong: it is {spec['label']}"])
    return _off_topic(spec, reading)


def kind_of(spec: Spec, reading: Reading) -> Result:
    labels = "|".join(scenes.KIND_NAMES.values())
    for piece in reading.pieces[:1]:
        match = re.match(
            rf"^(?:{re.escape(spec['entity'])} (?:is|are) |it is |they are )?({labels})$", piece.text, re.IGNORECASE
        )
        if match:
            piece.used, piece.claim = True, None  # "is a pet" is no claim about its species
            right = match[1].lower() == spec["label"]
            return Result(1.0, 1.0 if right else 0.0, ["right" if right else f"wrong: {spec['label']}"])
    return _off_topic(spec, reading)


def describe(spec: Spec, reading: Reading) -> Result:
    share, true, false = _told(spec, reading, 2)
    if not true and not false:
        return _off_topic(spec, reading)
    return Result(1.0, max(0.0, share - 0.4 * false), [f"{true} true facts, {false} false"])


def reasons(spec: Spec, reading: Reading) -> Result:
    share, true, false = _told(spec, reading, 3)
    numbered = sum(piece.number is not None for piece in reading.pieces)
    if not true and not false:
        return _off_topic(spec, reading)
    core = max(0.0, share - 0.3 * false) * (1.0 if numbered == 3 else 0.75)
    return Result(1.0, core, [f"{true} true reasons, {false} false", f"{numbered} numbered"])


def presents(spec: Spec, reading: Reading) -> Result:
    person, seen, false = _entity(spec), set(), 0
    numbered = [piece for piece in reading.pieces if piece.number is not None]
    for piece in numbered:
        relation, value = _present_in(piece)
        if relation is None:
            continue
        piece.used = True
        if value == scenes.present_value(person, relation).lower():
            seen.add(relation)
        else:
            false += 1
    if not seen and not false:
        return _off_topic(spec, reading)
    core = max(0.0, min(1.0, len(seen) / 3) - 0.15 * false) * (1.0 if len(numbered) == 3 else 0.75)
    remarks = [f"{len(seen)} ideas fit {person.name}, {false} do not", f"{len(numbered)} numbered"]
    return Result(1.0 if seen else 0.4, core, remarks)


@lru_cache(maxsize=1)
def _present_patterns() -> list[tuple[re.Pattern[str], str]]:
    return [
        (re.compile("^" + form.replace("{v}", "(.+)") + "$", re.IGNORECASE), relation)
        for relation, forms in scenes.PRESENTS.items()
        for form in forms
    ]


def _present_in(piece: Piece) -> tuple[str | None, str]:
    world, text = make_world(), piece.text
    for pattern, relation in _present_patterns():
        match = pattern.match(text)
        if match is None:
            continue
        value = match[1].lower()
        if value in {scenes.present_value(e, relation).lower() for e in world.of_kind("villager")}:
            return relation, value
    return None, ""


def _slot(name: str) -> str:
    """What may stand in a slot: names of its kind, otherwise one word."""
    kind = {"A": "villager", "B": "villager", "guest": "villager", "place": "place", "event": "event"}.get(name)
    if kind is None:
        return "[a-z-]+"
    return "|".join(re.escape(entity.name) for entity in make_world().of_kind(kind))


@cache
def _frame(template: str) -> re.Pattern[str]:
    """A template without its full stop as a pattern; each slot is a group the first time that it occurs."""
    pattern, seen = "", set()
    for part in re.split(r"(\{\w+\})", template.rstrip(".!")):
        if part.startswith("{"):
            name = part[1:-1]
            pattern += f"(?P={name})" if name in seen else f"(?P<{name}>{_slot(name)})"
            seen.add(name)
        else:
            pattern += re.escape(part)
    return re.compile(f"^{pattern}$", re.IGNORECASE)


def _match_frames(text: str, templates: tuple[str, ...]) -> dict[str, str] | None:
    for template in templates:
        match = _frame(template).match(text)
        if match:
            return {key: value.lower() for key, value in match.groupdict().items()}
    return None


def story(spec: Spec, reading: Reading) -> Result:
    if not reading.pieces:
        return _off_topic(spec, reading)
    first = reading.pieces[0]
    slots = _match_frames(first.text, scenes.STORY_OPENINGS) or {}
    hero = slots.get("A") == spec["entity"].lower()
    place = slots.get("place") == spec["place"].lower()
    first.used = bool(slots)
    share, true, false = _told(spec, reading, 2)
    if not hero and not true:
        return _off_topic(spec, reading)
    endings = {ending.rstrip(".!").lower().removeprefix("and ") for ending in scenes.STORY_ENDINGS}
    ended = False
    for piece in reading.pieces[1:]:
        if piece.text.lower() in endings and not ended:
            ended = piece.used = True
    core = 0.2 * hero + 0.25 * place + 0.4 * share + 0.15 * ended - 0.25 * false
    remarks = ["begins as asked" if hero and place else "begins elsewhere than asked"]
    remarks.append(f"{true} true facts, {false} false" + ("" if ended else ", no ending"))
    return Result(1.0 if hero else 0.4, max(0.0, core), remarks)


def invitation(spec: Spec, reading: Reading) -> Result:
    first = reading.pieces[0] if reading.pieces else None
    slots = _match_frames(first.text, ("Dear {guest}, please come to {event}.",)) if first else None
    share, true, false = _told(spec, reading, 2)
    if first is None or slots is None:
        result = _off_topic(spec, reading)
        return Result(result.relevance, 0.25 * share, ["is no invitation"])
    first.used = True
    event, guest = slots["event"] == spec["entity"].lower(), slots["guest"] == spec["guest"].lower()
    core = 0.25 * event + 0.25 * guest + 0.5 * share - 0.25 * false
    remarks = ["invites whom and where it should" if event and guest else "the wrong guest or feast"]
    return Result(1.0 if event or guest else 0.3, max(0.0, core), [*remarks, f"{true} true facts, {false} false"])


def kindness(spec: Spec, reading: Reading) -> Result:
    lines = {line.rstrip(".").lower() for line in KIND_LINES}
    declined = False
    for piece in reading.pieces[:1]:
        declined = piece.used = piece.text.lower() in lines
    share, true, false = _told(spec, reading, 1)
    if not declined and not true:
        return _off_topic(spec, reading)
    core = max(0.0, 0.5 * declined + 0.5 * share - 0.4 * false)
    return Result(1.0, core, ["answers malice with kindness" if declined else "does not decline", f"{true} true facts"])


def summary(spec: Spec, reading: Reading) -> Result:
    for piece in reading.pieces[:1]:
        for plot in scenes.PLOTS:
            slots = _match_frames(piece.text, plot.short)
            if slots is None:
                continue
            piece.used = True
            right = sum(slots[key] == spec[key].lower() for key in ("A", "B", "thing", "place"))
            same = plot.name == spec["plot"]
            core = (0.2 + 0.2 * right) * (1.0 if same else 0.3)
            words = "sums it up" if same and right == 4 else f"{right} of 4 things are as in the text"
            return Result(1.0 if right >= 2 else 0.4, core, [words])
    return _off_topic(spec, reading)


def note(spec: Spec, reading: Reading) -> Result:
    """Who, where and when, each in its own place."""
    truth_of = {
        "who": {spec["A"].lower(), spec["B"].lower()},
        "where": {spec["place"].lower()},
        "when": {spec["day"].lower()},
    }
    found: dict[str, float] = {}
    surplus = 0
    for piece in reading.pieces:
        match = re.match(r"^(who|where|when): (.+)$", piece.text, re.IGNORECASE)
        if match is None:
            continue
        key = match[1].lower()
        if key not in spec["fields"] or key in found:
            surplus += 1
            continue
        piece.used = True
        given = set(match[2].lower().split(" and "))
        found[key] = len(given & truth_of[key]) / len(truth_of[key] | given)
    if not found:
        return _off_topic(spec, reading)
    wanted = len(spec["fields"])
    core = max(0.0, sum(found.values()) / wanted - 0.15 * surplus)
    right = sum(value == 1.0 for value in found.values())
    return Result(len(found) / wanted, core, [f"{right} of {wanted} entries are right"])


SCORERS: dict[str, Callable[[Spec, Reading], Result]] = {
    "fact": fact,
    "statement": statement,
    "truth": truth,
    "tone": tone,
    "kind_of": kind_of,
    "describe": describe,
    "reasons": reasons,
    "presents": presents,
    "story": story,
    "invitation": invitation,
    "kindness": kindness,
    "summary": summary,
    "note": note,
}
