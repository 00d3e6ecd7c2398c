"""GRPO: `python -m training.grpo JOB_FOLDER` (arXiv 2402.03300, section 4.1, outcome supervision, algorithm 1).

The advantage of a response is its score less the mean of the prompt's group, over the group's standard deviation; all
its tokens share it. The KL to the reference is no part of the reward but of the loss, by the k3 estimator (eq. 4).
Several clipped epochs over a rollout (mu). What it shares with PPO is in policy_gradient.py.
"""

from __future__ import annotations

import sys

from torch import Tensor

from training.config import GRPOConfig
from training.job import Job, run_program
from training.packing import Packed
from training.policy_gradient import PolicyGradient
from training.rl_math import approx_kl, group_normalise, kl_k3, policy_loss
from training.rollout import Rollout


class GRPO(PolicyGradient[GRPOConfig]):
    """Clipped updates on advantages within a group, with the KL as a loss."""

    per_response = True
    within_group = True

    def advantages(self, rollout: Rollout) -> None:
        """7. The group's normalised scores, without KL (section 4.1.2)."""
        advantages = group_normalise(rollout.scores, rollout.owners)
        rollout.keep("advantages", advantages.unsqueeze(1) * rollout.mask)

    def losses(
        self, batch: Packed, stored: dict[str, Tensor], new: Tensor | None, values: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Eq. 3: the mean over a response's tokens of surrogate and KL, summed over responses."""
        assert new is not None
        losses, ratio, clipped = policy_loss(new, stored["old"], stored["advantages"], self.config.cliprange)
        kl = kl_k3(new, stored["reference"])
        share = 1.0 / batch.lengths[batch.owner]
        loss = ((losses + self.kl_coef * kl) * share).sum()
        return loss, {
            "loss/policy": (losses.detach() * share).sum(),
            "loss/kl": (kl.detach() * share).sum(),
            "policy/ratio": ratio.detach().sum(),
            "policy/clipfrac": clipped.sum(),
            "policy/approxkl": approx_kl(new.detach(), stored["old"]).sum(),
        }


def grpo(job: Job[GRPOConfig]) -> None:
    """The whole program; see the module's head."""
    GRPO(job).run()


if __name__ == "__main__":
    sys.exit(run_program(GRPOConfig, grpo))
