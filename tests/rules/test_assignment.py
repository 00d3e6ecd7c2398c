from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from app.rules.assignment import SlotState, lease_end, may_claim, may_submit, shuffle_order

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(minutes=1), NOW - timedelta(minutes=1)
ME, OTHER = 1, 2


@pytest.mark.parametrize(
    ("slot", "claimable", "mine_to_submit"),
    [
        (SlotState(None, None, False, False), True, True),
        (SlotState(ME, LATER, False, False), False, True),
        (SlotState(ME, EARLIER, False, False), True, True),
        (SlotState(OTHER, LATER, False, False), False, False),
        (SlotState(OTHER, EARLIER, False, False), True, True),
        (SlotState(OTHER, None, True, False), False, False),
        (SlotState(ME, LATER, False, True), False, True),
    ],
)
def test_slot_is_claimed_and_filled_by_one(slot: SlotState, claimable: bool, mine_to_submit: bool) -> None:
    assert may_claim(slot, NOW) is claimable
    assert may_submit(slot, ME, NOW) is mine_to_submit


def test_lease_ends_after_its_minutes() -> None:
    assert lease_end(NOW, 30) == NOW + timedelta(minutes=30)


def test_order_is_shuffled_and_keeps_every_response() -> None:
    ids = list("abcdefghi")
    orders = {tuple(shuffle_order(ids, random.Random(seed))) for seed in range(20)}
    assert len(orders) > 15
    assert all(sorted(order) == ids for order in orders)
