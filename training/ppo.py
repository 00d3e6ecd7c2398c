"""PPO and PPO-ptx: `python -m training.ppo JOB_FOLDER` (InstructGPT section 3.5 eq. 2 and C.4; Ziegler section 2).

One iteration: sample responses, score them, take the KL to the reference into the reward, estimate advantages,
and make clipped updates. What PPO shares with its relatives, steps 1 to 6 and 8 to 11, is in policy_gradient.py.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor

from training.config import PPOConfig
from training.critic import estimate_advantages, make_critic
from training.job import Job, run_program
from training.packing import Packed
from training.policy_gradient import PolicyGradient
from training.reward_model import RewardModel
from training.rl_math import approx_kl, group_baseline, masked_whiten, policy_loss, value_loss
from training.rollout import Rollout


class PPO(PolicyGradient[PPOConfig]):
    """Clipped updates, with a value network of its own or the mean of the prompt's other samples as the baseline."""

    def value_network(self) -> RewardModel | None:
        """2. The value network is a network of its own and starts as the reward model (Stiennon section 3.4)."""
        if self.config.advantage != "gae":
            return None
        self.value_lr = self.config.value_lr
        return make_critic(self.config, self.device)

    def moves(self, iteration: int) -> bool:
        """Not while the value network warms up."""
        return self.config.advantage != "gae" or iteration >= self.config.value_warmup

    def advantages(self, rollout: Rollout) -> None:
        """7. Advantages and returns over the whole rollout; whitened with the mask (detail 11)."""
        config, real = self.config, rollout.mask
        if config.advantage == "gae":
            estimate_advantages(rollout, config)
            return
        rewards = rollout.rewards
        if config.whiten_rewards:
            rewards = masked_whiten(rewards, real, shift_mean=False)
        advantages = group_baseline(rewards.sum(1), rollout.owners).unsqueeze(1) * real
        if config.whiten_advantages:
            advantages = masked_whiten(advantages, real)
        rollout.keep("advantages", advantages)

    def losses(
        self, batch: Packed, stored: dict[str, Tensor], new: Tensor | None, values: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The clipped surrogate (eq. 7) and the clipped value loss, summed over tokens.

        PPO eq. 9 with c1 = vf_coef and c2 = 0, no entropy bonus; the value loss carries a half.
        """
        config = self.config
        loss = torch.zeros((), device=self.device)
        reported: dict[str, Tensor] = {}
        if new is not None:
            losses, ratio, clipped = policy_loss(new, stored["old"], stored["advantages"], config.cliprange)
            loss = loss + losses.sum()
            reported = {
                "loss/policy": losses.detach().sum(),
                "policy/ratio": ratio.detach().sum(),
                "policy/clipfrac": clipped.sum(),
                "policy/approxkl": approx_kl(new.detach(), stored["old"]).sum(),
            }
        if values is not None:
            errors = value_loss(values, stored["values"], stored["returns"], config.cliprange_value)
            loss = loss + config.vf_coef * errors.sum()
            reported["loss/value"] = errors.detach().sum()
        return loss, reported


def ppo(job: Job[PPOConfig]) -> None:
    """The whole program; see the module's head."""
    PPO(job).run()


if __name__ == "__main__":
    sys.exit(run_program(PPOConfig, ppo))
