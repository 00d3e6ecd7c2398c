"""Line plots as SVG, with colours and text that read on light and on dark pages alike; used by `report`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

SIZE = 4.4, 2.9  # inches
TEXT = "#777777"  # contrast of 4.5 on white and 4.2 on GitHub's dark
COLOURS = ("#2f7fd6", "#d06a1e", "#2e9c5a", "#9c6ade")
STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "tutelage", "font.family": "sans-serif", "font.size": 9,
    "text.color": TEXT, "axes.labelcolor": TEXT, "axes.edgecolor": TEXT, "xtick.color": TEXT, "ytick.color": TEXT,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.grid.axis": "y",
    "grid.color": TEXT, "grid.alpha": 0.25, "axes.titlelocation": "left", "axes.titleweight": "bold",
    "axes.titlesize": 10, "legend.frameon": False,
}  # fmt: skip
Point = Sequence[float]  # x, y, and maybe the lower and upper end of y's interval


@dataclass(frozen=True)
class Line:
    """One seed's curve."""

    name: str
    points: Sequence[Point]


def plot(title: str, x: str, y: str, lines: Sequence[Line], logarithmic: bool = False) -> str:
    """An SVG document, the same bytes each time. Lines of one name (one a seed) share a colour; intervals are bars."""
    names = list(dict.fromkeys(line.name for line in lines))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot(title=title, xlabel=x, ylabel=y)
        for line in lines:
            colour, seen = COLOURS[names.index(line.name) % len(COLOURS)], {one.get_label() for one in axes.lines}
            axes.plot(
                *zip(*(point[:2] for point in line.points), strict=True), color=colour, marker="o", markersize=3,
                linewidth=1.4, label="_again" if line.name in seen else line.name,
            )  # fmt: skip
            bars = [point for point in line.points if len(point) == 4]
            axes.vlines([p[0] for p in bars], [p[2] for p in bars], [p[3] for p in bars], colour, alpha=0.6)
        if logarithmic:
            axes.set_xscale("log", base=2)
            ticks = sorted({point[0] for line in lines for point in line.points})
            axes.xaxis.set(major_locator=FixedLocator(ticks), minor_locator=NullLocator(), major_formatter="{x:g}")
        elif all(float(point[0]).is_integer() for line in lines for point in line.points):
            axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        figure.legend(loc="outside lower left", ncols=len(names), fontsize=8)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Title": title})
    return drawn.getvalue()
