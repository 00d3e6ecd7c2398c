"""How large the experiments are. `full` is what docs/results.md reports; `tiny` only shows that all of it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Scale:
    """Counts of everything that is trained on, sampled or judged, and the settings that differ from the starter's."""

    name: str = "full"
    demonstrations: int = 1200
    sft: dict[str, Any] = field(default_factory=dict)
    rankings: int = 1600  # of 4 samples each; the label budget of every policy that learns from preferences
    growth: tuple[int, ...] = (100, 200, 400, 800, 1600)  # (c)
    evaluation: int = 400  # held-out prompts
    # PPO and its relatives. A third of the starter's 12,288 episodes, which bring most of the gain.
    rl: dict[str, Any] = field(default_factory=lambda: {"episodes": 4096})
    ptx: dict[str, Any] = field(default_factory=lambda: {"ptx_coef": 0.2, "ptx_batch_size": 64})
    paper_ptx_coef: float = 27.8
    ptx_texts: int = 4000
    held_documents: int = 300  # (e)
    corpus_bytes: int = 12_000_000
    epoch_demonstrations: int = 400  # (f)
    epochs: int = 16
    epoch_prompts: int = 128
    best_prompts: int = 100  # (g)
    best_of: int = 64
    legs: int = 12  # (h)
    leg: dict[str, Any] = field(
        default_factory=lambda: {"episodes": 1024, "batch_size": 256, "minibatch_size": 64, "lr": 6e-4}
    )
    weak_rankings: int = 200
    rejection_prompts: int = 256  # (i), times 16 samples: as many as PPO's episodes
    rejection_best_of: int = 16
    one_step: dict[str, Any] = field(default_factory=lambda: {"batch_size": 128, "minibatch_size": 128})
    kwise_rankings: int = 400  # (j)
    kwise_epochs: int = 4
    small_steps: int = 800  # (b)


_TINY_RL = {"episodes": 16, "batch_size": 16, "minibatch_size": 16, "max_new_tokens": 24}
TINY = Scale(
    name="tiny",
    demonstrations=48,
    sft={"epochs": 2},
    rankings=16,
    growth=(8, 16),
    evaluation=16,
    rl=_TINY_RL,
    ptx={"ptx_coef": 0.2, "ptx_batch_size": 4},
    ptx_texts=16,
    held_documents=8,
    corpus_bytes=200_000,
    epoch_demonstrations=32,
    epochs=3,
    epoch_prompts=8,
    best_prompts=4,
    best_of=8,
    legs=2,
    leg=_TINY_RL,
    weak_rankings=8,
    rejection_prompts=8,
    rejection_best_of=2,
    one_step={"batch_size": 16, "minibatch_size": 16},
    kwise_rankings=12,
    kwise_epochs=2,
    small_steps=3,
)
SCALES = {scale.name: scale for scale in (Scale(), TINY)}
