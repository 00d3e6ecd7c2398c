"""Scores of a qualification, what they decide, and who may try (InstructGPT, B.1).

Asked by services/qualifications.py, qualification_standings.py and qualification_attempts.py.

flags           every flag of every item is a box: ticked or not. Score: the share of boxes that stand as in the gold
                answer. Most boxes are empty, so the share of somebody who ticks nothing is told beside it.
ranking         every two responses of an item are a pair: one is better, or both are tied. Same as gold: 1 point.
                Tied in one and not in the other: half a point (Fagin et al. 2004, partial rankings with p = 1/2).
                Else 0. Score: points by pairs, over all items together.
demonstration   the mean of each answer's ratings, then the mean over the answers, on the scale 1 to 7.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import floor, isfinite
from typing import Any, TypedDict

from app import figures
from app.translation import gettext as _
from app.translation import mark

FLAGS, RANKING, DEMONSTRATION = PARTS = ("flags", "ranking", "demonstration")
PART_NAMES = {FLAGS: mark("Flags"), RANKING: mark("Rankings"), DEMONSTRATION: mark("Demonstrations")}
DEFAULT_CUTOFFS = {FLAGS: 0.75, RANKING: 0.75, DEMONSTRATION: 6.0}  # InstructGPT's, who took them as soft
LOWEST_RATING, HIGHEST_RATING = 1, 7
SLACK = 1e-9  # sums of halves and means are not exact in binary
# Sentences that are kept with an attempt. They are stored in English; `retell` says them in the reader's language.
STILL_TO_RATE = mark("%(missing)s of %(count)s still to be rated.")
FLAGS_FOUND = mark("%(found)s of the %(apply)s flags that apply were found; %(added)s were set that do not apply.")
NOT_RATED = mark("Not rated, since that could not change the outcome.")
WITHDRAWN = mark("Withdrawn: %(reason)s")
REPLACED = mark("Version %(version)s has taken the place of this one. It counts for nothing.")
KEPT = (STILL_TO_RATE, FLAGS_FOUND, NOT_RATED, WITHDRAWN, REPLACED)


@dataclass(frozen=True)
class Score:
    """Agreement in `out_of` boxes or pairs."""

    points: float
    out_of: int


class Figure(TypedDict):
    """One part of an attempt in numbers. Kept with the attempt, so that it says the same for good."""

    part: str
    value: float | None  # a share from 0 to 1, or a mean rating; None while nothing is rated
    points: float | None
    out_of: int  # boxes, pairs, or demonstrations
    cutoff: float | None
    met: bool | None  # None while it cannot be said
    note: str


@dataclass(frozen=True)
class Verdict:
    state: str  # passed, failed, waiting
    reason: str


def flags_score(said: Collection[str], gold: Collection[str], flags: Iterable[str]) -> Score:
    """Boxes that stand alike, of one item."""
    boxes = list(flags)
    return Score(sum((flag in said) == (flag in gold) for flag in boxes), len(boxes))


def ranking_score(said: Sequence[int], gold: Sequence[int]) -> Score:
    """Pairs in agreement, of one item; both are the ranks of the same responses, ties alike."""
    points, pairs = 0.0, 0
    for first, second in combinations(range(len(gold)), 2):
        hers, ours = sign(said[first] - said[second]), sign(gold[first] - gold[second])
        points += 1.0 if hers == ours else 0.5 if 0 in (hers, ours) else 0.0
        pairs += 1
    return Score(points, pairs)


def sign(number: int) -> int:
    return (number > 0) - (number < 0)


def pool(scores: Iterable[Score]) -> Score:
    listed = list(scores)
    return Score(sum(score.points for score in listed), sum(score.out_of for score in listed))


def mean_rating(ratings: Iterable[Sequence[int]]) -> float | None:
    """The mean over demonstrations of the mean of each one's ratings; those without any are left out."""
    means = [sum(each) / len(each) for each in ratings if each]
    return sum(means) / len(means) if means else None


