"""The processes that train together: this one alone, or the ranks that `accelerate launch` started.

Every rank reads all data and knows every batch, so that only gradients, scores and sampled responses travel. A batch's
microbatches are dealt out in turn; the loss of each is divided by what the *whole* batch counts, and since the ranks'
gradients are averaged, it is multiplied by their number: the sum is that of one process, whatever their number.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from training.config import BaseConfig
from training.job import JobError, choose_device

T = TypeVar("T")


class Ranks:
    """What a loop asks of its fellows; alone, every method is the plain thing."""

    def __init__(self, config: BaseConfig) -> None:
        self.size = int(os.environ.get("WORLD_SIZE", "1"))
        self.accelerator: Any = None
        self.sharded = config.shard and self.size > 1  # FSDP2 holds each weight on one rank only
        self.index = 0
        self.device = choose_device(config)
        if self.size == 1:
            return
        from accelerate import Accelerator
        from accelerate.utils import DistributedDataParallelKwargs

        # While a value network warms up the policy is not used; DDP must be told that this may be.
        unused = DistributedDataParallelKwargs(find_unused_parameters=config.kind in ("ppo", "a2c"))
        self.accelerator = Accelerator(cpu=self.device.type == "cpu", kwargs_handlers=[unused])
        self.index = self.accelerator.process_index
        self.device = self.accelerator.device
        torch.manual_seed(config.seed + self.index)  # each rank's dropout is its own (detail 19)

    @property
    def first(self) -> bool:
        """True on the rank that writes files."""
        return self.index == 0

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module as it trains together with those of the other ranks. Its parameters may be others afterwards."""
        if self.accelerator is None:
            return module
        if self.sharded:
            return shard(module, self.device)
        wrapped: nn.Module = self.accelerator.prepare_model(module)
        return wrapped

    def deal(self, parts: Sequence[T]) -> list[tuple[T, float]]:
        """This rank's share of the microbatches, (part, weight) each.

        Under FSDP2 every forward is a meeting of all ranks, so all get the same number: who would have one less
        repeats one with weight 0.
        """
        if self.size == 1:
            return [(part, 1.0) for part in parts]
        rounds = -(-len(parts) // self.size)
        places = [turn * self.size + self.index for turn in range(rounds)]
        return [(parts[at], 1.0) if at < len(parts) else (parts[at % len(parts)], 0.0) for at in places]

    @contextmanager
    def accumulating(self, module: nn.Module, more: bool) -> Iterator[None]:
        """Inside, gradients stay on this rank while `more` microbatches of the step are to come."""
        if self.sharded:
            parts: Any = module
            parts.set_requires_gradient_sync(not more)
        with self.accelerator.no_sync(module) if self.accelerator is not None and more else nullcontext():
            yield

    def backward(self, loss: Tensor) -> None:
        """Gradients of this rank's part of the sum; they are averaged over ranks, hence the factor."""
        torch.autograd.backward(loss * self.size if self.size > 1 else loss)

    def sum(self, values: Tensor) -> Tensor:
        """Sum over ranks, on the CPU."""
        if self.accelerator is None:
            return values.cpu()
        total: Tensor = self.accelerator.reduce(values.to(self.device), "sum")
        return total.cpu()

    def any(self, flag: bool) -> bool:
        """True everywhere when it is true on one rank."""
        return flag if self.accelerator is None else bool(self.sum(torch.tensor(float(flag))).item())

    def gather(self, own: list[T]) -> list[T]:
        """All ranks' lists, rank after rank."""
        if self.accelerator is None:
            return own
        gathered: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(gathered, own)
        return [item for part in gathered for item in part]

    def map(self, parts: Sequence[T], work: Callable[[T], Any]) -> list[Any]:
        """`work` on every part, shared out over the ranks; everybody gets all results, in order, on the CPU."""
        if self.size == 1:
            return [work(part) for part in parts]
        places = range(len(parts))
        done = [(at, to_cpu(work(parts[at])), weight) for at, weight in self.deal(places)]
        kept = self.gather([(at, result) for at, result, weight in done if weight])
        return [result for _, result in sorted(kept, key=lambda pair: pair[0])]

    def wait(self) -> None:
        """Until all have come here."""
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()

    def leave(self) -> None:
        """At the end: all part together. A rank that exits with the group still open may be aborted by its threads."""
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()
            torch.distributed.destroy_process_group()

    @contextmanager
    def whole(self, module: nn.Module) -> Iterator[None]:
        """Inside, this rank has all weights of a sharded module: for decoding, where each goes at its own pace."""
        from torch.distributed.fsdp import FSDPModule

        parts = [part for part in module.modules() if isinstance(part, FSDPModule)] if self.sharded else []
        for part in parts:
            part.set_reshard_after_forward(False, recurse=False)
            part.unshard()
        try:
            yield
        finally:
            for part in parts:
                part.set_reshard_after_forward(part is not module, recurse=False)
                part.reshard()


def shard(module: nn.Module, device: torch.device) -> nn.Module:
    """FSDP2: each layer that transformers says must stay together is a unit, the rest of the module is the last one."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    units = {name for part in module.modules() for name in getattr(part, "_no_split_modules", None) or ()}
    for part in list(module.modules()):
        if type(part).__name__ in units:
            fully_shard(part, mesh=mesh)
    fully_shard(module, mesh=mesh)
    # The first forward decides which module is the outermost; decoding, which may come first, enters further in.
    outermost: Any = module
    outermost.settle = lambda: None
    register_fsdp_forward_method(module, "settle")
    outermost.settle()
    outermost.reshard()  # after a forward the outermost module keeps its weights, else
    return module


def to_cpu(value: Any) -> Any:
    """A tensor, or a dict of them, where it can travel."""
    if isinstance(value, dict):
        return {name: to_cpu(item) for name, item in value.items()}
    return value.cpu() if isinstance(value, Tensor) else value


def plain(module: nn.Module) -> nn.Module:
    """The module under accelerate's wrapper."""
    inner = getattr(module, "module", module)
    if not isinstance(inner, nn.Module):
        raise JobError("The trained module has an attribute named 'module' that is none; rename it.")
    return inner
