"""Small line plots as SVG, with colours and text that read on light and on dark pages alike; used by `report`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 420, 270
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 34, 62
TEXT = "#777777"  # contrast of 4.5 on white and 4.2 on GitHub's dark
COLOURS = ("#2f7fd6", "#d06a1e", "#2e9c5a", "#9c6ade")
Point = Sequence[float]  # x, y, and maybe the lower and upper end of y's interval


@dataclass(frozen=True)
class Line:
    """One seed's curve."""

    name: str
    points: Sequence[Point]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, about `count` of them."""
    if high <= low:
        return [low]
    rough = (high - low) / count
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(at * step, 10) for at in range(first, math.floor(high / step + 1e-9) + 1)]


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room


def plot(title: str, x: str, y: str, lines: Sequence[Line], logarithmic: bool = False) -> str:
    """An SVG document. Lines of the same name (one a seed) share a colour; intervals are bars."""
    names = list(dict.fromkeys(line.name for line in lines))
    scale = (lambda value: math.log2(value)) if logarithmic else (lambda value: value)
    xs = [point[0] for line in lines for point in line.points]
    ys = [value for line in lines for point in line.points for value in point[1:]]
    (x_low, x_high), (y_low, y_high) = _bounds([scale(value) for value in xs]), _bounds(ys)

    def across(value: float) -> float:
        return LEFT + (scale(value) - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)

    def up(value: float) -> float:
        return HEIGHT - BOTTOM - (value - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        f' role="img" aria-label="{escape(title)}: {escape(y)} against {escape(x)}"'
        f' font-family="system-ui, sans-serif" font-size="12" fill="{TEXT}">',
        f'<text x="{LEFT}" y="16" font-size="13" font-weight="600">{escape(title)}</text>',
    ]
    for value in ticks(y_low, y_high):
        parts.append(
            f'<path d="M{LEFT} {up(value):.1f}H{WIDTH - RIGHT}" stroke="{TEXT}" stroke-opacity=".25"/>'
            f'<text x="{LEFT - 6}" y="{up(value) + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    marks = sorted(set(xs)) if logarithmic else [v for v in ticks(x_low, x_high) if across(v) >= LEFT]
    for value in marks:
        where = f'x="{across(value):.1f}" y="{HEIGHT - BOTTOM + 16}"'
        parts.append(f'<text {where} text-anchor="middle">{value:g}</text>')
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 26}" text-anchor="middle">{escape(x)}</text>'
        f'<text transform="translate(12 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)" text-anchor="middle">'
        f"{escape(y)}</text>"
    )
    for line in lines:
        colour = COLOURS[names.index(line.name) % len(COLOURS)]
        path = " ".join(f"{across(point[0]):.1f},{up(point[1]):.1f}" for point in line.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        for point in line.points:
            at = f"{across(point[0]):.1f}"
            parts.append(f'<circle cx="{at}" cy="{up(point[1]):.1f}" r="2.6" fill="{colour}"/>')
            if len(point) == 4:
                bar = f"M{at} {up(point[2]):.1f}V{up(point[3]):.1f}"
                parts.append(f'<path d="{bar}" stroke="{colour}" stroke-opacity=".6"/>')
    left = 12
    for number, name in enumerate(names):
        colour = COLOURS[number % len(COLOURS)]
        parts.append(
            f'<path d="M{left} {HEIGHT - 10}h16" stroke="{colour}" stroke-width="2.5"/>'
            f'<text x="{left + 21}" y="{HEIGHT - 6}" font-size="11">{escape(name)}</text>'
        )
        left += 40 + 6 * len(name)
    return "\n".join([*parts, "</svg>"]) + "\n"
