"""Settings of rejection sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from training.config.base import setting
from training.config.sft import SFTConfig


@dataclass(kw_only=True)
class RejectionConfig(SFTConfig):
    """SFT on the best of N samples by a reward model (Llama 2, arXiv 2307.09288, section 3.2)."""

    kind: ClassVar[str] = "rejection"

    reward_model: str = setting(help="Folder of the reward model's checkpoint.")
    best_of: int = setting(16, "Responses sampled for each demonstration; the best one is kept.", 2, 1024)
    samples_per_prompt: int = setting(1, "Demonstrations for each prompt, each the best of its own N.", 1, 64)
    temperature: float = setting(1.0, "Sampling temperature.", above=0, maximum=10)
    max_new_tokens: int = setting(96, "Longest response in tokens.", 1)
    batch_rows: int = setting(256, "Rows decoded at once.", 1)
    epochs: int = setting(2, "Passes over the demonstrations.", 1, 1000)
    lr: float = setting(3e-4, "Peak learning rate.", above=0, maximum=1)
