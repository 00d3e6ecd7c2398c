"""The exponential moving average of the policy's weights, which PPO and its relatives save (InstructGPT C.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class WeightAverage:
    """average = ema average + (1 - ema) weights, of the weights that train; with `ema` 0 there is none."""

    def __init__(self, policy: nn.Module, ema: float) -> None:
        self.policy, self.ema = policy, ema
        self.weights = {name: weight.detach().clone() for name, weight in self._moving().items()} if ema else {}

    def _moving(self) -> dict[str, Tensor]:
        """The policy's weights that train, by name (and under LoRA nothing else)."""
        return {name: weight for name, weight in self.policy.named_parameters() if weight.requires_grad}

    @torch.no_grad()
    def follow(self) -> None:
        """After each optimiser step that moves the policy."""
        moving = self._moving()
        for name, average in self.weights.items():
            average.lerp_(moving[name], 1 - self.ema)

    @torch.no_grad()
    def put_in_place(self) -> None:
        """The policy takes the average for its weights, where there is one."""
        moving = self._moving()
        for name, average in self.weights.items():
            moving[name].copy_(average)

    def restore(self, weights: dict[str, Tensor]) -> None:
        """Go on from saved `weights`."""
        for name, average in weights.items():
            self.weights[name].copy_(average)
