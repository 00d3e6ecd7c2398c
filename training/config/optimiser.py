"""Settings of every program that trains."""

from __future__ import annotations

from dataclasses import dataclass

from training.config.base import BaseConfig, setting


@dataclass(kw_only=True)
class Optimiser(BaseConfig):
    """Adam with a schedule, as the papers have it: betas .9/.95, cosine to 10 %, clipped gradients."""

    lr: float = setting(1e-3, "Peak learning rate.", above=0, maximum=1)
    lr_final: float = setting(0.1, "Learning rate at the end, as a share of the peak (cosine).", 0, 1)
    warmup_steps: int = setting(0, "Steps of linear warm-up.", 0)
    adam_beta1: float = setting(0.9, "Adam beta 1.", 0, 0.9999)
    adam_beta2: float = setting(0.95, "Adam beta 2.", 0, 0.99999)
    adam_eps: float = setting(1e-8, "Adam epsilon.", above=0)
    weight_decay: float = setting(0.0, "Decoupled weight decay.", 0)
    max_grad_norm: float = setting(1.0, "The gradient's norm is clipped to this.", above=0)
