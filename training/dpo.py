"""DPO and its family: `python -m training.dpo JOB_FOLDER`; the losses themselves are in preference_math.py.

    dpo   logistic loss on the implicit rewards beta log pi/ref of a pair (arXiv 2305.18290, eq. 7)
    ipo   squared distance of their difference, per token, to 1/(2 beta) (arXiv 2310.12036, eq. 17)
    slic  hinge on the log-likelihoods of a pair, and the SFT targets' log-likelihood beside it (arXiv 2305.10425)
    kto   each response by itself, good or bad, against the batch's KL (arXiv 2402.01306)

Rankings are taken K-wise: a prompt's pairs are one element of weight 1/pairs, ties make no pair, and the K responses
share one forward with their prompt. The reference runs once, before training. Dropout is off.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from training import checkpoints
from training.adapters import below, load_trainable, save_policy, trainable
from training.config import DPOConfig
from training.data import Codec, Epochs, Ranking, load_tokenizer, micro_batches
from training.decoder import Request, Sampling, decode
from training.job import Job, run_program, set_up
from training.models import LanguageModel, Model, check_context, context_length
from training.optimiser import Updater, learning_rate
from training.preference_math import (
    best_mean,
    desirability,
    dpo_loss,
    gaps,
    ipo_loss,
    kto_loss,
    kto_reference_point,
    slic_loss,
)
from training.preferences import (
    Module,
    Preferences,
    all_logprobs,
    draw_targets,
    logprobs_of,
    read_preferences,
    read_targets,
    reference_logprobs,
)
from training.rankings import Item, width
from training.ranks import Ranks, plain
from training.rl_math import preference_pairs

REPORTED = ("loss", "rewards/chosen", "rewards/rejected", "right", "pairs", "loss/sft")


@dataclass
class Order:
    """Rankings as flat tensors: ranks [R] and ranking numbers [R] of all responses, and what each ranking weighs."""

    ranks: Tensor
    owners: Tensor
    weights: Tensor  # [rankings]

    def pairs(self) -> tuple[Tensor, Tensor, Tensor]:
        """Better and worse responses and what each pair weighs, [P] each; a ranking's pairs share its weight."""
        better, worse, shares = preference_pairs(self.ranks, self.owners)
        return better, worse, shares * self.weights[self.owners[better]]

    def desirability(self) -> tuple[Tensor, Tensor]:
        """KTO's signs and weights of the responses, [R] each."""
        signs, shares = desirability(self.ranks, self.owners)
        return signs, shares * self.weights[self.owners]


def preference_loss(
    logprobs: Tensor, reference: Tensor, lengths: Tensor, order: Order, kl: float, config: DPOConfig
) -> Tensor:
    """The loss of all rankings of a microbatch, each of weight 1 whatever its K, times what its label weighs.

    logprobs, reference [R] are log pi(y|x) and log ref(y|x); lengths [R] tokens; kl is KTO's z0.
    """
    log_ratios = logprobs - reference
    if config.loss == "kto":
        signs, shares = order.desirability()
        strength = config.desirable_weight, config.undesirable_weight
        return (kto_loss(log_ratios, signs, kl, config.beta, *strength) * shares).sum()
    better, worse, weights = order.pairs()
    if config.loss == "slic":
        return (slic_loss(gaps(logprobs, better, worse), config.margin) * weights).sum()
    if config.loss == "ipo":
        return (ipo_loss(gaps(log_ratios / lengths, better, worse), config.beta) * weights).sum()
    return (dpo_loss(gaps(log_ratios, better, worse), config.beta, config.label_smoothing) * weights).sum()


def implicit_rewards(log_ratios: Tensor, order: Order, beta: float) -> list[Tensor]:
    """beta log pi/ref of better and of worse responses (weights as in the loss), pairs in their order, and all pairs.

    The same for each loss, so that they can be compared; equal rewards count half.
    """
    better, worse, weights = order.pairs()
    rewards = beta * log_ratios
    margins = rewards[better] - rewards[worse]
    right = (margins > 0).sum() + 0.5 * (margins == 0).sum()
    return [(rewards[better] * weights).sum(), (rewards[worse] * weights).sum(), right, right.new_tensor(len(margins))]


def order_of(rankings: Sequence[Ranking], device: torch.device) -> Order:
    """The rankings of a microbatch."""
    ranks = torch.tensor([rank for row in rankings for rank in row.ranks], device=device)
    owners = torch.tensor([number for number, row in enumerate(rankings) for _ in row.ranks], device=device)
    return Order(ranks, owners, torch.tensor([row.label.weight for row in rankings], device=device))


