"""Simulated labelers: people of Mossbrook who write and rank through the same API as everybody else.

`app.simulate` gives each of them a `SimulatedTaste`. A labeler sees only messages and texts, judges as the judge does,
leans a little to a taste of their own, and errs: the noise is set so that two of them agree on about 73 % of pairs,
as the labelers of InstructGPT did (arXiv 2203.02155, section 3.4). `python -m starter.agreement` measures it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from starter.demonstrations import write
from starter.judge import Judgment, judge_messages
from starter.prompts import find_prompt
from starter.scenes import GREETINGS
from starter.tasks import Message

NOISE = 0.16  # standard deviation of one look at one response, on the judge's scale of 0 to 1
LEANING = 0.03  # of a labeler's own extra weight on a greeting and on an extra fact
TIE = 0.04  # perceived scores closer than this share a tier


@dataclass(frozen=True)
class Ranked:
    """What a labeler hands in; numbers point into the list of responses that was shown."""

    tiers: list[list[int]]  # best first; members of a tier are tied
    ratings: list[int]  # 1 to 7, one for each response
    flags: list[list[str]]
    comment: str
    seconds: float


class SimulatedTaste:
    """One labeler; the same seed gives the same person, who gives the same answers in the same order of tasks."""

    def __init__(self, seed: int, noise: float = NOISE) -> None:
        self.rng = random.Random(seed)
        self.noise = noise
        self.likes_greetings = self.rng.gauss(0.0, LEANING)
        self.likes_facts = self.rng.gauss(0.0, LEANING)

    def perceive(self, judgment: Judgment) -> float:
        leaning = self.likes_greetings * judgment.greeting + self.likes_facts * min(1, judgment.extras)
        return judgment.score + leaning * judgment.instruction + self.rng.gauss(0.0, self.noise)

    def rank(self, messages: list[Message], responses: list[str]) -> Ranked:
        judgments = [judge_messages(messages, response) for response in responses]
        perceived = [self.perceive(judgment) for judgment in judgments]
        # The same text never gets two places.
        for i, response in enumerate(responses):
            perceived[i] = perceived[responses.index(response)]
        best = judgments[max(range(len(responses)), key=perceived.__getitem__)]
        return Ranked(
            tiers=tiers_of(perceived),
            ratings=[max(1, min(7, 1 + round(score * 6.5))) for score in perceived],
            flags=[flags_of(judgment) for judgment in judgments],
            comment=best.reason if self.rng.random() < 0.3 else "",
            seconds=round(8 + 6 * len(responses) * self.rng.uniform(0.6, 1.6), 1),
        )

    def demonstrate(self, messages: list[Message]) -> str:
        """A good answer; to what the starter does not know, a kind and honest way out."""
        prompt = find_prompt(messages)
        if prompt is not None:
            return write(prompt, self.rng)
        return f"{self.rng.choice(GREETINGS[:3])} I do not know that, but somebody at the Snail Inn surely does."


def tiers_of(perceived: list[float], tie: float = TIE) -> list[list[int]]:
    """Best first; a response joins the tier above it when it is closer than `tie` to that tier's first member."""
    tiers: list[list[int]] = []
    for i in sorted(range(len(perceived)), key=lambda i: -perceived[i]):
        if tiers and perceived[tiers[-1][0]] - perceived[i] < tie:
            tiers[-1].append(i)
        else:
            tiers.append([i])
    return tiers


def flags_of(judgment: Judgment) -> list[str]:
    flags = []
    if judgment.relevance < 0.4 or judgment.instruction < 0.2:
        flags.append("fails_instruction")
    if judgment.truth < 1.0:
        flags.append("hallucination")
    if judgment.kindness < 0.5:
        flags.append("inappropriate")
    return flags
