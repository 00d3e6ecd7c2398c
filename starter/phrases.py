"""How Mossbrook says a fact, asks for it, and how a said fact is recognised again.

The corpus, the demonstrations and the judge all speak through this table, so whatever the model could have read is
something that the judge can check. A form holds `{S}` (subject) or `{P}` (its possessive) and `{v}` (the value).
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import lru_cache

from starter.world import Entity, World, make_world


@dataclass(frozen=True)
class Relation:
    kind: str
    name: str
    forms: tuple[str, ...]
    questions: tuple[str, ...]  # {N}: the entity's name


RELATIONS: tuple[Relation, ...] = (
    Relation(
        "villager",
        "job",
        ("{S} is the village {v}", "{S} works as the {v}", "{P} work is that of the {v}", "The village {v} is {S}"),
        ("What is {N}'s job?", "What work does {N} do?", "What does {N} do for a living?"),
    ),
    Relation(
        "villager",
        "home",
        ("{S} lives at {v}", "{S} has a little house at {v}", "{P} home is at {v}"),
        ("Where does {N} live?", "Where is {N}'s home?", "Where can I find {N}'s house?"),
    ),
    Relation(
        "villager",
        "food",
        ("{P} favourite food is {v}", "{S} likes {v} best of all", "{S} could eat {v} all day"),
        ("What is {N}'s favourite food?", "What does {N} like to eat?", "Which food does {N} like best?"),
    ),
    Relation(
        "villager",
        "pet",
        ("{S} keeps {v}", "{P} pet is {v}", "{S} shares the house with {v}"),
        ("What pet does {N} keep?", "Which animal lives with {N}?", "Does {N} have a pet?"),
    ),
    Relation(
        "villager",
        "hobby",
        ("{P} hobby is {v}", "{S} spends every Sunday {v}", "{S} is happiest when {v}"),
        ("What is {N}'s hobby?", "What does {N} do for fun?", "How does {N} spend Sundays?"),
    ),
    Relation(
        "villager",
        "wear",
        ("{S} always wears {v}", "{S} is never seen without {v}", "{S} owns {v}"),
        ("What does {N} wear?", "How can I recognise {N}?", "What is {N} never seen without?"),
    ),
    Relation(
        "villager",
        "friend",
        ("{P} best friend is {v}", "{S} is best friends with {v}", "{S} tells every secret to {v}"),
        ("Who is {N}'s best friend?", "Who hears {N}'s secrets?", "Which friend does {N} like best?"),
    ),
    Relation(
        "villager",
        "fear",
        ("{S} is afraid of {v}", "{P} great fear is {v}", "{S} runs away from {v}"),
        ("What is {N} afraid of?", "What scares {N}?", "What does {N} run away from?"),
    ),
    Relation(
        "pet",
        "animal",
        ("{S} is {v}", "Everyone knows that {S} is {v}"),
        ("What kind of animal is {N}?", "What is {N}?"),
    ),
    Relation(
        "pet",
        "owner",
        ("{S} belongs to {v}", "{S} lives with {v}", "{P} owner is {v}"),
        ("Who owns {N}?", "Who does {N} belong to?", "Who looks after {N}?"),
    ),
    Relation(
        "pet",
        "habit",
        ("{S} likes to {v}", "{S} is known to {v}", "{P} bad habit is to {v}"),
        ("What does {N} like to do?", "What is {N} known to do?", "What is {N}'s bad habit?"),
    ),
    Relation(
        "place",
        "fame",
        ("{S} is famous for {v}", "{S} is known for {v}", "People visit {S} for {v}"),
        ("What is {N} famous for?", "Why do people visit {N}?", "What is special about {N}?"),
    ),
    Relation(
        "place",
        "keeper",
        ("{S} is kept by {v}", "{P} keeper is {v}", "{S} is looked after by {v}"),
        ("Who keeps {N}?", "Who is the keeper of {N}?", "Who looks after {N}?"),
    ),
    Relation(
        "place",
        "beside",
        ("{S} stands beside {v}", "{S} is next to {v}"),
        ("Where is {N}?", "What is next to {N}?", "How do I find {N}?"),
    ),
    Relation(
        "food",
        "ingredient",
        ("{S} are made with {v}", "The secret of {S} is {v}", "Nobody makes {S} without {v}"),
        ("What are {N} made with?", "What is the secret of {N}?", "What goes into {N}?"),
    ),
    Relation(
        "food",
        "maker",
        ("{S} are best made by {v}", "The best {S} come from {v}"),
        ("Who makes the best {N}?", "Who is good at making {N}?"),
    ),
    Relation(
        "event",
        "month",
        ("{S} is in {v}", "{S} comes every {v}", "The month of {S} is {v}"),
        ("When is {N}?", "In which month is {N}?", "Which month has {N}?"),
    ),
    Relation(
        "event",
        "venue",
        ("{S} is held at {v}", "{S} takes place at {v}"),
        ("Where is {N} held?", "Where does {N} take place?"),
    ),
    Relation(
        "event",
        "dish",
        ("{S} always has {v} to eat", "{S} is the day of {v}", "People at {S} eat {v}"),
        ("What do people eat at {N}?", "What is there to eat at {N}?"),
    ),
    Relation(
        "event",
        "leader",
        ("{S} is opened by {v}", "{S} is led by {v}"),
        ("Who opens {N}?", "Who leads {N}?"),
    ),
)
BY_KEY = {(relation.kind, relation.name): relation for relation in RELATIONS}
VILLAGER_RELATIONS = tuple(relation.name for relation in RELATIONS if relation.kind == "villager")
_PRONOUNS = {
    "she": "she",
    "her": "she",
    "he": "he",
    "his": "he",
    "it": "it",
    "its": "it",
    "they": "they",
    "their": "they",
}


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def render(form: str, entity: Entity, value: str, pronoun: bool = False, named: str | None = None) -> str:
    """One sentence without its full stop. `named` replaces the name ("our dear Alma")."""
    nominative, possessive = entity.pronouns
    name = named or entity.name
    if pronoun and re.match(r"\{[SP]\}", form):
        subject, owner = nominative, possessive
    else:
        subject, owner = name, f"{name}'s"
    return capital(form.replace("{S}", subject).replace("{P}", owner).replace("{v}", value))


def say(entity: Entity, relation: str, rng: random.Random, *, pronoun: bool = False, value: str | None = None) -> str:
    """A fact (or, with `value`, a claim that may be false) in one of its paraphrases, with its full stop."""
    forms = BY_KEY[entity.kind, relation].forms
    if pronoun:
        forms = tuple(form for form in forms if form[0] == "{")
    return render(rng.choice(forms), entity, entity.facts[relation] if value is None else value, pronoun) + "."


def ask(entity: Entity, relation: str, rng: random.Random) -> str:
    return rng.choice(BY_KEY[entity.kind, relation].questions).replace("{N}", entity.name)


def wrong_value(world: World, entity: Entity, relation: str, rng: random.Random) -> str:
    """A value that the relation takes for somebody else."""
    options = [v for v in world.values(entity.kind, relation) if v not in (entity.facts[relation], entity.name)]
    return rng.choice(options)


@dataclass(frozen=True)
class Claim:
    entity: str
    relation: str
    value: str
    true: bool


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[re.Pattern[str], Relation]]:
    world = make_world()
    compiled = []
    for relation in RELATIONS:
        names = "|".join(sorted((re.escape(e.name) for e in world.of_kind(relation.kind)), key=len, reverse=True))
        nominative, possessive = {
            "villager": ("she|he", "her|his"),
            "food": ("they", "their"),
        }.get(relation.kind, ("it", "its"))
        prefix = "(?:our dear |our good |dear |kind )?"
        for form in relation.forms:
            if form.startswith("{"):
                subject, owner = (
                    f"{prefix}(?P<s>{names}|{nominative})",
                    f"(?:{prefix}(?P<s>{names})'s|(?P<p>{possessive}))",
                )
            else:
                subject, owner = f"{prefix}(?P<s>{names})", f"{prefix}(?P<s>{names})'s"
            text = form.replace("{S}", subject).replace("{P}", owner).replace("{v}", "(?P<v>.+)")
            compiled.append((re.compile(f"^{text}$", re.IGNORECASE), relation))
    return compiled


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    return {name.lower(): name for name in make_world().entities}


@lru_cache(maxsize=200_000)
def parse_claim(sentence: str, last: str | None = None) -> Claim | None:
    """The claim that one sentence makes, or None when it makes none that this table knows.

    `last` is the entity that a pronoun stands for. A value that exists nowhere in the world makes a false claim.
    """
    world = make_world()
    found: Claim | None = None
    for pattern, relation in _patterns():
        match = pattern.match(sentence)
        if match is None:
            continue
        groups = match.groupdict()
        name = (groups.get("s") or groups.get("p") or "").lower()
        if name in _PRONOUNS:
            entity = world.entities.get(last or "")
            if entity is None or entity.pronouns[0] != _PRONOUNS[name] or entity.kind != relation.kind:
                continue
        else:
            entity = world.entities[_names()[name]]
        value = groups["v"].strip()
        truth = entity.facts[relation.name]
        claim = Claim(entity.name, relation.name, value, value.lower() == truth.lower())
        known = value.lower() in {v.lower() for v in world.values(relation.kind, relation.name)}
        if known:  # "It is a goose" against "It is known to ...": the reading whose value exists wins
            return claim
        found = found or claim
    return found
