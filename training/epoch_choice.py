"""Which epoch of SFT is kept: the one whose samples a reward model scores best (InstructGPT appendix C.1).

Validation loss overfits after the first epoch, while what people prefer goes on getting better; where a reward model
exists, it is the better judge of when to stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from training.best_of import Judge
from training.config import SFTConfig
from training.conversations import Conversation
from training.data import Codec
from training.decoder import Request, Sampling, decode
from training.models import context_length
from training.optimiser import Updater
from training.ranks import plain


def mean_score(samples: Sequence[tuple[float, bool]]) -> float:
    """The mean of (score, ended). One that did not end gets the lowest score of all (detail 9)."""
    lowest = min(score for score, _ in samples)
    return sum(score if ended else lowest for score, ended in samples) / len(samples)


class EpochChoice:
    """Samples after each epoch, their mean score, and the weights of the best epoch so far."""

    def __init__(self, updater: Updater, codec: Codec, prompts: Sequence[Conversation], config: SFTConfig) -> None:
        self.updater, self.codec, self.config = updater, codec, config
        self.judge = Judge(
            config.choose_by, updater.ranks.device, config.precision, config.frozen_weights, config.micro_batch_tokens
        )
        self.prompts = [one.tokens[: one.prompt_tokens] for one in prompts][: config.choose_prompts]
        model: Any = plain(updater.module)
        room = context_length(model.model) - max(map(len, self.prompts))
        self.new_tokens = min(config.max_length, room)
        self.judge.check(codec, max(map(len, self.prompts)) + self.new_tokens)
        self.scores: list[float] = []
        self.best: dict[str, Tensor] = {}

    def consider(self) -> float:
        """The mean score of one sample a prompt, with the same seeds after every epoch; keeps the best weights."""
        score = self._score()
        if not self.scores or score > max(self.scores):
            kept = self.updater.state()["weights"]
            self.best = {name: tensor.detach().to("cpu", copy=True) for name, tensor in kept.items()}
        self.scores.append(score)
        return score

    @torch.no_grad()
    def _score(self) -> float:
        ranks, module = self.updater.ranks, self.updater.module
        own = range(ranks.index, len(self.prompts), ranks.size)
        requests = [Request(str(at), self.prompts[at], 0) for at in own]
        settings = Sampling(
            max_new_tokens=self.new_tokens, seed=self.config.seed, precision=self.config.precision
        )  # temperature 1: the policy as it will be sampled from
        module.eval()
        with ranks.whole(module):
            model: Any = plain(module)
            drawn = decode(model.model, requests, self.codec.stops, settings) if requests else []
        items = [(self.prompts[at], [one.tokens]) for at, one in zip(own, drawn, strict=True)]
        scores = self.judge.scores(items) if items else []
        found = ranks.gather([(float(score), one.ended) for score, one in zip(scores, drawn, strict=True)])
        return mean_score(found)

    def keep_best(self) -> int:
        """Put the best epoch's weights back; its number, from 1."""
        self.updater.load_weights(self.best)
        return 1 + self.scores.index(max(self.scores))

    def state(self) -> dict[str, Any]:
        """For the resume state."""
        return {"scores": self.scores, "best": self.best}

    def restore(self, state: dict[str, Any]) -> None:
        """Undo `state`."""
        self.scores, self.best = state["scores"], state["best"]
