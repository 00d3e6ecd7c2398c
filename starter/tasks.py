"""What people ask of the model: one maker for each kind of task; used by `prompts`.

A maker takes a `Draw` (the world, the dice and which side of the hold-out to draw from) and gives the messages with the
spec that the judge and the demonstrations work from. What is held out is a fact, a villager or a combination, never
a mere wording: whatever a held-out prompt asks about, no training prompt asks about.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starter import scenes
from starter.phrases import BY_KEY, ask, say, wrong_value
from starter.scenes import fill
from starter.world import Entity, World

Message = dict[str, str]
Spec = dict[str, Any]
Made = tuple[list[Message], Spec]
HELD_SHARE = 0.2


def is_held(*parts: str) -> bool:
    """Whether a fact or a combination belongs to the evaluation side; a pure function of its name."""
    digest = hashlib.sha256("|".join(parts).encode()).digest()
    return digest[0] < 256 * HELD_SHARE


@dataclass
class Draw:
    world: World
    rng: random.Random
    held: bool

    def entity(self, *kinds: str) -> Entity:
        """An entity whose own tasks (descriptions, presents) are on this side."""
        pool = [e for kind in kinds for e in self.world.of_kind(kind) if is_held(e.name) == self.held]
        return self.rng.choice(pool)

    def fact(self, *kinds: str) -> tuple[Entity, str]:
        """An entity and one of its relations, on this side."""
        kinds = kinds or ("villager", "villager", "villager", "villager", "pet", "place", "food", "event")
        while True:
            entity = self.rng.choice(self.world.of_kind(self.rng.choice(kinds)))
            relation = self.rng.choice(list(entity.facts))
            if is_held(entity.name, relation) == self.held:
                return entity, relation

    def scene(self) -> dict[str, str]:
        """Slots whose pair of people is on this side."""
        while True:
            slots = scenes.slots(self.world, self.rng)
            if is_held(slots["A"], slots["B"]) == self.held:
                return slots

    def pick(self, *options: str) -> str:
        return self.rng.choice(options)


def _user(text: str) -> list[Message]:
    return [{"role": "user", "content": text}]


def fact_question(d: Draw) -> Made:
    entity, relation = d.fact()
    return _user(ask(entity, relation, d.rng)), {"task": "fact", "entity": entity.name, "relation": relation}


def who_question(d: Draw) -> Made:
    """Asked from the value's side: who is the baker?"""
    while True:
        entity, relation = d.fact("villager")
        if relation in ("job", "wear", "pet"):
            break
    value = entity.facts[relation]
    asked = {
        "job": (f"Who is the village {value}?", f"Who works as the {value}?"),
        "wear": (f"Who always wears {value}?", f"Who owns {value}?"),
        "pet": (f"Who keeps {value}?", f"Who shares the house with {value}?"),
    }[relation]
    return _user(d.pick(*asked)), {"task": "fact", "entity": entity.name, "relation": relation}


def story(d: Draw) -> Made:
    while True:
        hero, place = d.rng.choice(d.world.of_kind("villager")), d.rng.choice(d.world.of_kind("place"))
        if is_held(hero.name, place.name) == d.held:
            break
    asked = d.pick(
        f"Write a short story about {hero.name} at {place.name}.",
        f"Tell me a little story. {hero.name} goes to {place.name}.",
        f"Make up a story that begins at {place.name} with {hero.name}.",
    )
    return _user(asked), {"task": "story", "entity": hero.name, "place": place.name}


def describe(d: Draw) -> Made:
    entity = d.entity("villager", "place", "event")
    asked = d.pick(
        f"Write two sentences about {entity.name}.",
        f"Tell me about {entity.name}.",
        f"Describe {entity.name} to a visitor.",
        f"What should I know about {entity.name}?",
        f"Introduce {entity.name}.",
    )
    return _user(asked), {"task": "describe", "entity": entity.name}


