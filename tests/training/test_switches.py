"""Switches of every program that trains: LoRA, precision, activation checkpointing, accumulation, several ranks."""

from __future__ import annotations

import json
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.training import conftest as tiny


def losses(folder: Path) -> list[float]:
    return [row["metrics"]["loss"] for row in tiny.lines(folder / "progress.jsonl") if "loss" in row["metrics"]]


def apart(first: Path, second: Path) -> float:
    """The largest difference between two checkpoints' weights."""
    one, two = tiny.weights(first), tiny.weights(second)
    assert one.keys() == two.keys()
    return max(float((one[name] - two[name]).abs().max()) for name in one)


def job(kind: str, folders: dict[str, Path], planted: Path, make_job: Any, name: str, **settings: Any) -> Path:
    """A short job of a program, its settings changed by `settings`."""
    model = str(folders["qwen2"])
    if kind == "sft":
        config = {"model": model, "epochs": 2, "batch_size": 8, "lr": 3e-3, "max_length": 128, "max_prompt_tokens": 96}
        return make_job({**config, **settings}, name, demonstrations=tiny.demonstrations(32))
    if kind == "reward":
        config = {"model": model, "batch_size": 8, "lr": 1e-3, "max_length": 128}
        data = {"rankings": tiny.rankings(32), "demonstrations": tiny.demonstrations(8)}
        return make_job({**config, **settings}, name, **data)
    config = {
        "policy": str(folders["llama"]), "reward_model": str(planted / "checkpoint"), "episodes": 32, "batch_size": 16,
        "minibatch_size": 16 if kind in ("a2c", "rloo") else 8, "max_new_tokens": 12, "max_prompt_tokens": 96,
        "ptx_coef": 1.0, "ema": 0.9, "lr": 1e-3,
    }  # fmt: skip
    config |= {"advantage": "gae"} if kind == "ppo" else {}
    config |= {"value_warmup": 1} if kind in ("ppo", "a2c") else {}
    texts = [{"text": tiny.words(random.Random(at), 5, 20)} for at in range(20)]
    return make_job({**config, **settings}, name, prompts=tiny.prompts(12), pretraining=texts)


RELATIVES = ["a2c", "rloo", "grpo"]
RL = ["ppo", *RELATIVES]
KINDS = ["sft", "reward", "ppo"]


@pytest.mark.parametrize(
    ("kind", "shard"),
    # A2C and RLOO share their loop with PPO and GRPO; what SFT shards, PPO shards too.
    [("sft", False), ("reward", False), ("reward", True), ("ppo", False), ("ppo", True), ("grpo", False)],
)
def test_two_ranks_give_the_weights_of_one(
    kind: str, shard: bool, folders: dict[str, Path], planted: Path, make_job: Any
) -> None:
    alone = job(kind, folders, planted, make_job, "alone")
    together = job(
        kind, folders, planted, make_job, "together", processes=2, shard=shard, micro_batch_tokens=96, device="cpu"
    )
    assert tiny.run(kind, alone) == 0
    assert tiny.run_ranks(kind, together) == 0, (together / "log.txt").read_text()[-3000:]
    first, second = (tiny.lines(folder / "progress.jsonl")[-1] for folder in (alone, together))
    assert first["step"] == second["step"]
    name = "objective/scores" if kind in RL else "loss"
    assert second["metrics"][name] == pytest.approx(first["metrics"][name], abs=1e-4)
    assert apart(alone, together) < 1e-4


@pytest.mark.parametrize("kind", [*KINDS, *RELATIVES])
def test_accumulated_microbatches_give_the_weights_of_whole_batches(
    kind: str, folders: dict[str, Path], planted: Path, make_job: Any
) -> None:
    whole = job(kind, folders, planted, make_job, "whole")
    parts = job(kind, folders, planted, make_job, "parts", micro_batch_tokens=64)
    assert tiny.run(kind, whole) == tiny.run(kind, parts) == 0
    assert apart(whole, parts) < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_activation_checkpointing_gives_the_same_weights(
    kind: str, folders: dict[str, Path], planted: Path, make_job: Any
) -> None:
    kept = job(kind, folders, planted, make_job, "kept")
    anew = job(kind, folders, planted, make_job, "anew", activation_checkpointing=True)
    assert tiny.run(kind, kept) == tiny.run(kind, anew) == 0
    assert apart(kept, anew) < 1e-5


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("kind", KINDS)
def test_mixed_precision_stays_near_float32(
    kind: str, precision: str, folders: dict[str, Path], planted: Path, make_job: Any
) -> None:
    exact = job(kind, folders, planted, make_job, "exact")
    mixed = job(kind, folders, planted, make_job, "mixed", precision=precision)
    assert tiny.run(kind, exact) == tiny.run(kind, mixed) == 0
    assert apart(exact, mixed) > 0
    if kind != "ppo":  # its samples differ by then
        assert losses(mixed)[-1] == pytest.approx(losses(exact)[-1], rel=0.03)


