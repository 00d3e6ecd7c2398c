"""What training/config/estimate.py says of jobs, against what they take: peak memory and processor seconds.

    python -m benchmarks.estimates [--work build/estimates] [--threads 1] [--only sft dpo ...] [--base FOLDER]

Each program runs twice, on half of the data and on all of it. The first run foretells the seconds of the second, as the
application foretells a round from the last one; memory is foretold from the sizes alone. Peak memory is the process's
own, as the kernel counts it (ru_maxrss).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from tokenizers import Tokenizer

from benchmarks.village import prompt_row, read_rows, write_rows
from starter.demonstrations import demonstrations
from starter.labelers import SimulatedTaste
from starter.prompts import all_prompts
from training.config import CONFIGS
from training.config.estimate import Data, flops, memory, seconds_like
from training.config.shape import read_shape

ROOT = Path(__file__).parents[1]
BASE = ROOT / "starter" / "model"
ROLLOUT = {"episodes": 512, "batch_size": 128, "minibatch_size": 128}
KINDS = ("sft", "sample", "reward", "dpo", "ppo", "a2c", "rloo", "grpo", "rejection")
SIZE = 192  # demonstrations; prompts to sample and rank


@dataclass(frozen=True)
class Run:
    """One job, foretold and done."""

    seconds: float
    peak: float  # bytes
    foretold: float  # bytes
    flops: float


class Jobs:
    """Runs the programs one after the other in a work folder, each from the results of those before it."""

    def __init__(self, work: Path, threads: int, base: Path = BASE) -> None:
        self.work, self.threads, self.base = work, threads, base
        shape = read_shape(base)
        assert shape is not None
        self.shape = shape
        self.tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))

    def tokens(self, texts: Iterable[str]) -> list[int]:
        return [len(self.tokenizer.encode(text).ids) for text in texts]

    def result(self, kind: str) -> str:
        return str(self.work / f"{kind}-all" / "checkpoint")

    def files(self, kind: str, size: int) -> dict[str, list[dict[str, Any]]]:
        """The data of a job: so many rows."""
        train = all_prompts("train")
        prompts = [train[at * len(train) // size] for at in range(size)]
        if kind == "sft":
            return {"demonstrations": [row for row in demonstrations() if row["split"] == "train"][:size]}
        if kind in ("reward", "dpo"):
            return {"rankings": self.rankings(size)}
        return {"prompts": [prompt_row(prompt) for prompt in prompts]}

    def rankings(self, size: int) -> list[dict[str, Any]]:
        """What a simulated labeler says of the samples."""
        taste, texts = SimulatedTaste(0), dict[str, list[str]]()
        for row in read_rows(self.work / "sample-all" / "completions.jsonl"):
            texts.setdefault(row["prompt_id"], []).append(row["text"])
        messages = {prompt.id: prompt.messages for prompt in all_prompts("train")}
        rows = []
        for prompt_id, drawn in list(texts.items())[:size]:
            said = taste.rank(messages[prompt_id], drawn)
            ranks = [1 + next(at for at, tier in enumerate(said.tiers) if place in tier) for place in range(len(drawn))]
            responses = [{"id": f"{prompt_id}-{at}", "text": text} for at, text in enumerate(drawn)]
            rows.append(
                {"id": prompt_id, "prompt_id": prompt_id, "messages": messages[prompt_id], "responses": responses,
                 "ranks": ranks, "split": "train"}
            )  # fmt: skip
        return rows

    def settings(self, kind: str, size: int) -> dict[str, Any]:
        if kind == "sft":
            return {"model": str(self.base), "epochs": 2}
        sft, reward = self.result("sft"), self.result("reward")
        if kind == "sample":
            return {"policies": [{"name": "sft", "path": sft}], "batch_rows": 128}
        if kind == "reward":
            return {"model": sft}
        if kind == "dpo":
            return {"policy": sft}
        if kind == "rejection":
            return {"model": sft, "reward_model": reward, "best_of": 4}
        rollout = {**ROLLOUT, "episodes": ROLLOUT["episodes"] * size // SIZE}
        return {"policy": sft, "reward_model": reward, **rollout}

    def data(self, kind: str, files: dict[str, list[dict[str, Any]]], each: int) -> Data:
        """What the estimate is told of the data, as the application counts it; `each` responses to a prompt."""
        rows = next(iter(files.values()))
        prompts = self.tokens("\n".join(m["content"] for m in row["messages"]) for row in rows)
        if kind == "sft":
            answers = self.tokens(row["response"] for row in rows)
            return Data(len(rows), mean(prompts), mean(answers), longest=max(prompts) + max(answers))
        drawn = next(folder for folder in (self.work / "sample-all", self.work / "sample-half") if folder.exists())
        lengths = [row["tokens"] for row in read_rows(drawn / "completions.jsonl")]
        response = mean(lengths)
        longest = max(prompts) + max(lengths) + (each - 1) * response
        return Data(len(rows), mean(prompts), response, each, longest)

    def run(self, kind: str, name: str, size: int) -> Run:
        """Write the folder, run the program, and hold it against the estimate."""
        folder = self.work / f"{kind}-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        files = self.files(kind, size)
        for key, rows in files.items():
            write_rows(folder / "data" / f"{key}.jsonl", rows)
        config = CONFIGS[kind].from_dict({**self.settings(kind, size), "threads": self.threads})
        config.save(folder)
        with (folder / "log.txt").open("w") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", f"training.{kind}", str(folder)], cwd=ROOT, stdout=log, stderr=log
            )
            _, status, usage = os.wait4(child.pid, 0)
        seconds = usage.ru_utime + usage.ru_stime  # which a neighbour on the machine changes little
        if status:
            raise SystemExit(f"{kind} failed: {(folder / 'log.txt').read_text().splitlines()[-1]}")
        data = self.data(kind, files, getattr(config, "samples_per_prompt", 4))
        peak = usage.ru_maxrss * 1024
        return Run(seconds, peak, memory(config, self.shape, data).total, flops(config, self.shape, data))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "estimates")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--base", type=Path, default=BASE, help="the model that SFT begins with")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS)
    arguments = parser.parse_args()
    jobs = Jobs(arguments.work, arguments.threads, arguments.base)
    print("program    | memory: said, took, off      | seconds: said, took, off")
    for kind in arguments.only:
        half, whole = (jobs.run(kind, name, size) for name, size in (("half", SIZE // 2), ("all", SIZE)))
        said = seconds_like(half.flops, half.seconds, whole.flops)
        sizes = f"{whole.foretold / 1e6:5.0f} MB {whole.peak / 1e6:5.0f} MB {whole.foretold / whole.peak - 1:+.0%}"
        times = f"{said:6.1f} s {whole.seconds:6.1f} s {said / whole.seconds - 1:+.0%}"
        print(f"{kind:10} | {sizes} | {times}", flush=True)


if __name__ == "__main__":
    main()