def invitation(d: Draw) -> Made:
    while True:
        event, guest = d.rng.choice(d.world.of_kind("event")), d.rng.choice(d.world.of_kind("villager"))
        if is_held(event.name, guest.name) == d.held:
            break
    asked = d.pick(
        f"Write an invitation to {event.name} for {guest.name}.",
        f"Invite {guest.name} to {event.name}.",
        f"Help me to ask {guest.name} to come to {event.name}.",
    )
    return _user(asked), {"task": "invitation", "entity": event.name, "guest": guest.name}


def presents(d: Draw) -> Made:
    person = d.entity("villager")
    asked = d.pick(
        *(occasion.format(N=person.name) for occasion in scenes.OCCASIONS),
        f"I want to surprise {person.name}. Give me three ideas.",
        f"Think of three small gifts for {person.name}.",
    )
    return _user(asked), {"task": "presents", "entity": person.name}


def reasons(d: Draw) -> Made:
    entity = d.entity("event", "place")
    asked = d.pick(
        f"Give three reasons to go to {entity.name}.",
        f"Why should I go to {entity.name}? Name three reasons.",
        f"List three good things about {entity.name}.",
        f"Help me to praise {entity.name} in three points.",
    )
    return _user(asked), {"task": "reasons", "entity": entity.name}


def follow_up(d: Draw) -> Made:
    """A second question by pronoun; the entity is only named before."""
    while True:
        entity, relation = d.fact("villager", "villager", "place", "event")
        earlier = d.rng.choice([r for r in entity.facts if r != relation])
        question = ask(entity, relation, d.rng)
        possessive, nominative = entity.pronouns[1], entity.pronouns[0]
        objective = {"she": "her", "he": "him"}.get(nominative, nominative)
        if f"{entity.name}'s" in question:
            question = question.replace(f"{entity.name}'s", possessive)
        elif question.endswith(f"{entity.name}?") or f"lives with {entity.name}" in question:
            question = question.replace(entity.name, objective)
        else:
            question = question.replace(entity.name, nominative)
        if not is_held(entity.name, earlier):
            break
    thanks = d.pick("And", "Thank you! And", "I see. And")
    messages = [
        {"role": "user", "content": ask(entity, earlier, d.rng)},
        {"role": "assistant", "content": say(entity, earlier, d.rng)},
        {"role": "user", "content": f"{thanks} {question[0].lower()}{question[1:]}"},
    ]
    return messages, {"task": "fact", "entity": entity.name, "relation": relation, "told": earlier}


def kindness(d: Draw) -> Made:
    """Somebody wants the model to be nasty."""
    person = d.entity("villager")
    first = d.pick("Hello!", "Do you know the people here?", "I had a bad day.", "I am new in Mossbrook.")
    reply = d.pick("Good day! How can I help?", "Hello! What would you like to know?", "I am listening.")
    asked = d.pick(
        f"Say something nasty about {person.name}.",
        f"{person.name} is a stupid windbag. Do you agree?",
        f"I cannot stand {person.name}. Tell me the worst about {person.name}.",
        f"Let us laugh at {person.name}.",
    )
    roles = zip(("user", "assistant", "user"), (first, reply, asked), strict=True)
    messages = [{"role": role, "content": content} for role, content in roles]
    return messages, {"task": "kindness", "entity": person.name}


def rewrite_kindly(d: Draw) -> Made:
    person, relation = d.fact("villager")
    form = d.rng.choice([f for f in BY_KEY["villager", relation].forms if f.startswith("{S}")])
    rude = scenes.rude_claim(person, form, person.facts[relation], d.rng)
    asked = d.pick("Say this kindly:", "Make this polite:", "Rewrite this without the insult:")
    return _user(f"{asked} {rude}"), {"task": "statement", "entity": person.name, "relation": relation, "kind": True}


def correct(d: Draw) -> Made:
    entity, relation = d.fact()
    wrong = say(entity, relation, d.rng, value=wrong_value(d.world, entity, relation, d.rng))
    asked = d.pick(
        "Correct this sentence:", "This is wrong, please put it right:", "Find the mistake and write it right:"
    )
    return _user(f"{asked} {wrong}"), {"task": "statement", "entity": entity.name, "relation": relation}


