"""A seed's trainings: job folders of the real programs, each run once and kept, and what experiments ask of them.

A job's folder is named by its settings and its data (its parents' folders among them, wherever they lie), so whatever
differs is another job. One that is finished is not run again, also where the whole folder was copied elsewhere; one
that was killed goes on from its last saved state.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import random
import signal
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from benchmarks.paper.scales import Scale
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
from starter.build import VALIDATION_DOCUMENTS
from starter.corpus import documents
from starter.demonstrations import demonstrations, write
from starter.prompts import Prompt, all_prompts
from training.best_of import Judge
from training.config import CONFIGS, RewardConfig, preset
from training.data import Codec, load_tokenizer
from training.job import run_program
from training.launch import EXIT_DRAINED
from training.models import load_causal_lm
from training.ranks import Ranks
from training.scoring import sft_logprobs

ROOT = Path(__file__).parents[2]
BASE = ROOT / "starter" / "model"
SPENT = "cpu_seconds.txt"  # in a job folder: a line each time it was run
HELD_OUT_LABELERS = 500  # the held-out group's numbers begin here: other people of the same village
Row = dict[str, Any]
Items = list[tuple[list[int], list[list[int]]]]  # prompt and responses, as tokens


class Lab:
    """One seed at one scale. Every method runs what is missing."""

    def __init__(self, seed: int, scale: Scale, work: Path) -> None:
        self.seed, self.scale = seed, scale
        self.work = (work / f"seed-{seed}").resolve()
        self.shared = work.resolve()
        self.used: dict[Path, float] = {}  # jobs of the experiment that runs now, and their CPU seconds
        self.trained = 0.0  # CPU seconds of the jobs that really ran
        self._ranked: dict[str, list[Row]] = {}

    # -- jobs ------------------------------------------------------------------------------------------------

    def job(self, name: str, kind: str, data: dict[str, list[Row]], **settings: Any) -> Path:
        """The finished folder of a job with the starter's preset."""
        config = preset("starter", kind, **{"seed": self.seed, **settings})
        told = json.dumps([config.to_dict(), data], sort_keys=True)
        told = told.replace(str(self.shared), "").replace(str(ROOT), "")
        folder = self.work / f"{name}-{hashlib.sha256(told.encode()).hexdigest()[:10]}"
        if not (folder / "config.json").is_file():
            for key, rows in data.items():
                write_rows(folder / "data" / f"{key}.jsonl", rows)
            folder.mkdir(parents=True, exist_ok=True)
            config.save(folder)  # last, so that a folder with a config is whole
        if not (folder / "run.json").is_file():
            print(f"{folder.parent.name}/{folder.name} ...", flush=True)
            started = time.process_time()
            try:
                _run(kind, folder)
            finally:
                seconds = time.process_time() - started
                self.trained += seconds
                with (folder / SPENT).open("a") as lines:
                    lines.write(f"{seconds:.2f}\n")
        self.used[folder] = sum(float(line) for line in (folder / SPENT).read_text().split())
        return folder

    def metrics(self, folder: Path) -> Row:
        """What `run.json` says of a job."""
        found: Row = json.loads((folder / "run.json").read_text())["metrics"]
        return found

    # -- what all experiments stand on -----------------------------------------------------------------------

    def demonstrations(self, count: int) -> list[Row]:
        """Programmed demonstrations, and all those of the validation prompts."""
        rows = demonstrations()
        held = [row for row in rows if row["split"] == "validation"]
        return [row for row in rows if row["split"] == "train"][:count] + held[: max(8, count)]

    def sft(self) -> str:
        """The SFT model's folder."""
        rows = self.demonstrations(self.scale.demonstrations)
        return _checkpoint(self.job("sft", "sft", {"demonstrations": rows}, model=str(BASE), **self.scale.sft))

    def rankings(self, count: int, split: str = "train") -> list[Row]:
        """Rankings of 4 SFT samples by the training labelers; those of a smaller count are among those of a larger."""
        prompts = {
            "train": spread(all_prompts("train"), self.scale.rankings),
            "validation": spread(all_prompts("validation"), self.scale.rankings),
        }
        rows = [prompt_row(prompt) for own in prompts.values() for prompt in own]
        folder = self.job("sample", "sample", {"prompts": rows}, policies=[{"name": "sft", "path": self.sft()}])
        if split not in self._ranked:
            drawn, labelers = by_prompt(read_rows(folder / "completions.jsonl")), people(self.seed)
            self._ranked[split] = [
                ranking_row(f"{split}-{number:05d}", prompt, drawn[prompt.id], labelers[number % LABELERS])
                for number, prompt in enumerate(prompts[split])
            ]
        return spread(self._ranked[split], count)

    def reward(self, count: int = 0) -> str:
        """The reward model's folder: from all rankings, or from `count` of them."""
        rows = self.rankings(count or self.scale.rankings)
        data = {"rankings": rows, "demonstrations": self.demonstrations(200)}
        folder = self.job(f"reward-{len(rows)}", "reward", data, model=self.sft(), validation_share=0.0)
        return _checkpoint(folder)

    def policy(self, name: str, kind: str, **settings: Any) -> str:
        """The folder of a policy that PPO or a relative has trained, from the SFT model unless told otherwise."""
        data = {"prompts": [prompt_row(prompt) for prompt in all_prompts("train")]}
        settings = {"policy": self.sft(), "reward_model": self.reward(), **self.scale.rl, **settings}
        if settings.get("ptx_coef"):
            texts = spread(corpus(self.scale.corpus_bytes)[:-VALIDATION_DOCUMENTS], self.scale.ptx_texts)
            data["pretraining"] = [{"text": text} for text in texts]
        return _checkpoint(self.job(name, kind, data, **settings))

    def ppo(self) -> str:
        """PPO's folder."""
        return self.policy("ppo", "ppo")

    def ppo_ptx(self) -> str:
        """PPO-ptx's folder."""
        return self.policy("ppo-ptx", "ppo", **self.scale.ptx)

    # -- what is measured ------------------------------------------------------------------------------------

    def prompts(self) -> list[Prompt]:
        """The held-out prompts."""
        return spread(all_prompts("evaluation"), self.scale.evaluation)

    def references(self, prompts: Sequence[Prompt]) -> list[str]:
        """An answer to each prompt as a good villager writes it: what stands in for a human reference."""
        rng = random.Random(self.seed)
        return [write(prompt, rng) for prompt in prompts]

    def answers(
        self, name: str, policy: str, prompts: Sequence[Prompt], samples: int = 1, reward: str = "", **settings: Any
    ) -> list[list[Row]]:
        """Samples of a policy at temperature 1, prompt by prompt, scored where a reward model is named."""
        settings = {"samples_per_prompt": samples, "seed": EVALUATION_SEED + self.seed, **settings}
        folder = self.job(
            f"answers-{name}", "sample", {"prompts": [prompt_row(prompt) for prompt in prompts]},
            policies=[{"name": "policy", "path": policy}], reward_model=reward, **settings,
        )  # fmt: skip
        drawn = by_prompt(read_rows(folder / "completions.jsonl"))
        return [drawn[prompt.id] for prompt in prompts]

    def scores(self, reward: str, prompts: Sequence[Prompt], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        """What a reward model gives each text."""
        judge = Judge(reward, torch.device("cpu"), "float32", "float32", 8192)
        items = encoded(Codec(load_tokenizer(str(BASE))), prompts, texts)
        return [own.tolist() for own in judge.scores(items)]

    def logprobs(self, model: str, items: Items) -> list[list[float]]:
        """The log-probability of each response, summed over its tokens, in nats."""
        config = RewardConfig(model=model, device="cpu")
        means = sft_logprobs(load_causal_lm(model), items, config, Ranks(config))
        return [
            [float(mean) * len(tokens) for mean, tokens in zip(own, item[1], strict=True)]
            for own, item in zip(means, items, strict=True)
        ]

    def kl(self, policy: str, reference: str, prompts: Sequence[Prompt], texts: Sequence[str]) -> list[float]:
        """log policy - log reference of the policy's own samples, whose mean is the KL in nats a response.

        Both read the text in its canonical tokens, end token included, so that they are asked the same.
        """
        items = encoded(Codec(load_tokenizer(str(BASE))), prompts, [[text] for text in texts])
        pairs = zip(self.logprobs(policy, items), self.logprobs(reference, items), strict=True)
        return [own[0] - other[0] for own, other in pairs]


def _checkpoint(folder: Path) -> str:
    return str(folder / "checkpoint")


def _run(kind: str, folder: Path) -> None:
    """Run a program on its folder, in this process: imports cost more than many of these jobs."""
    program = getattr(importlib.import_module(f"training.{kind}"), kind)
    log, before = folder / "log.txt", signal.getsignal(signal.SIGTERM)
    with log.open("a") as out, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code = run_program(CONFIGS[kind], program, [str(folder)])
        finally:
            signal.signal(signal.SIGTERM, before)
    if code == EXIT_DRAINED:
        raise SystemExit("Stopped; the same command goes on from here.")
    if code:
        raise SystemExit(f"{folder} failed: {log.read_text().splitlines()[-1]}")


def encoded(codec: Codec, prompts: Sequence[Prompt], texts: Sequence[Sequence[str]]) -> Items:
    """Prompts with their responses as token ids."""
    return [
        (codec.prompt(prompt.messages), [codec.response(text) for text in own])
        for prompt, own in zip(prompts, texts, strict=True)
    ]


@cache
def corpus(size: int) -> list[str]:
    """The pretraining documents; the last VALIDATION_DOCUMENTS were held out from pretraining."""
    return list(documents(size=size))
