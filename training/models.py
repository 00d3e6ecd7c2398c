"""Loading and running causal language models from a local folder; the reward model around one is in reward_model.py.

Only safetensors are read, remote code never runs, and only architectures on the list below load: those whose
attention goes through transformers' attention interface and whose logits are a plain linear map of the last
hidden state, which the decoder (sample.py) and the packed forward (packing.py) rely on.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.config.context import context_of
from training.job import JobError
from training.packing import Packed
from training.rl_math import token_logprobs

ARCHITECTURES = {
    "GPT2LMHeadModel",
    "GPTNeoXForCausalLM",
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "Olmo2ForCausalLM",
    "OlmoForCausalLM",
    "Phi3ForCausalLM",
    "Qwen2ForCausalLM",
    "Qwen3ForCausalLM",
    "SmolLM3ForCausalLM",
}
DROPOUT_KEYS = (
    "attention_dropout", "attn_pdrop", "embd_pdrop", "resid_pdrop", "hidden_dropout", "embd_dropout",
)  # fmt: skip
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
Model = Any  # a transformers PreTrainedModel; transformers ships no types


def read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise JobError(f"{path} is missing; the folder is no complete model checkpoint.") from None
    except (OSError, ValueError) as error:
        raise JobError(f"{path} cannot be read ({error}); copy the checkpoint again.") from None
    if not isinstance(value, dict):
        raise JobError(f"{path} is no JSON object; copy the checkpoint again.")
    return value


def check_model_folder(folder: Path) -> dict[str, Any]:
    """Refuse what must not or cannot be loaded; returns the parsed config.json. Raises JobError."""
    config = read_json(folder / "config.json")
    for name in ("config.json", "tokenizer_config.json"):
        if (folder / name).exists() and "auto_map" in read_json(folder / name):
            raise JobError(
                f"{folder / name} asks for code of its own (auto_map), which is never run; use a model that"
                " transformers supports by itself."
            )
    _check_architecture(config.get("architectures"), str(folder))
    if not any(folder.glob("*.safetensors")):
        if any(folder.glob("*.bin")) or any(folder.glob("*.pt")) or any(folder.glob("*.pth")):
            raise JobError(f"{folder} holds pickled weights only; convert them to safetensors first.")
        raise JobError(f"{folder} holds no weights (*.safetensors); copy the checkpoint again.")
    return config


def _check_architecture(architectures: list[str] | None, where: str) -> None:
    name = (architectures or ["none named"])[0]
    if name not in ARCHITECTURES:
        raise JobError(f"{where} is a {name}, which is not supported; use one of: {', '.join(sorted(ARCHITECTURES))}.")


def load_causal_lm(
    path: str,
    device: torch.device | None = None,
    dropout: float = 0.0,
    weights: str = "float32",
    quantise: str = "none",
) -> Model:
    """A causal LM in eval mode from a local folder or hub name, with `dropout` set where there is any.

    `weights` is float32 or bf16; `quantise` "nf4" holds its matrices in 4 bits. Raises JobError with what to do:
    unsupported architecture, remote code, pickles, missing or broken weights.
    """
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils import logging

    quiet: Any = logging
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
    folder = Path(path)
    if folder.is_dir():
        check_model_folder(folder)
    elif folder.is_absolute() or path.count("/") != 1 or path.startswith("."):
        raise JobError(f"{path} does not exist; give a checkpoint's folder or a hub name like owner/model.")
    try:
        config = AutoConfig.from_pretrained(path, trust_remote_code=False)
        _check_architecture(config.architectures, path)
        for key in DROPOUT_KEYS:
            if hasattr(config, key):
                setattr(config, key, dropout)
        loader: Any = AutoModelForCausalLM
        model, info = loader.from_pretrained(
            path, config=config, trust_remote_code=False, use_safetensors=True, dtype=DTYPES[weights],
            attn_implementation="sdpa", output_loading_info=True, **_quantisation(quantise, device),
        )  # fmt: skip
    except JobError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise JobError(f"The checkpoint {path} cannot be loaded ({reason}); copy it again or choose another.") from None
    wrong = [*info["missing_keys"], *(str(key) for key in info["mismatched_keys"])]
    if wrong:
        raise JobError(f"The checkpoint {path} lacks weights ({', '.join(sorted(wrong)[:3])}); copy it again.")
    return (model if quantise != "none" else model.to(device or torch.device("cpu"))).eval()


def _quantisation(quantise: str, device: torch.device | None) -> dict[str, Any]:
    """What from_pretrained must be told to hold the weights in 4 bits (QLoRA, arXiv 2305.14314, section 3).

    NF4 with double quantisation; its paged optimiser is not used.
    """
    if quantise == "none":
        return {}
    try:
        import bitsandbytes  # noqa: F401 (transformers wants it)
        from transformers import BitsAndBytesConfig
    except ImportError:
        raise JobError(
            "quantise is 'nf4', but bitsandbytes is not installed; install it, or set it to 'none'."
        ) from None
    how: Any = BitsAndBytesConfig
    return {
        "quantization_config": how(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        ),
        "device_map": {"": device or torch.device("cpu")},
    }  # fmt: skip


def context_length(model: Model) -> int:
    """Tokens the model can take; without end where its config names none."""
    return context_of(model.config.to_dict()) or 1 << 30


def check_context(model: Model, codec: Any, length: int, setting: str) -> None:
    """Refuse settings beyond the model's context, and a tokenizer that does not fit its vocabulary."""
    if length > context_length(model):
        raise JobError(
            f"{setting} asks for {length} tokens; the model takes {context_length(model)} at most. Lower it."
        )
    vocabulary = model.get_input_embeddings().weight.shape[0]
    if max(codec.stops) >= vocabulary:
        raise JobError("The tokenizer's end token lies outside the model's vocabulary; use the model's own tokenizer.")


