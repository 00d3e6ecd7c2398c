"""Settings of PPO and PPO-ptx."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from training.config.base import setting
from training.config.policy_gradient import CriticConfig


@dataclass(kw_only=True)
class PPOConfig(CriticConfig):
    """PPO and PPO-ptx (InstructGPT section 3.5 and appendix C.4; Ziegler et al. section 2)."""

    kind: ClassVar[str] = "ppo"

    advantage: str = setting(
        "group",
        "gae: value network and generalised advantage estimation. group: the score less the mean of the"
        " prompt's other samples, no value network.",
        choices=("gae", "group"),
    )
    cliprange: float = setting(0.2, "Clip range of the ratio.", above=0)
    cliprange_value: float = setting(0.2, "Clip range of the values.", above=0)

    def check_together(self) -> dict[str, str]:
        if self.advantage == "group" and self.samples_per_prompt < 2:
            return {"samples_per_prompt": "must be 2 or more with advantage 'group'; raise it, or choose 'gae'."}
        return super().check_together()
