"""DPO and its family as a program: where it starts, what it saves, stopped and resumed, on its switches."""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.training import conftest as tiny
from training import checkpoints, dpo
from training.config import DPOConfig
from training.data import Codec, load_tokenizer
from training.job import Job
from training.models import load_causal_lm, response_logprobs
from training.packing import pack
from training.preferences import draw_targets, strangers

LOSSES = ["dpo", "ipo", "slic", "kto"]


def job(taught: Path, make_job: Any, name: str = "job", count: int = 32, **settings: Any) -> Path:
    """A short job on `count` rankings; SLiC has demonstrations."""
    config = {
        "policy": str(taught), "epochs": 2, "batch_size": 8, "lr": 1e-3, "warmup_steps": 0, "max_length": 128,
        "kl_prompts": 8, "max_new_tokens": 8, "threads": 1, **settings,
    }  # fmt: skip
    data = {"demonstrations": tiny.demonstrations(20)} if settings.get("loss") == "slic" else {}
    return make_job(config, name, rankings=tiny.rankings(count), **data)


def rows(folder: Path) -> list[dict[str, float]]:
    """Metrics of the optimiser steps."""
    return [row["metrics"] for row in tiny.lines(folder / "progress.jsonl") if row["phase"] == "dpo"]


def apart(first: Path, second: Path) -> float:
    """The largest difference between two checkpoints' weights."""
    one, two = tiny.weights(first), tiny.weights(second)
    assert one.keys() == two.keys()
    return max(float((one[name] - two[name]).abs().max()) for name in one)


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_before_the_first_step_policy_and_reference_are_one(lora_rank: int, taught: Path, make_job: Any) -> None:
    folder = job(taught, make_job, lora_rank=lora_rank, lr=1e-9)
    assert tiny.run("dpo", folder) == 0
    first, last = rows(folder)[0], rows(folder)[-1]
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert first["rewards/chosen"] == pytest.approx(0, abs=1e-5)
    assert last["objective/kl"] == pytest.approx(0, abs=1e-4)


def test_the_metrics_of_training_and_of_held_out_rankings(taught: Path, make_job: Any) -> None:
    folder = job(taught, make_job, count=100, epochs=4)
    assert tiny.run("dpo", folder) == 0
    last = rows(folder)[-1]
    sides = {"loss", "rewards/chosen", "rewards/rejected", "rewards/margins"}
    assert sides | {f"{name}/validation" for name in sides} <= set(last)
    assert {"accuracy", "accuracy/training", "objective/kl", "lr", "grad_norm"} <= set(last)
    assert last["rewards/margins/validation"] > 0
    assert last["accuracy"] > 0.8
    assert last["objective/kl"] > 0.05
    result = json.loads((folder / "run.json").read_text())
    assert result["metrics"]["accuracy"] == pytest.approx(last["accuracy"], abs=1e-6)
    assert checkpoints.verify(folder / "checkpoint")
    assert load_tokenizer(str(folder / "checkpoint")).chat_template
    validations = [row for row in rows(folder) if "loss/validation" in row]
    assert len(validations) == 4, "one after each epoch"


def test_implicit_rewards_are_those_of_the_saved_policy(taught: Path, make_job: Any) -> None:
    folder = job(taught, make_job, beta=0.3)
    assert tiny.run("dpo", folder) == 0
    codec = Codec(load_tokenizer(str(taught)))
    models = [load_causal_lm(str(path)) for path in (folder / "checkpoint", taught)]
    total, prompts = 0.0, 0
    for row in tiny.rankings(32):
        texts, ranks = [response["text"] for response in row["responses"]], row["ranks"]
        pairs = [(a, b) for a in range(len(ranks)) for b in range(len(ranks)) if ranks[a] < ranks[b]]
        if row["split"] != "validation" or not pairs:
            continue
        rewards = []
        for text in texts:
            batch = pack([(codec.prompt(row["messages"]), [codec.response(text)])])
            with torch.no_grad():
                policy, reference = (float(response_logprobs(model, batch)[0].sum()) for model in models)
            rewards.append(0.3 * (policy - reference))
        total += sum(rewards[a] - rewards[b] for a, b in pairs) / len(pairs)
        prompts += 1
    assert rows(folder)[-1]["rewards/margins/validation"] == pytest.approx(total / prompts, abs=1e-4)