def save_causal_lm(model: Model, tokenizer: Any, folder: Path) -> None:
    """A transformers folder (config, safetensors, tokenizer with its chat template)."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def autocast(device: torch.device, precision: str) -> Any:
    """The autocast context of a mixed precision, or nothing."""
    return nullcontext() if precision == "float32" else torch.autocast(device.type, dtype=DTYPES[precision])


def hidden_states(backbone: Model, batch: Packed) -> Tensor:
    """Last hidden states of a packed batch, flattened: [B*T, d].

    Never with a cache: with one, packed rows see each other.

    Take rows of it with index_select, never with [...]: K responses share their prompt's last row, and on a CPU the
    gradient of plain indexing adds such rows in the order in which its threads come by: same seed, another model.
    """
    out = backbone(
        input_ids=batch.input_ids, position_ids=batch.position_ids, attention_mask=batch.mask, use_cache=False
    ).last_hidden_state
    return out.reshape(-1, out.shape[-1])  # type: ignore[no-any-return]


def lm_logits(model: Model, hidden: Tensor) -> Tensor:
    """Logits [N, V] in float32 of the hidden states [N, d] that count."""
    return model.get_output_embeddings()(hidden).float()  # type: ignore[no-any-return]


def response_logprobs(
    model: Model, batch: Packed, temperature: float = 1.0, entropy: bool = False
) -> tuple[Tensor, Tensor | None]:
    """Log-probability and, if wanted, entropy of every response token, [N]; the LM head runs at these places only."""
    logits = lm_logits(model, hidden_states(model.base_model, batch).index_select(0, batch.source))
    if temperature != 1:
        logits = logits / temperature
    return token_logprobs(logits, batch.targets, entropy)


class LanguageModel(nn.Module):
    """A causal LM whose forward gives what training wants of it: `response_logprobs`. What accelerate wraps."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Packed, temperature: float = 1.0, entropy: bool = False) -> tuple[Tensor, Tensor | None]:
        """Log-probability and, if wanted, entropy of every response token, [N]."""
        return response_logprobs(self.model, batch, temperature, entropy)


def mean_logprobs(logprobs: Tensor, batch: Packed) -> Tensor:
    """[N] log-probabilities of the batch's response tokens to their mean per response, [R]."""
    total = torch.zeros(len(batch.lengths), dtype=logprobs.dtype, device=logprobs.device)
    return total.index_add(0, batch.owner, logprobs) / batch.lengths


def same_weights(a: Model, b: Model) -> bool:
    """True when two models hold the same numbers, so that one forward serves both."""
    left, right = a.state_dict(), b.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)
