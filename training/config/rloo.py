"""Settings of RLOO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from training.config.base import setting
from training.config.policy_gradient import PolicyGradientConfig


@dataclass(kw_only=True)
class RLOOConfig(PolicyGradientConfig):
    """REINFORCE leave-one-out (arXiv 2402.14740): no value network, no clipping, the KL in the reward."""

    kind: ClassVar[str] = "rloo"

    batch_size: int = setting(128, "Responses sampled per rollout, and per optimiser step.", 1)
    samples_per_prompt: int = setting(4, "Responses sampled per prompt: K, each the others' baseline.", 2, 64)

    def check_together(self) -> dict[str, str]:
        return self.check_on_policy() or super().check_together()
