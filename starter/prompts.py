"""The starter's prompts: eight use-cases after InstructGPT, split into train, validation and evaluation.

Read by the application's import of the starter project, by the simulated labelers and by the referee.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import lru_cache

from starter.tasks import USE_CASES, Draw, Message, Spec
from starter.world import make_world

PROMPT_SEED = 11
COUNTS = {"train": 240, "validation": 20, "evaluation": 50}  # for each use-case where so many exist


@dataclass(frozen=True)
class Prompt:
    id: str
    messages: list[Message]
    use_case: str
    split: str  # train, validation or evaluation
    spec: Spec

    def row(self) -> dict[str, object]:
        return {
            "id": self.id,
            "messages": self.messages,
            "use_case": self.use_case,
            "split": self.split,
            "spec": self.spec,
        }


def message_key(messages: list[Message]) -> str:
    """Finds a prompt again from its text alone."""
    return json.dumps([[m["role"], " ".join(m["content"].split())] for m in messages])


def _make(use_case: str, split: str, count: int, seen: set[str], rng: random.Random) -> list[Prompt]:
    """Up to `count` prompts; a use-case whose combinations run out gives fewer."""
    makers, weights = zip(*USE_CASES[use_case], strict=True)
    draw = Draw(make_world(), rng, held=split == "evaluation")
    prompts: list[Prompt] = []
    for _ in range(count * 40):
        if len(prompts) == count:
            break
        messages, spec = rng.choices(makers, weights)[0](draw)
        key = message_key(messages)
        if key not in seen:
            seen.add(key)
            prompts.append(Prompt(f"{use_case}-{split}-{len(prompts):04d}", messages, use_case, split, spec))
    return prompts


@lru_cache(maxsize=1)
def _all() -> tuple[Prompt, ...]:
    rng = random.Random(PROMPT_SEED)
    seen: set[str] = set()
    made = [_make(use_case, split, count, seen, rng) for use_case in USE_CASES for split, count in COUNTS.items()]
    return tuple(prompt for group in made for prompt in group)


def all_prompts(split: str | None = None) -> list[Prompt]:
    return [prompt for prompt in _all() if split is None or prompt.split == split]


@lru_cache(maxsize=1)
def _index() -> dict[str, Prompt]:
    return {message_key(prompt.messages): prompt for prompt in _all()}


def find_prompt(messages: list[Message]) -> Prompt | None:
    return _index().get(message_key(messages))
