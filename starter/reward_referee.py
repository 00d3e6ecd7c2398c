"""How often a reward model puts held-out pairs in the judge's order, by how far apart the judge sees them.

`python -m starter.reward_referee RM_FOLDER SFT_FOLDER`. Beside it the plain mean log-probability under the SFT
model, which a reward model has to beat to be worth its cost. Pairs are samples of the SFT model for held-out prompts.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import torch

from starter.judge import judge
from starter.prompts import Prompt, all_prompts
from starter.referee import TIE, sample_texts
from training.config import RewardConfig
from training.data import Codec, load_tokenizer, micro_batches
from training.models import load_causal_lm
from training.rankings import width
from training.ranks import Ranks
from training.reward_model import load_reward_model
from training.scoring import scores_of, sft_logprobs

GAPS = ((0.0, 0.05), (0.05, 0.2), (0.2, 0.4), (0.4, 1.01))
SUBSTANTIAL, ALL = (0.2, 1.01), (0.0, 1.01)


@dataclass(frozen=True)
class Accuracy:
    """Share of pairs in the judge's order, for pairs whose judge's gap lies in [low, high)."""

    low: float
    high: float
    pairs: int
    reward_model: float
    logprob: float

    def line(self) -> str:
        return (
            f"gap {self.low:.2f} to {self.high:.2f}: reward model {self.reward_model:6.1%}, "
            f"log-probability {self.logprob:6.1%} of {self.pairs} pairs"
        )


def reward_scores(
    reward_folder: str, sft_folder: str, prompts: Sequence[Prompt], texts: Sequence[Sequence[str]]
) -> tuple[list[list[float]], list[list[float]]]:
    """Scores by the reward model and mean log-probabilities under the SFT model, prompt by prompt."""
    model, own_sft = load_reward_model(reward_folder)
    codec, config = Codec(load_tokenizer(sft_folder)), RewardConfig(model=sft_folder, device="cpu")
    items = [
        (codec.prompt(prompt.messages), [codec.response(text) for text in drawn])
        for prompt, drawn in zip(prompts, texts, strict=True)
    ]
    ranks = Ranks(config)
    plain = sft_logprobs(load_causal_lm(sft_folder), items, config, ranks)
    features = sft_logprobs(own_sft, items, config, ranks) if own_sft is not None else plain
    scores: list[list[float]] = [[] for _ in items]
    with torch.no_grad():
        for micro in micro_batches(range(len(items)), [width(item) for item in items], config.micro_batch_tokens):
            flat = scores_of(model, [items[at] for at in micro], [features[at] for at in micro], config)
            for at, part in zip(micro, torch.split(flat, [len(items[at][1]) for at in micro]), strict=True):
                scores[at] = part.tolist()
    return scores, [row.tolist() for row in plain]


def accuracies(
    judged: Sequence[Sequence[float]], scores: Sequence[Sequence[float]], logprobs: Sequence[Sequence[float]]
) -> list[Accuracy]:
    """By gap, then over all substantial gaps, and last over all."""
    rows = [
        (abs(truth[i] - truth[j]), *((x[i] > x[j]) == (truth[i] > truth[j]) for x in (ours, plain)))
        for truth, ours, plain in zip(judged, scores, logprobs, strict=True)
        for i, j in combinations(range(len(truth)), 2)
        if abs(truth[i] - truth[j]) > TIE
    ]
    measured = []
    for low, high in (*GAPS, SUBSTANTIAL, ALL):
        inside = [row for row in rows if low <= row[0] < high]
        count = max(1, len(inside))
        shares = (sum(row[1] for row in inside) / count, sum(row[2] for row in inside) / count)
        measured.append(Accuracy(low, high, len(inside), *shares))
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reward_model")
    parser.add_argument("sft")
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    prompts = all_prompts("evaluation")
    texts = sample_texts(arguments.sft, prompts, 1.0, arguments.seed, arguments.samples)
    judged = [[judge(prompt, text).score for text in drawn] for prompt, drawn in zip(prompts, texts, strict=True)]
    measured = accuracies(judged, *reward_scores(arguments.reward_model, arguments.sft, prompts, texts))
    for accuracy in measured:
        print(accuracy.line())
    if arguments.json:
        arguments.json.write_text(json.dumps([vars(accuracy) for accuracy in measured], indent=2) + "\n")


if __name__ == "__main__":
    main()
