"""The models of PPO and its relatives that no step moves: the reference, and the reward model that gives the scores."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.actor import actor_of
from training.adapters import adapters_off
from training.config.policy_gradient import PolicyGradientConfig
from training.models import Model, load_causal_lm, mean_logprobs, response_logprobs, same_weights
from training.packing import Packed
from training.reward_model import load_reward_model


class FrozenModels:
    """The reference, the reward model, and the SFT model whose log-probability the reward model may take."""

    def __init__(self, config: PolicyGradientConfig, device: torch.device) -> None:
        self.temperature = config.temperature
        self.reference: Model | None = None  # None: the policy without its adapters
        if config.reference or not config.lora_rank:
            path = config.reference or config.policy
            self.reference = load_causal_lm(path, device, weights=config.frozen_weights).requires_grad_(False)
        self.reward, sft = load_reward_model(config.reward_model, device, config.frozen_weights)
        self.reward.requires_grad_(False)
        # The reward model's log-probability is the reference's own, at temperature 1, where they are one model.
        base = self.reference
        shared = sft is not None and base is not None and self.temperature == 1 and same_weights(sft, base)
        self.sft: Model | None = None if shared else sft

    def logprobs(self, batch: Packed, module: nn.Module) -> Tensor:
        """The reference's log-probabilities, [N]; `module` trains, and may hold the reference (under LoRA)."""
        if self.reference is not None:
            return response_logprobs(self.reference, batch, self.temperature)[0]
        with adapters_off(actor_of(module).policy):
            logprobs: Tensor = module(batch, self.temperature, value=False)[0]
        return logprobs

    def scores(self, batch: Packed, reference: Tensor) -> Tensor:
        """The reward model's scores, [R]; `reference` [N] are what `logprobs` gave."""
        feature = None
        if self.reward.uses_logprob:
            own = reference if self.sft is None else response_logprobs(self.sft, batch)[0]
            feature = mean_logprobs(own, batch)
        scores: Tensor = self.reward(batch, feature)
        return scores
