"""The K-wise reward model: `python -m training.reward JOB_FOLDER` (InstructGPT section 3.5 eq. 1 and C.2).

All pairs of a prompt are one batch element with weight 1/pairs, ties make no pair, and the K responses share one
forward with their prompt. One pass over the data for large models (more overfits), cosine to a tenth of the peak.
At the end the scores are shifted so that demonstrations average 0. The held-out accuracy stands beside that of
the plain mean log-probability under the SFT model, a baseline that a reward model has to beat to be worth its cost.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from training import checkpoints
from training.adapters import load_trainable, save_reward, trainable
from training.config import RewardConfig
from training.conversations import read_demonstrations
from training.data import (
    Codec,
    Ranking,
    bucketed_batches,
    load_tokenizer,
    micro_batches,
    read_rankings,
    split_rows,
)
from training.job import Job, JobError, run_program, set_up
from training.models import (
    Model,
    RewardModel,
    autocast,
    check_context,
    load_causal_lm,
    mean_logprobs,
    response_logprobs,
)
from training.optimiser import Updater, learning_rate, whole
from training.packing import Packed, pack, unpacked
from training.ranks import Ranks, plain
from training.rl_math import fit_weight, kwise_loss, rating_importance

Item = tuple[Sequence[int], Sequence[Sequence[int]]]
Module = torch.nn.Module  # a RewardModel, maybe under accelerate's wrapper


def width(item: Item) -> int:
    """Tokens of a packed row."""
    return len(item[0]) + sum(len(response) for response in item[1])


def pack_items(items: Sequence[Item], packed: bool, device: torch.device) -> Packed:
    """One row per prompt, or one per response where the attention cannot take the block mask."""
    return pack(items if packed else unpacked(items)).to(device)


@torch.no_grad()
def sft_logprobs(model: Model, items: Sequence[Item], config: RewardConfig, ranks: Ranks) -> list[Tensor]:
    """Mean log-probability of each response under the frozen SFT model: one tensor [K] per item, on the CPU."""
    out: list[Tensor] = [torch.empty(0)] * len(items)
    micros = micro_batches(range(len(items)), [width(item) for item in items], config.micro_batch_tokens)

    def means(micro: list[int]) -> Tensor:
        batch = pack_items([items[at] for at in micro], config.packed, ranks.device)
        with autocast(ranks.device, config.precision):
            logprobs, _ = response_logprobs(model, batch)
        return mean_logprobs(logprobs, batch).cpu()

    for micro, mean in zip(micros, ranks.map(micros, means), strict=True):
        for at, own in zip(micro, torch.split(mean, [len(items[at][1]) for at in micro]), strict=True):
            out[at] = own
    return out


def scores_of(model: Module, items: Sequence[Item], logprobs: Sequence[Tensor], config: RewardConfig) -> Tensor:
    """Scores of all responses of `items`, [R]."""
    device = next(model.parameters()).device
    batch = pack_items(items, config.packed, device)
    with autocast(device, config.precision):
        scores: Tensor = model(batch, torch.cat(list(logprobs)).to(device))
    return scores


def rank_tensors(rankings: Sequence[Ranking], device: torch.device) -> tuple[Tensor, Tensor]:
    """Ranks and prompt numbers of all responses, [R] each."""
    ranks = torch.tensor([rank for ranking in rankings for rank in ranking.ranks], device=device)
    owners = [number for number, ranking in enumerate(rankings) for _ in ranking.ranks]
    return ranks, torch.tensor(owners, device=device)


def importance_of(rankings: Sequence[Ranking], config: RewardConfig, device: torch.device) -> Tensor | None:
    """What the ratings say of each pair, [R, R]; None where all pairs of a prompt weigh the same."""
    if config.pair_weight == "equal":
        return None
    ratings = torch.tensor([rating for ranking in rankings for rating in ranking.ratings], device=device)
    return rating_importance(ratings, config.rating_floor)


@torch.no_grad()
def evaluate(
    model: Module, rankings: Sequence[Ranking], logprobs: Sequence[Tensor], config: RewardConfig, ranks: Ranks
) -> dict[str, float]:
    """Share of held-out pairs put in the labelers' order, and the same by the mean log-probability alone."""
    model.eval()
    items: list[Item] = [(ranking.prompt, ranking.responses) for ranking in rankings]
    sums = torch.zeros(6, dtype=torch.double)  # loss, prompts; right and all, by the model and by the log-probability
    for micro, weight in ranks.deal(
        micro_batches(range(len(items)), [width(item) for item in items], config.micro_batch_tokens)
    ):
        chosen = [rankings[at] for at in micro]
        scores = scores_of(model, [items[at] for at in micro], [logprobs[at] for at in micro], config)
        tensors = rank_tensors(chosen, ranks.device)
        loss, prompts, right = kwise_loss(scores, *tensors)
        base = kwise_loss(torch.cat([logprobs[at] for at in micro]).to(ranks.device), *tensors)[2]
        sums += weight * torch.cat([torch.tensor([loss.item(), prompts]), right.cpu(), base.cpu()])
    loss, prompts, right, pairs, base, _ = ranks.sum(sums).tolist()
    return {
        "loss/validation": loss / max(1, prompts),
        "accuracy": right / max(1, pairs),
        "accuracy/logprob_baseline": base / max(1, pairs),
        "pairs/validation": pairs,
    }