def test_a_reference_of_its_own_is_another_start(taught: Path, folders: dict[str, Path], make_job: Any) -> None:
    folder = job(taught, make_job, reference=str(folders["llama"]), epochs=1)
    assert tiny.run("dpo", folder) == 0
    assert abs(rows(folder)[0]["rewards/chosen"]) > 0.1
    assert json.loads((folder / "run.json").read_text())["parent"]["reference"]["path"] == str(folders["llama"])


@pytest.mark.parametrize("loss", LOSSES)
def test_one_row_a_prompt_or_a_response_and_any_microbatches_give_the_same_weights(
    loss: str, taught: Path, make_job: Any
) -> None:
    whole = job(taught, make_job, "whole", loss=loss)
    parts = job(taught, make_job, "parts", loss=loss, micro_batch_tokens=64)
    alone = job(taught, make_job, "alone", loss=loss, packed=False)
    assert tiny.run("dpo", whole) == tiny.run("dpo", parts) == tiny.run("dpo", alone) == 0
    assert apart(whole, parts) < 1e-4
    assert apart(whole, alone) < 1e-4


@pytest.mark.parametrize("settings", [{"loss": "kto"}, {"loss": "slic"}])
def test_two_ranks_give_the_weights_of_one(settings: dict[str, Any], taught: Path, make_job: Any) -> None:
    alone = job(taught, make_job, "alone", **settings)
    together = job(taught, make_job, "together", processes=2, micro_batch_tokens=96, device="cpu", **settings)
    assert tiny.run("dpo", alone) == 0
    assert tiny.run_ranks("dpo", together) == 0, (together / "log.txt").read_text()[-3000:]
    first, second = rows(alone)[-1], rows(together)[-1]
    assert second == pytest.approx(first, abs=1e-3)
    assert apart(alone, together) < 1e-4


@pytest.mark.parametrize(
    "settings", [{"activation_checkpointing": True}, {"precision": "bf16"}, {"optimiser": "rmsprop", "lr": 1e-4}]
)
def test_switches_keep_it_learning(settings: dict[str, Any], taught: Path, make_job: Any) -> None:
    folder = job(taught, make_job, epochs=4, **settings)
    assert tiny.run("dpo", folder) == 0
    assert rows(folder)[-1]["loss/validation"] < math.log(2)


def test_lora_saves_a_plain_model(taught: Path, make_job: Any) -> None:
    folder = job(taught, make_job, lora_rank=4, lr=1e-2)
    assert tiny.run("dpo", folder) == 0
    before, after = load_file(taught / "model.safetensors"), load_file(folder / "checkpoint" / "model.safetensors")
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.endswith("_proj.weight") for name in moved)
    assert rows(folder)[-1]["accuracy"] > 0.5


# -- stopped, killed, resumed --------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_a_run_that_was_stopped_and_killed_ends_bit_identical_to_one_that_was_not(
    loss: str, taught: Path, make_job: Any
) -> None:
    settings = {"loss": loss, "epochs": 6, "save_every_seconds": 1e-6}
    whole = job(taught, make_job, "whole", **settings)
    assert tiny.run("dpo", whole) == 0
    broken = job(taught, make_job, "broken", **settings)
    for number, code in ((signal.SIGTERM, 75), (signal.SIGKILL, -9)):
        reached = tiny.lines(broken / "progress.jsonl")[-1]["step"] if code == -9 else 0
        child = tiny.Child(lambda: tiny.run("dpo", broken), broken)
        tiny.wait_for_step(broken, reached + 3)
        child.send_signal(number)
        assert child.wait() == code
    assert tiny.run("dpo", broken) == 0
    first, second = tiny.weights(whole), tiny.weights(broken)
    assert all(torch.equal(first[name], second[name]) for name in first)
    steps = [row["step"] for row in tiny.lines(broken / "progress.jsonl") if row["phase"] == "dpo"]
    assert steps == sorted(set(steps))
    assert (
        json.loads((whole / "run.json").read_text())["metrics"]
        == (json.loads((broken / "run.json").read_text())["metrics"])
    )


