"""Settings of every program that trains."""

from __future__ import annotations

from dataclasses import dataclass

from training.config.base import BaseConfig, setting


@dataclass(kw_only=True)
class Optimiser(BaseConfig):
    """Adam with a schedule, as the papers have it: betas .9/.95, cosine to 10 %, clipped gradients.

    LoRA (arXiv 2106.09685), QLoRA (arXiv 2305.14314), 8-bit Adam (arXiv 2110.02861) and activation checkpointing
    (arXiv 1604.06174) are switches of every program.
    """

    lr: float = setting(1e-3, "Peak learning rate.", above=0, maximum=1)
    lr_final: float = setting(0.1, "Learning rate at the end, as a share of the peak.", 0, 1)
    lr_schedule: str = setting("cosine", "How the learning rate falls after the warm-up.", choices=("cosine", "linear"))
    warmup_steps: int = setting(0, "Steps of linear warm-up.", 0)
    adam_beta1: float = setting(0.9, "Adam beta 1.", 0, 0.9999)
    adam_beta2: float = setting(0.95, "Adam beta 2.", 0, 0.99999)
    adam_eps: float = setting(1e-8, "Adam epsilon.", above=0)
    optimiser: str = setting(
        "adamw",
        "adamw8bit keeps Adam's two moments in 8 bits (bitsandbytes, needs a GPU). rmsprop is what DPO's authors used.",
        choices=("adamw", "adamw8bit", "rmsprop"),
    )
    weight_decay: float = setting(0.0, "Weight decay: decoupled in Adam, added to the gradient in RMSprop.", 0)
    max_grad_norm: float = setting(1.0, "The gradient's norm is clipped to this.", above=0)
    activation_checkpointing: bool = setting(
        False, "Compute activations anew in the backward pass instead of keeping them: less memory, a third more time."
    )
    lora_rank: int = setting(0, "Rank of the LoRA matrices; 0 trains all weights.", 0, 1024)
    lora_alpha: int = setting(16, "LoRA's update is scaled by alpha / rank.", 1)
    lora_dropout: float = setting(0.0, "Dropout before the LoRA matrices; leave it at 0 in PPO.", 0, 0.9)
    quantise: str = setting(
        "none", "nf4 holds the base under LoRA in 4 bits (QLoRA; bitsandbytes).", choices=("none", "nf4")
    )
    saved_weights: str = setting("float32", "Precision of the saved checkpoint.", choices=("float32", "bf16"))

    def train_mode(self, dropout: float = 0.0) -> bool:
        """Whether modules must be in train mode while they learn: for dropout, and for activation checkpointing."""
        return dropout > 0 or (self.lora_rank > 0 and self.lora_dropout > 0) or self.activation_checkpointing

    def check_together(self) -> dict[str, str]:
        if self.quantise != "none" and not self.lora_rank:
            return {"quantise": "needs LoRA, since weights in 4 bits cannot train; set lora_rank to 8 or more."}
        if self.precision == "fp16" and self.shard:
            return {"precision": "fp16 needs whole weights on each process; choose bf16, or set shard to false."}
        return {}
