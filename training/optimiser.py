"""Adam and its schedule, as the papers have them, for all programs that train."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from training.config import Optimiser


def adam(groups: list[dict[str, Any]], config: Optimiser) -> torch.optim.AdamW:
    """AdamW over parameter groups; each keeps its peak learning rate under `peak`."""
    for group in groups:
        group["peak"] = group.get("lr", config.lr)
    return torch.optim.AdamW(
        groups, lr=config.lr, betas=(config.adam_beta1, config.adam_beta2), eps=config.adam_eps,
        weight_decay=config.weight_decay, fused=True,
    )  # fmt: skip


def learning_rate(step: int, steps: int, final: float, warmup: int) -> float:
    """Share of the peak at optimiser step `step` (from 0) of `steps`: linear warm-up, then cosine to `final`."""
    if step < warmup:
        return (step + 1) / warmup
    span = max(1, steps - warmup)
    done = min(1.0, (step - warmup) / span)
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * done))


def set_learning_rate(optimiser: torch.optim.Optimizer, share: float) -> None:
    """Give every group its peak times `share`."""
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * share


def clip(parameters: Iterable[nn.Parameter], norm: float) -> Tensor:
    """Clip the gradient's norm (detail 17); returns the norm before."""
    return torch.nn.utils.clip_grad_norm_(list(parameters), norm)
