"""What a labeler is told of her answer while she writes, and what is stored with it. It never keeps her from sending.

Asked by services/demonstrations.py. Every warning is a guess by simple signs, so it says what it saw.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app import figures
from app.rules.languages import differ
from app.translation import gettext as _

OTHER_LANGUAGE, FAR_TOO_SHORT, PASTED = "other_language", "far_too_short", "pasted"

FEWEST_WORDS = 5
SHARE_OF_USUAL = 0.2
ENOUGH_ANSWERS = 20  # before a median says what is usual
PASTED_SHARE = 0.2

# A prompt that wants a word or a label back: a short answer is right.
WANTS_LITTLE = re.compile(
    r"\b(?:(?:one|a single|1) (?:word|number|letter|name|sentence)|yes or no|true or false)\b"
    r"|\b(?:classify|label|extract|choose)\b"
    r"|(?:^|[.!?\n]\s*)(?:who|when|where|which|how many|how much|what (?:is|was) the name)\b",
    re.IGNORECASE,
)
LITTLE_USE_CASES = {"classification", "extraction", "closed_qa"}
WANTS_MORE = re.compile(
    r"\b(?:write|explain|describe|list|tell|summari[sz]e|summary|rewrite|compare|discuss|suggest|ideas?|essay|story|letter|"
    r"poem|why|how (?:do|does|can|could|should|to|would)|give me|steps?|outline|recipe|plan)\b",
    re.IGNORECASE,
)
MORE_USE_CASES = {"generation", "brainstorming", "rewrite", "summarization"}
# Where a prompt speaks of languages, an answer in another one may be what it asks for.
SPEAKS_OF_LANGUAGES = re.compile(
    r"translat|übersetz|tradui|traduc|tradu[zç]|\b(?:language|english|german|french|spanish|italian|portuguese|dutch|"
    r"swedish|polish|russian|greek|arabic|hebrew|chinese|mandarin|japanese|korean|hindi|turkish|ukrainian|latin)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Warned:
    """One warning: the key that is stored, and the sentence that she reads."""

    key: str
    text: str


def answer_warnings(
    asked: str,
    answers: Sequence[str],
    *,
    words: int,
    use_case: str | None = None,
    usual_words: float | None = None,
    pasted_share: float | None = None,
) -> list[Warned]:
    """Warnings about her `answers`, `words` long together, to `asked`; `usual_words` is the project's median."""
    if not any(answer.strip() for answer in answers):
        return []
    found = [
        _language_warning(asked, answers),
        _length_warning(asked, words, use_case, usual_words),
        _pasted_warning(pasted_share),
    ]
    return [warned for warned in found if warned is not None]


def wants_more(asked: str, use_case: str | None) -> bool:
    """Whether a prompt asks for more than a few words."""
    if use_case in LITTLE_USE_CASES or WANTS_LITTLE.search(asked):
        return False
    return use_case in MORE_USE_CASES or WANTS_MORE.search(asked) is not None


def usual(counts: Sequence[int]) -> float | None:
    """The median of the words of earlier answers; None before there are enough to speak of."""
    if len(counts) < ENOUGH_ANSWERS:
        return None
    ordered, middle = sorted(counts), len(counts) // 2
    return ordered[middle] if len(counts) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _language_warning(asked: str, answers: Sequence[str]) -> Warned | None:
    if SPEAKS_OF_LANGUAGES.search(asked):
        return None
    names = next((names for answer in answers if (names := differ(asked, answer)) is not None), None)
    if names is None:
        return None
    sentence = _("The prompt seems to be in %(first)s, the answer in %(second)s.")
    return Warned(OTHER_LANGUAGE, sentence % {"first": names[0], "second": names[1]})


def _length_warning(asked: str, words: int, use_case: str | None, usual_words: float | None) -> Warned | None:
    if not wants_more(asked, use_case):
        return None
    if usual_words is not None and words < SHARE_OF_USUAL * usual_words:
        sentence = _("Far shorter than usual here: half of all answers have %(words)s words or more.")
        return Warned(FAR_TOO_SHORT, sentence % {"words": figures.number(usual_words)})
    if words < FEWEST_WORDS:
        return Warned(FAR_TOO_SHORT, _("Very short for what the prompt asks."))
    return None


def _pasted_warning(share: float | None) -> Warned | None:
    if share is None or share < PASTED_SHARE:
        return None
    sentence = _("%(share)s %% of this was pasted; it is recorded with your answer.")
    return Warned(PASTED, sentence % {"share": f"{100 * share:.0f}"})
