"""Settings of GRPO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from training.config.base import setting
from training.config.policy_gradient import PolicyGradientConfig


@dataclass(kw_only=True)
class GRPOConfig(PolicyGradientConfig):
    """Group relative policy optimisation (arXiv 2402.03300, section 4.1): the group as baseline, the KL as a loss."""

    kind: ClassVar[str] = "grpo"

    samples_per_prompt: int = setting(8, "Responses sampled per prompt: the group.", 2, 64)
    inner_epochs: int = setting(2, "Passes over a rollout: mu of the paper's algorithm 1.", 1, 100)
    cliprange: float = setting(0.2, "Clip range of the ratio.", above=0)
    kl_coef: float = setting(0.04, "Weight beta of the KL loss (its starting value when a target is given).", 0)
