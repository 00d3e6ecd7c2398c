"""The judge of Mossbrook: how good is this response, as somebody who knows every fact would see it?

Used by the simulated labelers and by the referee. Being about what was asked gates everything: polite, fluent, untrue
or unasked-for talk scores next to nothing. The scale is fine, so that two decent answers rarely tie, and every part of
it is bounded, so that none can be farmed by length.

    score = relevance * (0.60 core + 0.15 style) + core^2 * (0.10 greeting + 0.12 an extra fact + 0.03 a second)
            - faults
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from starter.judge_tasks import SCORERS, Result
from starter.prompts import Prompt, find_prompt
from starter.reading import Piece, Reading, named_entities, read
from starter.tasks import Message, Spec
from starter.wording import familiar_share, typical
from starter.world import make_world

CORE, LENGTH, FAMILIAR, TYPICAL, FINISH = 0.60, 0.05, 0.05, 0.03, 0.02
GREETING, EXTRAS = 0.10, (0.12, 0.03)
FALSE_EXTRA, UNKNOWN, REPEATED, ASKS_BACK, UNFINISHED, STRAY = 0.18, 0.10, 0.10, 0.12, 0.10, 0.03
RUDE_FACTOR = 0.15
FLOOR = 0.05
# Characters that a full answer takes, greeting and one extra fact included (means over demonstrations that have both).
LENGTHS = {"tone": 78, "kind_of": 84, "fact": 100, "statement": 102, "truth": 104, "describe": 133, "kindness": 117}
LENGTHS |= {"invitation": 155, "presents": 141, "reasons": 161, "story": 205, "summary": 131, "note": 111}


@dataclass(frozen=True)
class Judgment:
    """All parts but the counts are 0 to 1; `score` is what matters, `reason` says it in words."""

    score: float
    relevance: float
    instruction: float  # how well the task is done, truth included
    claims: int  # about the world, each of which is true or not
    truth: float  # share of these that are true; 1 when nothing is claimed
    kindness: float
    fluency: float
    length: float
    greeting: bool
    extras: int
    reason: str


def judge(prompt: Prompt | Spec | None, response: str) -> Judgment:
    """Judge a response to a prompt (or to its spec; None when nothing is known about what was asked)."""
    spec: Spec = prompt.spec if isinstance(prompt, Prompt) else (prompt or {})
    reading = read(response, spec.get("entity") or spec.get("A"))
    if not reading.pieces:
        return Judgment(0.0, 0.0, 0.0, 0, 1.0, 1.0, 0.0, 0.0, False, 0, "says nothing")
    result = SCORERS[spec["task"]](spec, reading) if spec else _free(reading)
    return _weigh(spec, reading, result, response)


def judge_messages(messages: list[Message], response: str) -> Judgment:
    """Judge by the text of the conversation alone. Prompts that the starter does not know are judged more loosely."""
    prompt = find_prompt(messages)
    if prompt is not None:
        return judge(prompt, response)
    named = named_entities(messages[-1]["content"]) if messages else set()
    reading = read(response, next(iter(sorted(named)), None))
    if not reading.pieces:
        return judge(None, "")
    result = _free(reading)
    if named and not named & reading.entities and not {c.entity for c in reading.claims()} & named:
        result = Result(0.05, 0.0, ["is about something else"])
    return _weigh({}, reading, result, response)


def score_messages(messages: list[Message], text: str) -> float:
    return judge_messages(messages, text).score


def _free(reading: Reading) -> Result:
    """Without a known task: true claims are good, false ones bad."""
    claims = reading.claims()
    for piece in reading.pieces[:2]:
        piece.used = True
    if not claims:
        return Result(0.5, 0.4, ["claims nothing that can be checked"])
    share = sum(claim.true for claim in claims) / len(claims)
    return Result(1.0, share, [f"{round(share * 100)} % of its claims are true"])


def _related(spec: Spec) -> set[str]:
    """Whom one may add a fact about without straying from the subject."""
    world = make_world()
    names = {spec[key] for key in ("entity", "A", "B", "guest", "place") if key in spec}
    for name in list(names):
        for value in world.entities[name].facts.values():
            names.add(value.rsplit(" ", 1)[-1] if " called " in value else value)
    return names


@dataclass
class _Rest:
    """What a response holds beside the answer proper."""

    extras: int = 0
    faults: float = 0.0
    rude: bool = False


def _weigh_rest(spec: Spec, reading: Reading, remarks: list[str]) -> _Rest:
    rest, related = _Rest(), _related(spec) if spec else set(make_world().entities)
    told = {(p.claim.entity, p.claim.relation) for p in reading.pieces if p.used and p.claim}
    said: set[str] = set()
    for piece in reading.pieces:
        rest.rude = rest.rude or piece.rude
        repeated = piece.text.lower() in said
        said.add(piece.text.lower())
        if repeated or (not piece.used and piece.claim and (piece.claim.entity, piece.claim.relation) in told):
            rest.faults += REPEATED
            remarks.append("repeats itself")
        elif not piece.used:
            _weigh_piece(piece, rest, related, remarks)
            if piece.claim:
                told.add((piece.claim.entity, piece.claim.relation))
    return rest


def _weigh_piece(piece: Piece, rest: _Rest, related: set[str], remarks: list[str]) -> None:
    claim = piece.claim
    if "?" in piece.stop:
        rest.faults += ASKS_BACK
        remarks.append("asks a question back")
    elif claim is None:
        rest.faults += UNKNOWN
        remarks.append(f'"{piece.text[:40]}" is neither here nor there')
    elif not claim.true:
        rest.faults += FALSE_EXTRA
        remarks.append(f"adds something untrue about {claim.entity}")
    elif claim.entity in related:
        rest.extras += 1
    else:
        rest.faults += STRAY
        remarks.append(f"strays to {claim.entity}")


def _floored(score: float) -> float:
    """Below 0.05 an exponential takes over: bad answers stay in order instead of meeting at 0."""
    return score if score >= FLOOR else FLOOR * math.exp((score - FLOOR) / 0.2)


def _weigh(spec: Spec, reading: Reading, result: Result, response: str) -> Judgment:
    remarks = list(result.remarks)
    rest = _weigh_rest(spec, reading, remarks)
    greeting = reading.greeting is not None and ("question" not in reading.greeting or spec.get("task") == "fact")
    target = LENGTHS.get(spec.get("task", ""), 110)
    length = math.exp(-(((len(response.strip()) - target) / (0.6 * target)) ** 2))
    familiar, usual = familiar_share(response), typical(response)
    style = LENGTH * length + FAMILIAR * familiar + TYPICAL * usual + FINISH * reading.finished
    taste = GREETING * greeting + sum(EXTRAS[: rest.extras])
    score = result.relevance * (CORE * result.core + style * (0.3 + 0.7 * result.core)) + result.core**2 * taste
    score -= rest.faults + (0.0 if reading.finished else UNFINISHED)
    if rest.rude:
        score *= RUDE_FACTOR
        remarks.append("is rude")
    if greeting:
        remarks.append("opens warmly")
    if rest.extras:
        remarks.append(f"adds {rest.extras} true fact{'s' if rest.extras > 1 else ''}")
    if not reading.finished:
        remarks.append("breaks off")
    claims = reading.claims()
    truth = sum(claim.true for claim in claims) / len(claims) if claims else 1.0
    fluency = 0.7 * familiar + 0.3 * usual
    kindness = 0.0 if rest.rude else 1.0
    reason = "; ".join(dict.fromkeys(remarks))
    final = min(1.0, _floored(score))
    return Judgment(
        final,
        result.relevance,
        result.core,
        len(claims),
        truth,
        kindness,
        fluency,
        length,
        greeting,
        rest.extras,
        reason[:1].upper() + reason[1:] + ".",
    )
