"""Reward model, GRPO and RLOO beside those of TRL 1.16.0: the same data and 5M-parameter model, float32, on the CPU.

    pip install --target /tmp/trl --no-deps trl==1.16.0 datasets pyarrow pandas dill multiprocess xxhash
    OMP_WAIT_POLICY=PASSIVE PYTHONPATH=/tmp/trl python -m benchmarks.rl_compare [--parts reward grpo rloo] [--steps 5]

Development only; the application never imports it. Both sides take optimiser steps in turn, within one process and one
run of TRL's own `train()`, so that a busy neighbour slows both; the figures are medians of the ratios of neighbouring
steps, by the clock and by processor time. `reward` first holds loss and gradient of the packed form against TRL's over
the same pairs, and last measures peak memory in a process of its own for either side. Gradient checkpointing, which TRL
switches on, is off: it costs time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, TrainerCallback

from training.config import GRPOConfig, RewardConfig, RLOOConfig
from training.data import load_tokenizer
from training.grpo import GRPO
from training.job import Job
from training.optimiser import Updater
from training.packing import pack
from training.policy_gradient import PolicyGradient
from training.rankings import elements
from training.reward import RewardTraining, ranking_loss
from training.reward_model import RewardModel, save_reward_model
from training.rloo import RLOO

TOKENIZER = "starter/model"
PROMPT, RESPONSE = 100, 60  # tokens, about
RANKINGS = 2  # per optimiser step
PROMPTS, SAMPLES = 16, 4  # of a rollout


def make_model(folder: Path) -> None:
    """A Llama of 5 million parameters with random weights, and the starter's tokenizer."""
    torch.manual_seed(0)
    tokenizer = load_tokenizer(TOKENIZER)
    config: Any = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=256, intermediate_size=704, num_hidden_layers=6, num_attention_heads=4,
        max_position_embeddings=512, tie_word_embeddings=True, eos_token_id=1, pad_token_id=0, bos_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def text_of(tokens: int, rng: random.Random, tokenizer: Any) -> str:
    """Words that come to about `tokens` tokens."""
    words: list[str] = []
    while len(tokenizer.encode(" ".join(words), add_special_tokens=False)) < tokens:
        words += rng.choices(["the", "miller", "walks", "to", "a", "small", "bridge", "and", "sings", "early"], k=4)
    return " ".join(words)


