"""The K-wise reward model: `python -m training.reward JOB_FOLDER` (InstructGPT section 3.5 eq. 1 and C.2).

All pairs of a ranking are one batch element with weight 1/pairs, ties make no pair, and the K responses share one
forward with their prompt, for all labelers who ranked them. One pass over the data for large models (more overfits),
cosine to a tenth of the peak. At the end the scores are shifted so that demonstrations average 0. The held-out accuracy
stands beside that of the plain mean log-probability under the SFT model, a baseline that a reward model has to beat to
be worth its cost. With `ensemble` above 1, steps 3 to 6 come once a member.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from training import checkpoints
from training.adapters import load_trainable, save_reward, trainable
from training.config import RewardConfig
from training.conversations import read_demonstrations
from training.data import Codec, Epochs, load_tokenizer, micro_batches, read_rankings, split_rows
from training.job import Job, JobError, run_program, set_up
from training.labels import by_people, weigh
from training.models import check_context, load_causal_lm
from training.optimiser import Updater, learning_rate, whole
from training.rankings import Elements, Item, elements, share_forwards, width
from training.ranks import plain
from training.reward_model import RewardModel, save_ensemble, save_log_probability
from training.reward_report import held_out_pairs, report, summary
from training.rl_math import fit_weight, kwise_loss
from training.scoring import Module, scores_by_item, scores_of, sft_logprobs

HELD_OUT = "held_out.safetensors"  # beside a finished member: its scores of the held-out responses


def ranking_loss(scores: Tensor, of: Elements) -> tuple[Tensor, Tensor]:
    """The summed loss of rankings by their responses' scores [R]; pairs in the right order and in all, [2]."""
    return kwise_loss(scores.index_select(0, of.places), of.ranks, of.owners, of.importance, of.margins)


