"""The papers' numbers, by preset and program; what is not named here keeps its default.

The papers ran PPO only. A2C, RLOO and GRPO take their episodes, batch, learning rate and KL coefficient, with one step
a rollout where the algorithm wants it and as many samples of a prompt as it needs.

"starter" is the defaults themselves: the tiny built-in model on two CPU cores. "instructgpt" is arXiv 2203.02155,
appendix C; "stiennon" is arXiv 2009.01325, appendix B. What these papers did not do stands beside them in their sizes:
DPO as in arXiv 2305.18290, appendix B (beta .5 is its TL;DR), SFT on the best of N with their SFT's learning rate,
critiques and revisions of the length of their samples.
"""

from __future__ import annotations

from typing import Any

_INSTRUCTGPT_RL: dict[str, Any] = {
    "episodes": 256_000,
    "batch_size": 512,
    "lr": 9.65e-6,
    "lr_final": 1.0,
    "warmup_steps": 10,
    "kl_coef": 0.02,
    "ptx_coef": 27.8,
    "ema": 0.992,
    "precision": "bf16",
    "max_new_tokens": 1024,
    "max_prompt_tokens": 1024,
}
_STIENNON_RL: dict[str, Any] = {
    "episodes": 1_000_000,
    "batch_size": 512,
    "lr": 1.5e-5,
    "lr_final": 0.0,
    "warmup_steps": 0,
    "kl_coef": 0.05,
    "precision": "bf16",
    "max_new_tokens": 48,
    "max_prompt_tokens": 1024,
}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "starter": {
        kind: {}
        for kind in ("sft", "sample", "reward", "ppo", "a2c", "rloo", "grpo", "dpo", "rejection", "rlaif", "critique")
    },
    "instructgpt": {
        "sft": {
            "epochs": 16,
            "batch_size": 32,
            "lr": 9.65e-6,
            "dropout": 0.2,
            "precision": "bf16",
            "max_length": 2048,
            "max_prompt_tokens": 1024,
        },
        "sample": {"samples_per_prompt": 9, "max_new_tokens": 1024, "max_prompt_tokens": 1024, "precision": "bf16"},
        "reward": {
            "epochs": 1,
            "batch_size": 64,
            "lr": 9e-6,
            "readout": "last",
            "head_lr_scale": 1.0,
            "logprob_weight": False,
            "pair_weight": "equal",
            "precision": "bf16",
            "max_length": 2048,
        },
        "ppo": {
            **_INSTRUCTGPT_RL,
            "minibatch_size": 64,
            "inner_epochs": 1,
            "samples_per_prompt": 1,
            "advantage": "gae",
            "value_lr": 9e-6,
            "lam": 0.95,
            "value_warmup": 0,
        },
        "dpo": {
            "loss": "dpo",
            "beta": 0.1,
            "optimiser": "rmsprop",
            "lr": 1e-6,
            "lr_final": 1.0,
            "warmup_steps": 150,
            "batch_size": 64,
            "precision": "bf16",
            "max_length": 2048,
            "max_new_tokens": 1024,
        },
        "rejection": {
            "epochs": 1,
            "batch_size": 32,
            "lr": 9.65e-6,
            "precision": "bf16",
            "max_length": 2048,
            "max_prompt_tokens": 1024,
            "max_new_tokens": 1024,
        },
        "a2c": {
            **_INSTRUCTGPT_RL,
            "minibatch_size": 512,
            "samples_per_prompt": 1,
            "value_lr": 9e-6,
            "value_warmup": 0,
        },
        "rloo": {**_INSTRUCTGPT_RL, "minibatch_size": 512},
        "grpo": {**_INSTRUCTGPT_RL, "minibatch_size": 64, "inner_epochs": 1},
        "rlaif": {"precision": "bf16"},
        "critique": {"precision": "bf16", "max_new_tokens": 1024},
    },
    "stiennon": {
        "sft": {
            "epochs": 1,
            "batch_size": 128,
            "lr": 6.35e-5,
            "precision": "bf16",
            "max_length": 2048,
            "max_prompt_tokens": 1024,
        },
        "sample": {"samples_per_prompt": 2, "max_new_tokens": 48, "max_prompt_tokens": 1024, "precision": "bf16"},
        "reward": {
            "epochs": 1,
            "batch_size": 64,
            "lr": 1.5e-5,
            "readout": "last",
            "head_lr_scale": 1.0,
            "logprob_weight": False,
            "pair_weight": "equal",
            "precision": "bf16",
            "max_length": 2048,
        },
        "ppo": {
            **_STIENNON_RL,
            "minibatch_size": 64,
            "inner_epochs": 4,
            "samples_per_prompt": 1,
            "advantage": "gae",
            "value_lr": 1.5e-5,
            "lam": 0.95,
            "value_warmup": 0,
        },
        "dpo": {
            "loss": "dpo",
            "beta": 0.5,
            "optimiser": "rmsprop",
            "lr": 1e-6,
            "lr_final": 1.0,
            "warmup_steps": 150,
            "batch_size": 64,
            "precision": "bf16",
            "max_length": 2048,
            "max_new_tokens": 48,
        },
        "rejection": {
            "epochs": 1,
            "batch_size": 128,
            "lr": 6.35e-5,
            "precision": "bf16",
            "max_length": 2048,
            "max_prompt_tokens": 1024,
            "max_new_tokens": 48,
        },
        "a2c": {
            **_STIENNON_RL,
            "minibatch_size": 512,
            "samples_per_prompt": 1,
            "value_lr": 1.5e-5,
            "value_warmup": 0,
        },
        "rloo": {**_STIENNON_RL, "minibatch_size": 512},
        "grpo": {**_STIENNON_RL, "minibatch_size": 64, "inner_epochs": 4},
        "rlaif": {"precision": "bf16"},
        "critique": {"precision": "bf16", "max_new_tokens": 48},
    },
}
