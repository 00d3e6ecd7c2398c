"""What a training job costs before it learns anything: processor seconds from its start to its first optimiser step.

    python -m benchmarks.job_start [--programs sft dpo reward] [--runs 5] [--imports]

Each run is a process of its own, as a worker starts it, on the starter model: `training.sft` on the starter project's
demonstrations, `training.dpo` and `training.reward` on 64 rankings of 4, so that the reference's pass over them is
short. One thread. The time is cut at three places that every program passes: its modules are imported, its tokenizer is
there, its model and data are. `--imports` adds up what `python -X importtime` says, by package.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
STARTER = ROOT / "starter" / "model"
PARTS = ("interpreter and modules", "tokenizer", "data and model", "first step")
GROUPS = ("torch._dynamo", "torch.distributed", "torch", "transformers", "sympy", "numpy", "tokenizers", "training")


def write_job(folder: Path, program: str) -> Path:
    """A job folder of the starter's size."""
    from starter.demonstrations import demonstrations
    from training.config import preset

    rows = demonstrations()
    train = [row for row in rows if row["split"] == "train"]
    data = {"demonstrations": train[:1200]}
    if program != "sft":
        data = {"rankings": [ranking(train, at) for at in range(64)]}
    (folder / "data").mkdir(parents=True)
    preset("starter", program, **{"policy" if program == "dpo" else "model": str(STARTER), "threads": 1}).save(folder)
    for name, written in data.items():
        (folder / "data" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in written))
    return folder


def ranking(rows: list[dict[str, Any]], at: int) -> dict[str, Any]:
    """Four demonstrations' answers to the first one's prompt, its own the best."""
    texts = [rows[(at + 97 * n) % len(rows)]["response"] for n in range(4)]
    responses = [{"id": str(n), "text": text} for n, text in enumerate(texts)]
    return {"id": str(at), "prompt_id": str(at), "messages": rows[at]["messages"], "responses": responses,
            "ranks": [1, 2, 3, 4], "split": "train"}  # fmt: skip


def child(program: str, folder: Path) -> None:
    """The program up to its first optimiser step; prints the processor time at each mark."""
    marks: list[float] = []
    module = importlib.import_module(f"training.{program}")
    from training import config, data, job, optimiser

    def after(owner: type, method: str, then: Callable[[], None]) -> None:
        whole = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            result = whole(*args, **kwargs)
            marks.append(time.process_time())
            then()
            return result

        setattr(owner, method, timed)

    def stop() -> None:
        print(json.dumps(marks), flush=True)
        os._exit(0)

    marks.append(time.process_time())
    after(data.Codec, "__init__", lambda: None)
    after(optimiser.Updater, "__init__", lambda: None)
    after(optimiser.Updater, "step", stop)
    job.run_program(config.CONFIGS[program], getattr(module, program), [str(folder)])


def run(program: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """One start in a process of its own, with one thread."""
    command = [sys.executable, *options, "-m", "benchmarks.job_start", "--child", program, str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)


def measure(program: str, folder: Path, runs: int) -> None:
    """The medians of some starts."""
    found = [json.loads(run(program, folder).stdout.splitlines()[-1]) for _ in range(runs)]
    totals = [marks[-1] for marks in found]
    shares = [[end - begin for begin, end in zip([0.0, *marks], marks, strict=False)] for marks in found]
    middle = [statistics.median(part) for part in zip(*shares, strict=True)]
    said = ", ".join(f"{name} {seconds:.2f}" for name, seconds in zip(PARTS, middle, strict=True))
    spread = f"{min(totals):.2f} to {max(totals):.2f}, {runs} starts"
    print(f"{program}: {statistics.median(totals):.2f} s of the processor ({spread}): {said}", flush=True)


def print_imports(program: str, folder: Path) -> None:
    """Seconds that modules take to import, those that they import not counted, by package."""
    spent: Counter[str] = Counter()
    for line in run(program, folder, "-X", "importtime").stderr.splitlines():
        if line.startswith("import time:") and "imported package" not in line:
            own, _, name = line.removeprefix("import time:").split("|")
            group = next((g for g in GROUPS if name.strip() == g or name.strip().startswith(f"{g}.")), "others")
            spent[group] += int(own)
    print(f"{program}, imports on the clock: " + ", ".join(f"{g} {us / 1e6:.2f} s" for g, us in spent.most_common()))


def main() -> None:
    """Measure the starts, or be one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", nargs="+", default=["sft", "dpo", "reward"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--imports", action="store_true")
    parser.add_argument("--child", nargs=2, help="for itself: program and job folder")
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child[0], Path(arguments.child[1]))
    with tempfile.TemporaryDirectory(prefix="job-start-") as work:
        for program in arguments.programs:
            folder = write_job(Path(work) / program, program)
            measure(program, folder, arguments.runs)
            if arguments.imports:
                print_imports(program, folder)


if __name__ == "__main__":
    main()