def reward(job: Job[RewardConfig]) -> None:
    """The whole program; see the module's head."""
    config = job.config

    # 1. The SFT model twice: frozen, for log-probabilities, and as the backbone under a fresh scalar head.
    ranks = set_up(job)
    device = ranks.device
    codec = Codec(load_tokenizer(config.model))
    rankings = read_rankings(job.data("rankings"), codec, config.max_length)
    train, validation = split_rows(rankings, lambda row: row.prompt_id, config.seed, config.validation_share)
    if not train:
        raise JobError("No ranking is left for training; rank more prompts or lower validation_share.")
    sft_model = load_causal_lm(config.model, device, weights=config.frozen_weights)
    check_context(sft_model, codec, config.max_length, "max_length")
    backbone = load_trainable(config.model, device, config, config.dropout)
    model = RewardModel(backbone, config.readout, config.logprob_weight).to(device)

    # 2. Log-probabilities under the frozen model, once; as a feature they are brought to mean 0, std 1.
    job.progress.write(0, 1, "reference", {})
    items: list[Item] = [(row.prompt, row.responses) for row in train]
    logprobs = sft_logprobs(sft_model, items, config, ranks)
    held = sft_logprobs(sft_model, [(row.prompt, row.responses) for row in validation], config, ranks)
    every = torch.cat(logprobs)
    model.logprob_mean.copy_(every.mean())
    model.logprob_std.copy_(every.std().clamp(min=1e-3))
    # Its weight starts where the feature alone is best: from 0, at the backbone's rate, it would hardly move.
    if config.logprob_weight:
        some = train[:1000]
        feature = (torch.cat(logprobs[: len(some)]) - every.mean()) / model.logprob_std.cpu()
        cpu = torch.device("cpu")
        weight = fit_weight(feature, *rank_tensors(some, cpu), importance_of(some, config, cpu))
        model.logprob_weight.data.fill_(weight)

    # 3. Optimiser: head and log-probability weight may go at a rate of their own.
    widths = [width(item) for item in items]
    per_epoch = len(bucketed_batches(widths, config.batch_size, 0))
    steps = config.epochs * per_epoch
    model.head.bias.requires_grad_(False)  # no difference of scores knows it; step 5 sets the level
    small = {"lr": config.lr * config.head_lr_scale}
    groups: list[dict[str, Any]] = [
        {"params": [model.logprob_weight], **small},
        {"params": trainable(model.backbone)},
        {"params": [model.head.weight], **small},
    ]
    updater = Updater(ranks, model, groups, config)
    step = 0
    state = job.load_state()
    if state:
        updater.restore(state["updater"])
        checkpoints.restore_rng(state["rng"])
        step = state["step"]

    def snapshot() -> dict[str, Any]:
        return {"updater": updater.state(), "rng": checkpoints.rng_state()}

    # 4. Pass over the rankings: `batch_size` prompts a step, each of weight 1 whatever its K, or more where its
    #    ratings lie far apart.
    while step < steps:
        epoch, at = divmod(step, per_epoch)
        if at == 0 or "batches" not in locals():
            batches = bucketed_batches(widths, config.batch_size, config.seed * 1000 + epoch)
        updater.module.train(config.train_mode(config.dropout))
        rows = batches[at]
        sums = torch.zeros(3)  # loss, pairs in the right order, pairs
        dealt = ranks.deal(micro_batches(rows, widths, config.micro_batch_tokens))
        for number, (micro, weight) in enumerate(dealt, start=1):
            chosen = [train[row] for row in micro]
            with updater.microbatch(last=number == len(dealt)):
                scores = scores_of(
                    updater.module, [items[row] for row in micro], [logprobs[row] for row in micro], config
                )
                loss, _, hits = kwise_loss(scores, *rank_tensors(chosen, device), importance_of(chosen, config, device))
                updater.backward(weight * loss / len(rows))
            sums += weight * torch.cat([loss.detach().view(1).cpu(), hits.cpu()])
        share = learning_rate(step, steps, config.lr_final, config.warmup_steps)
        norms = updater.step(share)
        step += 1
        total, right, pairs = ranks.sum(sums).tolist()
        metrics = {
            "loss": total / len(rows), "accuracy/training": right / max(1, pairs), "lr": config.lr * share, **norms,
            "logprob_weight": float(whole(model.logprob_weight.detach())),
        }  # fmt: skip
        if step % per_epoch == 0 and validation:
            metrics.update(evaluate(updater.module, validation, held, config, ranks))
        job.progress.write(step, steps, "reward", metrics, always=step % per_epoch == 0)
        job.save_state_when_due(step, snapshot)

    # 5. Held-out accuracy, and the shift that makes demonstrations score 0 on average (detail 8).
    result: dict[str, Any] = {"rankings": len(train), "validation": len(validation)}
    if validation:
        result.update(evaluate(updater.module, validation, held, config, ranks))
    result.update(shift_scores(job, updater.module, sft_model, codec, ranks))

    # 6. The result.
    weights = updater.weights()
    job.write_checkpoint(lambda folder: save_reward(model, weights, codec.tokenizer, config.model, config, folder))
    job.finish({"model": config.model}, result)


@torch.no_grad()
def shift_scores(
    job: Job[RewardConfig], model: Module, sft_model: Model, codec: Codec, ranks: Ranks
) -> dict[str, float]:
    """Set the model's shift from the demonstrations' mean score; without demonstrations it stays 0."""
    config, path = job.config, job.data("demonstrations")
    if not path.is_file():
        return {}
    items: list[Item] = [
        (row.prompt, [row.response])
        for row in read_demonstrations(path, codec)
        if len(row.prompt) + len(row.response) <= config.max_length
    ]
    model.eval()
    logprobs = sft_logprobs(sft_model, items, config, ranks)
    total = torch.zeros(1)
    for micro, weight in ranks.deal(
        micro_batches(range(len(items)), [width(item) for item in items], config.micro_batch_tokens)
    ):
        scores = scores_of(model, [items[at] for at in micro], [logprobs[at] for at in micro], config)
        total += weight * scores.sum().cpu()
    shift = ranks.sum(total).item() / max(1, len(items))
    bare: Any = plain(model)
    bare.shift.add_(shift)
    return {"shift": float(bare.shift), "demonstrations": float(len(items))}


if __name__ == "__main__":
    sys.exit(run_program(RewardConfig, reward))
