"""LoRA (arXiv 2106.09685) on any model here: put beside it, switched off, and merged into plain weights for saving.

The matrices are put into the model in place (peft's `inject_adapter_in_model`), so that packing, decoding and reward
models see the architecture they know. A checkpoint is always a plain folder: the update is added to the weights of the
folder that training began with, in full precision, also where the base was held in 4 bits (QLoRA, arXiv 2305.14314).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.config import Optimiser
from training.job import JobError
from training.models import DTYPES, Model, load_causal_lm, save_causal_lm
from training.reward_model import RewardModel, save_reward_model

NAME = "default"


def load_trainable(path: str, device: torch.device, config: Optimiser, dropout: float = 0.0) -> Model:
    """A causal LM that is to train: all its weights in float32, or LoRA beside a base held as the config says."""
    held = config.frozen_weights if config.lora_rank else "float32"
    model = load_causal_lm(path, device, dropout, held, config.quantise)
    make_trainable(model, config)
    return model


def make_trainable(model: Model, config: Optimiser) -> None:
    """LoRA and activation checkpointing, where the config wants them, in place."""
    if config.lora_rank:
        add_lora(model, config)
    if config.activation_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """The parameters that an optimiser moves."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def add_lora(model: Model, config: Optimiser) -> None:
    """Freeze the model and put trainable matrices of `lora_rank` beside all its linear layers but the LM head.

    h = W0 x + (alpha / r) B A x (LoRA eq. 3), B zero at first.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise JobError("lora_rank is above 0, but peft is not installed; install it, or set lora_rank to 0.") from None
    lora = LoraConfig(
        r=config.lora_rank, lora_alpha=config.lora_alpha, lora_dropout=config.lora_dropout,
        target_modules="all-linear", fan_in_fan_out=model.config.model_type == "gpt2",
    )  # fmt: skip
    inject_adapter_in_model(lora, model, adapter_name=NAME)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def lora_layers(model: nn.Module) -> dict[str, Any]:
    """The layers that have LoRA matrices, by name; none where there is no LoRA."""
    found = {name: module for name, module in model.named_modules() if hasattr(module, "lora_A")}
    return {name: layer for name, layer in found.items() if hasattr(layer, "get_delta_weight")}


@contextmanager
def adapters_off(model: nn.Module) -> Iterator[None]:
    """Inside, the model is what it was before LoRA."""
    layers = lora_layers(model).values()
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


@torch.no_grad()
def merge_into(fresh: nn.Module, trained: nn.Module) -> None:
    """Add the LoRA updates of `trained` to the plain weights of `fresh`, a model of the same architecture.

    W = W0 + (alpha / r) B A (LoRA section 4.1: no latency when deployed).
    """
    for name, layer in lora_layers(trained).items():
        weight = fresh.get_submodule(name).weight
        assert isinstance(weight, Tensor)
        weight += layer.get_delta_weight(NAME).to(weight)


def save_policy(
    model: Model, weights: dict[str, Tensor], tokenizer: Any, source: str, config: Optimiser, folder: Path
) -> None:
    """A trained causal LM as a plain transformers folder; with LoRA, its matrices beside it under `adapter/`.

    `weights` is the model's whole state dict; `source` the folder that training began with.
    """
    if config.lora_rank:
        fresh = load_causal_lm(source)
        merge_into(fresh, model)
        save_causal_lm(fresh.to(DTYPES[config.saved_weights]), tokenizer, folder)
        save_adapter(model, source, config, folder / "adapter")
        return
    dtype = DTYPES[config.saved_weights]
    if dtype != torch.float32:
        weights = {name: tensor.to(dtype) for name, tensor in weights.items()}
        model.config.dtype = dtype
    model.save_pretrained(folder, state_dict=weights)
    tokenizer.save_pretrained(folder)


def below(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The part of a state dict under `prefix`, its names without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}


def save_adapter(model: Model, source: str, config: Optimiser, folder: Path) -> None:
    """The LoRA matrices in peft's own format, for engines that load them beside a base model."""
    from peft import LoraConfig, get_peft_model_state_dict
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    lora: Any = LoraConfig(
        r=config.lora_rank, lora_alpha=config.lora_alpha, target_modules=sorted(
            {name.rsplit(".", 1)[-1] for name in lora_layers(model)}
        ), base_model_name_or_path=source, task_type="CAUSAL_LM", inference_mode=True,
    )  # fmt: skip
    lora.save_pretrained(folder)
    state = get_peft_model_state_dict(model, adapter_name=NAME)
    save_file({f"base_model.model.{name}": tensor.contiguous() for name, tensor in state.items()},
              folder / "adapter_model.safetensors")  # fmt: skip


def save_reward(
    model: RewardModel, weights: dict[str, Tensor], tokenizer: Any, source: str, config: Optimiser, folder: Path
) -> None:
    """A reward model; `weights` is its whole state dict, `source` the SFT folder that it began with."""
    backbone = load_causal_lm(source)
    if lora_layers(model.backbone):
        merge_into(backbone.base_model, model.backbone)
    else:
        backbone.base_model.load_state_dict(below(weights, "backbone."))
    own = {name: tensor for name, tensor in weights.items() if not name.startswith("backbone.")}
    save_reward_model(model, backbone.to(DTYPES[config.saved_weights]), own, tokenizer, folder)
