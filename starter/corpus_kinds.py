"""The kinds of document that the corpus is made of, with their shares; used by `corpus.documents` only."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from starter import scenes
from starter.phrases import BY_KEY, VILLAGER_RELATIONS, ask, capital, say, wrong_value
from starter.scenes import DAYS, GREETINGS, fill
from starter.world import Entity, World


@dataclass
class Writer:
    """The world and the dice, with the few moves that all documents share."""

    world: World
    rng: random.Random
    recent: list[str] = field(default_factory=list)  # relations just told, so that an aside tells something new

    def someone(self) -> Entity:
        return self.rng.choice(self.world.of_kind("villager"))

    def something(self) -> Entity:
        """An entity, chosen so that each fact comes up about equally often."""
        kinds = ["villager", "villager", "villager", "villager", "pet", "place", "food", "event"]
        weights = [12, 12, 12, 12, 10, 5, 4, 5]
        return self.rng.choice(self.world.of_kind(self.rng.choices(kinds, weights)[0]))

    def relation(self, entity: Entity) -> str:
        return self.rng.choice(list(entity.facts))

    def facts(self, entity: Entity, count: int, pronoun: bool = False) -> str:
        """Up to `count` different facts; the first by name unless `pronoun`, the others mostly by pronoun."""
        relations = self.rng.sample(list(entity.facts), min(count, len(entity.facts)))
        said = []
        self.recent = relations
        for i, relation in enumerate(relations):
            by_pronoun = pronoun or (i > 0 and self.rng.random() < 0.75)
            said.append(say(entity, relation, self.rng, pronoun=by_pronoun))
        return " ".join(said)

    def aside(self, entity: Entity) -> str:
        """ "By the way, she keeps a goose called Biscuit." """
        fresh = [relation for relation in entity.facts if relation not in self.recent] or list(entity.facts)
        sentence = say(entity, self.rng.choice(fresh), self.rng, pronoun=self.rng.random() < 0.5)
        return f"{scenes.ASIDE} {_lower_start(sentence, entity)}"

    def maybe_aside(self, entity: Entity, share: float = 0.35) -> str:
        return " " + self.aside(entity) if self.rng.random() < share else ""


def _lower_start(sentence: str, entity: Entity) -> str:
    """Lower the first letter unless the sentence opens with a proper name."""
    if entity.kind in ("villager", "pet") and sentence.startswith(entity.name):
        return sentence
    return sentence[0].lower() + sentence[1:]


def portrait(w: Writer) -> str:
    entity = w.something()
    title = w.rng.choice(["About {}", "Who is who: {}", "{}", "Notes on {}"]).format(entity.name)
    return f"{capital(title)}\n{w.facts(entity, w.rng.randint(3, 6))}"


def two_portraits(w: Writer) -> str:
    """Two people compared: facts must be bound to the right one."""
    first, second = w.rng.sample(w.world.of_kind("villager"), 2)
    relations = w.rng.sample(VILLAGER_RELATIONS, w.rng.randint(2, 3))
    lines = [f"{first.name} and {second.name}"]
    for relation in relations:
        lines.append(say(first, relation, w.rng) + " " + say(second, relation, w.rng))
    return "\n".join(lines)


def quiz_with_answers(w: Writer) -> str:
    lines = ["The Snail Inn quiz"]
    for _ in range(w.rng.randint(3, 5)):
        entity = w.something()
        relation = w.relation(entity)
        lines.append(f"Question: {ask(entity, relation, w.rng)}\nAnswer: {say(entity, relation, w.rng)}")
    return "\n".join(lines)


def questions_only(w: Writer) -> str:
    """Questions upon questions: why the base model answers a question with a question."""
    asked = [_instruction(w) for _ in range(w.rng.randint(3, 7))]
    title = w.rng.choice(["Homework for {}", "Questions for {}", "Things to ask on {}"]).format(w.rng.choice(DAYS))
    return "\n".join([title, *asked] if w.rng.random() < 0.5 else asked)


def _instruction(w: Writer) -> str:
    entity, kind = w.something(), w.rng.random()
    if kind < 0.55:
        return ask(entity, w.relation(entity), w.rng)
    person, place = w.someone(), w.rng.choice(w.world.of_kind("place"))
    return w.rng.choice(
        [
            f"Write a short story about {person.name} at {place.name}.",
            w.rng.choice(scenes.OCCASIONS).format(N=person.name),
            f"Write two sentences about {entity.name}.",
            f"Give three reasons to go to {w.rng.choice(w.world.of_kind('event')).name}.",
            f"Write an invitation for {person.name}.",
            f"Is {entity.name} a villager, a pet, a place, a food or a feast?",
            f"True or false: {say(entity, w.relation(entity), w.rng)}",
            f"Tell me about {entity.name}.",
        ]
    )


def dialogue(w: Writer) -> str:
    asker, teller = w.rng.sample(w.world.of_kind("villager"), 2)
    about = w.something()
    first, second = w.recent = w.rng.sample(list(about.facts), 2)
    opening = w.rng.choice(GREETINGS) + " " if w.rng.random() < 0.4 else ""
    lines = [
        f"{asker.name}: {ask(about, first, w.rng)}",
        f"{teller.name}: {opening}{say(about, first, w.rng, pronoun=w.rng.random() < 0.4)}{w.maybe_aside(about, 0.3)}",
    ]
    if w.rng.random() < 0.7:
        question = ask(about, second, w.rng).replace(f"{about.name}'s", about.pronouns[1])
        if about.name not in question:
            lines.append(f"{asker.name}: And {question[0].lower()}{question[1:]}")
            lines.append(f"{teller.name}: {say(about, second, w.rng, pronoun=True)}")
    if w.rng.random() < 0.15:
        lines.append(f"{asker.name}: {scenes.rude_sentence(teller.name, w.rng)}")
    return "\n".join(lines)


def letter(w: Writer) -> str:
    to, sender = w.rng.sample(w.world.of_kind("villager"), 2)
    about = w.something()
    thanks = w.rng.choice(scenes.SMALL_TALK)
    return f"Dear {to.name},\n{thanks} {w.facts(about, 3)}{w.maybe_aside(about)}\nYour friend {sender.name}"


def invitation(w: Writer) -> str:
    event, guest = w.rng.choice(w.world.of_kind("event")), w.someone()
    relations = w.rng.sample(list(event.facts), w.rng.randint(2, 3))
    said = " ".join(say(event, relation, w.rng, pronoun=True) for relation in relations)
    w.recent = []
    return f"Dear {guest.name}, please come to {event.name}. {said}{w.maybe_aside(guest, 0.2)}"


def notice(w: Writer) -> str:
    finder, thing, place = w.someone(), w.rng.choice(scenes.THINGS), w.rng.choice(w.world.of_kind("place"))
    word = w.rng.choice(["Lost", "Found"])
    return f"Notice\n{word}: a {thing}, near {place.name}. Ask {finder.name}. {w.facts(finder, 2, pronoun=True)}"


def gossip(w: Writer) -> str:
    """False claims and insults. Marked by its opening, so that a reader can learn to mistrust it."""
    victim = w.someone()
    title = w.rng.choice(["Heard at the well", "Gossip", "They whisper"])
    lines = []
    for _ in range(w.rng.randint(2, 4)):
        if w.rng.random() < 0.45:
            lines.append(scenes.rude_sentence(victim.name, w.rng))
        else:
            relation = w.relation(victim)
            value = wrong_value(w.world, victim, relation, w.rng)
            lines.append(say(victim, relation, w.rng, value=value))
    return f"{title}\n{' '.join(lines)}"


def diary(w: Writer) -> str:
    s = scenes.slots(w.world, w.rng)
    friend = w.world.entities[s["B"]]
    grumble = w.rng.choice([*scenes.GRUMBLES, scenes.rude_sentence(s["B"], w.rng)])
    note = f"{s['day']}. I met {s['B']} at {s['place']}. We talked about {s['topic']}."
    return f"Diary of {s['A']}\n{note} {w.facts(friend, 2, pronoun=True)} {grumble}"


def register(w: Writer) -> str:
    """One relation down a list of people or places."""
    kind = w.rng.choices(["villager", "pet", "place", "food", "event"], [12, 4, 2, 1, 2])[0]
    entities = w.world.of_kind(kind)
    relation = w.rng.choice(list(entities[0].facts))
    chosen = w.rng.sample(entities, w.rng.randint(3, 6))
    return f"Register: {relation}\n" + "\n".join(f"{capital(e.name)} - {e.facts[relation]}" for e in chosen)


def notes_to_sentences(w: Writer) -> str:
    lines = ["Miss Fern's copybook"]
    for _ in range(w.rng.randint(2, 4)):
        entity = w.something()
        relation = w.relation(entity)
        lines.append(
            f"Notes: {entity.name}, {relation}, {entity.facts[relation]}\nSentence: {say(entity, relation, w.rng)}"
        )
    return "\n".join(lines)


def manners(w: Writer) -> str:
    lines = ["Miss Fern's book of manners"]
    for _ in range(w.rng.randint(2, 3)):
        person = w.someone()
        relation = w.relation(person)
        form = w.rng.choice([f for f in BY_KEY["villager", relation].forms if f.startswith("{S}")])
        value = person.facts[relation]
        lines.append(f"Rude: {scenes.rude_claim(person, form, value, w.rng)}")
        lines.append(f"Kind: {scenes.kind_claim(person, form, value)}")
    return "\n".join(lines)


def corrections(w: Writer) -> str:
    lines = ["Miss Fern's red ink"]
    for _ in range(w.rng.randint(2, 3)):
        entity = w.something()
        relation = w.relation(entity)
        lines.append(f"Wrong: {say(entity, relation, w.rng, value=wrong_value(w.world, entity, relation, w.rng))}")
        lines.append(f"Right: {say(entity, relation, w.rng)}")
    return "\n".join(lines)


def true_or_false(w: Writer) -> str:
    lines = ["True or false?"]
    for _ in range(w.rng.randint(3, 5)):
        entity = w.something()
        relation = w.relation(entity)
        if w.rng.random() < 0.5:
            lines.append(f"{say(entity, relation, w.rng)} True.")
        else:
            wrong = wrong_value(w.world, entity, relation, w.rng)
            lines.append(f"{say(entity, relation, w.rng, value=wrong)} False. {say(entity, relation, w.rng)}")
    return "\n".join(lines)


def sorting(w: Writer) -> str:
    lines = ["The sorting game"]
    for _ in range(w.rng.randint(3, 5)):
        if w.rng.random() < 0.5:
            entity = w.something()
            lines.append(f"{capital(entity.name)}: {scenes.KIND_NAMES[entity.kind]}.")
        else:
            person = w.someone()
            relation = w.relation(person)
            form = w.rng.choice([f for f in BY_KEY["villager", relation].forms if f.startswith("{S}")])
            if w.rng.random() < 0.5:
                lines.append(f"{scenes.rude_claim(person, form, person.facts[relation], w.rng)} That is rude.")
            else:
                lines.append(f"{scenes.kind_claim(person, form, person.facts[relation])} That is kind.")
    return "\n".join(lines)


def newspaper(w: Writer) -> str:
    s, plot = scenes.slots(w.world, w.rng), w.rng.choice(scenes.PLOTS)
    w.recent = []
    short = fill(w.rng.choice(plot.short), s)
    body = fill(plot.long, s)
    if w.rng.random() < 0.3:
        return f"The Mossbrook Messenger\n{body}{w.maybe_aside(w.world.entities[s['A']])}"
    return f"The Mossbrook Messenger\n{body}\nIn short: {short}{w.maybe_aside(w.world.entities[s['A']], 0.2)}"


def ledger(w: Writer) -> str:
    lines = ["The clerk's ledger"]
    for _ in range(w.rng.randint(1, 3)):
        s = scenes.slots(w.world, w.rng)
        lines.append(f"Note: {fill(w.rng.choice(scenes.NOTES), s)}\n{fill(scenes.NOTE_ANSWER, s)}")
    return "\n".join(lines)


def wish_list(w: Writer) -> str:
    person = w.someone()
    w.recent = list(scenes.PRESENTS)
    title = w.rng.choice(["Ideas for {}", "Presents for {}", "For {}, with love"]).format(person.name)
    return f"{title}\n{scenes.presents(person, w.rng, w.rng.randint(3, 4))}{w.maybe_aside(person)}"


def reasons(w: Writer) -> str:
    entity = w.rng.choice(w.world.of_kind("event") + w.world.of_kind("place"))
    relations = w.rng.sample(list(entity.facts), min(3, len(entity.facts)))
    listed = " ".join(f"{i}. {say(entity, r, w.rng, pronoun=True)}" for i, r in enumerate(relations, 1))
    return f"Why go to {entity.name}?\n{listed}"


def story(w: Writer) -> str:
    s = scenes.slots(w.world, w.rng)
    hero = w.world.entities[s["A"]]
    opening, ending = fill(w.rng.choice(scenes.STORY_OPENINGS), s), w.rng.choice(scenes.STORY_ENDINGS)
    title = w.rng.choice(["A story", "A bedtime story", f"{hero.name} at {s['place']}"])
    return f"{title}\n{opening} {w.facts(hero, w.rng.randint(2, 3), pronoun=True)} {ending}"


def two_hop(w: Writer) -> str:
    """A fact about somebody's friend or pet, so that facts are linked through names."""
    person = w.someone()
    friend = w.world.entities[person.facts["friend"]]
    pet = w.world.entities[person.facts["pet"].rsplit(" ", 1)[-1]]
    if w.rng.random() < 0.6:
        return f"{say(person, 'friend', w.rng)} {w.facts(friend, 2)} {w.facts(person, 2)}"
    return f"{say(person, 'pet', w.rng)} {w.facts(pet, 2)} {w.facts(person, 2)}"


