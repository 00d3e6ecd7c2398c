"""Settings of PPO and PPO-ptx."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from training.config.base import setting
from training.config.policy_gradient import PolicyGradientConfig


@dataclass(kw_only=True)
class PPOConfig(PolicyGradientConfig):
    """PPO and PPO-ptx (InstructGPT section 3.5 and appendix C.4; Ziegler et al. section 2)."""

    kind: ClassVar[str] = "ppo"

    advantage: str = setting(
        "group",
        "gae: value network and generalised advantage estimation. group: the score less the mean of the"
        " prompt's other samples, no value network.",
        choices=("gae", "group"),
    )
    value_init: str = setting(
        "reward", "Value network starts as the reward model or as the policy.", choices=("reward", "policy")
    )
    value_head_zero: bool = setting(False, "Start the value head at zero instead of the reward head.")
    value_warmup: int = setting(2, "Rollouts that train the value network alone, before the policy moves.", 0)
    value_lr: float = setting(3e-4, "Peak learning rate of the value network.", above=0, maximum=1)
    gamma: float = setting(1.0, "Discount.", above=0, maximum=1)
    lam: float = setting(0.95, "Lambda of generalised advantage estimation.", 0, 1)
    cliprange_value: float = setting(0.2, "Clip range of the values.", above=0)
    vf_coef: float = setting(0.5, "Weight of the value loss.", 0)
    whiten_rewards: bool = setting(False, "Whiten the rewards, keeping their mean.")

    def check_together(self) -> dict[str, str]:
        if self.advantage == "group" and self.samples_per_prompt < 2:
            return {"samples_per_prompt": "must be 2 or more with advantage 'group'; raise it, or choose 'gae'."}
        return super().check_together()