def careless_share(kind: str, golds: Iterable[Sequence[Any]], flags: Collection[str]) -> float | None:
    """What somebody scores who ticks no box, or ties everything: a cut-off at or below it tells nothing."""
    if kind == FLAGS:
        score = pool(flags_score((), gold, flags) for gold in golds)
    else:
        score = pool(ranking_score([1] * len(gold), gold) for gold in golds)
    return score.points / score.out_of if score.out_of else None


def agreement_figure(part: str, scores: Iterable[Score], cutoff: float | None, note: str = "") -> Figure:
    score = pool(scores)
    value = score.points / score.out_of if score.out_of else None
    met = None if value is None else cutoff is None or value >= cutoff - SLACK
    return Figure(part=part, value=value, points=score.points, out_of=score.out_of, cutoff=cutoff, met=met, note=note)


def demonstration_figure(ratings: Sequence[Sequence[int]], needed: int, cutoff: float | None) -> Figure:
    """Met or not once every demonstration has as many ratings as are needed."""
    value = mean_rating(ratings)
    complete = all(len(each) >= needed for each in ratings)
    met = None if value is None or not complete else cutoff is None or value >= cutoff - SLACK
    missing = sum(len(each) < needed for each in ratings)
    note = STILL_TO_RATE % {"missing": missing, "count": len(ratings)} if missing else ""
    return Figure(part=DEMONSTRATION, value=value, points=None, out_of=len(ratings), cutoff=cutoff, met=met, note=note)


def flags_note(said: Iterable[tuple[Collection[str], Collection[str]]]) -> str:
    """What a share of boxes hides: of (hers, gold) pairs, the flags that she missed and those that she added."""
    pairs = [(set(hers), set(gold)) for hers, gold in said]
    apply = sum(len(gold) for _, gold in pairs)
    found = sum(len(hers & gold) for hers, gold in pairs)
    added = sum(len(hers - gold) for hers, gold in pairs)
    return FLAGS_FOUND % {"found": found, "apply": apply, "added": added}


def retell(kept: str | None) -> str:
    """A sentence that was stored in English, in the language of this request; any other text as it is."""
    if kept is None:
        return ""
    for sentence in KEPT:
        pattern = re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", re.escape(sentence))
        if match := re.fullmatch(pattern, kept, re.DOTALL):
            return _(sentence) % match.groupdict()
    return kept


def decide(figures: Sequence[Figure]) -> Verdict:
    """Passed when every part is met; failed as soon as one is not, so that nobody rates for nothing.

    The reason is in the language of this request; whoever stores it asks in English.
    """
    missed = [figure for figure in figures if figure["met"] is False]
    if missed:
        below = _("%(part)s: %(value)s, below the cut-off of %(cutoff)s.")
        return Verdict("failed", " ".join(below % _words(figure) for figure in missed))
    if any(figure["met"] is None for figure in figures):
        return Verdict("waiting", _("Researchers still have demonstrations to rate."))
    against, alone = _("%(part)s: %(value)s, cut-off %(cutoff)s."), _("%(part)s: %(value)s.")
    told = ((alone if figure["cutoff"] is None else against) % _words(figure) for figure in figures)
    return Verdict("passed", " ".join(told))


def _words(figure: Figure) -> dict[str, str]:
    words = {name: value_words(figure["part"], figure[name]) for name in ("value", "cutoff")}
    return {**words, "part": part_name(figure["part"])}


def part_name(part: str) -> str:
    return _(PART_NAMES[part])


def value_words(part: str, value: float | None) -> str:
    """Cut off after one decimal, never rounded up: what missed the cut-off does not read as if it had met it."""
    if value is None:
        return _("not rated")
    if part == DEMONSTRATION:
        rating = figures.shortest(floor(value * 10 + SLACK) / 10)
        return _("%(value)s of %(highest)s") % {"value": rating, "highest": HIGHEST_RATING}
    return f"{figures.shortest(floor(value * 1000 + SLACK) / 10)} %"


