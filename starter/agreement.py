"""`python -m starter.agreement FOLDER`: how often two simulated labelers agree about the samples of a model.

Like people: both rank the same K responses, and among the pairs that both order (neither ties them), the share
that they order alike. The same with the judge's own order in place of the second labeler.
"""

from __future__ import annotations

import argparse
from itertools import combinations

from starter.judge import judge
from starter.labelers import NOISE, SimulatedTaste
from starter.prompts import Prompt, all_prompts
from starter.referee import sample_texts


def _order(tiers: list[list[int]]) -> dict[int, int]:
    return {member: place for place, tier in enumerate(tiers) for member in tier}


def agreement(prompts: list[Prompt], texts: list[list[str]], noise: float = NOISE, people: int = 6) -> dict[str, float]:
    """Shares of pairs: `labelers` (two agree), `judge` (one agrees with the judge), `tied` (one ties them)."""
    tastes = [SimulatedTaste(seed, noise) for seed in range(people)]
    same = both = right = judged = tied = pairs = 0
    for prompt, drawn in zip(prompts, texts, strict=True):
        orders = [_order(taste.rank(prompt.messages, drawn).tiers) for taste in tastes]
        scores = [judge(prompt, text).score for text in drawn]
        for i, j in combinations(range(len(drawn)), 2):
            if drawn[i] == drawn[j]:
                continue
            for order in orders:
                pairs += 1
                tied += order[i] == order[j]
                if order[i] != order[j] and scores[i] != scores[j]:
                    judged += 1
                    right += (order[i] < order[j]) == (scores[i] > scores[j])
            for first, second in combinations(orders, 2):
                if first[i] != first[j] and second[i] != second[j]:
                    both += 1
                    same += (first[i] < first[j]) == (second[i] < second[j])
    return {"labelers": same / both, "judge": right / judged, "tied": tied / pairs, "pairs": pairs / people}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--noise", type=float, nargs="*", default=[NOISE])
    arguments = parser.parse_args()
    prompts = all_prompts("evaluation")
    texts = sample_texts(arguments.model, prompts, 1.0, 0, arguments.samples)
    for noise in arguments.noise:
        measured = agreement(prompts, texts, noise)
        print(
            f"noise {noise:.2f}: two labelers agree on {measured['labelers']:.1%} of the pairs that both order, "
            f"one with the judge on {measured['judge']:.1%}; {measured['tied']:.1%} of {measured['pairs']:.0f} tied"
        )


if __name__ == "__main__":
    main()
