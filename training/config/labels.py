"""What rankings that no person made weigh: settings of the programs that learn from rankings."""

from __future__ import annotations

from dataclasses import dataclass

from training.config.base import BaseConfig, setting


@dataclass(kw_only=True)
class RankingWeights(BaseConfig):
    """Of the reward model, and of DPO and its family."""

    simulated_weight: float = setting(
        1.0, "Weight of rankings that a program made (`simulated` in the row), times the row's; 0 leaves them out.", 0
    )
    ai_weight: float = setting(
        1.0, "Weight of rankings that a model made (`ai` in the row), times the row's; 0 leaves them out.", 0
    )
