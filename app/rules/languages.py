"""Which language a text is in, as far as letters and its smallest words tell.

Asked by rules/answer_warnings.py, and by services/prompts.py for prompts that do not say theirs; rules/assignment.py
asks whether two codes are one language.

Standard library only: scripts by Unicode names, and of languages in Latin letters the commonest words. It knows few
languages and stays silent where it is not sure; a detector with a model would be heavier than the rest of the page.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache

from app.translation import gettext, mark

LOOKED_AT = 4000  # characters; enough to tell
FEWEST_LETTERS = 12
FEWEST_WORDS = 4  # of a language's own small words
CLEAR_SHARE = 0.6  # of the letters, for a script; for a language, the most that the next best may have of its words

# Scripts that one language mixes count as one.
EAST_ASIAN = mark("Chinese or Japanese")
SAME = {"HIRAGANA": EAST_ASIAN, "KATAKANA": EAST_ASIAN, "CJK": EAST_ASIAN}
# Those whose letters have a name in every language of the interface.
SCRIPTS = {
    "Latin": mark("Latin letters"),
    "Greek": mark("Greek letters"),
    "Cyrillic": mark("Cyrillic letters"),
    "Arabic": mark("Arabic letters"),
    "Hebrew": mark("Hebrew letters"),
    "Devanagari": mark("Devanagari letters"),
    "Hangul": mark("Hangul letters"),
    "Thai": mark("Thai letters"),
}

SMALL_WORDS = {
    mark(
        "English"
    ): "the and is are was of to in that it for with as on you this be have not from at by or an what how can",
    mark(
        "German"
    ): "der die das und ist nicht ein eine zu den mit sich auf für von dem des im auch es wie sie ich wir oder",
    mark(
        "French"
    ): "le la les et est des un une dans que pour qui pas sur avec vous ne au ce il je nous plus sont par du",
    mark(
        "Spanish"
    ): "el los las y es en un una que por con no para del se lo como más pero su al son está este muy hay",
    mark(
        "Italian"
    ): "il lo gli e è di che un una non per con del della sono nel alla come più ma anche questo dei si da",
    "Portuguese": "o os as e é em um uma que não por com para do da dos se no na mais como mas ao são você isso",
    mark(
        "Dutch"
    ): "de het een en is van ik te dat niet op zijn voor met aan er maar om ook als je wij of naar bij deze",
    "Swedish": "och att det som en på är av för med den till inte om ett har jag vi kan från eller så men du ska",
    "Polish": "i w nie na się z że do jest to o jak ale po co tak za od przez dla są oraz czy być może tym",
}
LANGUAGES = {
    "English": mark("English"),
    "German": mark("German"),
    "French": mark("French"),
    "Spanish": mark("Spanish"),
    "Italian": mark("Italian"),
    "Portuguese": mark("Portuguese"),
    "Dutch": mark("Dutch"),
    "Swedish": mark("Swedish"),
    "Polish": mark("Polish"),
}
CODES = {
    "English": "en",
    "German": "de",
    "French": "fr",
    "Spanish": "es",
    "Italian": "it",
    "Portuguese": "pt",
    "Dutch": "nl",
    "Swedish": "sv",
    "Polish": "pl",
}
CODE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8}){0,2}")  # de, pt-br: the small part of BCP 47 that people use
WORDS_OF = {language: frozenset(words.split()) for language, words in SMALL_WORDS.items()}


def is_same(one: str, other: str) -> bool:
    """Whether two codes may mean one language: pt is pt-br as well as pt-pt, which are two."""
    return f"{one}-".startswith(f"{other}-") or f"{other}-".startswith(f"{one}-")


def wider(code: str) -> list[str]:
    """The code and what is left of it part by part: pt-br, pt."""
    parts = code.split("-")
    return ["-".join(parts[:count]) for count in range(len(parts), 0, -1)]


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    name = unicodedata.name(letter, "").split(" ")[0].split("-")[0]
    return SAME.get(name, name.capitalize())


def script_of(text: str) -> str | None:
    """The script that most letters are of, such as `Latin`; None when there are few letters or no clear one."""
    counts = Counter(_script(character) for character in text[:LOOKED_AT] if character.isalpha())
    letters = counts.total()
    # A Chinese character says as much as a word of letters.
    if letters < (FEWEST_LETTERS if counts[EAST_ASIAN] * 2 < letters else 4):
        return None
    script, count = counts.most_common(1)[0]
    return script if count >= CLEAR_SHARE * letters else None


def language_of(text: str) -> str | None:
    """A language in Latin letters, by its small words; None when they do not tell clearly."""
    words = Counter(re.findall(r"[^\W\d_]+", text[:LOOKED_AT].lower()))
    hits = {language: sum(words[word] for word in small) for language, small in WORDS_OF.items()}
    (best, count), (_, second) = Counter(hits).most_common(2)
    distinct = sum(1 for word in WORDS_OF[best] if words[word])
    return best if count >= FEWEST_WORDS and distinct >= 3 and second <= CLEAR_SHARE * count else None


def code_of(text: str) -> str | None:
    """The code of the language that a text is in, where that is clear and the language is among those known here."""
    return CODES.get(language_of(text) or "") if script_of(text) == "Latin" else None


def differ(first: str, second: str) -> tuple[str, str] | None:
    """The names of the two texts' scripts, or languages, where both are clear and differ, for the reader."""
    scripts = script_of(first), script_of(second)
    if scripts[0] and scripts[1] and scripts[0] != scripts[1]:
        return _letters(scripts[0]), _letters(scripts[1])
    if scripts == ("Latin", "Latin"):
        languages = language_of(first), language_of(second)
        if languages[0] and languages[1] and languages[0] != languages[1]:
            return gettext(LANGUAGES[languages[0]]), gettext(LANGUAGES[languages[1]])
    return None


def _letters(script: str) -> str:
    if script == EAST_ASIAN:
        return gettext(script)
    return gettext(SCRIPTS[script]) if script in SCRIPTS else gettext("%(script)s letters") % {"script": script}
