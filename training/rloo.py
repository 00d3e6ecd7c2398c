"""RLOO: `python -m training.rloo JOB_FOLDER` (REINFORCE leave-one-out, arXiv 2402.14740).

A whole response is one action. Its return is the score less beta times its log-probability's distance from the
reference, its baseline the mean return of the prompt's other K - 1 samples, and the step follows the plain policy
gradient: no value network, no ratio, no clip. What it shares with PPO is in policy_gradient.py.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor

from training.config import RLOOConfig
from training.job import Job, run_program
from training.packing import Packed
from training.policy_gradient import PolicyGradient
from training.rl_math import group_baseline, reinforce_loss
from training.rollout import Rollout


class RLOO(PolicyGradient[RLOOConfig]):
    """REINFORCE with the prompt's other samples as the baseline, one step a rollout."""

    per_response = True
    within_group = True

    def advantages(self, rollout: Rollout) -> None:
        """7. The return of the response, KL included, less the mean of the others; the same for all its tokens."""
        returns = rollout.rewards.sum(1)
        rollout.keep("advantages", group_baseline(returns, rollout.owners).unsqueeze(1) * rollout.mask)

    def losses(
        self, batch: Packed, stored: dict[str, Tensor], new: Tensor | None, values: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """-A log pi(y | x), summed over responses: the tokens' log-probabilities add up to the response's."""
        assert new is not None
        losses = reinforce_loss(new, stored["advantages"])
        return losses.sum(), {
            "loss/policy": losses.detach().sum(),
            "policy/ratio": torch.exp(new.detach() - stored["old"]).sum(),
        }


def rloo(job: Job[RLOOConfig]) -> None:
    """The whole program; see the module's head."""
    RLOO(job).run()


if __name__ == "__main__":
    sys.exit(run_program(RLOOConfig, rloo))
