"""PPO-ptx: pretraining text whose gradient is added to that of the reward (InstructGPT section 3.5 eq. 2 and C.4)."""

from __future__ import annotations

from pathlib import Path

import torch

from training.config.policy_gradient import PolicyGradientConfig
from training.data import Codec, micro_batches, read_rows
from training.job import JobError
from training.models import autocast
from training.optimiser import Updater
from training.packing import pack


def read_texts(path: Path, codec: Codec, limit: int) -> list[list[int]]:
    """Token ids of pretraining text, each cut at `limit`. Raises JobError where there is none."""
    texts = []
    for number, row in read_rows(path):
        if not isinstance(row.get("text"), str):
            raise JobError(f"{path.name}, line {number}: 'text' is missing or no text.")
        tokens = codec.tokenizer.encode(row["text"], add_special_tokens=False)[:limit]
        if len(tokens) > 1:
            texts.append(tokens)
    if not texts:
        raise JobError("ptx_coef is above 0, but pretraining.jsonl holds no text; add some, or set ptx_coef to 0.")
    return texts


class Pretraining:
    """The texts, and their part of each optimiser step's gradient."""

    def __init__(self, path: Path, codec: Codec, updater: Updater, config: PolicyGradientConfig) -> None:
        self.updater, self.config = updater, config
        self.texts = read_texts(path, codec, config.max_prompt_tokens + config.max_new_tokens)

    def batch(self, step: int) -> list[list[int]]:
        """The texts of an optimiser step, a pure function of the seed."""
        generator = torch.Generator().manual_seed(self.config.seed * 31 + step)
        rows = torch.randint(len(self.texts), (self.config.ptx_batch_size,), generator=generator).tolist()
        return [self.texts[row] for row in rows]

    def backward(self, step: int) -> float:
        """Add ptx_coef times the mean cross-entropy on pretraining text to the gradient; returns that mean.

        gamma E[log pi(x)] of InstructGPT eq. 2 (C.4): gamma is ptx_coef, and log pi(x) is the mean per token.
        """
        config, ranks = self.config, self.updater.ranks
        texts = self.batch(step)
        tokens = sum(len(text) - 1 for text in texts)
        total = torch.zeros(())
        dealt = ranks.deal(micro_batches(range(len(texts)), [len(text) for text in texts], config.micro_batch_tokens))
        for number, (micro, weight) in enumerate(dealt, start=1):
            batch = pack([(texts[at][:1], [texts[at][1:]]) for at in micro]).to(ranks.device)
            with self.updater.microbatch(last=number == len(dealt)):
                with autocast(ranks.device, config.precision):
                    logprobs = self.updater.module(batch, 1.0, value=False)[0]
                loss = -logprobs.sum() / tokens
                self.updater.backward(weight * config.ptx_coef * loss)
            total += weight * loss.detach().cpu()
        return ranks.sum(total).item()
