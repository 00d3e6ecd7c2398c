"""The sizes of a causal language model, from its folder's config.json and the headers of its safetensors.

Nothing is loaded: a safetensors file begins with the length of its header (8 bytes, little endian) and the header, JSON
with every tensor's shape. Standard library only, since the application asks (services/estimates.py).
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

LARGEST_HEADER = 100_000_000  # bytes; the format's own limit
EMBEDDINGS = ("embed", "wte", "wpe", "lm_head")  # in the names of matrices that LoRA leaves alone


@dataclass(frozen=True)
class ModelShape:
    """What memory and time depend on."""

    parameters: int
    layers: int
    hidden: int  # width d of the residual stream
    keys: int  # width of the keys, and of the values, of one token in one layer
    intermediate: int  # width f of the feed-forward layer
    vocabulary: int
    tied: bool  # whether the LM head is the input embedding
    linear: int  # inputs and outputs of all matrices that LoRA goes beside, added up

    @property
    def head(self) -> int:
        """Weights of the LM head, which runs on response tokens alone."""
        return self.vocabulary * self.hidden

    @property
    def body(self) -> int:
        """Weights that every token is multiplied with: all but the embeddings."""
        return max(0, self.parameters - self.head * (1 if self.tied else 2))


def read_shape(folder: Path) -> ModelShape | None:
    """The sizes of the model in `folder`; None where they cannot be read."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        shapes = {name: shape for file in folder.glob("*.safetensors") for name, shape in _header(file).items()}
        hidden = config.get("hidden_size") or config["n_embd"]
        heads = config.get("num_attention_heads") or config["n_head"]
        width = config.get("head_dim") or hidden // heads
        linear = [shape for name, shape in shapes.items() if len(shape) == 2 and not any(e in name for e in EMBEDDINGS)]
        return ModelShape(
            parameters=sum(prod(shape) for shape in shapes.values()),
            layers=config.get("num_hidden_layers") or config["n_layer"],
            hidden=hidden,
            keys=(config.get("num_key_value_heads") or heads) * width,
            intermediate=config.get("intermediate_size") or config.get("n_inner") or 4 * hidden,
            vocabulary=config["vocab_size"],
            tied=not any("lm_head" in name or "embed_out" in name for name in shapes),
            linear=sum(map(sum, linear)),
        ) if shapes else None  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error, RecursionError):
        return None


def _header(file: Path) -> dict[str, Any]:
    """Tensor name -> shape."""
    with file.open("rb") as opened:
        (length,) = struct.unpack("<Q", opened.read(8))
        if length > LARGEST_HEADER:
            raise ValueError("no safetensors")
        header = json.loads(opened.read(length))
    return {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
