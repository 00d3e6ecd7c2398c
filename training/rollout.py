"""A rollout of PPO and its relatives: its prompts, their sampled responses, and the reward of each token.

A prompt with its responses is a `Group`, and microbatches and ranks are dealt whole groups. A `Rollout` is the padded
form of many, from which advantages are estimated. The steps are those of policy_gradient.py, which calls all of this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from training.actor import actor_of
from training.config.policy_gradient import PolicyGradientConfig
from training.data import Codec, Prompt, cycle, read_prompts
from training.decoder import Completion, Request, Sampling, decode
from training.job import JobError
from training.optimiser import Updater
from training.packing import length_mask, pad_flat
from training.rl_math import end_penalty, kl_penalty_rewards


@dataclass
class Group:
    """A prompt with its sampled responses, and per-token values of all of them, response after response ([n])."""

    prompt: list[int]
    responses: list[list[int]]
    ended: list[bool]
    per_token: dict[str, Tensor] = field(default_factory=dict)
    scores: Tensor = field(default_factory=lambda: torch.empty(0))
    final_scores: Tensor = field(default_factory=lambda: torch.empty(0))  # after the penalty for a missing end

    @property
    def width(self) -> int:
        """Tokens of the packed row."""
        return len(self.prompt) + self.tokens

    @property
    def tokens(self) -> int:
        """Response tokens in all."""
        return sum(len(response) for response in self.responses)


def give(groups: Sequence[Group], name: str, flat: Tensor) -> None:
    """Give each group its part of a per-token value, [N], under a name."""
    for group, part in zip(groups, torch.split(flat, [group.tokens for group in groups]), strict=True):
        group.per_token[name] = part


@dataclass
class Rollout:
    """All responses of an iteration (or, of `one_step`, a microbatch) padded: R of them, L the longest's tokens."""

    lengths: Tensor  # [R]
    owners: Tensor  # [R], the number of the prompt
    mask: Tensor  # [R, L], 1 on real tokens
    scores: Tensor  # [R], after the penalty for a missing end (detail 9)
    kl: Tensor  # [R], log-probability less the reference's, summed over the response: nats
    rewards: Tensor  # [R, L], -beta KL a token, and the score at the last one
    groups: Sequence[Group]

    def padded(self, name: str) -> Tensor:
        """A per-token value of the groups, [R, L]."""
        return pad_flat(torch.cat([group.per_token[name] for group in self.groups]), self.lengths)

    def keep(self, name: str, values: Tensor) -> None:
        """Give each group its part of [R, L] values under a name."""
        give(self.groups, name, values[self.mask.bool()])


def training_prompts(path: Path, codec: Codec, limit: int) -> list[Prompt]:
    """The prompts of the split `train` that have at most `limit` tokens. Raises JobError where none is left."""
    rows = [row for row in read_prompts(path, codec) if row.split == "train" and len(row.tokens) <= limit]
    if not rows:
        raise JobError("No prompt of the split 'train' fits max_prompt_tokens; add prompts or raise the limit.")
    return rows


def sample_groups(
    prompts: Sequence[Prompt],
    iteration: int,
    updater: Updater,
    stops: Sequence[int],
    config: PolicyGradientConfig,
    cancelled: Callable[[], bool],
) -> list[Group]:
    """3. Sample `samples_per_prompt` responses for each of the iteration's prompts: no top_k, no top_p (detail 4).

    The prompts come in a new order for each pass, by the seed. Raises Drained when `cancelled()` turns true.
    """
    ranks, each = updater.ranks, config.samples_per_prompt
    chosen = [prompts[at] for at in cycle(len(prompts), config.batch_size // each, iteration, config.seed)]
    own = range(ranks.index, len(chosen), ranks.size)
    requests = [
        Request(f"{number}:{chosen[number].id}", chosen[number].tokens, index)
        for number in own
        for index in range(each)
    ]
    settings = Sampling(
        max_new_tokens=config.max_new_tokens, temperature=config.temperature, batch_rows=config.batch_rows,
        seed=config.seed * 1_000_003 + iteration, precision=config.precision,
    )  # fmt: skip
    updater.module.eval()
    with ranks.whole(updater.module):
        drawn = decode(actor_of(updater.module).policy.model, requests, stops, settings, cancelled)
    answers: dict[int, list[Completion]] = dict(
        ranks.gather([(number, drawn[at * each : (at + 1) * each]) for at, number in enumerate(own)])
    )
    return [
        Group(prompt.tokens, [one.tokens for one in answers[number]], [one.ended for one in answers[number]])
        for number, prompt in enumerate(chosen)
    ]


def penalise(groups: Sequence[Group], penalty: float) -> dict[str, float]:
    """The penalty for a missing end, which knows the lowest score of the rollout (detail 9); returns metrics."""
    raw = torch.cat([group.scores for group in groups])
    ended = torch.tensor([end for group in groups for end in group.ended], device=raw.device)
    final = end_penalty(raw, ended, penalty)
    for group, part in zip(groups, torch.split(final, [len(group.responses) for group in groups]), strict=True):
        group.final_scores = part
    return {
        "objective/scores": raw.mean().item(),
        "response/tokens": sum(group.tokens for group in groups) / len(raw),
        "response/ended": ended.float().mean().item(),
    }


def reward_tokens(groups: Sequence[Group], kl_coef: float) -> Rollout:
    """6. The score, and the KL to the reference in the reward."""
    scores = torch.cat([group.final_scores for group in groups])
    lengths = torch.tensor([len(y) for group in groups for y in group.responses], device=scores.device)
    real = length_mask(lengths).float()
    old, reference = (
        pad_flat(torch.cat([group.per_token[name] for group in groups]), lengths) for name in ("old", "reference")
    )
    owners = [number for number, group in enumerate(groups) for _ in group.responses]
    return Rollout(
        lengths=lengths, owners=torch.tensor(owners, device=scores.device), mask=real, scores=scores,
        kl=((old - reference) * real).sum(1), groups=groups,
        rewards=kl_penalty_rewards(old, reference, scores, real, kl_coef),
    )  # fmt: skip
