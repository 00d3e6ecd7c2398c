"""The papers' numbers, by preset and program; what is not named here keeps its default.

The papers ran PPO only. A2C, RLOO and GRPO take their episodes, batch and learning rate, with one step a rollout where
the algorithm wants it and as many samples of a prompt as it needs; GRPO keeps its own paper's KL coefficient, and
PPO-ptx stays with PPO and A2C, whose loss is a mean over tokens as its coefficient supposes.

What the papers leave open or have otherwise: InstructGPT sweeps PPO's learning rate from 2.55e-6 to 2.55e-5 and says
that above 8.05e-6 runs without pretraining text diverge, so lower it with `ptx_coef` 0; its lambda is Stiennon's; its
residual dropout is all of a model's dropouts here (none of Llama's and Qwen's is residual); its warm-up is ten
iterations of eight minibatches.

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
    "kl_coef": 0.02,
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
    "lr_schedule": "linear",
    "warmup_steps": 0,
    "kl_coef": 0.05,
    "precision": "bf16",
    "max_new_tokens": 48,
    "max_prompt_tokens": 1024,
}
_DPO: dict[str, Any] = {
    "loss": "dpo",
    "optimiser": "rmsprop",
    "lr": 1e-6,
    "lr_final": 1.0,
    "warmup_steps": 150,
    "batch_size": 64,
    "precision": "bf16",
    "max_length": 2048,
}
_REWARD: dict[str, Any] = {
    "epochs": 1,
    "batch_size": 64,
    "readout": "last",
    "head_lr_scale": 1.0,
    "logprob_weight": False,
    "pair_weight": "equal",
    "precision": "bf16",
    "max_length": 2048,
}

PAPERS: dict[str, dict[str, dict[str, Any]]] = {
    "starter": {},
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
        "reward": {**_REWARD, "lr": 9e-6},
        "ppo": {
            **_INSTRUCTGPT_RL,
            "ptx_coef": 27.8,
            "ptx_batch_size": 512,
            "warmup_steps": 80,
            "minibatch_size": 64,
            "inner_epochs": 1,
            "samples_per_prompt": 1,
            "advantage": "gae",
            "value_lr": 9e-6,
            "lam": 0.95,
            "value_warmup": 0,
        },
        "dpo": {**_DPO, "beta": 0.1, "max_new_tokens": 1024},
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
            "ptx_coef": 27.8,
            "ptx_batch_size": 4096,
            "warmup_steps": 10,
            "minibatch_size": 512,
            "samples_per_prompt": 1,
            "value_lr": 9e-6,
            "value_warmup": 0,
        },
        "rloo": {**_INSTRUCTGPT_RL, "warmup_steps": 10, "minibatch_size": 512},
        "grpo": {**_INSTRUCTGPT_RL, "warmup_steps": 80, "minibatch_size": 64, "inner_epochs": 1, "kl_coef": 0.04},
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
        "reward": {**_REWARD, "lr": 1.5e-5},
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
        "dpo": {**_DPO, "beta": 0.5, "max_new_tokens": 48},
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
        "grpo": {**_STIENNON_RL, "minibatch_size": 64, "inner_epochs": 4, "kl_coef": 0.04},
        "rlaif": {"precision": "bf16"},
        "critique": {"precision": "bf16", "max_new_tokens": 48},
    },
}
