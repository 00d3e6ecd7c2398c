"""The village of Mossbrook: every person, pet, place, dish and feast, and the facts about them.

Everything else in this package (corpus, prompts, demonstrations, judge) reads the world made here. The world is a
pure function of its seed, so the corpus and the judge always agree about what is true.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import lru_cache

SEED = 20_260_401


def words(text: str) -> list[str]:
    return text.split()


WOMEN = words(
    "Alma Bryony Clover Dorrit Edda Fern Greta Hazel Ivy Juniper Lotte Mabel Nell Opal Pansy Rosalind "
    "Sorrel Tilda Una Winifred"
)
MEN = words(
    "Alder Barnaby Caspar Dunstan Emmet Fitch Gilbert Humphrey Ignatius Jasper Konrad Linus Milo Norbert "
    "Otto Percival Quentin Rufus Silas Tobias"
)
JOBS = words(
    "baker miller blacksmith cobbler beekeeper teacher postman doctor fiddler shepherd weaver potter "
    "gardener clockmaker fisherman ferryman librarian innkeeper candlemaker carpenter cheesemaker tailor "
    "lamplighter beadle bellringer mapmaker painter puppeteer hatter tinker thatcher cook poet dentist "
    "barber umbrella-mender kite-maker cloud-watcher snail-trainer pickle-taster"
)
PLACES = (
    "the Old Mill",
    "the Duck Pond",
    "the Bell Tower",
    "the Crooked Bridge",
    "the Market Square",
    "the Apple Orchard",
    "the Blue Barn",
    "the Snail Inn",
    "the Beehive Garden",
    "the Windy Hill",
    "the Reading Room",
    "the Fern Wood",
)
PLACE_FAME = (
    "its singing frogs",
    "its one-eyed scarecrow",
    "its very loud echo",
    "its wobbly stairs",
    "its talking weathercock",
    "its free gingerbread",
    "its sleepy ghost",
    "its enormous pumpkins",
    "its smell of cinnamon",
    "its upside-down clock",
    "its polite bees",
    "its hundred lanterns",
)
FOODS = (
    "plum dumplings",
    "honey buns",
    "leek pies",
    "nettle pancakes",
    "cheese scones",
    "apple fritters",
    "mushroom tarts",
    "ginger biscuits",
    "pickled eggs",
    "roast chestnuts",
    "carrot waffles",
    "onion rolls",
    "cherry crumbles",
    "buttered beans",
    "pear puddings",
    "walnut cakes",
)
INGREDIENTS = (
    "brown sugar",
    "sour cream",
    "lemon peel",
    "a pinch of pepper",
    "goat butter",
    "wild garlic",
    "rose water",
    "burnt toast",
    "sea salt",
    "cold tea",
    "old cider",
    "poppy seeds",
    "sunflower oil",
    "dried mint",
    "elder juice",
    "toasted oats",
)
EVENTS = (
    "the Plum Fair",
    "the Snail Race",
    "the Lantern Walk",
    "the Great Soup Day",
    "the Hat Parade",
    "the Frog Concert",
    "the Pumpkin Weighing",
    "the Night of Stories",
    "the Kite Festival",
    "the Quiet Picnic",
)
MONTHS = words("January February March April May June July August September October November December")
PET_KINDS = words("goose goat hen cat dog donkey hedgehog duck rabbit pony snail toad parrot sheep")
PET_NAMES = words(
    "Biscuit Button Pickle Thimble Marmalade Socks Crumb Waffle Pudding Noodle Muffin Pebble Bramble "
    "Nutmeg Turnip Radish Tumble Whistle Bobbin Doodle Fidget Gizmo Hiccup Jumble Kettle Lentil Mustard "
    "Nimbus Oddment Parsnip Quibble Ramble Snippet Trinket Umber Velvet Wobble Ziggy Toffee Puddle"
)
HABITS = (
    "steal spoons",
    "sleep in the soup pot",
    "chase the postman",
    "sing at midnight",
    "hide left shoes",
    "eat love letters",
    "nap on the roof",
    "follow the moon",
    "knock at strange doors",
    "count the apples",
    "sit on warm bread",
    "ride in wheelbarrows",
    "argue with the scarecrow",
    "bow to strangers",
    "collect buttons",
    "dance in the rain",
    "guard the cheese",
    "wake up the whole street",
    "pull washing off the line",
    "stare at the mayor",
)
HOBBIES = (
    "knitting",
    "whistling",
    "collecting pebbles",
    "playing chess",
    "telling ghost stories",
    "juggling turnips",
    "painting fences",
    "flying kites",
    "pressing flowers",
    "dancing the polka",
    "counting stars",
    "writing riddles",
    "playing the tuba",
    "carving spoons",
    "growing giant marrows",
    "racing beetles",
    "folding paper boats",
    "yodelling",
    "polishing door knobs",
    "skipping stones",
)
COLOURS = words("red green blue yellow purple orange grey white")
GARMENTS = words("hat scarf coat waistcoat apron")
FEARS = (
    "thunder",
    "owls",
    "cold baths",
    "ladders",
    "spiders",
    "loud trumpets",
    "empty cupboards",
    "long letters",
    "bats",
    "deep puddles",
    "mirrors",
    "wet socks",
    "scarecrows",
    "moths",
    "the number seven",
    "hiccups",
    "fog",
    "creaking doors",
    "cabbages",
    "being late",
)


@dataclass(frozen=True)
class Entity:
    """A person, pet, place, food or event. `name` reads well in the middle of a sentence ("the Old Mill")."""

    name: str
    kind: str  # villager, pet, place, food, event
    pronouns: tuple[str, str]  # ("she", "her"): nominative and possessive
    facts: dict[str, str] = field(default_factory=dict, hash=False, compare=False)


@dataclass(frozen=True)
class World:
    """All entities by name. `facts` of an entity map a relation name (see `phrases.RELATIONS`) to its value."""

    entities: dict[str, Entity]

    def of_kind(self, kind: str) -> list[Entity]:
        return [entity for entity in self.entities.values() if entity.kind == kind]

    def values(self, kind: str, relation: str) -> list[str]:
        """Every value that the relation takes in this world, sorted, without repeats."""
        return sorted({entity.facts[relation] for entity in self.of_kind(kind)})

    def fact_count(self) -> int:
        return sum(len(entity.facts) for entity in self.entities.values())


def article(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" and not noun.startswith("u") else "a ") + noun


def _dealt(rng: random.Random, values: tuple[str, ...] | list[str], count: int) -> list[str]:
    """`count` values, each used nearly equally often, in random order."""
    deck = [values[i % len(values)] for i in range(count)]
    rng.shuffle(deck)
    return deck


def _friends(rng: random.Random, names: list[str]) -> dict[str, str]:
    """A best friend for everyone but themselves; friendship need not be returned, as in life."""
    ring = names[:]
    rng.shuffle(ring)
    return {name: ring[(i + 1) % len(ring)] for i, name in enumerate(ring)}


def _villagers_and_pets(rng: random.Random) -> list[Entity]:
    names = sorted(WOMEN + MEN)
    count = len(names)
    friend = _friends(rng, names)
    clothes = [f"{article(colour)} {garment}" for colour in COLOURS for garment in GARMENTS]
    decks = {
        "job": _dealt(rng, JOBS, count),
        "home": _dealt(rng, PLACES, count),
        "food": _dealt(rng, FOODS, count),
        "hobby": _dealt(rng, HOBBIES, count),
        "wear": _dealt(rng, clothes, count),
        "fear": _dealt(rng, FEARS, count),
    }
    pet_names, pet_kinds, habits = (_dealt(rng, deck, count) for deck in (PET_NAMES, PET_KINDS, HABITS))
    entities = []
    for i, name in enumerate(names):
        facts = {relation: deck[i] for relation, deck in decks.items()}
        facts["friend"] = friend[name]
        facts["pet"] = f"{article(pet_kinds[i])} called {pet_names[i]}"
        pronouns = ("she", "her") if name in WOMEN else ("he", "his")
        entities.append(Entity(name, "villager", pronouns, facts))
        pet_facts = {"animal": article(pet_kinds[i]), "owner": name, "habit": habits[i]}
        entities.append(Entity(pet_names[i], "pet", ("it", "its"), pet_facts))
    return entities


@lru_cache(maxsize=2)
def make_world(seed: int = SEED) -> World:
    """The village, always the same for the same seed."""
    rng = random.Random(seed)
    entities = _villagers_and_pets(rng)
    names = sorted(WOMEN + MEN)
    keepers, makers, leaders = (_dealt(rng, names, n) for n in (len(PLACES), len(FOODS), len(EVENTS)))
    ring = list(PLACES)
    rng.shuffle(ring)
    fame = _dealt(rng, PLACE_FAME, len(PLACES))
    for i, place in enumerate(ring):
        facts = {"fame": fame[i], "keeper": keepers[i], "beside": ring[(i + 1) % len(ring)]}
        entities.append(Entity(place, "place", ("it", "its"), facts))
    ingredients = _dealt(rng, INGREDIENTS, len(FOODS))
    for i, food in enumerate(FOODS):
        entities.append(Entity(food, "food", ("they", "their"), {"ingredient": ingredients[i], "maker": makers[i]}))
    months, venues = _dealt(rng, MONTHS, len(EVENTS)), _dealt(rng, PLACES, len(EVENTS))
    dishes = _dealt(rng, FOODS, len(EVENTS))
    for i, event in enumerate(EVENTS):
        facts = {"month": months[i], "venue": venues[i], "dish": dishes[i], "leader": leaders[i]}
        entities.append(Entity(event, "event", ("it", "its"), facts))
    return World({entity.name: entity for entity in entities})
