"""What a gold item may say, and what an answer to it gets.

Asked by services/gold_items.py when one is marked, and by services/reliability.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app import figures
from app.rules.agreement import Distance, Flags, Pairs, distance_from_ranges, flags_with_gold, pairs_with_gold
from app.rules.rankings import HIGHEST_RATING, LOWEST_RATING, tier_problems
from app.translation import gettext as _

LONGEST_EXPLANATION = 10_000
SUSPECT_AFTER = 3  # answers; fewer tell nothing of an item


@dataclass(frozen=True)
class Score:
    """One answer beside the right one."""

    pairs: Pairs
    flags: Flags
    distance: Distance

    @property
    def got_it(self) -> bool:
        """More than half of the pairs; without any, every flag and rating as wanted."""
        if self.pairs.of:
            return self.pairs.alike * 2 > self.pairs.of
        return not self.flags.missed and not self.flags.wrong and not self.distance.total


def score_answer(
    *,
    tiers: Sequence[Sequence[str]],
    ranges: Mapping[str, Sequence[int]],
    flags: Mapping[str, Mapping[str, Sequence[str]]],
    said: Mapping[str, Any],
    asked: Iterable[str],
) -> Score:
    """`said` is the content of a ranking; `asked` the flags that its page offered."""
    return Score(
        pairs_with_gold(tiers, said["tiers"]),
        flags_with_gold(flags, said["ratings"], asked),
        distance_from_ranges(ranges, said["ratings"]),
    )


def is_suspect(answers: int, got_it: int) -> bool:
    """Most people miss it: the item is more likely to be wrong than they are."""
    return answers >= SUSPECT_AFTER and got_it * 2 < answers


def answer_problems(
    completions: Sequence[str],
    tiers: Sequence[Sequence[str]],
    ranges: Mapping[str, Sequence[int]],
    flags: Mapping[str, Mapping[str, Sequence[str]]],
    known_flags: Iterable[str],
    explanation: str,
) -> list[dict[str, str]]:
    """Everything that keeps it from being stored, as {"field", "message"}; empty when it is sound."""
    problems = [{"field": "tiers", "message": message} for message in tier_problems(tiers, completions)]
    problems += _range_problems(ranges, completions) + _flag_problems(flags, completions, set(known_flags))
    if len(explanation) > LONGEST_EXPLANATION or "\x00" in explanation:
        longest = figures.number(LONGEST_EXPLANATION)
        message = _("The explanation must be text of at most %(most)s characters.") % {"most": longest}
        problems.append({"field": "explanation", "message": message})
    if not problems and len(tiers) < 2 and not ranges and not flags:
        message = _("All tied, and nothing else said: nobody could be wrong. Order at least two responses.")
        problems.append({"field": "tiers", "message": message})
    return problems


def _range_problems(ranges: Mapping[str, Sequence[int]], completions: Sequence[str]) -> list[dict[str, str]]:
    problems = []
    for key, (low, high) in ranges.items():
        if key not in completions:
            problems.append({"field": f"ratings.{key}", "message": _("No response of this comparison.")})
        elif not LOWEST_RATING <= low <= high <= HIGHEST_RATING:
            message = _("Give a range within 1 to 7, the lower rating first.")
            problems.append({"field": f"ratings.{key}", "message": message})
    return problems


def _flag_problems(
    flags: Mapping[str, Mapping[str, Sequence[str]]], completions: Sequence[str], known: set[str]
) -> list[dict[str, str]]:
    problems = []
    for key, wanted in flags.items():
        must, must_not = set(wanted.get("must") or []), set(wanted.get("must_not") or [])
        if key not in completions:
            problems.append({"field": f"flags.{key}", "message": _("No response of this comparison.")})
        if unknown := sorted((must | must_not) - known):
            message = _("Unknown flags: %(flags)s.") % {"flags": ", ".join(unknown)}
            problems.append({"field": f"flags.{key}", "message": message})
        if both := sorted(must & must_not):
            message = _("Wanted and refused at once: %(flags)s.") % {"flags": ", ".join(both)}
            problems.append({"field": f"flags.{key}", "message": message})
    return problems
