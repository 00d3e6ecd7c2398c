"""PPO and its relatives learn a planted preference: statistics on fresh samples, bars that were fixed beforehand."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import conftest as tiny
from training.data import load_tokenizer
from training.decoder import Sampling, generate
from training.models import load_causal_lm, response_logprobs
from training.packing import pack

SAMPLES = 4
PROMPTS = 64
RARE = 0.1  # the policy that training begins with says the planted word twice in fewer of its answers
Z = 5.0  # standard errors between the shares before and after: by chance once in three million
SAME = 3.0  # fewer standard errors are no difference


def pleased(folder: Path) -> float:
    """The share of answers to prompts outside training that hold the planted word twice."""
    rng = random.Random(11)
    prompts = [(f"new{at}", tiny.user(tiny.words(rng, 1, 12))) for at in range(PROMPTS)]
    model, tokenizer = load_causal_lm(str(folder)), load_tokenizer(str(folder))
    drawn = generate(model, tokenizer, prompts, Sampling(max_new_tokens=12, seed=5), SAMPLES)
    return sum(text.count("kindly") >= 2 for _, text in drawn) / len(drawn)


def standard_errors(before: float, after: float) -> float:
    """The two-proportion z statistic."""
    count = PROMPTS * SAMPLES
    mean = min(max((before + after) / 2, 1 / count), 1 - 1 / count)
    return (after - before) / math.sqrt(2 * mean * (1 - mean) / count)


def learn(kind: str, planted: Path, make_job: Any, name: str = "job", texts: Any = None, **changes: Any) -> Path:
    """A job of 1,024 episodes; its settings are the algorithm's own but for size and rate."""
    taught = json.loads((planted / "config.json").read_text())["model"]
    config = {
        "policy": taught, "reward_model": str(planted / "checkpoint"), "episodes": 1024, "batch_size": 64,
        "minibatch_size": 64 if kind in ("a2c", "rloo") else 32, "lr": 3e-3, "warmup_steps": 0, "kl_coef": 0.01,
        "samples_per_prompt": 4, "missing_eos_penalty": 0.0, "max_new_tokens": 12, "max_prompt_tokens": 96,
        "threads": 1, **({"value_lr": 3e-3} if kind in ("ppo", "a2c") else {}), **changes,
    }  # fmt: skip
    data = {"prompts": tiny.prompts(24), **({"pretraining": texts} if texts else {})}
    folder: Path = make_job(config, name, **data)
    assert tiny.run(kind, folder) == 0
    return folder


@pytest.fixture(scope="module")
def before(taught: Path) -> float:
    share = pleased(taught)
    assert share < RARE, "the preference must be one that the policy does not satisfy yet"
    return share


@pytest.mark.parametrize(
    ("kind", "changes"),
    [("ppo", {"advantage": "gae", "inner_epochs": 2}), ("ppo", {"advantage": "group", "inner_epochs": 2}),
     ("a2c", {}), ("rloo", {}), ("grpo", {})],
    ids=["ppo-gae", "ppo-group", "a2c", "rloo", "grpo"],
)  # fmt: skip
def test_the_policy_learns_what_it_could_not_do_before(
    kind: str, changes: dict[str, Any], before: float, planted: Path, make_job: Any
) -> None:
    folder = learn(kind, planted, make_job, **changes)
    after = pleased(folder / "checkpoint")
    assert standard_errors(before, after) > Z, (before, after)
    rows = [row["metrics"] for row in tiny.lines(folder / "progress.jsonl")]
    assert rows[-1]["objective/scores"] > rows[0]["objective/scores"]


@pytest.mark.parametrize("advantage", ["gae", "group"])
def test_a_kl_coefficient_of_a_million_holds_the_policy_where_it_is(
    advantage: str, before: float, planted: Path, make_job: Any
) -> None:
    folder = learn("ppo", planted, make_job, advantage=advantage, kl_coef=1e6, lr=3e-4)
    assert abs(standard_errors(before, pleased(folder / "checkpoint"))) < SAME
    assert abs(tiny.lines(folder / "progress.jsonl")[-1]["metrics"]["objective/kl"]) < 0.1
    free = learn("ppo", planted, make_job, "free", advantage=advantage, kl_coef=0.0, lr=3e-4)
    assert abs(tiny.lines(free / "progress.jsonl")[-1]["metrics"]["objective/kl"]) > 0.3


def pretraining_loss(folder: Path, texts: list[str]) -> float:
    """Mean cross-entropy a token, in nats."""
    model, tokenizer = load_causal_lm(str(folder)), load_tokenizer(str(folder))
    rows = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
    with torch.no_grad():
        return -float(response_logprobs(model, pack([(row[:1], [row[1:]]) for row in rows]))[0].mean())


def test_ppo_ptx_keeps_the_pretraining_loss_where_plain_ppo_lets_it_rise(
    taught: Path, planted: Path, make_job: Any
) -> None:
    rng = random.Random(7)
    texts = [tiny.words(rng, 8, 20) for _ in range(120)]
    training, unseen = [{"text": text} for text in texts[:80]], texts[80:]
    settings = {"advantage": "group", "inner_epochs": 2}
    plain = learn("ppo", planted, make_job, "plain", **settings)
    ptx = learn("ppo", planted, make_job, "ptx", training, **settings, ptx_coef=1.0)
    before, without, kept = (
        pretraining_loss(folder, unseen) for folder in (taught, plain / "checkpoint", ptx / "checkpoint")
    )
    assert without > before + 0.1
    assert kept < before + 0.02
    assert pleased(ptx / "checkpoint") > pleased(taught), "and it still learns"
