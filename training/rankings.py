"""Rankings as the loss takes them: which of them share a forward, and what each pair of responses weighs.

Several labelers may have ranked the same responses. The model reads these once; every labeler's ranking is one element
of the loss, of weight 1 whatever its K (InstructGPT section 3.5), times what its label weighs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from training.config import RewardConfig
from training.data import Ranking
from training.rl_math import rating_importance

Item = tuple[Sequence[int], Sequence[Sequence[int]]]


@dataclass
class Judged:
    """Responses to a prompt that go through the model together, and all rankings of them.

    places[n][i] is the number of the response here that rank i of ranking n belongs to.
    """

    item: Item
    rankings: list[Ranking] = field(default_factory=list)
    places: list[list[int]] = field(default_factory=list)


def width(item: Item) -> int:
    """Tokens of a packed row."""
    return len(item[0]) + sum(len(response) for response in item[1])


def share_forwards(rankings: Sequence[Ranking]) -> list[Judged]:
    """The rankings by what they rank: the same prompt and the same responses, in whatever order they were listed."""
    found: dict[tuple[tuple[int, ...], ...], Judged] = {}
    for ranking in rankings:
        order = sorted(range(len(ranking.responses)), key=lambda at: ranking.responses[at])
        key = (tuple(ranking.prompt), *(tuple(ranking.responses[at]) for at in order))
        judged = found.setdefault(key, Judged((ranking.prompt, ranking.responses)))
        first = sorted(range(len(order)), key=lambda at: list(judged.item[1][at]))
        places = [0] * len(order)
        for theirs, own in zip(order, first, strict=True):
            places[theirs] = own
        judged.rankings.append(ranking)
        judged.places.append(places)
    return list(found.values())


@dataclass
class Elements:
    """The rankings of some judged responses as flat tensors: E ranks in all, of N rankings."""

    places: Tensor  # [E], the response that a rank belongs to, among all of them
    ranks: Tensor  # [E]
    owners: Tensor  # [E], the number of the ranking
    importance: Tensor | None  # [E, E], what a pair weighs besides 1/pairs; rows are the better ones
    margins: Tensor | None  # [E, E], by how much it must win
    count: int  # N


def elements(judged: Sequence[Judged], config: RewardConfig, device: torch.device) -> Elements:
    """All rankings of some judged responses, ready for kwise_loss."""
    places: list[int] = []
    rankings: list[Ranking] = []
    start = 0
    for one in judged:
        rankings += one.rankings
        places += [start + place for own in one.places for place in own]
        start += len(one.item[1])
    sizes = torch.tensor([len(ranking.ranks) for ranking in rankings])
    return Elements(
        places=torch.tensor(places, device=device),
        ranks=torch.tensor([rank for ranking in rankings for rank in ranking.ranks], device=device),
        owners=torch.repeat_interleave(torch.arange(len(rankings)), sizes).to(device),
        importance=importance(rankings, sizes, config, device),
        margins=margins(rankings, device),
        count=len(rankings),
    )


def importance(rankings: Sequence[Ranking], sizes: Tensor, config: RewardConfig, device: torch.device) -> Tensor | None:
    """What ratings and labels say of each pair, [E, E]; None where all pairs of a ranking weigh the same."""
    found = None
    if config.pair_weight == "rating":
        ratings = torch.tensor([rating for ranking in rankings for rating in ranking.ratings], device=device)
        found = rating_importance(ratings, config.rating_floor)
    if any(ranking.label.weight != 1 for ranking in rankings):
        weights = torch.tensor([ranking.label.weight for ranking in rankings]).repeat_interleave(sizes)
        rows = weights.to(device).unsqueeze(1)
        found = rows.expand(-1, len(weights)) if found is None else found * rows
    return found


def margins(rankings: Sequence[Ranking], device: torch.device) -> Tensor | None:
    """The labels' margins, [E, E], 0 where a label has none; None where none has any."""
    if all(ranking.label.margins is None for ranking in rankings):
        return None
    blocks = [
        torch.tensor(ranking.label.margins or [[0.0] * len(ranking.ranks)] * len(ranking.ranks)) for ranking in rankings
    ]
    together: Tensor = torch.block_diag(*blocks)  # type: ignore[no-untyped-call]
    return together.to(device)