@pytest.mark.parametrize("lora_rank", [0, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_in_bf16_is_the_float32_one_rounded(
    kind: str, lora_rank: int, folders: dict[str, Path], planted: Path, make_job: Any
) -> None:
    full = job(kind, folders, planted, make_job, "full", lora_rank=lora_rank)
    half = job(kind, folders, planted, make_job, "half", lora_rank=lora_rank, saved_weights="bf16")
    assert tiny.run(kind, full) == tiny.run(kind, half) == 0
    part = "checkpoint/backbone" if kind == "reward" else "checkpoint"
    exact, rounded = (load_file(folder / part / "model.safetensors") for folder in (full, half))
    assert exact.keys() == rounded.keys()
    for name, tensor in rounded.items():
        assert torch.equal(tensor, exact[name].bfloat16()), name


@pytest.mark.parametrize("kind", [*KINDS, *RELATIVES])
def test_lora_moves_little_memory_and_saves_a_plain_model(
    kind: str, folders: dict[str, Path], planted: Path, make_job: Any
) -> None:
    folder = job(kind, folders, planted, make_job, "lora", lora_rank=4, lr=1e-2, save_every_seconds=1e-3)
    assert tiny.run(kind, folder) == 0
    source = folders["llama" if kind in RL else "qwen2"]
    part = "checkpoint/backbone" if kind == "reward" else "checkpoint"
    before, after = load_file(source / "model.safetensors"), load_file(folder / part / "model.safetensors")
    assert before.keys() == after.keys(), "a checkpoint is a plain folder of the same architecture"
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.endswith("_proj.weight") for name in moved), "only what has matrices beside it"
    rank = torch.linalg.matrix_rank(next(after[name] - before[name] for name in moved), atol=1e-5)
    assert rank <= 4
    state = max((folder / "state").glob("step-*"))
    assert not any(name.endswith("base_layer.weight") for name in load_file(state / "tensors.safetensors"))


def test_the_adapter_beside_the_checkpoint_gives_the_same_model(
    folders: dict[str, Path], planted: Path, make_job: Any
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    folder = job("sft", folders, planted, make_job, "lora", lora_rank=4, lr=1e-2)
    assert tiny.run("sft", folder) == 0
    ids = torch.tensor([[3, 5, 7, 11]])
    merged = AutoModelForCausalLM.from_pretrained(folder / "checkpoint")(ids).logits
    base = AutoModelForCausalLM.from_pretrained(folders["qwen2"])
    beside = PeftModel.from_pretrained(base, folder / "checkpoint" / "adapter")(ids).logits
    assert torch.allclose(merged, beside, atol=1e-4)


def test_before_the_first_step_of_ppo_with_lora_the_policy_is_its_reference(
    folders: dict[str, Path], planted: Path, make_job: Any
) -> None:
    folder = job("ppo", folders, planted, make_job, "lora", lora_rank=4)
    assert tiny.run("ppo", folder) == 0
    first = tiny.lines(folder / "progress.jsonl")[0]["metrics"]
    assert first["objective/kl"] == pytest.approx(0, abs=1e-5)


def test_a_rank_that_fails_says_so_in_one_sentence(folders: dict[str, Path], planted: Path, make_job: Any) -> None:
    folder = job("sft", folders, planted, make_job, "job", processes=2, device="cpu", max_length=512)
    assert tiny.Child(lambda: tiny.run("sft", folder), folder).wait() == 1
    last = (folder / "log.txt").read_text().strip().splitlines()[-1]
    assert last.startswith("max_length asks for 512 tokens; the model takes 256 at most.")


def test_sigterm_to_a_job_of_two_ranks_saves_and_exits_75(
    folders: dict[str, Path], planted: Path, make_job: Any
) -> None:
    whole = job("sft", folders, planted, make_job, "whole", epochs=20)
    assert tiny.run("sft", whole) == 0
    folder = job(
        "sft", folders, planted, make_job, "job", epochs=20, processes=2, device="cpu", save_every_seconds=0.05
    )
    child = tiny.Child(lambda: tiny.run("sft", folder), folder)
    tiny.wait_for_step(folder, 2)
    child.send_signal(signal.SIGTERM)
    assert child.wait() == 75, (folder / "log.txt").read_text()[-2000:]
    assert not (folder / "run.json").exists()
    alone = folder.with_name("alone")
    shutil.copytree(folder, alone)
    config = json.loads((alone / "config.json").read_text())
    (alone / "config.json").write_text(json.dumps({**config, "processes": 1}))
    assert tiny.Child(lambda: tiny.run("sft", folder), folder).wait() == 0
    assert apart(whole, folder) < 1e-3
    assert tiny.run("sft", alone) == 0, "one process goes on where two stopped"
    assert tiny.lines(alone / "progress.jsonl")[0] == tiny.lines(folder / "progress.jsonl")[0], "it did not begin anew"
    assert apart(whole, alone) < 1e-3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="4-bit weights and 8-bit Adam are kernels for a GPU")
@pytest.mark.parametrize("settings", [{"optimiser": "adamw8bit"}, {"lora_rank": 4, "quantise": "nf4"}])
@pytest.mark.parametrize("kind", KINDS)
def test_eight_and_four_bits_learn_as_well(
    kind: str, settings: dict[str, Any], folders: dict[str, Path], planted: Path, make_job: Any
) -> None:
    folder = job(kind, folders, planted, make_job, "job", **settings)
    assert tiny.run(kind, folder) == 0
    if kind != "ppo":
        assert losses(folder)[-1] < losses(folder)[0]
