"""`python -m benchmarks.paper report`: docs/results.md and its plots, from the results that are there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.paper.measure import Figure, over_seeds
from benchmarks.paper.plots import Line, plot

if TYPE_CHECKING:
    from benchmarks.paper.experiment import Experiment

ROOT = Path(__file__).parents[2]
VERDICTS = ("shown", "not shown", "the contrary")
HEAD = """# What the papers found, in miniature

Ten results of InstructGPT, Stiennon et al. and their successors, tried on the [starter world](starter.md): a
village that a program knows all about, a language model of 2.8 million parameters, a judge who compares the models'
answers, and simulated labelers who judge as it does but err, so that they agree with each other as often as
InstructGPT's did. No model sees the judge itself. Written by `python -m benchmarks.paper report` from
`benchmarks/paper/results/`; `python -m benchmarks.paper --seed N` runs what is missing there. A seed takes about an
hour of processor time.

Figures are means with 95 % intervals in brackets. Those of one seed are bootstrapped over held-out prompts, each
drawn with all that belongs to it, and so leave out what another training run would change; those over seeds join
them with Student's, from how far the seeds lie apart, which is wide where there are two. Shares count ties half. Every
seed that was run is shown. A claim is *shown* where the whole interval lies on its side of the bound, *the contrary*
where it lies on the other, else *not shown*. CPU seconds include the jobs that several experiments share, in each of
them.
"""


def load(out: Path) -> dict[str, dict[int, dict[str, Any]]]:
    """Results by experiment and seed."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for path in sorted(out.glob("seed-*/*.json")):
        row = json.loads(path.read_text(encoding="utf-8"))
        found.setdefault(row["experiment"], {})[row["seed"]] = row
    return {key: dict(sorted(seeds.items())) for key, seeds in found.items()}


def written(figure: Figure, name: str = "") -> str:
    """`71.2 (68.0 to 74.1)`, or the value alone; fewer digits for what is per cent by its name."""
    largest = max(abs(value) for value in figure)
    digits = (1 if largest >= 10 else 2 if largest >= 2 else 3) - ("%" in name and largest < 10)
    digits = digits if len(figure) > 1 or figure[0] % 1 else 0
    value, *ends = (f"{number:.{digits}f}".replace("-", "\N{MINUS SIGN}") for number in figure)
    return f"{value} ({' to '.join(ends)})" if ends else value


def table(seeds: Mapping[int, dict[str, Any]]) -> list[str]:
    """A row a figure, a column a seed, and all seeds together where there are several."""
    several = len(seeds) > 1
    heads = ["", *(f"seed {seed}" for seed in seeds), *(["all seeds"] if several else [])]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name in dict.fromkeys(name for row in seeds.values() for name in row["figures"]):
        own = [row["figures"].get(name) for row in seeds.values()]
        cells = [written(figure, name) if figure else "" for figure in own]
        if several:
            cells.append(written(over_seeds([figure for figure in own if figure]), name))
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return lines


def verdicts(experiment: Experiment, seeds: Mapping[int, dict[str, Any]]) -> list[str]:
    """A line a claim: what all seeds together say of it, and each."""
    lines = []
    for claim in experiment.claims:
        figures = [row["figures"][claim.figure] for row in seeds.values() if claim.figure in row["figures"]]
        if not figures:
            lines.append(f"- {claim.sentence}: not yet measured.")
            continue
        whole = over_seeds(figures)
        said = f"- {claim.sentence}: **{claim.verdict(whole)}**, {written(whole, claim.figure)}, bound {claim.above:g}"
        if len(figures) > 1:
            own = sum(claim.verdict(figure) == "shown" for figure in figures)
            said += f"; shown with {own} of {len(figures)} seeds alone"
        lines.append(said + ".")
    return lines


def glance(results: Mapping[str, Mapping[int, dict[str, Any]]], experiments: Mapping[str, Experiment]) -> list[str]:
    """A row an experiment: how many of its claims are shown."""
    lines = ["", "| | seeds | claims |", "|---|---|---|"]
    for key in sorted(experiments):
        seeds = results.get(key, {})
        said = [
            claim.verdict(over_seeds(figures))
            for claim in experiments[key].claims
            if (figures := [row["figures"][claim.figure] for row in seeds.values() if claim.figure in row["figures"]])
        ]
        counts = ", ".join(f"{said.count(word)} {word}" for word in VERDICTS if word in said)
        names = ", ".join(str(seed) for seed in seeds)
        lines.append(f"| ({key}) {experiments[key].title} | {names} | {counts or 'not yet run'} |")
    return lines


def charts(experiment: Experiment, seeds: Mapping[int, dict[str, Any]], folder: Path) -> list[str]:
    """The plots as files, and the lines that show them."""
    lines = []
    for number, chart in enumerate(experiment.charts, start=1):
        curves = [
            Line(name, row["curves"][name]) for name in chart.curves for row in seeds.values() if name in row["curves"]
        ]
        if not curves:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        name = f"results-{experiment.key}{number}.svg"
        drawn = plot(chart.title, chart.x, chart.y, curves, "logarithmic" in chart.x)
        (folder / name).write_text(drawn, encoding="utf-8")
        lines.append(f"![{chart.title}: {chart.y} against {chart.x}](img/{name})")
    return lines


def section(experiment: Experiment, seeds: Mapping[int, dict[str, Any]], folder: Path) -> list[str]:
    """One experiment's part of the page."""
    lines = ["", f"## ({experiment.key}) {experiment.title}", "", f"*The papers.* {experiment.paper}", ""]
    lines += [f"*Here.* {experiment.here}", ""]
    if not seeds:
        return [*lines, f"Not yet run: `python -m benchmarks.paper --only {experiment.key}`."]
    lines += verdicts(experiment, seeds)
    if experiment.notes:
        lines += ["", experiment.notes]
    drawn = charts(experiment, seeds, folder)
    if drawn:
        lines += ["", *drawn]
    spent = ", ".join(
        f"seed {seed} {row['cpu_seconds']['jobs'] + row['cpu_seconds']['here']:.0f}" for seed, row in seeds.items()
    )
    return [*lines, "", *table(seeds), "", f"CPU seconds: {spent}."]


def write_report(out: Path, docs: Path) -> None:
    """docs/results.md and docs/img/results-*.svg."""
    from benchmarks.paper.experiments import EXPERIMENTS

    results = load(out)
    lines = [HEAD.rstrip(), *glance(results, EXPERIMENTS)]
    for key in sorted(EXPERIMENTS):
        lines += section(EXPERIMENTS[key], results.get(key, {}), docs / "img")
    docs.mkdir(parents=True, exist_ok=True)
    (docs / "results.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
