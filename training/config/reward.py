"""Settings of the reward model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from training.config.base import setting
from training.config.labels import RankingWeights
from training.config.optimiser import Optimiser


@dataclass(kw_only=True)
class RewardConfig(RankingWeights, Optimiser):
    """The K-wise reward model (InstructGPT section 3.5 and appendix C.2; Stiennon section 3.4)."""

    kind: ClassVar[str] = "reward"

    model: str = setting(help="Folder of the SFT model: backbone, and the log-probability's model.")
    epochs: int = setting(1, "Passes over the rankings; the papers use exactly 1, more overfits.", 1, 100)
    batch_size: int = setting(16, "Prompts per optimiser step, each with all rankings of its responses.", 1)
    micro_batch_tokens: int = setting(4096, "Tokens, padding included, per forward and backward.", 16)
    lr: float = setting(5e-4, "Peak learning rate.", above=0, maximum=1)
    head_lr_scale: float = setting(20.0, "Learning rate of head and log-probability weight, times lr.", above=0)
    readout: str = setting(
        "mean",
        "Score read from the mean over the response's tokens or from the last one.",
        choices=("mean", "last"),
    )
    logprob_weight: bool = setting(
        True, "Add a learned weight on the response's mean log-probability under the SFT model to the score."
    )
    pair_weight: str = setting(
        "rating",
        "rating: a pair weighs as much as its two overall ratings differ, plus rating_floor (1 where there are none)."
        " equal: all pairs of a prompt alike, as in the papers.",
        choices=("rating", "equal"),
    )
    rating_floor: float = setting(0.3, "Weight of a pair whose ratings are equal, in points of the rating.", 0, 100)
    ensemble: int = setting(
        1, "Reward models trained one after the other, each with a seed of its own; their mean is the score.", 1, 64
    )
    packed: bool = setting(True, "All responses of a prompt in one row; else one row per response.")
    dropout: float = setting(0.0, "Dropout where the architecture has any.", 0, 0.9)
    max_length: int = setting(512, "Longest prompt and response together, in tokens; longer responses are left out.", 8)
    validation_share: float = setting(
        0.1, "Share of prompts held out for accuracy when no row has the split 'validation'.", 0, 0.5
    )
