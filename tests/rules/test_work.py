"""A labeler's days: hers, not the server's."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.plots import day_bars
from app.rules import work
from app.rules.work import Sent

MONDAY = date(2026, 11, 16)


def at(hour: int, day: int = 20, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def sent(*moments: datetime, kind: str = "ranking", seconds: float = 60) -> list[Sent]:
    return [Sent(kind, 1, moment, seconds) for moment in moments]


@pytest.mark.parametrize(
    "name", [None, "", "Nowhere/Town", "../../etc/passwd", "/etc/localtime", "x" * 65, "\x00", "Europe"]
)
def test_an_unknown_zone_is_utc(name: str | None) -> None:
    assert work.find_zone(name) == ("UTC", UTC)


def test_midnight_is_hers() -> None:
    name, zone = work.find_zone("Asia/Tokyo")
    assert name == "Asia/Tokyo"
    assert work.local_day(at(15), zone) == date(2026, 11, 21)
    assert work.start_of(date(2026, 11, 21), zone) == at(15)


def test_days_without_work_are_among_the_days() -> None:
    days = work.group_days(sent(at(9), at(10), at(9, day=18)), UTC, date(2026, 11, 20), days=4)
    assert [(day.date.day, day.labels) for day in days] == [(17, 0), (18, 1), (19, 0), (20, 2)]
    assert days[-1].seconds == 120


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_a_week_begins_on_the_monday_before(today: date) -> None:
    monday = work.week_of(today)
    assert monday.weekday() == 0
    assert timedelta(0) <= today - monday < timedelta(days=7)


def test_a_typical_time_needs_five_labels() -> None:
    few = sent(*[at(9)] * 4)
    assert work.typical_seconds(few, "ranking") is None
    more = [*few, *sent(at(9), seconds=1000), *sent(at(9), seconds=0), *sent(at(9), kind="demonstration", seconds=5)]
    assert work.typical_seconds(more, "ranking") == 60


def test_the_busiest_day_is_as_high_as_the_chart() -> None:
    both = sent(at(9), at(10), at(11)) + sent(at(12), kind="demonstration") + sent(at(9, day=19))
    bars = day_bars(work.group_days(both, UTC, date(2026, 11, 20), days=3))
    assert [bar.rankings_height for bar in bars] == [0, 30, 90]
    assert (bars[2].answers_y, bars[2].answers_height, bars[2].rankings_y) == (0, 30, 30)
