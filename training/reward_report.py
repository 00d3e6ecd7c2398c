"""What a reward model's scores say of held-out rankings: accuracy by labeler group, K and length, and calibration.

Pure functions on scores; training/reward.py puts what they find into the metrics of `run.json`. Every pair counts
once here, whatever it weighs in training, so that runs with other weights compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from training.rankings import Judged
from training.rl_math import preference_pairs

BINS = 10
LIKE_LENGTH = 0.1  # two responses are of like length when the longer has at most a tenth more than the shorter
LENGTHS = ("better_longer", "like_length", "better_shorter")


@dataclass
class Pairs:
    """The pairs of held-out rankings, ties left out: [P] each."""

    gaps: Tensor  # score of the better response less that of the worse
    baseline: Tensor  # the same of the mean log-probability under the SFT model
    weights: Tensor  # 1 / pairs of the ranking
    k: Tensor  # responses in the ranking
    lengths: Tensor  # 0 the better one is longer, 1 of like length, 2 shorter: a place in LENGTHS
    groups: list[str]  # the labeler's group
    rankings: int


def held_out_pairs(judged: Sequence[Judged], scores: Sequence[Tensor], logprobs: Sequence[Tensor]) -> Pairs:
    """The pairs of all rankings; scores and logprobs hold one [K] tensor a judged item, on the CPU."""
    columns: list[list[Tensor]] = [[torch.empty(0)] for _ in range(5)]
    groups: list[str] = []
    count = 0
    for one, own, baseline in zip(judged, scores, logprobs, strict=True):
        tokens = torch.tensor([len(response) for response in one.item[1]])
        for ranking, places in zip(one.rankings, one.places, strict=True):
            ranks = torch.tensor(ranking.ranks)
            better, worse, weights = preference_pairs(ranks, torch.zeros_like(ranks))
            first, second = torch.tensor(places)[better], torch.tensor(places)[worse]
            found = (
                own[first] - own[second], baseline[first] - baseline[second], weights,
                torch.full_like(weights, len(places)), length_classes(tokens[first], tokens[second]),
            )  # fmt: skip
            for column, values in zip(columns, found, strict=True):
                column.append(values)
            groups += [ranking.label.group] * len(better)
            count += 1
    gaps, base, shares, k, lengths = (torch.cat(column) for column in columns)
    return Pairs(gaps, base, shares, k, lengths, groups, count)


def length_classes(better: Tensor, worse: Tensor) -> Tensor:
    """Tokens of both responses of each pair to their place in LENGTHS, [P]."""
    alike = torch.maximum(better, worse) <= (1 + LIKE_LENGTH) * torch.minimum(better, worse)
    return torch.where(alike, 1, torch.where(better > worse, 0, 2))


def accuracy(gaps: Tensor) -> float:
    """Share of pairs in the labelers' order; equal scores count half. 0 where there is no pair."""
    return ((gaps > 0).double() + 0.5 * (gaps == 0).double()).sum().item() / max(1, len(gaps))


def summary(pairs: Pairs) -> dict[str, float]:
    """The loss as in the papers, the accuracy, and that of the log-probability alone."""
    return {
        "loss/validation": (F.softplus(-pairs.gaps) * pairs.weights).sum().item() / max(1, pairs.rankings),
        "accuracy": accuracy(pairs.gaps),
        "accuracy/logprob_baseline": accuracy(pairs.baseline),
        "pairs/validation": float(len(pairs.gaps)),
    }


def breakdown(pairs: Pairs) -> dict[str, float]:
    """`accuracy/labelers/GROUP`, `accuracy/k/K`, `accuracy/length/CLASS`, and `pairs/...` for each."""
    parts: dict[str, Tensor] = {}
    for group in sorted({group for group in pairs.groups if group}):
        parts[f"labelers/{group}"] = torch.tensor([own == group for own in pairs.groups])
    for k in sorted(set(pairs.k.int().tolist())):
        parts[f"k/{k}"] = pairs.k == k
    for place, name in enumerate(LENGTHS):
        parts[f"length/{name}"] = pairs.lengths == place
    found: dict[str, float] = {}
    for name, chosen in parts.items():
        if chosen.any():
            found[f"accuracy/{name}"] = accuracy(pairs.gaps[chosen])
            found[f"pairs/{name}"] = int(chosen.sum())
    return found


def calibration(gaps: Tensor) -> tuple[list[dict[str, float]], float]:
    """How often labelers prefer what the model prefers, by how sure it is: ten bins, and the expected error.

    The model gives its preferred response of a pair the probability sigmoid(|gap|), between .5 and 1. A bin holds the
    pairs whose probability is in [from, to): their mean probability (`predicted`) and the share of them in which
    labelers preferred that response (`preferred`). The expected calibration error is the mean of |predicted -
    preferred| over pairs (arXiv 1706.04599). Bins without a pair are left out.
    """
    sure = torch.sigmoid(gaps.abs().double())
    agreed = (gaps > 0).double() + 0.5 * (gaps == 0).double()
    places = ((sure - 0.5) * 2 * BINS).long().clamp(max=BINS - 1)
    bins: list[dict[str, float]] = []
    error = 0.0
    for place in sorted(set(places.tolist())):
        inside = places == place
        count = int(inside.sum())
        predicted, preferred = sure[inside].mean().item(), agreed[inside].mean().item()
        error += count / len(gaps) * abs(predicted - preferred)
        low, high = (round(0.5 + (place + step) / (2 * BINS), 4) for step in (0, 1))
        bins.append({"from": low, "to": high, "pairs": count, "predicted": predicted, "preferred": preferred})
    return bins, error


def report(judged: Sequence[Judged], members: Sequence[Sequence[Tensor]], logprobs: Sequence[Tensor]) -> dict[str, Any]:
    """All of it for `run.json`; `members` are the scores of each member of an ensemble, or of the one model."""
    stacked = [torch.stack(list(own)) for own in zip(*members, strict=True)]  # [M, K] an item
    pairs = held_out_pairs(judged, [own.mean(0) for own in stacked], logprobs)
    bins, error = calibration(pairs.gaps)
    found: dict[str, Any] = {**summary(pairs), **breakdown(pairs), "calibration/error": error, "calibration": bins}
    if len(members) > 1:
        found["uncertainty/validation"] = torch.cat([own.std(0) for own in stacked]).mean().item()
        found["accuracy/members"] = [accuracy(held_out_pairs(judged, own, logprobs).gaps) for own in members]
    return found
