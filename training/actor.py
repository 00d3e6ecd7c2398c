"""What PPO and its relatives train: policy and value network as the one module that accelerate wraps."""

from __future__ import annotations

from torch import Tensor, nn

from training.models import LanguageModel, Model, hidden_states
from training.packing import Packed
from training.ranks import plain
from training.reward_model import RewardModel


class Actor(nn.Module):
    """Policy and value network as the one module that trains."""

    def __init__(self, policy: Model, value: RewardModel | None) -> None:
        super().__init__()
        self.policy = LanguageModel(policy)
        self.value = value

    def forward(
        self, batch: Packed, temperature: float, policy: bool = True, value: bool = True, entropy: bool = False
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Log-probabilities, entropies, and the value of the state *before* each response token; [N] each."""
        logprobs, entropies = self.policy(batch, temperature, entropy) if policy else (None, None)
        values = None
        if value and self.value is not None:
            hidden = hidden_states(self.value.backbone, batch).index_select(0, batch.source)
            values = self.value.head(hidden.to(self.value.head.weight.dtype)).squeeze(-1).float()
        return logprobs, entropies, values


def actor_of(module: nn.Module) -> Actor:
    """The actor under whatever accelerate put around it."""
    actor = plain(module)
    assert isinstance(actor, Actor)
    return actor
