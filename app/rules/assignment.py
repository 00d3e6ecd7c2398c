"""Who holds a task, for how long, and in which order she sees the responses. Asked by services/assignments.py."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class SlotState:
    """What decides over a slot at one moment."""

    holder_id: int | None
    leased_until: datetime | None
    submitted: bool
    closed: bool


def lease_end(now: datetime, minutes: int) -> datetime:
    return now + timedelta(minutes=minutes)


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


def shuffle_order(completions: Sequence[str], rng: random.Random) -> list[str]:
    """The order in which one labeler sees the responses; kept with her ranking to find position bias."""
    order = list(completions)
    rng.shuffle(order)
    return order