def losses(
    model: Module, data: Preferences, rows: Sequence[int], kl: float, config: DPOConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss of these rankings, -log pi of their best responses (SLiC's targets), and sums of what is REPORTED."""
    chosen = [data.rankings[row] for row in rows]
    logprobs, lengths = logprobs_of(model, [(row.prompt, row.responses) for row in chosen], config)
    reference = torch.cat([data.reference[row] for row in rows]).to(logprobs.device)
    order = order_of(chosen, logprobs.device)
    loss = preference_loss(logprobs, reference, lengths, order, kl, config)
    targets = -(best_mean(logprobs, order.ranks, order.owners) * order.weights).sum()
    with torch.no_grad():
        rewards = implicit_rewards(logprobs - reference, order, config.beta)
        return loss, targets, torch.stack([loss, *rewards, targets]).cpu()


def reference_point(model: Module, data: Preferences, rows: Sequence[int], config: DPOConfig, ranks: Ranks) -> float:
    """KTO's z0 over these prompts, by the policy as it is."""
    if config.loss != "kto":
        return 0.0
    found = all_logprobs(model, [data.strangers[row] for row in rows], config, ranks)
    return kto_reference_point(torch.cat(found) - torch.cat([data.strangers_reference[row] for row in rows]))


def named(sums: Tensor, prompts: int, config: DPOConfig) -> dict[str, float]:
    """Metrics of summed REPORTED values."""
    values = dict(zip(REPORTED, sums.tolist(), strict=True))
    right, pairs, sft = values.pop("right"), values.pop("pairs"), values.pop("loss/sft")
    metrics = {name: total / prompts for name, total in values.items()}
    metrics["rewards/margins"] = metrics["rewards/chosen"] - metrics["rewards/rejected"]
    metrics["accuracy"] = right / max(1, pairs)
    return {**metrics, "loss/sft": sft / prompts} if config.loss == "slic" and config.sft_coef else metrics


@torch.no_grad()
def evaluate(model: Module, data: Preferences, config: DPOConfig, ranks: Ranks) -> dict[str, float]:
    """Loss, implicit rewards and their accuracy on held-out rankings."""
    rows = range(len(data.rankings))
    kl = reference_point(model, data, rows, config, ranks)
    model.eval()
    sums = torch.zeros(len(REPORTED), dtype=torch.double)
    micros = micro_batches(rows, [width(item) for item in data.items], config.micro_batch_tokens)
    for micro, weight in ranks.deal(micros):
        sums += weight * losses(model, data, micro, kl, config)[2]
    metrics = named(ranks.sum(sums), len(rows), config)
    return {name if name == "accuracy" else f"{name}/validation": value for name, value in metrics.items()}


def asked_prompts(model: Model, data: Preferences, config: DPOConfig) -> list[list[int]]:
    """The held-out prompts on which the KL is measured: the first `kl_prompts` that leave room for an answer."""
    room = context_length(model) - config.max_new_tokens
    prompts = {row.prompt_id: row.prompt for row in data.rankings if len(row.prompt) <= room}
    return list(prompts.values())[: config.kl_prompts]


@torch.no_grad()
def measured_kl(
    updater: Updater, model: Model, prompts: list[list[int]], stops: Sequence[int], step: int, config: DPOConfig
) -> float:
    """KL(pi || ref) in nats a response: mean log-ratio of answers that the policy samples to these prompts."""
    ranks = updater.ranks
    own = range(ranks.index, len(prompts), ranks.size)
    settings = Sampling(
        max_new_tokens=config.max_new_tokens, seed=config.seed * 1_000_003 + step, precision=config.precision
    )
    updater.module.eval()
    with ranks.whole(updater.module):
        drawn = decode(model, [Request(str(at), prompts[at], 0) for at in own], stops, settings)
    answers = dict(ranks.gather([(at, one.tokens) for at, one in zip(own, drawn, strict=True)]))
    items: list[Item] = [(prompt, [answers[at]]) for at, prompt in enumerate(prompts)]
    policy = torch.cat(all_logprobs(updater.module, items, config, ranks))
    return float((policy - torch.cat(reference_logprobs(updater.module, items, config, ranks))).mean())


def dpo(job: Job[DPOConfig]) -> None:
    """The whole program; see the module's head."""
    config = job.config

    # 1. The policy, which is the SFT model, and the labelers' rankings.
    ranks = set_up(job)
    codec = Codec(load_tokenizer(config.policy))
    train, validation = read_preferences(job, codec)
    targets = read_targets(job, codec)
    model = load_trainable(config.policy, ranks.device, config)
    check_context(model, codec, config.max_length, "max_length")

    # 2. Optimiser and schedule over all epochs.
    epochs = Epochs([width(item) for item in train.items], config.batch_size, config.seed)
    steps = config.epochs * len(epochs)
    trained = LanguageModel(model)
    updater = Updater(ranks, trained, [{"params": trainable(trained)}], config)
    step, assessed = 0, {}
    state = job.load_state()
    if state:
        updater.restore(state["updater"])
        checkpoints.restore_rng(state["rng"])
        step, assessed = state["step"], state["assessed"]

    # 3. Log-probabilities under the reference: once, in the same packing, and kept with the state.
    everything = [*train.items, *train.strangers, *validation.items, *validation.strangers]
    if state:
        reference = state["reference"]
    else:
        job.progress.write(0, steps, "reference", {})
        reference = torch.cat(reference_logprobs(updater.module, everything, config, ranks))
    sums = iter(torch.split(reference, [len(item[1]) for item in everything]))
    for part in (train, validation):
        part.reference = [next(sums) for _ in part.rankings]
        part.strangers_reference = [next(sums) for _ in part.strangers]

    def snapshot() -> dict[str, Any]:
        return {
            "updater": updater.state(), "rng": checkpoints.rng_state(), "reference": reference, "assessed": assessed
        }  # fmt: skip

    # 4. Passes over the rankings, `batch_size` prompts a step.
    while step < steps:
        share = learning_rate(step, steps, config)
        metrics = update(updater, train, epochs.batch(step), draw_targets(targets, config, step), share, config)
        step += 1

        # 5. After each epoch: the same on held-out rankings, and the KL to the reference on the policy's own answers.
        ended = epochs.ends_with(step)
        if ended and validation.rankings:
            assessed = assess(updater, validation, codec, step, config)
            metrics.update(assessed)
        job.progress.write(step, steps, "dpo", metrics, always=ended)
        job.save_state_when_due(step, snapshot)

    # 6. The result.
    result = {"rankings": len(train.rankings), "validation": len(validation.rankings)}
    weights = below(updater.weights(), "model.")
    job.write_checkpoint(lambda folder: save_policy(model, weights, codec.tokenizer, config.policy, config, folder))
    parents = {"policy": config.policy, "reference": config.reference or config.policy}
    job.finish(parents, {**result, **assessed})


def assess(updater: Updater, data: Preferences, codec: Codec, step: int, config: DPOConfig) -> dict[str, float]:
    """What is said of the policy after an epoch."""
    metrics = evaluate(updater.module, data, config, updater.ranks)
    model: Model = plain(updater.module).model
    prompts = asked_prompts(model, data, config)
    if prompts:
        metrics["objective/kl"] = measured_kl(updater, model, prompts, codec.stops, step, config)
    return metrics


def update(
    updater: Updater, data: Preferences, rows: list[int], targets: list[Item], share: float, config: DPOConfig
) -> dict[str, float]:
    """One optimiser step on these rankings, for SLiC with its targets; returns the metrics."""
    ranks = updater.ranks
    kl = reference_point(updater.module, data, rows, config, ranks)
    updater.module.train(config.train_mode())
    sums = torch.zeros(len(REPORTED))
    coef = config.sft_coef if config.loss == "slic" else 0.0
    items = [(data.rankings[row].prompt, data.rankings[row].responses) for row in rows]
    dealt, extra = (
        ranks.deal(micro_batches(range(len(part)), [width(item) for item in part], config.micro_batch_tokens))
        for part in (items, targets)
    )
    for number, (micro, weight) in enumerate(dealt, start=1):
        with updater.microbatch(last=number == len(dealt) and not extra):
            loss, best, reported = losses(updater.module, data, [rows[at] for at in micro], kl, config)
            if coef and not targets:  # no demonstrations: the best responses are the targets
                loss = loss + coef * best
            updater.backward(weight * loss / len(rows))
        sums += weight * reported
    total = torch.zeros(1)
    for number, (micro, weight) in enumerate(extra, start=1):
        with updater.microbatch(last=number == len(extra)):
            likelihood, _ = logprobs_of(updater.module, [targets[at] for at in micro], config)
            updater.backward(weight * coef * -likelihood.sum() / len(targets))
        total += weight * -likelihood.detach().sum().cpu()
    norms = updater.step(share)
    metrics = named(ranks.sum(sums), len(rows), config)
    if targets:
        metrics["loss/sft"] = ranks.sum(total).item() / len(targets)
    if config.loss == "kto":
        metrics["kto/reference_point"] = kl
    metrics["accuracy/training"] = metrics.pop("accuracy")
    return {**metrics, "lr": config.lr * share, **norms}


if __name__ == "__main__":
    sys.exit(run_program(DPOConfig, dpo))