def test_the_reference_runs_once(taught: Path, make_job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = job(taught, make_job, kl_prompts=0, epochs=6, save_every_seconds=1e-6)
    child = tiny.Child(lambda: tiny.run("dpo", folder), folder)
    tiny.wait_for_step(folder, 2)
    child.send_signal(signal.SIGTERM)
    assert child.wait() == 75

    def asked(*_: Any) -> None:
        raise AssertionError("the reference was asked again")

    monkeypatch.setattr(dpo, "reference_logprobs", asked)
    assert tiny.run("dpo", folder) == 0


# -- KTO's strangers, SLiC's targets -------------------------------------------------------------------------


def test_ktos_reference_point_is_of_other_prompts_responses(taught: Path, make_job: Any) -> None:
    folder = job(taught, make_job, loss="kto")
    codec = Codec(load_tokenizer(str(taught)))
    train, validation = dpo.read_preferences(Job(folder, DPOConfig.load(folder)), codec)
    owners = {tuple(row.prompt): row.prompt_id for row in train.rankings}
    answers = {tuple(response): row.prompt_id for row in train.rankings for response in row.responses}
    for part in (train, validation):
        assert len(part.strangers) == len(part.rankings)
        for prompt, responses in part.strangers:
            assert all(answers[tuple(response)] != owners.get(tuple(prompt)) for response in responses)


def test_strangers_fit_the_longest_length(taught: Path, make_job: Any) -> None:
    folder = job(taught, make_job, loss="kto")
    train, _ = dpo.read_preferences(Job(folder, DPOConfig.load(folder)), Codec(load_tokenizer(str(taught))))
    short = max(len(row.prompt) for row in train.rankings) + 3
    cut = strangers(train.rankings, train.rankings, short)
    assert all(len(prompt) + len(response) <= short for prompt, responses in cut for response in responses)
    assert all(response for _, responses in cut for response in responses)


def test_kto_needs_two_prompts(taught: Path, make_job: Any, capsys: pytest.CaptureFixture[str]) -> None:
    config = {"policy": str(taught), "loss": "kto", "max_length": 128, "threads": 1}
    folder = make_job(config, rankings=[{**tiny.rankings(2)[1], "split": "train"}])
    assert tiny.run("dpo", folder) == 1
    assert "two different prompts" in capsys.readouterr().err


def test_slics_targets_come_each_once_a_pass_and_in_an_order_of_the_seed() -> None:
    config = DPOConfig.from_dict({"policy": "p", "loss": "slic", "batch_size": 3})
    targets = [([at], [[at]]) for at in range(6)]
    drawn = [draw_targets(targets, config, step) for step in range(4)]
    assert [draw_targets(targets, config, step) for step in range(4)] == drawn
    assert sorted(drawn[0] + drawn[1]) == sorted(drawn[2] + drawn[3]) == targets
    assert drawn[0] + drawn[1] != drawn[2] + drawn[3]
    assert draw_targets([], config, 1) == []


def test_slics_regulariser_keeps_the_targets_likely(taught: Path, make_job: Any) -> None:
    last = {}
    for coef in (0.0, 1.0):
        folder = job(taught, make_job, f"coef{coef}", loss="slic", sft_coef=coef, margin=20.0, epochs=6)
        assert tiny.run("dpo", folder) == 0
        model, codec = load_causal_lm(str(folder / "checkpoint")), Codec(load_tokenizer(str(taught)))
        items = [(codec.prompt(row["messages"]), [codec.response(row["response"])]) for row in tiny.demonstrations(20)]
        with torch.no_grad():
            last[coef] = float(response_logprobs(model, pack(items))[0].mean())
    assert last[1.0] > last[0.0] + 0.1
