"""Settings of A2C."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from training.config.base import setting
from training.config.policy_gradient import CriticConfig


@dataclass(kw_only=True)
class A2CConfig(CriticConfig):
    """A2C (arXiv 1602.01783), which is PPO with one epoch and one minibatch (arXiv 2205.09123)."""

    kind: ClassVar[str] = "a2c"

    batch_size: int = setting(128, "Responses sampled per rollout, and per optimiser step.", 1)
    whiten_advantages: bool = setting(False, "Whiten the advantages over the real tokens; A2C does not.")
    lam: float = setting(1.0, "Lambda of generalised advantage estimation; A2C takes 1.", 0, 1)

    def check_together(self) -> dict[str, str]:
        return self.check_on_policy() or super().check_together()
