"""Numbers as geometry: the circle of the loop and the small curves of a job, for SVG without a script.

Pure arithmetic on what services counted; called by the routes of the loop, of jobs and of checkpoints. In a browser
with scripts static/js/live.js draws the same curves with uPlot and lets them grow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from app import figures
from app.rules.programs import PROGRAMS
from app.rules.work import Day
from app.services.overview import Station
from app.translation import gettext

RADIUS = 196
CENTRE = (400.0, 274.0)  # in a box of 800 by 560

POINTS = 160  # a curve of a longer run is thinned to so many


@dataclass(frozen=True)
class RingStation:
    """A station where it stands on the circle, with the arc that leads on from it."""

    station: Station
    x: float
    y: float
    text_x: float
    text_y: float
    anchor: str  # end, middle or start of the text
    arc: str
    arc_state: str  # done or waiting
    progress_arc: str  # how far the running job has come, or ""


@dataclass(frozen=True)
class Curve:
    """One metric of one job."""

    metric: str
    title: str
    last: float
    first_step: int
    last_step: int
    points: str  # of a polyline in a box of 200 by 72
    smooth: str
    low: float
    high: float


def ring(stations: Sequence[Station], progress: float | None) -> list[RingStation]:
    """The stations clockwise from the top; `progress` is the share that the running job has done."""
    placed = []
    for index, station in enumerate(stations):
        start, end = (2 * math.pi * i / len(stations) for i in (index, index + 1))
        x, y = _on_circle(start)
        side = math.sin(start)
        anchor = "middle" if abs(side) < 0.2 else "start" if side > 0 else "end"
        top, bottom = math.cos(start) > 0.9, math.cos(start) < -0.9
        following = stations[(index + 1) % len(stations)]
        done = station.state == "done" and (following.state != "waiting" or index + 1 < len(stations))
        running = station.state == "now" and progress is not None
        placed.append(
            RingStation(
                station=station,
                x=x,
                y=y,
                text_x=x + (0 if anchor == "middle" else 26 if anchor == "start" else -26),
                text_y=y - 60 if top else y + 36 if bottom else y - 10,
                anchor=anchor,
                arc=_arc(start, end),
                arc_state="done" if done else "waiting",
                progress_arc=_arc(start, start + (end - start) * max(0.04, min(1.0, progress or 0))) if running else "",
            )
        )
    return placed


def _on_circle(angle: float) -> tuple[float, float]:
    return round(CENTRE[0] + RADIUS * math.sin(angle), 1), round(CENTRE[1] - RADIUS * math.cos(angle), 1)


def _arc(start: float, end: float) -> str:
    (x0, y0), (x1, y1) = _on_circle(start), _on_circle(end)
    return f"M{x0} {y0}A{RADIUS} {RADIUS} 0 0 1 {x1} {y1}"


def progress_share(progress: dict[str, Any]) -> float | None:
    """How far a job is, from 0 to 1, if it says so."""
    step, of = progress.get("step"), progress.get("of")
    return min(1.0, step / of) if isinstance(step, int) and isinstance(of, int) and of > 0 else None


def wanted_curves(kind: str, most: int | None = None) -> list[tuple[str, str]]:
    """The metrics that a job of this kind may draw, with their titles for the reader."""
    shown = PROGRAMS[kind].curves if kind in PROGRAMS else ()
    return [(metric, gettext(title)) for metric, title in shown[:most]]


def curves(kind: str, payloads: Iterable[dict[str, Any]], most: int | None = None) -> list[Curve]:
    """The curves of a job from its progress events. A resumed job tells a step again; the later telling counts."""
    series: dict[str, dict[int, float]] = {}
    for payload in payloads:
        metrics, step = payload.get("metrics"), payload.get("step")
        if not isinstance(metrics, dict) or not isinstance(step, int):
            continue
        for name, value in metrics.items():
            if isinstance(value, int | float) and math.isfinite(value):
                series.setdefault(name, {})[step] = float(value)
    found = [_curve(metric, title, series[metric]) for metric, title in wanted_curves(kind) if metric in series]
    return found[:most]


def _curve(metric: str, title: str, values: dict[int, float]) -> Curve:
    steps = sorted(values)
    kept = steps[:: max(1, len(steps) // POINTS)]
    if kept[-1] != steps[-1]:
        kept.append(steps[-1])
    ys = [values[step] for step in kept]
    low, high = min(ys), max(ys)
    return Curve(
        metric=metric,
        title=title,
        last=values[steps[-1]],
        first_step=steps[0],
        last_step=steps[-1],
        points=_polyline(kept, ys, low, high),
        smooth=_polyline(kept, _smoothed(ys), low, high),
        low=low,
        high=high,
    )


def _polyline(steps: list[int], ys: list[float], low: float, high: float) -> str:
    width, height = max(1, steps[-1] - steps[0]), (high - low) or 1.0
    return " ".join(
        f"{200 * (step - steps[0]) / width:.0f} {70 - 66 * (y - low) / height:.1f}"
        for step, y in zip(steps, ys, strict=True)
    )


def _smoothed(ys: list[float], weight: float = 0.8) -> list[float]:
    """Exponential moving average, without the pull of its start."""
    total, mass, smooth = 0.0, 0.0, []
    for y in ys:
        total, mass = weight * total + (1 - weight) * y, weight * mass + (1 - weight)
        smooth.append(total / mass)
    return smooth


@dataclass(frozen=True)
class DayBar:
    """One day as a bar of two pieces, rankings below answers, in a box of BAR_BOX."""

    day: Day
    x: float
    width: float
    rankings_y: float
    rankings_height: float
    answers_y: float
    answers_height: float


BAR_BOX = (560, 120)  # width and height


def day_bars(days: Sequence[Day]) -> list[DayBar]:
    """The days side by side, the busiest one as high as the box."""
    width, height = BAR_BOX
    step, most = width / max(1, len(days)), max((day.labels for day in days), default=0) or 1
    bars = []
    for number, day in enumerate(days):
        ranked, answered = (round(height * count / most, 1) for count in (day.rankings, day.answers))
        x, wide = round(number * step + step * 0.14, 1), round(step * 0.72, 1)
        bars.append(
            DayBar(day, x, wide, round(height - ranked, 1), ranked, round(height - ranked - answered, 1), answered)
        )
    return bars


def headline(kind: str, metrics: dict[str, Any]) -> str:
    """The one figure of a checkpoint in words, or ""."""
    metric, words = PROGRAMS[kind].headline if kind in PROGRAMS else ("", "")
    value = metrics.get(metric)
    return f"{gettext(words)} {figures.metric(value, 3)}" if isinstance(value, int | float) else ""
