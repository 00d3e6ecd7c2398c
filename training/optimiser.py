"""The optimiser, its schedule, and `Updater`: one step of any program that trains, on one rank or many."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from training.config import Optimiser
from training.job import JobError
from training.ranks import Ranks, plain


def make_optimiser(groups: list[dict[str, Any]], config: Optimiser) -> torch.optim.Optimizer:
    """Adam, 8-bit Adam or RMSprop over parameter groups; each keeps its peak learning rate under `peak`."""
    for group in groups:
        group["peak"] = group.get("lr", config.lr)
    if config.optimiser == "rmsprop":
        return torch.optim.RMSprop(groups, lr=config.lr, eps=config.adam_eps, weight_decay=config.weight_decay)
    kwargs: dict[str, Any] = {
        "lr": config.lr, "betas": (config.adam_beta1, config.adam_beta2), "eps": config.adam_eps,
        "weight_decay": config.weight_decay,
    }  # fmt: skip
    if config.optimiser == "adamw8bit":
        try:
            import bitsandbytes
        except ImportError:
            raise JobError(
                "optimiser is 'adamw8bit', but bitsandbytes is not installed; install it, or choose 'adamw'."
            ) from None
        library: Any = bitsandbytes
        eight_bit: torch.optim.Optimizer = library.optim.AdamW8bit(groups, **kwargs)
        return eight_bit
    return torch.optim.AdamW(groups, fused=True, **kwargs)


def learning_rate(step: int, steps: int, config: Optimiser) -> float:
    """Share of the peak at optimiser step `step` (from 0) of `steps`: linear warm-up, then down to `lr_final`."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    done = min(1.0, (step - config.warmup_steps) / max(1, steps - config.warmup_steps))
    left = 1 - done if config.lr_schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))
    return config.lr_final + (1 - config.lr_final) * left


def set_learning_rate(optimiser: torch.optim.Optimizer, share: float) -> None:
    """Give every group its peak times `share`."""
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * share


def clip(parameters: Iterable[nn.Parameter], norm: float) -> Tensor:
    """Clip the gradient's norm (detail 17); returns the norm before."""
    return torch.nn.utils.clip_grad_norm_(list(parameters), norm)


class Updater:
    """A module that trains and its optimiser: backward over a step's microbatches, the step itself, their state.

    `groups` are the optimiser's parameter groups; those with the same `clip` are clipped together and give one norm.
    `module` is what the loop must call from now on: accelerate may have wrapped it.
    """

    def __init__(self, ranks: Ranks, module: nn.Module, groups: list[dict[str, Any]], config: Optimiser) -> None:
        self.ranks, self.config = ranks, config
        names = {id(parameter): name for name, parameter in module.named_parameters()}
        wanted = [[names[id(parameter)] for parameter in group["params"]] for group in groups]
        self.scaler = torch.amp.GradScaler(ranks.device.type, enabled=config.precision == "fp16")
        self.module = ranks.wrap(module)
        now = dict(plain(self.module).named_parameters())
        self.optimiser = make_optimiser(
            [
                {"clip": "grad_norm", **group, "params": [now[name] for name in chosen]}
                for group, chosen in zip(groups, wanted, strict=True)
            ],
            config,
        )

    @contextmanager
    def microbatch(self, last: bool) -> Iterator[None]:
        """Around forward and backward of one microbatch: gradients travel between ranks with the last one only."""
        with self.ranks.accumulating(self.module, not last):
            yield

    def backward(self, loss: Tensor) -> None:
        """Add this microbatch's gradients; `loss` is its part of the step's loss."""
        self.ranks.backward(self.scaler.scale(loss))

    def step(self, share: float) -> dict[str, float]:
        """Clip, step at `share` of the peak learning rates, forget the gradients; the norms before clipping."""
        if self.scaler.is_enabled():
            self.scaler.unscale_(self.optimiser)
        together: dict[str, list[nn.Parameter]] = {}
        for group in self.optimiser.param_groups:
            together.setdefault(group["clip"], []).extend(group["params"])
        norms = {name: clip(parameters, self.config.max_grad_norm) for name, parameters in together.items()}
        set_learning_rate(self.optimiser, share)
        if self.scaler.is_enabled():
            self.scaler.step(self.optimiser)
            self.scaler.update()
        else:
            self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return {name: float(whole(norm)) for name, norm in norms.items()}

    def state(self) -> dict[str, Any]:
        """What trains, and the optimiser's memory of it; whole tensors on whatever number of ranks."""
        trains = {name for name, parameter in plain(self.module).named_parameters() if parameter.requires_grad}
        trains |= {name for name, _ in plain(self.module).named_buffers()}
        state: dict[str, Any] = {"scaler": self.scaler.state_dict()}
        if self.ranks.size == 1:
            weights, optimiser = self.module.state_dict(), self.optimiser.state_dict()
        else:
            from torch.distributed.checkpoint import state_dict as sharded

            options = sharded.StateDictOptions(full_state_dict=True, cpu_offload=True)
            weights, optimiser = sharded.get_state_dict(self.module, self.optimiser, options=options)
        state["weights"] = {name: tensor for name, tensor in weights.items() if name in trains}
        return {**state, "optimiser": optimiser}

    def restore(self, state: dict[str, Any]) -> None:
        """Undo `state`; it may come from another number of ranks."""
        self.scaler.load_state_dict(state["scaler"])
        named = any(isinstance(key, str) for key in state["optimiser"]["state"])
        if self.ranks.size == 1 and not named:
            self.module.load_state_dict(state["weights"], strict=False)
            self.optimiser.load_state_dict(state["optimiser"])
            return
        if not named:
            raise JobError("The saved state comes from one process; go on with processes 1, or begin the job anew.")
        from torch.distributed.checkpoint import state_dict as sharded

        options = sharded.StateDictOptions(full_state_dict=True, strict=False)
        sharded.set_state_dict(
            self.module, self.optimiser, model_state_dict=state["weights"], optim_state_dict=state["optimiser"],
            options=options,
        )  # fmt: skip

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Take over weights of what trains, as `state` gave them."""
        if self.ranks.size == 1:
            self.module.load_state_dict(weights, strict=False)
            return
        from torch.distributed.checkpoint import state_dict as sharded

        options = sharded.StateDictOptions(full_state_dict=True, broadcast_from_rank0=True, strict=False)
        sharded.set_model_state_dict(self.module, weights, options=options)  # type: ignore[arg-type]

    def weights(self) -> dict[str, Tensor]:
        """All weights of the module, whole, for saving. Every rank must ask; the first gets them."""
        if not self.ranks.sharded:
            return plain(self.module).state_dict()
        from torch.distributed.checkpoint import state_dict as sharded

        options = sharded.StateDictOptions(full_state_dict=True, cpu_offload=True)
        return dict(sharded.get_model_state_dict(self.module, options=options))  # type: ignore[arg-type]


def whole(tensor: Tensor) -> Tensor:
    """A tensor that FSDP2 may have spread over ranks, whole on this one."""
    full: Tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return full
