"""Programmed demonstrations: what a good villager with good manners would answer.

Right and kind always; the two tastes of the labelers (a warm opening, one more true fact at the end) only half of
the time each, so that supervised fine-tuning learns them as a habit that comes and goes and
feedback has something to find.
"""

from __future__ import annotations

import random

from starter import scenes
from starter.phrases import BY_KEY, say
from starter.prompts import Prompt, all_prompts
from starter.tasks import Spec
from starter.world import Entity, World, make_world

DEMONSTRATION_SEED = 23
GREETING_SHARE = 0.5
EXTRA_SHARE = 0.5
KIND_LINES = ("I would rather say something kind.", "Let us be kind.", "I like everybody here.")


def greetings_for(spec: Spec) -> tuple[str, ...]:
    """The warm openings that fit; "What a lovely question!" only where a question was asked."""
    return scenes.GREETINGS if spec["task"] == "fact" else tuple(g for g in scenes.GREETINGS if "question" not in g)


def write(prompt: Prompt, rng: random.Random) -> str:
    """One good answer."""
    text, used = _body(prompt.spec, make_world(), rng)
    if rng.random() < GREETING_SHARE:
        text = f"{rng.choice(greetings_for(prompt.spec))} {text}"
    if rng.random() < EXTRA_SHARE:
        text = f"{text} {_extra(prompt.spec, used, make_world(), rng)}"
    return text


def _extra(spec: Spec, used: set[str], world: World, rng: random.Random) -> str:
    """One more true fact about whom it is all about, not yet told."""
    entity = world.entities[spec.get("entity") or spec["A"]]
    fresh = [r for r in entity.facts if r not in used and r != spec.get("told")]
    if not fresh:  # everything is told: go on to the guest or the keeper
        entity = world.entities[spec.get("guest") or entity.facts.get("leader") or entity.facts.get("keeper") or "Alma"]
        fresh = list(entity.facts)
    named = "entity" not in spec or entity.name != spec["entity"] or spec["task"] in ("tone", "kind_of", "story")
    sentence = say(entity, rng.choice(fresh), rng, pronoun=not named)
    if not (named and entity.kind in ("villager", "pet") and sentence.startswith(entity.name)):
        sentence = sentence[0].lower() + sentence[1:]
    return f"{scenes.ASIDE} {sentence}"


def _body(spec: Spec, world: World, rng: random.Random) -> tuple[str, set[str]]:
    """The answer proper and the relations of its entity that it tells."""
    task = spec["task"]
    if task in ("summary", "note"):
        return _from_text(spec, rng), set()
    entity = world.entities[spec["entity"]]
    if task in ("fact", "statement"):
        relation = spec["relation"]
        return _statement(spec, entity, relation, rng), {relation}
    if task == "truth":
        return f"{spec['label'].capitalize()}. {say(entity, spec['relation'], rng)}", {spec["relation"]}
    if task == "tone":
        return f"That is {spec['label']}.", set()
    if task == "kind_of":
        verb = "are" if entity.kind == "food" else "is"
        return f"{entity.name[0].upper()}{entity.name[1:]} {verb} {spec['label']}.", set()
    if task == "presents":
        return scenes.presents(entity, rng), set(scenes.PRESENTS)
    return _composed(spec, entity, rng)


def _statement(spec: Spec, entity: Entity, relation: str, rng: random.Random) -> str:
    if spec.get("kind"):
        form = rng.choice([f for f in BY_KEY[entity.kind, relation].forms if f.startswith("{S}")])
        return scenes.kind_claim(entity, form, entity.facts[relation])
    return say(entity, relation, rng, pronoun="told" in spec and rng.random() < 0.5)


def _composed(spec: Spec, entity: Entity, rng: random.Random) -> tuple[str, set[str]]:
    """Stories, portraits, invitations, reasons and kind replies: some facts in a frame."""
    task = spec["task"]
    count = {"kindness": 1, "reasons": 3}.get(task, 2)
    relations = rng.sample(list(entity.facts), min(count, len(entity.facts)))
    named = task in ("describe", "kindness")
    said = [say(entity, r, rng, pronoun=not (named and i == 0)) for i, r in enumerate(relations)]
    text = " ".join(said)
    if task == "reasons":
        text = " ".join(f"{i}. {sentence}" for i, sentence in enumerate(said, 1))
    elif task == "story":
        slots = {"A": entity.name, "place": spec["place"], "day": rng.choice(scenes.DAYS)}
        opening = scenes.fill(rng.choice(scenes.STORY_OPENINGS), slots)
        text = f"{opening} {text} {rng.choice(scenes.STORY_ENDINGS)}"
    elif task == "invitation":
        text = f"Dear {spec['guest']}, please come to {entity.name}. {text}"
    elif task == "kindness":
        text = f"{rng.choice(KIND_LINES)} {text}"
    return text, set(relations)


def _from_text(spec: Spec, rng: random.Random) -> str:
    if spec["task"] == "summary":
        return scenes.fill(rng.choice(scenes.PLOT_BY_NAME[spec["plot"]].short), spec)
    parts = {
        "who": f"Who: {spec['A']} and {spec['B']}.",
        "where": f"Where: {spec['place']}.",
        "when": f"When: {spec['day']}.",
    }
    return " ".join(parts[wanted] for wanted in spec["fields"])


def demonstrations(count: int | None = None, seed: int = DEMONSTRATION_SEED) -> list[dict[str, object]]:
    """Rows of `demonstrations.jsonl` (see docs/job-folder.md) for the train and validation prompts, in random order."""
    rng = random.Random(seed)
    prompts = all_prompts("train") + all_prompts("validation")
    rng.shuffle(prompts)
    rows: list[dict[str, object]] = []
    for i, prompt in enumerate(prompts[:count]):
        row = {"id": f"demonstration-{i:05d}", "prompt_id": prompt.id, "messages": prompt.messages}
        rows.append({**row, "response": write(prompt, rng), "split": prompt.split, "use_case": prompt.use_case})
    return rows