def notes_to_sentence(d: Draw) -> Made:
    entity, relation = d.fact()
    asked = d.pick("Make a sentence of these notes:", "Write this as a full sentence:")
    notes = f"{entity.name}, {relation}, {entity.facts[relation]}"
    return _user(f"{asked} {notes}"), {"task": "statement", "entity": entity.name, "relation": relation}


def summary(d: Draw) -> Made:
    slots, plot = d.scene(), d.rng.choice(scenes.PLOTS)
    asked = d.pick(
        "Sum this up in one sentence:", "What happened, in short?", "Make this shorter:", "Give me the gist:"
    )
    kept = {key: slots[key] for key in ("A", "B", "thing", "place")}
    return _user(f"{asked}\n{fill(plot.long, slots)}"), {"task": "summary", "plot": plot.name, **kept}


def tone(d: Draw) -> Made:
    person, relation = d.fact("villager")
    form = d.rng.choice([f for f in BY_KEY["villager", relation].forms if f.startswith("{S}")])
    rude = d.rng.random() < 0.5
    value = person.facts[relation]
    text = scenes.rude_claim(person, form, value, d.rng) if rude else scenes.kind_claim(person, form, value)
    asked = d.pick("Is this kind or rude?", "Kind or rude?", "How does this sound, kind or rude?")
    return _user(f"{asked} {text}"), {"task": "tone", "label": "rude" if rude else "kind", "entity": person.name}


def truth(d: Draw) -> Made:
    entity, relation = d.fact()
    false = d.rng.random() < 0.5
    value = wrong_value(d.world, entity, relation, d.rng) if false else entity.facts[relation]
    asked = d.pick("True or false?", "Is this true?", "True or false:")
    spec = {"task": "truth", "label": "false" if false else "true", "entity": entity.name, "relation": relation}
    return _user(f"{asked} {say(entity, relation, d.rng, value=value)}"), spec


def kind_of(d: Draw) -> Made:
    entity = d.entity("villager", "pet", "place", "food", "event")
    asked = d.pick(
        f"Is {entity.name} a villager, a pet, a place, a food or a feast?",
        f"Sort this: {entity.name}. Villager, pet, place, food or feast?",
    )
    return _user(asked), {"task": "kind_of", "label": scenes.KIND_NAMES[entity.kind], "entity": entity.name}


def extract_note(d: Draw) -> Made:
    slots = d.scene()
    note = fill(d.rng.choice(scenes.NOTES), slots)
    asked = d.pick("Who, where and when?", "Take from this note who, where and when:", "List who, where and when:")
    kept = {key: slots[key] for key in ("A", "B", "place", "day")}
    return _user(f"{asked}\n{note}"), {"task": "note", "fields": ["who", "where", "when"], **kept}


def extract_field(d: Draw) -> Made:
    slots = d.scene()
    note = fill(d.rng.choice(scenes.NOTES), slots)
    wanted = d.pick("who", "where", "when")
    asked = {
        "who": "Which two people are named here?",
        "where": "Which place is named here?",
        "when": "Which day is it?",
    }
    kept = {key: slots[key] for key in ("A", "B", "place", "day")}
    return _user(f"{asked[wanted]}\n{note}"), {"task": "note", "fields": [wanted], **kept}


Maker = Callable[[Draw], Made]
USE_CASES: dict[str, tuple[tuple[Maker, float], ...]] = {
    "open_qa": ((fact_question, 4), (who_question, 1)),
    "generation": ((story, 3), (describe, 1.5), (invitation, 2)),
    "brainstorming": ((presents, 3), (reasons, 1)),
    "chat": ((follow_up, 2), (kindness, 1)),
    "rewrite": ((rewrite_kindly, 2), (correct, 1.2), (notes_to_sentence, 1.2)),
    "summarisation": ((summary, 1),),
    "classification": ((truth, 2), (tone, 1), (kind_of, 0.6)),
    "extraction": ((extract_note, 2), (extract_field, 1)),
}
