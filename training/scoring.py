"""Scores and log-probabilities of many responses, in microbatches shared out over the ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from training.config import RewardConfig
from training.data import micro_batches
from training.models import Model, autocast, mean_logprobs, response_logprobs
from training.packing import Packed, pack, unpacked
from training.rankings import Item, width
from training.ranks import Ranks

Module = torch.nn.Module  # a RewardModel, maybe under accelerate's wrapper


def pack_items(items: Sequence[Item], packed: bool, device: torch.device) -> Packed:
    """One row per prompt, or one per response where the attention cannot take the block mask."""
    return pack(items if packed else unpacked(items)).to(device)


@torch.no_grad()
def sft_logprobs(model: Model, items: Sequence[Item], config: RewardConfig, ranks: Ranks) -> list[Tensor]:
    """Mean log-probability of each response under the frozen SFT model: one tensor [K] per item, on the CPU."""

    def means(micro: list[int]) -> Tensor:
        batch = pack_items([items[at] for at in micro], config.packed, ranks.device)
        with autocast(ranks.device, config.precision):
            logprobs, _ = response_logprobs(model, batch)
        return mean_logprobs(logprobs, batch).cpu()

    return by_item(items, config.micro_batch_tokens, means, ranks.map)


@torch.no_grad()
def scores_by_item(
    model: Module, items: Sequence[Item], logprobs: Sequence[Tensor], config: RewardConfig, ranks: Ranks
) -> list[Tensor]:
    """Scores of all responses: one tensor [K] per item, on the CPU."""
    model.eval()

    def scores(micro: list[int]) -> Tensor:
        return scores_of(model, [items[at] for at in micro], [logprobs[at] for at in micro], config).cpu()

    return by_item(items, config.micro_batch_tokens, scores, ranks.map)


def by_item(
    items: Sequence[Item],
    micro_batch_tokens: int,
    work: Callable[[list[int]], Tensor],
    share_out: Callable[[list[list[int]], Callable[[list[int]], Tensor]], Iterable[Tensor]],
) -> list[Tensor]:
    """`work`, from item numbers to a value of each of their responses, in microbatches: one tensor [K] per item.

    `share_out` runs the microbatches: `Ranks.map`, or `here` where this rank has items of its own.
    """
    out: list[Tensor] = [torch.empty(0)] * len(items)
    micros = micro_batches(range(len(items)), [width(item) for item in items], micro_batch_tokens)
    for micro, flat in zip(micros, share_out(micros, work), strict=True):
        for at, own in zip(micro, torch.split(flat, [len(items[at][1]) for at in micro]), strict=True):
            out[at] = own
    return out


def here(micros: list[list[int]], work: Callable[[list[int]], Tensor]) -> Iterable[Tensor]:
    """Every microbatch on this rank."""
    return map(work, micros)


def scores_of(model: Module, items: Sequence[Item], logprobs: Sequence[Tensor], config: RewardConfig) -> Tensor:
    """Scores of all responses of `items`, [R]."""
    device = next(model.parameters()).device
    batch = pack_items(items, config.packed, device)
    with autocast(device, config.precision):
        scores: Tensor = model(batch, torch.cat(list(logprobs)).to(device))
    return scores
