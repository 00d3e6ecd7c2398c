"""Settings that PPO and its relatives share: the same rollout, the same reward, other ways to learn from them."""

from __future__ import annotations

from dataclasses import dataclass

from training.config.base import setting
from training.config.optimiser import Optimiser


@dataclass(kw_only=True)
class PolicyGradientConfig(Optimiser):
    """Rollout, reward with its KL, PPO-ptx, EMA (InstructGPT section 3.5 and appendix C.4)."""

    policy: str = setting(help="Folder of the SFT model; it is also the reference unless `reference` is given.")
    reward_model: str = setting(help="Folder of the reward model's checkpoint.")
    reference: str = setting("", "Folder of the KL reference; empty takes the policy's starting weights.")
    episodes: int = setting(12288, "Responses sampled in all.", 1)
    batch_size: int = setting(512, "Responses sampled per rollout.", 1)
    minibatch_size: int = setting(128, "Responses per optimiser step.", 1)
    micro_batch_tokens: int = setting(8192, "Tokens, padding included, per forward and backward.", 16)
    samples_per_prompt: int = setting(4, "Responses sampled per prompt in a rollout.", 1, 64)
    inner_epochs: int = setting(1, "Passes over a rollout.", 1, 100)
    lr: float = setting(4e-4, "Peak learning rate.", above=0, maximum=1)
    lr_final: float = setting(0.2, "Learning rate at the end, as a share of the peak.", 0, 1)
    warmup_steps: int = setting(4, "Optimiser steps of linear warm-up.", 0)
    adam_eps: float = setting(1e-5, "Adam epsilon.", above=0)
    kl_coef: float = setting(0.03, "KL coefficient beta (its starting value when a target is given).", 0)
    kl_target: float = setting(0.0, "KL per response, in nats, that an adaptive beta aims at; 0 keeps beta fixed.", 0)
    kl_horizon: float = setting(10000.0, "Episodes over which the adaptive beta moves.", above=0)
    ptx_coef: float = setting(0.0, "PPO-ptx: weight of the pretraining loss (the paper uses 27.8).", 0)
    ptx_batch_size: int = setting(16, "Pretraining texts per optimiser step.", 1)
    temperature: float = setting(1.0, "Temperature of the rollout, and of every logprob in training.", above=0)
    max_new_tokens: int = setting(80, "Longest response in tokens.", 1)
    max_prompt_tokens: int = setting(384, "Longest prompt in tokens; longer ones are left out.", 4)
    missing_eos_penalty: float = setting(
        1.0, "Taken off the lowest score of the batch when a response does not end.", 0
    )
    ema: float = setting(
        0.0, "Decay of the averaged weights that are saved; 0 saves the last ones (paper: .992).", 0, 0.99999
    )
    batch_rows: int = setting(512, "Rows decoded at once in a rollout.", 1)

    def check_together(self) -> dict[str, str]:
        if self.batch_size % self.samples_per_prompt:
            return {"batch_size": f"must be a multiple of samples_per_prompt ({self.samples_per_prompt})."}
        if self.minibatch_size > self.batch_size:
            return {"minibatch_size": f"must not exceed batch_size ({self.batch_size})."}
        return super().check_together()

    def check_on_policy(self) -> dict[str, str]:
        """Errors of an algorithm whose gradient holds for samples of the very policy that takes the step."""
        if self.inner_epochs != 1:
            return {"inner_epochs": f"must be 1 in {self.kind}, whose samples serve one step; or choose ppo or grpo."}
        if self.minibatch_size != self.batch_size:
            return {"minibatch_size": f"must equal batch_size ({self.batch_size}) in {self.kind}: one step a rollout."}
        return {}


@dataclass(kw_only=True)
class CriticConfig(PolicyGradientConfig):
    """A value network beside the policy, and the advantages that it gives (arXiv 1506.02438)."""

    value_init: str = setting(
        "reward", "Value network starts as the reward model or as the policy.", choices=("reward", "policy")
    )
    value_head_zero: bool = setting(False, "Start the value head at zero instead of the reward head.")
    value_warmup: int = setting(2, "Rollouts that train the value network alone, before the policy moves.", 0)
    value_lr: float = setting(3e-4, "Peak learning rate of the value network.", above=0, maximum=1)
    gamma: float = setting(1.0, "Discount.", above=0, maximum=1)
    lam: float = setting(0.95, "Lambda of generalised advantage estimation.", 0, 1)
    vf_coef: float = setting(0.5, "Weight of the value loss.", 0)
    whiten_rewards: bool = setting(False, "Whiten the rewards, keeping their mean.")
    whiten_advantages: bool = setting(True, "Whiten the advantages over the real tokens of the rollout.")