class RewardTraining:
    """What the members of an ensemble share, and one method a step."""

    def __init__(self, job: Job[RewardConfig]) -> None:
        # 1. The SFT model twice: frozen, for log-probabilities, and as the backbone under a fresh scalar head.
        self.job, self.config = job, job.config
        config = self.config
        self.ranks = set_up(job)
        self.codec = Codec(load_tokenizer(config.model))
        rankings = read_rankings(job.data("rankings"), self.codec, config.max_length)
        rankings = weigh(rankings, config.ai_weight, config.simulated_weight)
        train, validation = split_rows(rankings, lambda row: row.prompt_id, config.seed, config.validation_share)
        validation = by_people(validation)
        if not train:
            raise JobError("No ranking is left for training; rank more prompts or lower validation_share.")
        self.train, self.validation = share_forwards(train), share_forwards(validation)
        self.counts = {"rankings": len(train), "validation": len(validation)}
        sft_model = load_causal_lm(config.model, self.ranks.device, weights=config.frozen_weights)
        check_context(sft_model, self.codec, config.max_length, "max_length")

        # 2. Log-probabilities under the frozen model, once; as a feature they are brought to mean 0, std 1.
        job.progress.write(0, 1, "reference", {})
        self.shown = self._demonstrations()
        self.logprobs, self.held, self.shown_logprobs = (
            sft_logprobs(sft_model, items, config, self.ranks)
            for items in ([one.item for one in self.train], [one.item for one in self.validation], self.shown)
        )
        every = torch.cat(self.logprobs)
        self.mean, self.std = every.mean(), every.std().clamp(min=1e-3)
        # Its weight starts where the feature alone is best: from 0, at the backbone's rate, it would hardly move.
        some = elements(self.train[:1000], config, torch.device("cpu"))
        feature = (every[some.places] - self.mean) / self.std
        self.weight = 0.0
        if config.logprob_weight:
            self.weight = fit_weight(feature, some.ranks, some.owners, some.importance, some.margins)
        self.widths = [width(one.item) for one in self.train]

    def _demonstrations(self) -> list[Item]:
        path = self.job.data("demonstrations")
        return [
            (row.prompt, [row.response])
            for row in (read_demonstrations(path, self.codec) if path.is_file() else [])
            if not row.ai and len(row.prompt) + len(row.response) <= self.config.max_length
        ]

    def fresh(self) -> RewardModel:
        """A reward model as training finds it."""
        config, device = self.config, self.ranks.device
        backbone = load_trainable(config.model, device, config, config.dropout)
        model = RewardModel(backbone, config.readout, config.logprob_weight).to(device)
        model.logprob_mean.copy_(self.mean)
        model.logprob_std.copy_(self.std)
        model.logprob_weight.data.fill_(self.weight)
        model.head.bias.requires_grad_(False)  # no difference of scores knows it; step 5 sets the level
        return model

    def learn(self, number: int, state: dict[str, Any] | None) -> tuple[RewardModel, Updater]:
        """3. and 4. for one member: `batch_size` prompts a step; a ranking weighs 1, or what its label says."""
        config, job, ranks = self.config, self.job, self.ranks
        seed = config.seed + 7919 * number
        torch.manual_seed(seed + ranks.index)
        model = self.fresh()
        # 3. Optimiser: head and log-probability weight may go at a rate of their own.
        small = {"lr": config.lr * config.head_lr_scale}
        groups: list[dict[str, Any]] = [
            {"params": [model.logprob_weight], **small},
            {"params": trainable(model.backbone)},
            {"params": [model.head.weight], **small},
        ]
        updater = Updater(ranks, model, groups, config)
        epochs = Epochs(self.widths, config.batch_size, seed)
        steps = config.epochs * len(epochs)
        first = number * steps  # of this member, among the steps of all
        step = 0
        if state:
            updater.restore(state["updater"])
            checkpoints.restore_rng(state["rng"])
            step = state["step"] - first

        def snapshot() -> dict[str, Any]:
            return {"updater": updater.state(), "rng": checkpoints.rng_state(), "member": number}

        # 4. Pass over the rankings.
        while step < steps:
            share = learning_rate(step, steps, config)
            metrics = {**self.step(updater, epochs.batch(step), share), "lr": config.lr * share}
            metrics["logprob_weight"] = float(whole(model.logprob_weight.detach()))
            step += 1
            ends = epochs.ends_with(step)
            if ends and self.validation:
                metrics.update(summary(held_out_pairs(self.validation, self.judge(updater.module), self.held)))
            job.progress.write(first + step, steps * config.ensemble, "reward", metrics, always=ends)
            job.save_state_when_due(first + step, snapshot)
        return model, updater

    def step(self, updater: Updater, rows: Sequence[int], share: float) -> dict[str, float]:
        """One optimiser step on the rankings of some prompts."""
        config, device = self.config, self.ranks.device
        updater.module.train(config.train_mode(config.dropout))
        count = sum(len(self.train[row].rankings) for row in rows)
        sums = torch.zeros(3)  # loss, pairs in the right order, pairs
        dealt = self.ranks.deal(micro_batches(rows, self.widths, config.micro_batch_tokens))
        for number, (micro, weight) in enumerate(dealt, start=1):
            chosen = [self.train[row] for row in micro]
            with updater.microbatch(last=number == len(dealt)):
                scores = scores_of(
                    updater.module, [one.item for one in chosen], [self.logprobs[row] for row in micro], config
                )
                loss, hits = ranking_loss(scores, elements(chosen, config, device))
                updater.backward(weight * loss / count)
            sums += weight * torch.cat([loss.detach().view(1).cpu(), hits.cpu()])
        norms = updater.step(share)
        total, right, pairs = self.ranks.sum(sums).tolist()
        return {"loss": total / count, "accuracy/training": right / max(1, pairs), **norms}

    def judge(self, module: Module) -> list[Tensor]:
        """Scores of the held-out responses, [K] an item."""
        return scores_by_item(module, [one.item for one in self.validation], self.held, self.config, self.ranks)

    def shift(self, module: Module) -> None:
        """5. The shift that makes demonstrations score 0 on average (detail 8); without demonstrations it stays 0."""
        if not self.shown:
            return
        scores = scores_by_item(module, self.shown, self.shown_logprobs, self.config, self.ranks)
        bare: Any = plain(module)
        bare.shift.add_(torch.cat(scores).mean())

    def run(self) -> None:
        """Every member, resumed where an earlier run stopped, the report on held-out rankings, and the result."""
        job, config = self.job, self.config
        state = job.load_state()
        held: list[list[Tensor]] = []
        shifts: list[float] = []
        for number in range(config.ensemble):
            folder = self._member(number)
            if config.ensemble == 1 or not checkpoints.verify(folder):
                model, updater = self.learn(number, state if state and state.get("member", 0) == number else None)
                scores = self.judge(updater.module) if self.validation else []
                self.shift(updater.module)
                self.save(model, updater.weights(), scores, folder)
                shift = float(model.shift)
            else:
                kept = load_file(folder / HELD_OUT)
                shift = float(kept["shift"])
                scores = list(torch.split(kept["scores"], [len(one.item[1]) for one in self.validation]))
            held.append(scores)
            shifts.append(shift)
        if config.ensemble > 1:
            job.write_checkpoint(self._gather)

        # 7. What the held-out rankings say, and the record.
        result: dict[str, Any] = dict(self.counts)
        if self.validation:
            result.update(report(self.validation, held, self.held))
        if self.shown:
            result.update(shift=sum(shifts) / len(shifts), demonstrations=len(self.shown))
        job.finish({"model": config.model}, result)
        if self.ranks.first and config.ensemble > 1:
            for number in range(config.ensemble):
                shutil.rmtree(self._member(number))

    def save(self, model: RewardModel, weights: dict[str, Tensor], scores: list[Tensor], member: Path) -> None:
        """6. The reward model: as the result, or as a member that waits for the others."""

        def write(folder: Path) -> None:
            save_reward(model, weights, self.codec.tokenizer, self.config.model, self.config, folder)

        def write_alone(folder: Path) -> None:
            write(folder)
            if self.config.logprob_weight:
                save_log_probability(self.config.model, self.codec.tokenizer, folder)

        def write_member(folder: Path) -> None:
            write(folder)
            kept = {"scores": torch.cat([torch.empty(0), *scores]), "shift": model.shift.detach().cpu()}
            save_file(kept, folder / HELD_OUT)

        if self.config.ensemble == 1:
            self.job.write_checkpoint(write_alone)
            return
        if self.ranks.first:
            checkpoints.write_folder(member, write_member)
        self.ranks.wait()

    def _member(self, number: int) -> Path:
        return self.job.folder / "state" / f"member-{number}"

    def _gather(self, folder: Path) -> None:
        """All members as one checkpoint."""
        config = self.config
        for number in range(config.ensemble):
            leave = shutil.ignore_patterns(HELD_OUT, checkpoints.MANIFEST)
            shutil.copytree(self._member(number), folder / f"member-{number}", ignore=leave)
        if config.logprob_weight:
            save_log_probability(config.model, self.codec.tokenizer, folder)
        save_ensemble(config.ensemble, config.readout, config.logprob_weight, folder)


def reward(job: Job[RewardConfig]) -> None:
    """The whole program; see the module's head."""
    RewardTraining(job).run()


if __name__ == "__main__":
    sys.exit(run_program(RewardConfig, reward))
