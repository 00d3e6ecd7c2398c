"""Muon in float32: momentum, then orthogonalised by Newton-Schulz (Jordan et al. 2024); used by `pretrain` only.

PyTorch's own works in bfloat16 and one matrix at a time, which took longer than the whole backward pass on processors
that lack bfloat16 arithmetic. This one stacks matrices of one shape.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch


def orthogonalise(stack: torch.Tensor, iterations: int = 5) -> torch.Tensor:
    """(n, rows, columns) to the nearest semi-orthogonal matrices, roughly, by the quintic iteration."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x: torch.Tensor = stack / (stack.norm(dim=(1, 2), keepdim=True) + 1e-7)
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.transpose(1, 2)
    for _ in range(iterations):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.transpose(1, 2) if tall else x


class Muon(torch.optim.Optimizer):
    """For the matrices within the layers; embeddings, heads and norms belong to AdamW."""

    def __init__(self, params: Any, lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            shapes: dict[torch.Size, list[torch.Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes[parameter.shape].append(parameter)
            for shape, parameters in shapes.items():
                updates = [self._nesterov(parameter, group["momentum"]) for parameter in parameters]
                scale = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for parameter, update in zip(parameters, orthogonalise(torch.stack(updates)), strict=True):
                    parameter.add_(update, alpha=-scale)

    def _nesterov(self, parameter: torch.Tensor, momentum: float) -> torch.Tensor:
        assert parameter.grad is not None
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        buffer: torch.Tensor = state["momentum_buffer"]
        buffer.lerp_(parameter.grad, 1 - momentum)
        return parameter.grad.lerp(buffer, momentum)
