"""Presets by the size of the model, for whoever has no paper to follow: "0.5b", "7b", "7b-lora", "7b-qlora".

At "7b", learning rates and batches of SFT and DPO are Tülu 3's for 8 billion parameters (arXiv 2411.15124), and the
others common practice beside them. "0.5b" takes four times these rates and LoRA ten times, as is common too: starting
points, not results. By arithmetic (16 bytes a weight that trains, 2 a frozen one, half a byte in 4 bits; not measured)
"0.5b" fits one GPU of 24 GB, "7b" eight of 80 GB under FSDP2, "7b-lora" one of 80 GB, and "7b-qlora" one of 24 GB, or
of 48 where a reward model stands beside the policy.
"""

from __future__ import annotations

from typing import Any

Presets = dict[str, dict[str, Any]]

_LENGTHS = {"max_length": 2048, "max_prompt_tokens": 1024}
_NEW = {"max_new_tokens": 1024, "max_prompt_tokens": 1024}
# Of 7 billion parameters that all train.
_RATES = {"sft": 5e-6, "reward": 3e-6, "rl": 3e-7, "value": 3e-6, "dpo": 5e-7}


def _sized(rate: float, switches: dict[str, Any]) -> Presets:
    """All programs at `rate` times the learning rates of 7B, with what makes the size fit."""
    lr = {name: rate * value for name, value in _RATES.items()}
    trains = {"precision": "bf16", **switches}
    ranks = {**trains, "batch_size": 128, "lr_schedule": "linear", "lr_final": 0.0}
    rl = {
        **trains, **_NEW, "episodes": 100_000, "batch_size": 512, "lr": lr["rl"], "lr_final": 1.0, "warmup_steps": 10,
        "kl_coef": 0.05, "batch_rows": 256,
    }  # fmt: skip
    critic = {"samples_per_prompt": 1, "value_lr": lr["value"], "value_warmup": 4}
    return {
        "sft": {**ranks, **_LENGTHS, "epochs": 2, "lr": lr["sft"], "warmup_steps": 30},
        "sample": {**_NEW, "precision": "bf16"},
        "reward": {
            **ranks, "max_length": 2048, "epochs": 1, "lr": lr["reward"], "readout": "last", "head_lr_scale": 1.0,
            "logprob_weight": False,
        },
        "ppo": {**rl, **critic, "minibatch_size": 64, "advantage": "gae"},
        "a2c": {**rl, **critic, "minibatch_size": 512},
        "rloo": {**rl, "minibatch_size": 512},
        "grpo": {**rl, "minibatch_size": 128, "inner_epochs": 1, "kl_coef": 0.04},
        "dpo": {**ranks, "max_length": 2048, "lr": lr["dpo"], "warmup_steps": 30, "max_new_tokens": 1024},
        "rejection": {**ranks, **_LENGTHS, "epochs": 1, "lr": lr["sft"], "best_of": 16, "max_new_tokens": 1024},
        "rlaif": {"precision": "bf16"},
        "critique": {"precision": "bf16", "max_new_tokens": 1024},
    }  # fmt: skip


_LORA = {"lora_rank": 64, "lora_alpha": 64, "frozen_weights": "bf16", "activation_checkpointing": True}

SIZES: dict[str, Presets] = {
    "0.5b": _sized(4, {"micro_batch_tokens": 16_384}),
    "7b": _sized(1, {"activation_checkpointing": True, "frozen_weights": "bf16", "processes": 8, "shard": True}),
    "7b-lora": _sized(10, {**_LORA, "micro_batch_tokens": 8192}),
    "7b-qlora": _sized(10, {**_LORA, "quantise": "nf4", "micro_batch_tokens": 4096}),
}
