"""A labeler's work by days of her own time zone. Asked by services/work.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from statistics import median
from zoneinfo import ZoneInfo

DAYS = 14  # that the chart shows
TYPICAL_OF = 5  # labels of a kind; fewer have no typical time
LONGEST_ZONE = 64


@dataclass(frozen=True)
class Sent:
    """One label of hers."""

    kind: str  # ranking, demonstration
    project_id: int
    at: datetime
    seconds: float


@dataclass(frozen=True)
class Day:
    date: date
    rankings: int
    answers: int
    seconds: float

    @property
    def labels(self) -> int:
        return self.rankings + self.answers


def find_zone(name: str | None) -> tuple[str, tzinfo]:
    """The named zone; UTC where this machine knows none of the name."""
    if name and len(name) <= LONGEST_ZONE:
        try:
            return name, ZoneInfo(name)
        except (ValueError, OSError, KeyError):  # no such zone, or no name of one
            pass
    return "UTC", UTC


def local_day(at: datetime, zone: tzinfo) -> date:
    return at.astimezone(zone).date()


def start_of(day: date, zone: tzinfo) -> datetime:
    """Midnight, where the day begins, as UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def week_of(today: date) -> date:
    """The Monday."""
    return today - timedelta(days=today.weekday())


def group_days(sent: Iterable[Sent], zone: tzinfo, today: date, days: int = DAYS) -> list[Day]:
    """The last days up to today, oldest first, those without work among them."""
    by_day: dict[date, list[Sent]] = {}
    for each in sent:
        by_day.setdefault(local_day(each.at, zone), []).append(each)
    return [total_of(by_day.get(day, []), day) for day in (today - timedelta(days=back) for back in range(days)[::-1])]


def total_of(sent: Sequence[Sent], day: date) -> Day:
    rankings = sum(each.kind == "ranking" for each in sent)
    return Day(day, rankings, len(sent) - rankings, sum(each.seconds for each in sent))


def typical_seconds(sent: Iterable[Sent], kind: str) -> float | None:
    """The median active time of a kind; None for too few."""
    times = [each.seconds for each in sent if each.kind == kind and each.seconds > 0]
    return median(times) if len(times) >= TYPICAL_OF else None
