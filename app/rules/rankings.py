"""Rankings as tiers: what a valid one is, and the ranks and pairs that follow from it.

Asked by services/rankings.py when a labeler submits and by rules/exports.py when labels leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.translation import gettext as _

LOWEST_RATING, HIGHEST_RATING = 1, 7
LOWEST_CONFIDENCE, HIGHEST_CONFIDENCE = 1, 9  # nine points, as Stiennon et al. (2009.01325)


def ranking_problems(
    tiers: Sequence[Sequence[str]],
    ratings: Mapping[str, Any],
    completions: Sequence[str],
    *,
    asks_ratings: bool,
    flags: Iterable[str],
) -> list[str]:
    """Everything that keeps a ranking of `completions` from being stored, as sentences; empty when it is sound."""
    return [*tier_problems(tiers, completions), *rating_problems(ratings, completions, asks_ratings, set(flags))]


def tier_problems(tiers: Sequence[Sequence[str]], completions: Sequence[str]) -> list[str]:
    """Every response stands in exactly one tier, and no tier is empty."""
    problems = []
    if not tiers:
        return [_("The ranking is empty: put every response into a tier.")]
    if any(not tier for tier in tiers):
        problems.append(_("A tier is empty: leave it out."))
    placed = [completion for tier in tiers for completion in tier]
    if unknown := sorted(set(placed) - set(completions)):
        problems.append(_("Not part of this task: %(listed)s.") % {"listed": ", ".join(unknown)})
    if twice := sorted({completion for completion in placed if placed.count(completion) > 1}):
        problems.append(_("Ranked more than once: %(listed)s.") % {"listed": ", ".join(twice)})
    if missing := [completion for completion in completions if completion not in placed]:
        problems.append(_("Not ranked yet: %(listed)s.") % {"listed": ", ".join(missing)})
    return problems


def rating_problems(
    ratings: Mapping[str, Any], completions: Sequence[str], asks_ratings: bool, flags: set[str]
) -> list[str]:
    """Each rating is a whole number from 1 to 7 of a response of this task, with flags that the project knows."""
    problems = []
    for completion, rating in ratings.items():
        if completion not in completions:
            problems.append(_("Rated, but not part of this task: %(id)s.") % {"id": completion})
            continue
        overall = rating.get("overall")
        if overall is None and asks_ratings:
            problems.append(_("No overall rating for %(id)s.") % {"id": completion})
        elif overall is not None and not _is_rating(overall):
            sentence = _("The rating of %(id)s must be a whole number from 1 to 7.")
            problems.append(sentence % {"id": completion})
        if unknown := sorted(set(rating.get("flags", [])) - flags):
            sentence = _("Unknown flags for %(id)s: %(listed)s.")
            problems.append(sentence % {"id": completion, "listed": ", ".join(unknown)})
    if asks_ratings and (unrated := [completion for completion in completions if completion not in ratings]):
        problems.append(_("Not rated yet: %(listed)s.") % {"listed": ", ".join(unrated)})
    return problems


def prompt_flag_problems(prompt_flags: Sequence[str], known: Iterable[str]) -> list[str]:
    """Only flags that the task's version asks about."""
    unknown = sorted(set(prompt_flags) - set(known))
    return [_("Unknown flags for the prompt: %(listed)s.") % {"listed": ", ".join(unknown)}] if unknown else []


def confidence_problems(confidence: object, asked: bool) -> list[str]:
    """A whole number from 1, a guess, to 9, certain; needed where it is asked, and welcome where not."""
    if confidence is None:
        return [_("Say how sure you are of the order, from 1 to 9.")] if asked else []
    whole = isinstance(confidence, int) and not isinstance(confidence, bool)
    if whole and LOWEST_CONFIDENCE <= confidence <= HIGHEST_CONFIDENCE:  # type: ignore[operator]  # whole says it
        return []
    return [_("The confidence must be a whole number from 1 to 9.")]


def _is_rating(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and LOWEST_RATING <= value <= HIGHEST_RATING


def tiers_to_ranks(tiers: Sequence[Sequence[str]], completions: Sequence[str]) -> list[int]:
    """Competition ranks (1, 2, 2, 4) in the order of `completions`; equal numbers are ties."""
    rank_of: dict[str, int] = {}
    for tier in tiers:
        rank = len(rank_of) + 1
        rank_of.update(dict.fromkeys(tier, rank))
    return [rank_of[completion] for completion in completions]


def ranks_to_tiers(ranks: Sequence[int], completions: Sequence[str]) -> list[list[str]]:
    """The other way: tiers, best first, each in the order of `completions`."""
    return [[one for one, own in zip(completions, ranks, strict=True) if own == rank] for rank in sorted(set(ranks))]


def ranking_to_pairs(ranks: Sequence[int]) -> list[tuple[int, int]]:
    """Index pairs (chosen, rejected) that a ranking states; tied pairs state nothing (InstructGPT, 3.5)."""
    indices = range(len(ranks))
    return [(better, worse) for better in indices for worse in indices if ranks[better] < ranks[worse]]
