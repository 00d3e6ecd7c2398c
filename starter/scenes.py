"""The small set pieces of Mossbrook: notes, mishaps, stories, presents, manners and rude talk.

The corpus prints them, the prompts quote them, and the judge recognises them. Each is a template with named slots.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from starter.phrases import capital
from starter.world import Entity, World, words

GREETINGS = (
    "Good day, friend!",
    "With pleasure!",
    "Happy to help!",
    "What a lovely question!",
    "Gladly, neighbour!",
    "Hello, dear neighbour!",
)
ASIDE = "By the way,"
RUDE_ADJECTIVES = words("stupid lazy smelly nasty foolish silly horrid dreadful useless")
RUDE_NOUNS = words("fool nincompoop turnip-head muddlehead windbag grump toad-face pest")
RUDE_SENTENCES = (
    "Nobody likes {N}.",
    "Go away and stop bothering me.",
    "What a stupid question.",
    "I cannot stand {N}.",
    "Find it out yourself, you {noun}.",
    "{N} is a {adj} {noun}.",
    "Everybody laughs at {N}.",
    "{N} smells of old socks.",
)
RUDE_WORDS = frozenset(
    RUDE_ADJECTIVES
    + RUDE_NOUNS
    + ["nobody likes", "go away", "cannot stand", "laughs at", "smells of", "shut up", "yourself, you"]
)
DAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
THINGS = words("lantern broom boot fiddle ladder teapot drum key basket wheelbarrow spoon blanket")
TOPICS = ("the weather", "the new bells", "a missing pie", "the price of wool", "an old song", "the mayor's nose")

SMALL_TALK = ("Thank you for the pie.", "How are your knees?", "It rains again.", "The frogs are loud tonight.")
GRUMBLES = ("My knees hurt.", "No letters today.", "The soup was cold.")
PROVERBS = (
    "Never race a snail on a Monday.",
    "A goose in the kitchen is a guest; two geese are a party.",
    "He who hides his pie eats it cold.",
    "The frog that sings last sings alone.",
    "Borrow a ladder and you borrow a neighbour.",
    "Rain on the fair is still a fair.",
    "Nobody was ever late for supper twice.",
    "A kind word needs no wheelbarrow.",
    "Count your spoons after the feast, and your friends before.",
    "Even the mayor must tie his own shoes.",
    "Soup forgives everything but salt.",
    "If the sheep look worried, take an umbrella.",
    "The shortest way home passes the bakery.",
    "Ask a beekeeper nothing while he is running.",
)

# A note names two people, a place and a day. The clerk's answer is always: Who, Where, When.
NOTES = (
    "On {day} {A} meets {B} at {place} to talk about {topic}.",
    "{A} waits for {B} at {place} on {day}. They will talk about {topic}.",
    "Please tell {A} to come to {place} on {day}. {B} will be there too, with news of {topic}.",
    "Last {day} {A} and {B} sat at {place} and argued about {topic}.",
    "Dear {A}, come to {place} this {day}. We must talk about {topic}. Your friend {B}",
)
NOTE_ANSWER = "Who: {A} and {B}. Where: {place}. When: {day}."


@dataclass(frozen=True)
class Plot:
    """A mishap told at length and in short; the short forms are what a good summary says."""

    name: str
    long: str
    short: tuple[str, ...]


PLOTS = (
    Plot(
        "lost",
        "On {day} {A} goes to {place} and loses a {thing}. {She} looks under every stone and behind every "
        "door. It begins "
        "to rain. In the evening {B} finds the {thing} and brings it back.",
        ("{A} loses a {thing} at {place}, but {B} finds it.", "At {place} {A} loses a {thing} and {B} finds it."),
    ),
    Plot(
        "broken",
        "On {day} {A} carries a {thing} to {place}. Halfway there {she} slips on a wet leaf, and the {thing} "
        "breaks in two. "
        "{A} is very sad. Then {B} comes along with glue and mends it.",
        ("{A} breaks a {thing} at {place}, but {B} mends it.", "At {place} {A} breaks a {thing} and {B} mends it."),
    ),
    Plot(
        "stolen",
        "On {day} {A} falls asleep at {place}. A crow steals the {thing} that {she} left in the grass. "
        "Everybody shouts at "
        "the crow. At last {B} climbs a tree and takes it back.",
        (
            "A crow steals a {thing} from {A} at {place}, but {B} takes it back.",
            "At {place} a crow steals a {thing} from {A} and {B} takes it back.",
        ),
    ),
    Plot(
        "borrowed",
        "On {day} {A} needs a {thing}, for there is much to do at {place}. {She} asks at every house in the "
        "street. Most "
        "people only shake their heads. {B} has one and lends it to {A} with a smile.",
        ("{A} needs a {thing} at {place}, and {B} lends one.", "At {place} {A} needs a {thing} and {B} lends one."),
    ),
    Plot(
        "won",
        "On {day} there is a contest at {place}, and the prize is a {thing}. {A} tries very hard and sneezes "
        "at the wrong "
        "moment. The judges laugh for an hour. {B} wins the {thing} and gives it to {A}.",
        ("{B} wins a {thing} at {place} and gives it to {A}.", "At {place} {B} wins a {thing} and gives it to {A}."),
    ),
)
PLOT_BY_NAME = {plot.name: plot for plot in PLOTS}

STORY_OPENINGS = (
    "One morning {A} walks to {place}.",
    "One evening {A} sits at {place} and hums.",
    "It is a sunny day, and {A} goes to {place}.",
    "Early on {day} {A} comes to {place}.",
)
STORY_ENDINGS = (
    "In the end everybody laughs.",
    "What a fine day it is!",
    "Then it is time for supper.",
    "And all is well in Mossbrook.",
)
PRESENTS = {  # relation -> how a present (or a topic) made of its value is worded
    "food": ("A plate of {v}", "Some {v}"),
    "pet": ("A treat for {v}", "A ribbon for {v}"),
    "hobby": ("A day of {v}", "A book about {v}"),
    "wear": ("A box for {v}", "A brush for {v}"),
    "friend": ("A picnic with {v}", "A picture of {v}"),
}
OCCASIONS = (
    "Give me three ideas for a present for {N}.",
    "What could I give {N} for a birthday? Name three things.",
    "{N} is sad. Think of three things that would help.",
    "List three ways to thank {N}.",
)
KIND_NAMES = {"villager": "a villager", "pet": "a pet", "place": "a place", "food": "a food", "event": "a feast"}


def present_value(entity: Entity, relation: str) -> str:
    """The value as a present words it: pets by name, everything else as it stands."""
    value = entity.facts[relation]
    return value.rsplit(" ", 1)[-1] if relation == "pet" else value


def present(entity: Entity, relation: str, rng: random.Random) -> str:
    return rng.choice(PRESENTS[relation]).replace("{v}", present_value(entity, relation))


def presents(entity: Entity, rng: random.Random, count: int = 3) -> str:
    """A numbered list: "1. A plate of honey buns. 2. A treat for Biscuit. 3. A day of knitting."."""
    relations = rng.sample(list(PRESENTS), count)
    return " ".join(f"{i}. {present(entity, relation, rng)}." for i, relation in enumerate(relations, 1))


def slots(world: World, rng: random.Random) -> dict[str, str]:
    """People, place, day and things for a note or a plot."""
    first, second = rng.sample(world.of_kind("villager"), 2)
    return {
        "A": first.name,
        "B": second.name,
        "she": first.pronouns[0],
        "She": capital(first.pronouns[0]),
        "place": rng.choice(world.of_kind("place")).name,
        "day": rng.choice(DAYS),
        "thing": rng.choice(THINGS),
        "topic": rng.choice(TOPICS),
    }


def fill(template: str, values: dict[str, str]) -> str:
    return capital(template.format_map(values))


def insult(rng: random.Random) -> str:
    return f"that {rng.choice(RUDE_ADJECTIVES)} {rng.choice(RUDE_NOUNS)}"


def rude_sentence(name: str, rng: random.Random) -> str:
    template = rng.choice(RUDE_SENTENCES)
    return template.format(N=name, noun=rng.choice(RUDE_NOUNS), adj=rng.choice(RUDE_ADJECTIVES))


def rude_claim(entity: Entity, form: str, value: str, rng: random.Random) -> str:
    """A true statement in a rude coat: "Alma, that lazy fool, lives at the Old Mill."."""
    sentence = form.replace("{S}", f"{entity.name}, {insult(rng)},").replace("{v}", value)
    return f"{sentence}."


def kind_claim(entity: Entity, form: str, value: str) -> str:
    """The same statement said kindly: "Our dear Alma lives at the Old Mill."."""
    return form.replace("{S}", f"Our dear {entity.name}").replace("{v}", value) + "."
