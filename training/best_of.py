"""Best-of-N: which of several samples a reward model scores best. For sample.py, and through it rejection.py."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from training.data import Codec, load_tokenizer
from training.job import JobError
from training.models import autocast, check_context, mean_logprobs, response_logprobs
from training.packing import pack
from training.reward_model import backbone_folder, load_reward_model
from training.scoring import by_item, here

ROW = 8  # responses in one packed row: attention in it grows with the square of their number


class Judge:
    """A reward model that scores responses as tokens, prompt and response together, as in its training (detail 1)."""

    def __init__(self, path: str, device: torch.device, precision: str, weights: str, micro_batch_tokens: int) -> None:
        self.path, self.device, self.precision = path, device, precision
        self.micro_batch_tokens = micro_batch_tokens
        self.model, self.sft = load_reward_model(path, device, weights)

    def check(self, codec: Codec, longest: int) -> None:
        """Refuse a policy whose tokens the reward model would read as others, and texts beyond its context."""
        own = Codec(load_tokenizer(str(backbone_folder(self.path))))
        if own.tokenizer.get_vocab() != codec.tokenizer.get_vocab() or own.stops != codec.stops:
            raise JobError(
                f"The reward model {self.path} has another tokenizer than the policy; train it from its SFT."
            )
        check_context(self.model.member(0).backbone, codec, longest, "The longest prompt with max_new_tokens")

    @torch.no_grad()
    def scores(self, items: Sequence[tuple[Sequence[int], Sequence[Sequence[int]]]]) -> list[Tensor]:
        """The scores of each (prompt, responses), one tensor [K] an item, on the CPU."""
        parts = [
            (number, prompt, responses[start : start + ROW])
            for number, (prompt, responses) in enumerate(items)
            for start in range(0, len(responses), ROW)
        ]

        def scores(micro: list[int]) -> Tensor:
            batch = pack([parts[at][1:] for at in micro]).to(self.device)
            with autocast(self.device, self.precision):
                feature = None
                if self.sft is not None:
                    feature = mean_logprobs(response_logprobs(self.sft, batch)[0], batch)
                return self.model(batch, feature).cpu()  # type: ignore[no-any-return]

        whole: list[list[Tensor]] = [[] for _ in items]
        found = by_item([part[1:] for part in parts], self.micro_batch_tokens, scores, here)
        for (number, _, _), own in zip(parts, found, strict=True):
            whole[number].append(own)
        return [torch.cat(own) for own in whole]


def best(scores: Sequence[float], ended: Sequence[bool]) -> int:
    """Which candidate is kept: the best score; one that did not end only where none did (detail 9)."""
    return max(range(len(scores)), key=lambda at: (ended[at], scores[at], -at))
