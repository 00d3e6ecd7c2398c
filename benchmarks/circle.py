"""The whole circle on files, without people or database: SFT, K samples, simulated rankings, reward model, PPO.

    python -m benchmarks.circle [--seed 0] [--work build/circle] [--demonstrations 1200] [--rankings 1600]
                                [--set ppo.lr=1e-4 ...] [--from ppo] [--json out.json]

Runs the four programs as a worker would, each a process on a job folder, then lets the judge of the starter world
compare base, SFT and PPO on the held-out prompts. Same seed, same result. The figures (win rates with ties counted
half and 95 % intervals, the reward model's accuracy by the judge's gap, seconds) are printed and dumped as JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.village import (
    EVALUATION_SEED,
    LABELERS,
    by_prompt,
    people,
    prompt_row,
    ranking_row,
    read_rows,
    spread,
    write_rows,
)
from starter.judge import Judgment
from starter.prompts import Prompt, all_prompts
from starter.referee import compare, judge_all, parts
from training.config import preset

ROOT = Path(__file__).parents[1]
STAGES = ("sft", "sample", "reward", "ppo", "evaluate")


class Circle:
    """One run: a work folder with a job folder for each stage."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.work: Path = arguments.work
        self.seed: int = arguments.seed
        self.base = str(arguments.base)
        self.arguments = arguments
        self.changes = dict(change.split("=", 1) for change in arguments.set)
        self.seconds: dict[str, float] = {}
        self.cpu: dict[str, float] = {}  # processor seconds: what the time would be told by, on a busy machine
        self.figures: dict[str, Any] = {"seed": self.seed, "set": self.changes}

    def run(self, kind: str, name: str, data: dict[str, list[dict[str, Any]]], **settings: Any) -> Path:
        """Write a job folder with the starter preset and run its program; returns the folder."""
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for key, value in self.changes.items():
            stage, field = key.split(".", 1)
            if stage == name:
                settings[field] = json.loads(value) if value[:1] not in "abcdefghijklmnopqrstuvwxyz/" else value
        preset("starter", kind, **{"seed": self.seed, **settings}).save(folder)
        for key, rows in data.items():
            write_rows(folder / "data" / f"{key}.jsonl", rows)
        started, used = time.perf_counter(), sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
        with (folder / "log.txt").open("w") as log:
            code = subprocess.run(
                [sys.executable, "-m", f"training.{kind}", str(folder)], cwd=ROOT, stdout=log, stderr=log, check=False
            ).returncode
        self.seconds[name] = round(time.perf_counter() - started, 1)
        self.cpu[name] = round(sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) - used, 1)
        if code:
            raise SystemExit(f"{name} failed: {(folder / 'log.txt').read_text().splitlines()[-1]}")
        metrics = json.loads((folder / "run.json").read_text())["metrics"]
        print(f"{name}: {self.seconds[name]} s {json.dumps(metrics)}", flush=True)
        self.figures[name] = metrics
        return folder

    def sft(self) -> None:
        """Supervised fine-tuning on programmed demonstrations."""
        from starter.demonstrations import demonstrations

        rows = demonstrations()
        train = [row for row in rows if row["split"] == "train"][: self.arguments.demonstrations]
        held = [row for row in rows if row["split"] == "validation"]
        self.run("sft", "sft", {"demonstrations": train + held}, model=self.base)

    def sample(self) -> None:
        """K samples of the SFT policy for the prompts to be ranked, and for the held-out ones."""
        chosen = self._chosen_prompts()
        policies = [{"name": "sft", "path": str(self.work / "sft" / "checkpoint")}]
        rows = [prompt_row(prompt, prompt.split) for prompt in chosen]
        self.run("sample", "sample", {"prompts": rows}, policies=policies)

    def _chosen_prompts(self) -> list[Prompt]:
        """Prompts to rank: spread evenly over the training prompts, plus all validation prompts."""
        return spread(all_prompts("train"), self.arguments.rankings) + all_prompts("validation")

    def reward(self) -> None:
        """Simulated labelers, a prompt each, rank the samples; the reward model learns from them."""
        labelers = people(self.seed)
        drawn = by_prompt(read_rows(self.work / "sample" / "completions.jsonl"))
        rankings = [
            ranking_row(f"ranking-{number:05d}", prompt, drawn[prompt.id], labelers[number % LABELERS])
            for number, prompt in enumerate(self._chosen_prompts())
        ]
        demonstrations = read_rows(self.work / "sft" / "data" / "demonstrations.jsonl")
        data = {"rankings": rankings, "demonstrations": demonstrations}
        self.run("reward", "reward", data, model=str(self.work / "sft" / "checkpoint"))

    def ppo(self) -> None:
        """PPO on all training prompts against the reward model."""
        rows = [prompt_row(prompt) for prompt in all_prompts("train")]
        policy, reward = (str(self.work / name / "checkpoint") for name in ("sft", "reward"))
        self.run("ppo", "ppo", {"prompts": rows}, policy=policy, reward_model=reward)

    def evaluate(self) -> None:
        """Win rates by the judge on held-out prompts, and the reward model's order against the judge's."""
        prompts = all_prompts("evaluation")
        for mode, settings in (("sampled", {}), ("greedy", {"greedy": True})):
            judged = self._judged(f"evaluate-{mode}", prompts, ("base", "sft", "ppo"), **settings)
            for left, right in (("sft", "base"), ("ppo", "sft")):
                verdict = compare(prompts, judged[left], judged[right])
                self.figures[f"{left} beats {right}/{mode}"] = {
                    name: round(getattr(verdict, name), 4) for name in ("win_rate", "low", "high", "ties")
                }
            self.figures[f"judge/{mode}"] = {name: round(parts(found)["score"], 4) for name, found in judged.items()}
        self.figures["reward order"] = self.reward_order(prompts)

    def _texts(
        self, name: str, prompts: list[Prompt], models: tuple[str, ...], **settings: Any
    ) -> dict[str, list[list[str]]]:
        """Samples of each model for each prompt, drawn by the sampling program."""
        folders = {model: self.base if model == "base" else str(self.work / model / "checkpoint") for model in models}
        policies = [{"name": model, "path": path} for model, path in folders.items()]
        settings = {"samples_per_prompt": 1, "seed": EVALUATION_SEED, **settings}
        rows = [prompt_row(prompt) for prompt in prompts]
        folder = self.run("sample", name, {"prompts": rows}, policies=policies, **settings)
        drawn: dict[tuple[str, str], list[str]] = {}
        for row in read_rows(folder / "completions.jsonl"):
            drawn.setdefault((row["checkpoint"], row["prompt_id"]), []).append(row["text"])
        return {model: [drawn[model, prompt.id] for prompt in prompts] for model in models}

    def _judged(
        self, name: str, prompts: list[Prompt], models: tuple[str, ...], **settings: Any
    ) -> dict[str, list[list[Judgment]]]:
        texts = self._texts(name, prompts, models, **settings)
        return {model: judge_all(prompts, drawn) for model, drawn in texts.items()}

    def reward_order(self, prompts: list[Prompt]) -> dict[str, Any]:
        """How often reward model and mean log-probability put held-out pairs in the judge's order, by its gap."""
        from starter.reward_referee import accuracies, reward_scores

        texts = self._texts("evaluate-pairs", prompts, ("sft",), samples_per_prompt=4, seed=self.seed)["sft"]
        reward, sft = (str(self.work / name / "checkpoint") for name in ("reward", "sft"))
        judged = [[judgment.score for judgment in found] for found in judge_all(prompts, texts)]
        return {
            f"{accuracy.low} to {accuracy.high}": {
                "pairs": accuracy.pairs,
                "reward": round(accuracy.reward_model, 4),
                "logprob": round(accuracy.logprob, 4),
            }
            for accuracy in accuracies(judged, *reward_scores(reward, sft, prompts, texts))
        }

    def go(self) -> None:
        """All stages from --from on, then the report."""
        for stage in STAGES[STAGES.index(getattr(self.arguments, "from")) :]:
            getattr(self, stage)()
        self.seconds["circle"] = round(sum(self.seconds.get(stage, 0) for stage in STAGES[:4]), 1)
        self.cpu["circle"] = round(sum(self.cpu.get(stage, 0) for stage in STAGES[:4]), 1)
        self.figures["seconds"], self.figures["cpu seconds"] = self.seconds, self.cpu
        print(json.dumps(self.figures, indent=2))
        path = self.arguments.json or self.work / "circle.json"
        path.write_text(json.dumps(self.figures, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Parse the command line and go round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "circle")
    parser.add_argument("--base", type=Path, default=ROOT / "starter" / "model")
    parser.add_argument("--demonstrations", type=int, default=1200)
    parser.add_argument("--rankings", type=int, default=1600)
    parser.add_argument("--from", choices=STAGES, default="sft", help="first stage to run; earlier ones are kept")
    parser.add_argument("--set", action="append", default=[], help="STAGE.FIELD=VALUE, e.g. ppo.lr=1e-4")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    arguments.work = arguments.work.resolve()
    Circle(arguments).go()


if __name__ == "__main__":
    main()