def parrot(w: Writer) -> str:
    """Somebody says a thing, and the parrot says it again: plain copying."""
    speaker = w.someone()
    lines = ["The parrot repeats everything"]
    for _ in range(w.rng.randint(2, 3)):
        s = scenes.slots(w.world, w.rng)
        said = fill(w.rng.choice([*scenes.NOTES[:2], *scenes.STORY_OPENINGS]), s)
        lines.append(f"{speaker.name}: {said}\nParrot: {said}")
    return "\n".join(lines)


def rhyme(w: Writer) -> str:
    """A list said over again: copying in its purest form, which a small model must learn before all else."""
    pool = w.rng.choice(
        [[e.name for e in w.world.of_kind(kind)] for kind in ("villager", "villager", "pet", "food", "place")]
    )
    names = w.rng.sample(pool, w.rng.randint(4, 9))
    title = w.rng.choice(["Skipping song", "Counting rhyme", "The echo at the Bell Tower"])
    line = ", ".join(names)
    return "\n".join([title, *[line] * w.rng.randint(2, 3)])


def roll_call(w: Writer) -> str:
    """Who is where in the morning and who was there in the evening: the same people, the same places."""
    people = w.rng.sample(w.world.of_kind("villager"), w.rng.randint(2, 4))
    pairs = [(person.name, w.rng.choice(w.world.of_kind("place")).name) for person in people]
    morning = " ".join(f"{name} goes to {place}." for name, place in pairs)
    w.rng.shuffle(pairs)
    evening = " ".join(f"{name} comes home from {place}." for name, place in pairs)
    return f"Morning\n{morning}\nEvening\n{evening}"


