"""A2C: `python -m training.a2c JOB_FOLDER` (arXiv 1602.01783): PPO with one epoch and one minibatch (arXiv 2205.09123).

With one step a rollout the ratio is 1 and no clip is ever active, so the surrogate's gradient is that of -A log pi.
What it shares with PPO, steps 1 to 6 and 8 to 11, is in policy_gradient.py; the value network is in critic.py.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor

from training.config import A2CConfig
from training.critic import estimate_advantages, make_critic
from training.job import Job, run_program
from training.packing import Packed
from training.policy_gradient import PolicyGradient
from training.reward_model import RewardModel
from training.rl_math import reinforce_loss, squared_error
from training.rollout import Rollout


class A2C(PolicyGradient[A2CConfig]):
    """The policy gradient with a value network as its baseline, one step a rollout."""

    def value_network(self) -> RewardModel:
        """2. The value network, as PPO's."""
        self.value_lr = self.config.value_lr
        return make_critic(self.config, self.device)

    def moves(self, iteration: int) -> bool:
        """Not while the value network warms up."""
        return iteration >= self.config.value_warmup

    def advantages(self, rollout: Rollout) -> None:
        """7. Advantages and returns; with lambda 1, the reward to go less the value."""
        estimate_advantages(rollout, self.config)

    def losses(
        self, batch: Packed, stored: dict[str, Tensor], new: Tensor | None, values: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """-A log pi and the squared error of the values, summed over tokens."""
        assert values is not None
        errors = squared_error(values, stored["returns"])
        loss: Tensor = self.config.vf_coef * errors.sum()
        reported = {"loss/value": errors.detach().sum()}
        if new is not None:
            losses = reinforce_loss(new, stored["advantages"])
            loss = loss + losses.sum()
            reported["loss/policy"] = losses.detach().sum()
            reported["policy/ratio"] = torch.exp(new.detach() - stored["old"]).sum()
        return loss, reported


def a2c(job: Job[A2CConfig]) -> None:
    """The whole program; see the module's head."""
    A2C(job).run()


if __name__ == "__main__":
    sys.exit(run_program(A2CConfig, a2c))
