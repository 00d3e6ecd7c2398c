"""What a job is told: one plain dataclass per program, read from `config.json` in its job folder.

Standard library only, because the application imports this package to write and to check a job's settings.
Unknown keys are refused and missing ones take the default, which is the "starter" preset.
"""

from __future__ import annotations

from typing import Any

from training.config.a2c import A2CConfig
from training.config.base import BaseConfig, ConfigError, Policy
from training.config.dpo import DPOConfig
from training.config.grpo import GRPOConfig
from training.config.judge import CritiqueConfig, RLAIFConfig
from training.config.optimiser import Optimiser
from training.config.ppo import PPOConfig
from training.config.presets import PAPERS
from training.config.rejection import RejectionConfig
from training.config.reward import RewardConfig
from training.config.rloo import RLOOConfig
from training.config.sample import SampleConfig
from training.config.sft import SFTConfig
from training.config.sizes import SIZES

__all__ = [
    "CONFIGS",
    "PRESETS",
    "A2CConfig",
    "BaseConfig",
    "ConfigError",
    "CritiqueConfig",
    "DPOConfig",
    "GRPOConfig",
    "Optimiser",
    "PPOConfig",
    "Policy",
    "RLAIFConfig",
    "RLOOConfig",
    "RejectionConfig",
    "RewardConfig",
    "SFTConfig",
    "SampleConfig",
    "preset",
]

CONFIGS: dict[str, type[BaseConfig]] = {
    "sft": SFTConfig,
    "sample": SampleConfig,
    "reward": RewardConfig,
    "ppo": PPOConfig,
    "dpo": DPOConfig,
    "rejection": RejectionConfig,
    "a2c": A2CConfig,
    "rloo": RLOOConfig,
    "grpo": GRPOConfig,
    "rlaif": RLAIFConfig,
    "critique": CritiqueConfig,
}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {**PAPERS, **SIZES}


def preset(name: str, kind: str, **overrides: Any) -> BaseConfig:
    """The preset `name` for a program (a key of CONFIGS), with paths and changes on top."""
    if name not in PRESETS:
        raise ConfigError({"preset": f"{name!r} is unknown; use one of: {', '.join(PRESETS)}."})
    if kind not in CONFIGS:
        raise ConfigError({"kind": f"{kind!r} is unknown; use one of: {', '.join(CONFIGS)}."})
    return CONFIGS[kind].from_dict({**PRESETS[name].get(kind, {}), **overrides})
