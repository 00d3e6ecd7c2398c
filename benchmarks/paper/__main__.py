"""The papers' results, in miniature.

    python -m benchmarks.paper [--seed 1 2 3] [--only a c ...] [--scale full|tiny] [--work FOLDER] [--out FOLDER]
    python -m benchmarks.paper report

The first runs what is missing, experiment after experiment, and writes one small JSON each; stopped at any point, the
same command goes on from there. The second writes docs/results.md and its plots from all JSON files that are there.
Two cores shared with others: nice -n 19 env OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python -m benchmarks.paper
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path
from typing import Any

from benchmarks.paper.report import ROOT, write_report

RESULTS = Path(__file__).parent / "results"


def run_one(lab: Any, key: str, out: Path) -> None:
    """One experiment of one seed, unless its result is there."""
    from benchmarks.paper.experiments import EXPERIMENTS
    from training.job import code_version

    path = out / f"seed-{lab.seed}" / f"{key}.json"
    if path.is_file() and json.loads(path.read_text())["scale"] == lab.scale.name:
        return
    print(f"seed {lab.seed}, ({key}) {EXPERIMENTS[key].title}", flush=True)
    lab.used.clear()
    started = time.process_time() - lab.trained
    found = EXPERIMENTS[key].run(lab)
    here = time.process_time() - lab.trained - started
    row = {
        "experiment": key, "seed": lab.seed, "scale": lab.scale.name, "code": code_version(),
        "cpu_seconds": {"here": round(here, 1), "jobs": round(sum(lab.used.values()), 1)},
        "figures": {name: _rounded(figure) for name, figure in found.figures.items()},
        "curves": {name: [_rounded(point) for point in curve] for name, curve in found.curves.items()},
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_text(row), encoding="utf-8")
    print(f"seed {lab.seed}, ({key}): {json.dumps(row['cpu_seconds'])}", flush=True)


def as_text(row: dict[str, Any]) -> str:
    """JSON with a line for each figure and each point, so that a difference of two versions can be read."""
    return re.sub(r"\[([^][{}]*)\]", lambda found: f"[{' '.join(found[1].split())}]", json.dumps(row, indent=1)) + "\n"


def _rounded(values: list[float]) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


def main() -> None:
    """Parse the command line, and run or report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["run", "report"], default="run")
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--only", nargs="+", default=[], help="letters of experiments, in the order to run them")
    parser.add_argument("--scale", default="full", choices=["full", "tiny"])
    parser.add_argument("--work", type=Path, default=None, help="job folders; build/paper unless given")
    parser.add_argument("--out", type=Path, default=None, help="where results lie; a tiny run's beside its jobs")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where report writes results.md and img/")
    arguments = parser.parse_args()
    work = arguments.work or ROOT / "build" / ("paper" if arguments.scale == "full" else "paper-tiny")
    out = arguments.out or (RESULTS if arguments.scale == "full" else work / "results")
    if arguments.what == "report":
        write_report(out, arguments.docs)
        return
    from benchmarks.paper.experiments import EXPERIMENTS
    from benchmarks.paper.lab import Lab
    from benchmarks.paper.scales import SCALES

    letters = [letter for one in arguments.only for letter in one.split(",")] or list(EXPERIMENTS)
    if unknown := set(letters) - set(EXPERIMENTS):
        parser.error(f"no experiment {', '.join(sorted(unknown))}; there are {', '.join(sorted(EXPERIMENTS))}")
    for seed in arguments.seed:
        lab = Lab(seed, SCALES[arguments.scale], work)
        for key in letters:
            run_one(lab, key, out)


if __name__ == "__main__":
    main()