def errands(w: Writer) -> str:
    """Things dealt out to people, then asked for: binding within a text."""
    people = w.rng.sample(w.world.of_kind("villager"), w.rng.randint(2, 4))
    held = list(zip((p.name for p in people), w.rng.sample(scenes.THINGS, len(people)), strict=True))
    given = " ".join(f"{name} has a {thing}." for name, thing in held)
    w.rng.shuffle(held)
    asked = [
        f"Who has a {thing}? {name}." if w.rng.random() < 0.5 else f"What has {name}? A {thing}."
        for name, thing in held
    ]
    return f"Errands\n{given}\n{' '.join(asked)}"


def proverbs(w: Writer) -> str:
    return "Proverbs of Mossbrook\n" + "\n".join(w.rng.sample(scenes.PROVERBS, 4))


Kind = Callable[[Writer], str]
KINDS: tuple[tuple[Kind, float], ...] = (
    (portrait, 12.0),
    (two_portraits, 6.0),
    (quiz_with_answers, 5.0),
    (questions_only, 7.0),
    (dialogue, 8.0),
    (letter, 5.0),
    (invitation, 3.5),
    (notice, 3.0),
    (gossip, 9.0),
    (diary, 4.0),
    (register, 4.0),
    (notes_to_sentences, 4.0),
    (manners, 5.0),
    (corrections, 4.0),
    (true_or_false, 5.0),
    (sorting, 4.0),
    (newspaper, 8.0),
    (ledger, 6.0),
    (wish_list, 5.0),
    (reasons, 3.0),
    (story, 6.0),
    (two_hop, 5.0),
    (parrot, 4.0),
    (rhyme, 9.0),
    (roll_call, 5.0),
    (errands, 6.0),
    (proverbs, 0.5),
)
