"""Settings of DPO and its family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from training.config.base import setting
from training.config.labels import RankingWeights
from training.config.optimiser import Optimiser


@dataclass(kw_only=True)
class DPOConfig(RankingWeights, Optimiser):
    """Learning from rankings without a reward model: DPO, IPO, SLiC-HF, KTO."""

    kind: ClassVar[str] = "dpo"

    policy: str = setting(help="Folder of the SFT model; it is also the reference unless `reference` is given.")
    reference: str = setting("", "Folder of the reference; empty takes the policy's starting weights.")
    loss: str = setting(
        "dpo",
        "dpo: logistic loss on the implicit rewards. ipo: squared distance to a fixed margin. slic: hinge on the"
        " log-likelihoods, and the SFT loss beside it. kto: each response by itself, good or bad.",
        choices=("dpo", "ipo", "slic", "kto"),
    )
    beta: float = setting(0.1, "How near the policy stays to its reference: beta of DPO and KTO, tau of IPO.", above=0)
    label_smoothing: float = setting(0.0, "DPO: the share of labels taken to be wrong (cDPO).", minimum=0, maximum=0.49)
    margin: float = setting(1.0, "SLiC: the margin delta between two log-likelihoods, in nats.", above=0)
    sft_coef: float = setting(0.1, "SLiC: weight lambda of the SFT targets' log-likelihood.", 0)
    desirable_weight: float = setting(1.0, "KTO: lambda_D, the weight of good responses.", above=0)
    undesirable_weight: float = setting(1.0, "KTO: lambda_U, the weight of bad responses.", above=0)
    epochs: int = setting(1, "Passes over the rankings.", 1, 100)
    batch_size: int = setting(16, "Rankings (prompts) per optimiser step.", 1)
    micro_batch_tokens: int = setting(8192, "Tokens, padding included, per forward and backward.", 16)
    lr: float = setting(2e-4, "Peak learning rate.", above=0, maximum=1)
    warmup_steps: int = setting(10, "Steps of linear warm-up.", 0)
    packed: bool = setting(True, "All responses of a prompt in one row; else one row per response.")
    max_length: int = setting(512, "Longest prompt and response together, in tokens; longer responses are left out.", 8)
    validation_share: float = setting(
        0.1, "Share of prompts held out for validation when no row has the split 'validation'.", 0, 0.5
    )
    kl_prompts: int = setting(
        64, "Held-out prompts that the policy answers after each epoch, to measure its KL to the reference; 0: none.", 0
    )
    max_new_tokens: int = setting(80, "Longest of these answers in tokens.", 1)

    def check_together(self) -> dict[str, str]:
        if self.label_smoothing and self.loss != "dpo":
            return {"label_smoothing": f"belongs to the loss dpo, not to {self.loss}; set it to 0."}
        return super().check_together()
