"""Who holds a task, for how long, and in which order she sees the responses. Asked by services/assignments.py."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from app.rules import languages

T = TypeVar("T")
LEFT = timedelta(minutes=2)


@dataclass(frozen=True)
class SlotState:
    """What decides over a slot at one moment."""

    holder_id: int | None
    leased_until: datetime | None
    submitted: bool
    closed: bool


def lease_end(now: datetime, minutes: int) -> datetime:
    return now + timedelta(minutes=minutes)


def leave_end(now: datetime) -> datetime:
    """When the hold of somebody who has left her page ends: a reload is quicker than this, a lunch is not."""
    return now + LEFT


def may_claim(slot: SlotState, now: datetime) -> bool:
    """A slot is open to anybody when nobody's lease on it is alive."""
    return not slot.submitted and not slot.closed and (slot.leased_until is None or slot.leased_until <= now)


def may_submit(slot: SlotState, user_id: int, now: datetime) -> bool:
    """An expired lease never discards a label: it counts as long as nobody else has taken the slot.

    A closed slot still takes the label of the labeler who held it: the work is done, and later trainings use it.
    """
    if slot.submitted:
        return False
    if slot.holder_id == user_id or slot.holder_id is None:
        return True
    return slot.leased_until is None or slot.leased_until <= now


def is_in_pool(open_to_all: bool, is_member: bool) -> bool:
    """A project is for everybody, or for its members alone."""
    return open_to_all or is_member


@dataclass(frozen=True)
class Labeler:
    """What decides over what a person may label. No languages means every language."""

    user_id: int
    languages: frozenset[str] = frozenset()
    skills: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Needs:
    """What a prompt asks of its labelers."""

    author_id: int | None = None
    language: str | None = None  # None where it is not known
    skills: frozenset[str] = frozenset()


def may_label(labeler: Labeler, needs: Needs) -> bool:
    """Not what she wrote herself; in her languages, if some are set; where skills are needed, with all of them."""
    if needs.author_id == labeler.user_id:
        return False
    return _speaks(labeler, needs.language) and needs.skills <= labeler.skills


def _speaks(labeler: Labeler, language: str | None) -> bool:
    if language is None or not labeler.languages:
        return True
    return any(languages.is_same(language, hers) for hers in labeler.languages)


def slots_in_queue_order(tasks: Sequence[T], ordinals: range) -> Iterator[tuple[T, int]]:
    """(task, ordinal) of the slots of new tasks as they are numbered, and so handed out where priorities are equal.

    Every task gets its first label before any gets its second: what is open when a round ends lacks second labels, not
    whole tasks (docs/decisions/0011-the-order-of-the-queue.md).
    """
    for ordinal in ordinals:
        for task in tasks:
            yield task, ordinal


def shuffle_order(completions: Sequence[str], rng: random.Random) -> list[str]:
    """The order in which one labeler sees the responses; kept with her ranking to find position bias."""
    order = list(completions)
    rng.shuffle(order)
    return order
