"""The value network of PPO and A2C, and generalised advantage estimation with it."""

from __future__ import annotations

import torch

from training.adapters import make_trainable
from training.config.policy_gradient import CriticConfig
from training.models import load_causal_lm
from training.reward_model import RewardModel, load_reward_model
from training.rl_math import gae, masked_whiten
from training.rollout import Rollout


def make_critic(config: CriticConfig, device: torch.device) -> RewardModel:
    """2. A network of its own, which starts as the reward model (Stiennon section 3.4) or as the policy."""
    if config.value_init == "reward":
        value = load_reward_model(config.reward_model, device)[0].member(0)
    else:
        value = RewardModel(load_causal_lm(config.policy, device), "last", False).to(device)
    make_trainable(value.backbone, config)
    value.logprob_weight.requires_grad_(False)
    value.head.bias.data -= value.shift
    if config.value_head_zero:
        torch.nn.init.zeros_(value.head.weight)
        torch.nn.init.zeros_(value.head.bias)
    return value


def estimate_advantages(rollout: Rollout, config: CriticConfig) -> None:
    """7. Advantages and returns over the whole rollout; whitened with the mask (detail 11)."""
    rewards, real = rollout.rewards, rollout.mask
    if config.whiten_rewards:
        rewards = masked_whiten(rewards, real, shift_mean=False)
    advantages, returns = gae(rewards, rollout.padded("values"), real, config.gamma, config.lam)
    rollout.keep("returns", returns)  # of advantages not whitened (detail 12)
    rollout.keep("advantages", masked_whiten(advantages, real) if config.whiten_advantages else advantages)
