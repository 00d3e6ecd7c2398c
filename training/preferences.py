"""What DPO and its family read: rankings with the reference's log-probabilities, KTO's strangers, SLiC's targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from training.adapters import adapters_off
from training.config import DPOConfig
from training.conversations import read_demonstrations
from training.data import Codec, Ranking, cycle, read_rankings, split_rows
from training.job import Job, JobError
from training.labels import by_people, weigh
from training.models import LanguageModel, autocast, load_causal_lm
from training.preference_math import sequence_logprobs
from training.rankings import Item
from training.ranks import Ranks, plain
from training.scoring import by_item, pack_items

Module = torch.nn.Module  # a LanguageModel, maybe under accelerate's wrapper


@dataclass
class Preferences:
    """Rankings; for KTO also their prompts with other prompts' responses; and log ref(y|x) of both, [K] an item."""

    rankings: list[Ranking]
    strangers: list[Item]
    reference: list[Tensor] = field(default_factory=list)
    strangers_reference: list[Tensor] = field(default_factory=list)

    @property
    def items(self) -> list[Item]:
        """The rankings' prompts and responses."""
        return [(row.prompt, row.responses) for row in self.rankings]


def read_preferences(job: Job[DPOConfig], codec: Codec) -> tuple[Preferences, Preferences]:
    """Training and validation rankings. Raises JobError when none is left for training."""
    config = job.config
    rankings = read_rankings(job.data("rankings"), codec, config.max_length)
    rankings = weigh(rankings, config.ai_weight, config.simulated_weight)
    train, validation = split_rows(rankings, lambda row: row.prompt_id, config.seed, config.validation_share)
    validation = by_people(validation)
    if not train:
        raise JobError("No ranking is left for training; rank more prompts or lower validation_share.")
    if config.loss != "kto":
        return Preferences(train, []), Preferences(validation, [])
    return (
        Preferences(train, strangers(train, train, config.max_length)),
        Preferences(validation, strangers(validation, train, config.max_length)),
    )


def strangers(rankings: Sequence[Ranking], train: Sequence[Ranking], max_length: int) -> list[Item]:
    """Each prompt with the responses of the next other prompt in `train`, cut at `max_length`; KTO's z0 is of these.

    The paper shifts the responses within a batch; a fixed shift over all data lets the reference run once.
    """
    items: list[Item] = []
    for number, row in enumerate(rankings):
        following = (train[(number + step) % len(train)] for step in range(1, len(train) + 1))
        other = next((one for one in following if one.prompt_id != row.prompt_id), None)
        if other is None:
            raise JobError("KTO needs rankings of two different prompts; rank another prompt or choose the loss dpo.")
        items.append((row.prompt, [response[: max_length - len(row.prompt)] for response in other.responses]))
    return items


def read_targets(job: Job[DPOConfig], codec: Codec) -> list[Item]:
    """SLiC's SFT targets: the demonstrations for training, where there are any."""
    config, path = job.config, job.data("demonstrations")
    if config.loss != "slic" or not config.sft_coef or not path.is_file():
        return []
    rows = [row for row in read_demonstrations(path, codec) if row.split == "train"]
    return [(row.prompt, [row.response]) for row in rows if len(row.prompt) + len(row.response) <= config.max_length]


def draw_targets(targets: Sequence[Item], config: DPOConfig, step: int) -> list[Item]:
    """The SFT targets of a step, `batch_size` of them: the list in a new order for each pass, by the seed."""
    return [targets[at] for at in cycle(len(targets), config.batch_size, step, config.seed)] if targets else []


# -- log-probabilities ---------------------------------------------------------------------------------------


def logprobs_of(model: Module, items: Sequence[Item], config: DPOConfig) -> tuple[Tensor, Tensor]:
    """log pi(y|x) of all responses of `items`, and their lengths in tokens; [R] twice."""
    device = next(model.parameters()).device
    batch = pack_items(items, config.packed, device)
    with autocast(device, config.precision):
        logprobs, _ = model(batch)
    return sequence_logprobs(logprobs, batch.owner, batch.lengths), batch.lengths


@torch.no_grad()
def all_logprobs(model: Module, items: Sequence[Item], config: DPOConfig, ranks: Ranks) -> list[Tensor]:
    """log pi(y|x) of every response, [K] an item, shared out over the ranks; on the CPU."""
    model.eval()

    def sums(micro: list[int]) -> Tensor:
        return logprobs_of(model, [items[at] for at in micro], config)[0].cpu()

    return by_item(items, config.micro_batch_tokens, sums, ranks.map)


def reference_logprobs(model: Module, items: Sequence[Item], config: DPOConfig, ranks: Ranks) -> list[Tensor]:
    """log ref(y|x) of every response, [K] an item.

    Under LoRA the reference is the policy without its adapters; else it is loaded, asked, and forgotten again, so that
    training holds one model only.
    """
    if config.lora_rank and not config.reference:
        with adapters_off(plain(model)):
            return all_logprobs(model, items, config, ranks)
    frozen = load_causal_lm(config.reference or config.policy, ranks.device, weights=config.frozen_weights)
    return all_logprobs(LanguageModel(frozen), items, config, ranks)
