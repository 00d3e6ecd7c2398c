"""Settings of supervised fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from training.config.base import setting
from training.config.optimiser import Optimiser


@dataclass(kw_only=True)
class SFTConfig(Optimiser):
    """Supervised fine-tuning on demonstrations (InstructGPT section 3.5, appendix C.1)."""

    kind: ClassVar[str] = "sft"

    model: str = setting(help="Folder (or hub name) of the model to start from.")
    epochs: int = setting(4, "Passes over the demonstrations.", 1, 1000)
    batch_size: int = setting(16, "Demonstrations per optimiser step.", 1)
    micro_batch_tokens: int = setting(8192, "Tokens, padding included, per forward and backward.", 16)
    lr: float = setting(1e-3, "Peak learning rate.", above=0, maximum=1)
    dropout: float = setting(0.0, "Dropout where the architecture has any.", 0, 0.9)
    max_length: int = setting(512, "Longest prompt and response together, in tokens; longer rows are left out.", 8)
    max_prompt_tokens: int = setting(384, "Longest prompt in tokens; longer rows are left out.", 4)
    packed: bool = setting(
        False,
        "Several demonstrations in one row, each for itself: less padding, but a dense attention mask.",
    )
    validation_share: float = setting(
        0.05, "Share held out for the validation loss when no row has the split 'validation'.", 0, 0.5
    )
    ai_weight: float = setting(
        1.0, "Weight of demonstrations that a model made (`ai` in the row), times the row's; 0 leaves them out.", 0
    )
    choose_by: str = setting(
        "", "Folder of a reward model: the epoch whose samples it scores best is kept. Empty keeps the last epoch."
    )
    choose_prompts: int = setting(128, "Held-out prompts that are sampled after each epoch to choose it.", 1)