def write_job(folder: Path, config: dict[str, Any], **data: list[dict[str, Any]]) -> Path:
    """A job folder."""
    (folder / "data").mkdir(parents=True)
    (folder / "config.json").write_text(
        json.dumps({"threads": torch.get_num_threads(), "matmul_precision": "highest", **config})
    )
    for name, rows in data.items():
        (folder / "data" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def user(text: str) -> list[dict[str, str]]:
    """A conversation of one turn."""
    return [{"role": "user", "content": text}]


def reward_training(k: int, count: int, model: Path, folder: Path) -> RewardTraining:
    """Our side on `count` rankings of K responses without ties, in the papers' form."""
    rng, tokenizer = random.Random(k), load_tokenizer(TOKENIZER)
    rows = []
    for at in range(count):
        responses = [{"id": str(n), "text": text_of(RESPONSE, rng, tokenizer)} for n in range(k)]
        rows.append({"id": str(at), "prompt_id": str(at), "messages": user(text_of(PROMPT, rng, tokenizer)),
                     "responses": responses, "ranks": rng.sample(range(1, k + 1), k), "split": "train"})  # fmt: skip
    config = {
        "model": str(model), "batch_size": RANKINGS, "micro_batch_tokens": 1024, "readout": "last", "lr": 1e-5,
        "logprob_weight": False, "pair_weight": "equal", "validation_share": 0.0, "head_lr_scale": 1.0,
    }  # fmt: skip
    job = write_job(folder, config, rankings=rows)
    return RewardTraining(Job(job, RewardConfig.load(job)))


def pairs_of(training: RewardTraining) -> list[dict[str, list[int]]]:
    """The same rankings as TRL takes them: a row for each pair, prompt and response together."""
    rows = []
    for one in training.train:
        prompt, responses = one.item
        ranks = one.rankings[0].ranks
        for i, j in combinations(range(len(ranks)), 2):
            better, worse = (i, j) if ranks[i] < ranks[j] else (j, i)
            rows.append({"chosen_ids": [*prompt, *responses[better]], "rejected_ids": [*prompt, *responses[worse]]})
    return rows


def trl_settings(folder: Path, **more: Any) -> dict[str, Any]:
    """What every TRL trainer is told here."""
    return {
        "output_dir": str(folder), "use_cpu": True, "bf16": False, "fp16": False, "gradient_checkpointing": False,
        "report_to": "none", "save_strategy": "no", "logging_steps": 10_000, "disable_tqdm": True, "adam_beta2": 0.95,
        "learning_rate": 1e-5, "lr_scheduler_type": "cosine", **more,
    }  # fmt: skip


def dataset(rows: list[dict[str, Any]]) -> Any:
    """The rows as TRL takes them; a fingerprint of its own spares pickling the table, which fails with pyarrow 26."""
    from datasets import Dataset
    from datasets.table import InMemoryTable

    return Dataset(InMemoryTable.from_pylist(rows), fingerprint="rows")


def classifier(model: Path) -> Any:
    """The model with a scalar head in place of the unembedding, as TRL trains it; the head's seed is fixed."""
    torch.manual_seed(1)
    loader: Any = LlamaForSequenceClassification
    return loader.from_pretrained(model, num_labels=1, dtype=torch.float32, attn_implementation="sdpa")


def trl_reward(training: RewardTraining, k: int, steps: int, model: Path, folder: Path, *callbacks: Any) -> Any:
    """TRL's RewardTrainer over the pairs of the same rankings, as many pairs a step as RANKINGS have."""
    from trl import RewardConfig as TheirConfig
    from trl import RewardTrainer

    pairs = k * (k - 1) // 2
    arguments = TheirConfig(
        **trl_settings(folder), max_length=None, max_steps=steps,
        per_device_train_batch_size=pairs, gradient_accumulation_steps=RANKINGS,
    )  # fmt: skip
    return RewardTrainer(
        model=classifier(model), args=arguments, train_dataset=dataset(pairs_of(training)),
        processing_class=load_tokenizer(TOKENIZER), callbacks=list(callbacks),
    )  # fmt: skip


def fresh(training: RewardTraining) -> tuple[RewardModel, Updater]:
    """Our model with its optimiser, the scalar head as TRL's begins."""
    model = training.fresh()
    groups = [{"params": model.backbone.parameters()}, {"params": [model.head.weight]}]
    return model, Updater(training.ranks, model, groups, training.config)


class InTurn(TrainerCallback):
    """Times TRL's optimiser steps, and after each of them one of ours."""

    def __init__(self, ours: Callable[[int], Any]) -> None:
        self.ours = ours
        self.seconds: list[list[tuple[float, float]]] = [[], []]  # clock and processor, of our steps and of theirs

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.start = time.perf_counter(), time.process_time()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        middle = time.perf_counter(), time.process_time()
        self.ours(state.global_step - 1)
        end = time.perf_counter(), time.process_time()
        self.seconds[0].append((end[0] - middle[0], end[1] - middle[1]))
        self.seconds[1].append((middle[0] - self.start[0], middle[1] - self.start[1]))

    def show(self, name: str, per_step: int, unit: str) -> None:
        """The medians of the ratios; the first step of each side warms up."""
        for which, clock in enumerate(("clock", "processor time")):
            ours, theirs = ([step[which] for step in side[1:]] for side in self.seconds)
            ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
            rates = [per_step / statistics.median(side) for side in (ours, theirs)]
            print(f"{name}, {clock}: {rates[0]:.3g} {unit} a second, TRL {rates[1]:.3g}; ratio "
                  f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f}, {len(ratios)} steps)",
                  flush=True)  # fmt: skip


