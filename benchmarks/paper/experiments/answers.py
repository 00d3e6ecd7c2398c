"""What the experiments on policies share: their answers to the held-out prompts, and what the judge says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.paper.lab import BASE, Lab
from benchmarks.paper.measure import Figure, mean, points
from starter.judge import Judgment, judge
from starter.prompts import Prompt
from starter.referee import sample_texts


@dataclass
class Answers:
    """One answer to each held-out prompt."""

    texts: list[str]
    judged: list[Judgment]

    @property
    def scores(self) -> list[float]:
        """The judge's scores."""
        return [judgment.score for judgment in self.judged]


def judged(prompts: Sequence[Prompt], texts: Sequence[str]) -> Answers:
    """Texts with what the judge says of them."""
    return Answers(list(texts), [judge(prompt, text) for prompt, text in zip(prompts, texts, strict=True)])


def answers_of(lab: Lab, name: str, policy: str) -> Answers:
    """A policy's answers, one each at temperature 1."""
    prompts = lab.prompts()
    return judged(prompts, [own[0]["text"] for own in lab.answers(name, policy, prompts)])


def papers_models(lab: Lab) -> dict[str, Answers]:
    """The models of InstructGPT's figure 1, in its order."""
    prompts = lab.prompts()
    shown = [drawn[0] for drawn in sample_texts(f"fewshot:{BASE}", prompts, 1.0, lab.seed)]
    return {
        "base": answers_of(lab, "base", str(BASE)),
        "few-shot base": judged(prompts, shown),
        "SFT": answers_of(lab, "sft", lab.sft()),
        "PPO": answers_of(lab, "ppo", lab.ppo()),
        "PPO-ptx": answers_of(lab, "ppo-ptx", lab.ppo_ptx()),
    }


def beats(first: Answers, second: Answers) -> Figure:
    """How often the judge prefers the first, in per cent, ties half."""
    return mean(points(first.scores, second.scores), 100)
