"""Settings of AI feedback: a judge that ranks by a constitution, and one that criticises and revises by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from training.config.base import BaseConfig, setting


@dataclass(kw_only=True)
class JudgeConfig(BaseConfig):
    """What both programs say of their judge."""

    makes_checkpoint: ClassVar[bool] = False

    judge: str = setting(help="Folder of the judge, any causal language model; with a server, of its tokenizer.")
    judge_name: str = setting("judge", "What rows call the judge; with a server also what it may be called there.")
    server: str = setting(
        "", "Address of a server such as vLLM that runs the judge (OpenAI's completions over HTTP); empty runs it here."
    )
    principles: list[str] = setting(  # noqa: RUF009 (setting() is dataclasses.field())
        help="The constitution: one sentence a principle, each saying what a better answer is like."
    )
    batch_prompts: int = setting(32, "Prompts between two writes; a killed job judges at most so many anew.", 1)

    def check_together(self) -> dict[str, str]:
        if not self.principles:
            return {"principles": "is empty; a constitution needs at least one principle."}
        for number, principle in enumerate(self.principles, start=1):
            if not principle.strip():
                return {"principles": f"number {number} is empty; write it or take it out."}
        if self.server and (self.processes > 1 or self.accelerate_config):
            return {"processes": "must be 1 with a server: the work is done there."}
        return {}


@dataclass(kw_only=True)
class RLAIFConfig(JudgeConfig):
    """Ranking by a judge (Constitutional AI, arXiv 2212.08073, section 4; RLAIF, arXiv 2309.00267, section 2)."""

    kind: ClassVar[str] = "rlaif"

    principles_per_prompt: int = setting(
        1, "Principles drawn for each prompt, whose probabilities are averaged; 0 takes all of them.", 0
    )
    tie_margin: float = setting(
        0.05, "Responses tie whose mean probability of winning lies at most this far below their tier's best.", 0, 1
    )
    micro_batch_tokens: int = setting(8192, "Tokens, padding included, per forward.", 16)


@dataclass(kw_only=True)
class CritiqueConfig(JudgeConfig):
    """Critique and revision (Constitutional AI, arXiv 2212.08073, section 3)."""

    kind: ClassVar[str] = "critique"

    revisions: int = setting(1, "Rounds of critique and revision, each by a principle of its own draw.", 1, 16)
    temperature: float = setting(1.0, "Sampling temperature.", above=0, maximum=10)
    top_p: float = setting(1.0, "Nucleus: smallest set of tokens with this much probability.", above=0, maximum=1)
    max_new_tokens: int = setting(96, "Longest answer, critique and revision, each in tokens.", 1)
    batch_rows: int = setting(256, "Rows decoded at once.", 1)