def same_numbers(training: RewardTraining, trainer: Any, k: int) -> None:
    """Loss and gradient of one ranking: ours packed, TRL's over its pairs, from the same weights."""
    theirs = trainer.model
    model = training.fresh()
    model.backbone.load_state_dict(theirs.model.state_dict())
    model.head.weight.data.copy_(theirs.score.weight.data)
    pairs = pairs_of(training)[: k * (k - 1) // 2]
    theirs.train()
    loss = trainer.compute_loss(theirs, dict(trainer.data_collator(pairs)))
    loss.backward()
    one = training.train[:1]
    own, _ = ranking_loss(model(pack([one[0].item])), elements(one, training.config, training.ranks.device))
    torch.autograd.backward(own)
    expected = {f"backbone.{name}": p.grad for name, p in theirs.model.named_parameters()}
    expected["head.weight"] = theirs.score.weight.grad
    apart = max(float((p.grad - expected[name]).abs().max()) for name, p in model.named_parameters()
                if p.grad is not None)  # fmt: skip
    theirs.zero_grad()
    largest = max(float(grad.abs().max()) for grad in expected.values())
    print(f"K = {k}: loss {own.item():.7f}, TRL {loss.item():.7f}; gradients {apart:.1e} apart at most, the largest "
          f"entry is {largest:.2f}", flush=True)  # fmt: skip
    if abs(own.item() - loss.item()) > 1e-5 or apart > 1e-5:
        raise SystemExit("the packed form differs from the pairwise one")


def compare_reward(k: int, steps: int, model: Path, work: Path) -> None:
    """Numbers, speed and memory at one K."""
    training = reward_training(k, RANKINGS * (steps + 1), model, work / f"ours-{k}")
    same_numbers(training, trl_reward(training, k, 1, model, work / "trl"), k)
    _, updater = fresh(training)
    turns = InTurn(lambda step: training.step(updater, range(step * RANKINGS, (step + 1) * RANKINGS), 1.0))
    trl_reward(training, k, steps + 1, model, work / "trl", turns).train()
    turns.show(f"reward model, K = {k}", RANKINGS, "rankings")
    peaks = {}
    for side in ("ours", "trl"):
        command = [
            sys.executable,
            "-m",
            "benchmarks.rl_compare",
            "--alone",
            side,
            "--k",
            str(k),
            "--model",
            str(model),
            "--threads",
            str(torch.get_num_threads()),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks[side] = [float(word) for word in done.stdout.splitlines()[-1].split()]
    (before, own), (their_before, their) = peaks["ours"], peaks["trl"]
    print(f"peak memory, K = {k}: {own:.0f} MB, TRL {their:.0f} MB, {own / their:.2f} of it; beyond what stands before "
          f"the first step {own - before:.0f} and {their - their_before:.0f} MB", flush=True)  # fmt: skip


def peak() -> float:
    """The most memory that this program has held, in MB; getrusage would count what its parent held before it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def alone(side: str, k: int, model: Path, work: Path) -> None:
    """Two optimiser steps of one side; prints its peak memory before and after."""
    training = reward_training(k, RANKINGS * 2, model, work / "job")
    if side == "ours":
        _, updater = fresh(training)
        before = peak()
        for step in range(2):
            training.step(updater, range(step * RANKINGS, (step + 1) * RANKINGS), 1.0)
    else:
        trainer = trl_reward(training, k, 2, model, work / "trl")
        before = peak()
        trainer.train()
    print(before, peak())


def compare_rollouts(kind: str, steps: int, model: Path, work: Path) -> None:
    """Whole iterations of GRPO or RLOO: sample, score by a reward model of the same size, reference, one step."""
    import trl

    tokenizer, rng = load_tokenizer(TOKENIZER), random.Random(0)
    prompts = [user(text_of(PROMPT - 10, rng, tokenizer)) for _ in range(PROMPTS)]
    judge = classifier(model)
    judge.config.pad_token_id = 0
    own_judge = RewardModel(LlamaForCausalLM.from_pretrained(model), "last", False)
    own = {name: value for name, value in own_judge.state_dict().items() if not name.startswith("backbone.")}
    save_reward_model(own_judge, LlamaForCausalLM.from_pretrained(model), own, tokenizer, work / f"judge-{kind}")
    size = PROMPTS * SAMPLES
    config = {
        "policy": str(model), "reward_model": str(work / f"judge-{kind}"), "episodes": size * (steps + 1),
        "batch_size": size, "minibatch_size": size, "samples_per_prompt": SAMPLES, "inner_epochs": 1, "lr": 1e-5,
        "kl_coef": 0.04, "max_new_tokens": RESPONSE, "max_prompt_tokens": 2 * PROMPT,
    }  # fmt: skip
    rows = [{"id": str(at), "messages": messages, "split": "train"} for at, messages in enumerate(prompts)]
    job = write_job(work / kind, config, prompts=rows)
    ours: PolicyGradient[Any]
    ours = GRPO(Job(job, GRPOConfig.load(job))) if kind == "grpo" else RLOO(Job(job, RLOOConfig.load(job)))
    turns = InTurn(ours.iterate)
    name = kind.upper()
    arguments = getattr(trl, f"{name}Config")(
        **trl_settings(work / "trl"), max_steps=steps + 1, per_device_train_batch_size=size, num_generations=SAMPLES,
        max_completion_length=RESPONSE, beta=0.04, num_iterations=1,
        **({"loss_type": "grpo"} if kind == "grpo" else {}),
    )  # fmt: skip
    policy: Any = LlamaForCausalLM
    trainer = getattr(trl, f"{name}Trainer")(
        model=policy.from_pretrained(model, dtype=torch.float32, attn_implementation="sdpa"), reward_funcs=judge,
        args=arguments, train_dataset=dataset([{"prompt": one} for one in prompts]),
        processing_class=tokenizer, reward_processing_classes=load_tokenizer(TOKENIZER), callbacks=[turns],
    )  # fmt: skip
    trainer.train()
    turns.show(name, size, "samples")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=["reward", "grpo", "rloo"], choices=["reward", "grpo", "rloo"])
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--ks", type=int, nargs="+", default=[9, 4])
    parser.add_argument("--alone", choices=["ours", "trl"], help="used by the program itself, for memory")
    parser.add_argument("--k", type=int)
    parser.add_argument("--model", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if arguments.alone:
            alone(arguments.alone, arguments.k, arguments.model, work)
            return
        make_model(work / "model")
        print(f"{os.getloadavg()[0]:.1f} processes wanted to run on {os.cpu_count()} cores before this", flush=True)
        for part in arguments.parts:
            if part == "reward":
                for k in arguments.ks:
                    compare_reward(k, arguments.steps, work / "model", work)
            else:
                compare_rollouts(part, arguments.steps, work / "model", work)


if __name__ == "__main__":
    main()