@dataclass(frozen=True)
class Standing:
    """What is known of a labeler and the qualification in force, counted over the versions whose passes count."""

    screened: bool  # the project asks for a qualification
    sees_answers: bool  # researchers and admins: a test of their own answers tells nothing
    simulated: bool  # a program; its labels are marked as such
    held_out: bool  # in the held-out group, and the qualification leaves that group unscreened
    exempt: bool  # by an admin
    passed: bool
    open: bool  # an attempt is in progress or waits for ratings
    failed: int = 0
    allowed: int | None = None
    granted: int = 0  # further attempts, by an admin


def may_work(standing: Standing) -> bool:
    free = standing.sees_answers or standing.simulated or standing.held_out or standing.exempt
    return not standing.screened or free or standing.passed


def attempts_left(standing: Standing) -> int | None:
    """How many more she may begin; None for any number."""
    if standing.allowed is None:
        return None
    return max(0, standing.allowed + standing.granted - standing.failed - standing.open)


def begin_problem(standing: Standing) -> str | None:
    """Why she may not begin an attempt, as a sentence; None when she may."""
    if not standing.screened:
        return _("This project asks for no qualification.")
    if standing.passed:
        return _("You have passed already; there is nothing left to show.")
    if standing.open:
        return _("You have an attempt that is not decided yet.")
    if attempts_left(standing) == 0:
        return _("You have used all of your attempts. Somebody who runs the project can grant another one.")
    return None


def shown_order(count: int, attempt_id: int, item_id: int) -> list[int]:
    """Positions in the order in which this attempt shows them: another for each attempt, the same at every look."""
    order = list(range(count))
    random.Random(f"{attempt_id}:{item_id}").shuffle(order)
    return order


def settings_problems(values: Mapping[str, Any]) -> list[dict[str, str]]:
    """Everything that keeps the settings of a version from being stored, as {"field", "message"}."""
    problems = []

    def check(field: str, holds: bool, message: str) -> None:
        if not holds:
            problems.append({"field": field, "message": message})

    title, topics = values["title"], values["topics"]
    check("title", 0 < len(title.strip()) <= 120 and title.isprintable(), _("Give a title of at most 120 characters."))
    fits = len(values["introduction"]) <= 20_000 and "\x00" not in values["introduction"]
    check("introduction", fits, _("Give at most 20,000 characters."))
    named = all(0 < len(topic.strip()) <= 80 and topic.isprintable() for topic in topics)
    check("topics", len(topics) <= 50 and named, _("Give at most 50 topics, each of at most 80 characters."))
    check("topics", len(set(topics)) == len(topics), _("A topic is there twice."))
    percent = _("Give a cut-off from 0 to 100 percent, or none.")
    mean = _("Give a cut-off from 1 to 7, or none.")
    for part, lowest, highest, message in (
        (FLAGS, 0, 1, percent),
        (RANKING, 0, 1, percent),
        (DEMONSTRATION, LOWEST_RATING, HIGHEST_RATING, mean),
    ):
        cutoff = values[f"{part}_cutoff"]
        sound = cutoff is None or (isfinite(cutoff) and lowest <= cutoff <= highest)
        check(f"{part}_cutoff", sound, message)
    allowed = values["attempts_allowed"]
    check("attempts_allowed", allowed is None or 1 <= allowed <= 20, _("Give a number from 1 to 20, or none for any."))
    check("ratings_needed", 1 <= values["ratings_needed"] <= 5, _("Give a number from 1 to 5."))
    return problems


def publish_problems(items: Sequence[tuple[str, str]]) -> list[str]:
    """Why a version with these (kind, stage) cannot be taken by anybody yet."""
    return [] if any(stage == "test" for __, stage in items) else [_("Add at least one item to the test.")]
