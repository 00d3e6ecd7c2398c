"""Pretraining of the starter's base model on the packed corpus; used by `build`. Resumes after a kill.

Numbered as it runs: 1 pack the corpus, 2 build the model, 3 loop, 4 measure the validation loss.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM

from starter.muon import Muon
from starter.tokens import ASSISTANT, CONTEXT, END, SYSTEM, USER, Tokenizer

Model = Any  # a transformers model; transformers ships no types that mypy can follow


@dataclass(frozen=True)
class PretrainConfig:
    seed: int = 1
    steps: int = 800
    rows: int = 8  # sequences of CONTEXT tokens a step; cut in half (attention costs less) for all but the last steps
    short_share: float = 0.8
    muon_lr: float = 0.02
    embedding_lr: float = 0.1
    head_lr: float = 8e-3  # norms too
    warmup: int = 30
    decay_share: float = 0.4  # the last share of the steps brings the learning rate down to zero
    save_seconds: float = 60.0


def pack(texts: list[str], tokenizer: Tokenizer) -> NDArray[np.int32]:
    """All documents in one row of ids, each closed by EOS."""
    ids: list[int] = []
    for encoding in tokenizer.backend_tokenizer.encode_batch(texts):
        ids.extend(encoding.ids)
        ids.append(int(tokenizer.eos_token_id))
    return np.array(ids, dtype=np.int32)


def make_model(tokenizer: Tokenizer) -> Model:
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=5,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=CONTEXT,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        attention_dropout=0.0,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype="float32",
    )
    model: Model = LlamaForCausalLM(config)
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    model.generation_config.update(**ends, do_sample=True, top_k=0, top_p=1.0)
    return model


def _optimizers(model: Model, config: PretrainConfig) -> list[torch.optim.Optimizer]:
    """Muon for the matrices within the layers, AdamW for the others, at a far higher rate for the embeddings."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "layers" in name]
    embedding = model.get_input_embeddings().weight
    others = [
        p for name, p in model.named_parameters() if p is not embedding and not (p.ndim == 2 and "layers" in name)
    ]
    return [
        Muon(matrices, lr=config.muon_lr),
        torch.optim.AdamW([embedding], lr=config.embedding_lr, betas=(0.8, 0.95), eps=1e-10, weight_decay=0.0),
        torch.optim.AdamW(others, lr=config.head_lr, betas=(0.8, 0.95), eps=1e-10, weight_decay=0.0),
    ]


def _lr_scale(step: int, config: PretrainConfig) -> float:
    warm = min(1.0, (step + 1) / config.warmup)
    left = (config.steps - step) / (config.steps * config.decay_share)
    return warm * min(1.0, left)


def _batch(ids: NDArray[np.int32], step: int, config: PretrainConfig) -> torch.Tensor:
    """The rows of one step. Each epoch is cut at another offset and shuffled anew, a pure function of seed and step."""
    rows_an_epoch = len(ids) // CONTEXT - 1
    rows = []
    for k in range(step * config.rows, (step + 1) * config.rows):
        epoch, index = divmod(k, rows_an_epoch)
        rng = np.random.default_rng((config.seed, epoch))
        start = int(rng.integers(CONTEXT)) + int(rng.permutation(rows_an_epoch)[index]) * CONTEXT
        rows.append(ids[start : start + CONTEXT])
    batch = torch.from_numpy(np.stack(rows).astype(np.int64))
    return batch.view(-1, CONTEXT // 2) if step < config.steps * config.short_share else batch


def _forward_loss(model: Model, batch: torch.Tensor) -> torch.Tensor:
    logits = model(input_ids=batch, use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch[:, 1:].flatten())


def validation_loss(model: Model, ids: NDArray[np.int32], rows: int = 64) -> float:
    """Mean loss a token, in nats, over the first `rows` packed rows of the validation documents."""
    model.eval()
    losses = []
    with torch.no_grad():
        for start in range(0, min(rows, len(ids) // CONTEXT) * CONTEXT, CONTEXT * 8):
            chunk = ids[start : start + CONTEXT * 8]
            batch = torch.from_numpy(chunk[: len(chunk) // CONTEXT * CONTEXT].astype(np.int64)).view(-1, CONTEXT)
            losses.append(float(_forward_loss(model, batch)))
    model.train()
    return sum(losses) / len(losses)


def _teach_chat_tokens(model: Model, tokenizer: Tokenizer) -> None:
    """Let the chat tokens, which the corpus never shows, read as line breaks to the base model.

    Their rows were never trained as inputs. As a line break a chat prompt is a document to go on with, which is what a
    base model makes of it; only inputs are set, so the base model never writes these tokens.
    """
    newline = tokenizer.encode("\n")[0]
    table = model.get_input_embeddings().weight.data
    generator = torch.Generator().manual_seed(0)
    for token in (USER, ASSISTANT, END, SYSTEM):
        noise = torch.randn(table.shape[1], generator=generator) * 0.02 * table[newline].std()
        table[tokenizer.convert_tokens_to_ids(token)] = table[newline] + noise


def _save_state(path: Path, state: dict[str, Any]) -> None:
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def pretrain(
    train_ids: NDArray[np.int32],
    validation_ids: NDArray[np.int32],
    tokenizer: Tokenizer,
    config: PretrainConfig,
    state_path: Path,
    seconds: float = math.inf,
) -> tuple[Model, dict[str, float]]:
    """The trained model and its measures. Goes on from `state_path` when that belongs to the same configuration."""
    torch.manual_seed(config.seed)
    torch.set_float32_matmul_precision("medium")
    model = make_model(tokenizer)
    optimizers = _optimizers(model, config)
    peaks = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    first, spent = 0, 0.0
    if state_path.exists():
        state = torch.load(state_path, weights_only=True)
        if state["config"] == repr(config) and state["tokens"] == len(train_ids):
            model.load_state_dict(state["model"])
            for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
            first, spent = state["step"], state["spent"]
    started = saved_at = time.monotonic()
    bar = tqdm(range(first, config.steps), initial=first, total=config.steps, desc="pretraining", mininterval=1.0)
    smooth = None
    for step in bar:
        scale = _lr_scale(step, config)
        for optimizer, peak in zip(optimizers, peaks, strict=True):
            optimizer.param_groups[0]["lr"] = peak * scale
        loss = _forward_loss(model, _batch(train_ids, step, config))
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        seen = float(loss.detach())
        smooth = seen if smooth is None else 0.95 * smooth + 0.05 * seen
        bar.set_postfix(loss=f"{smooth:.3f}")
        now = time.monotonic()
        if now - saved_at > config.save_seconds:
            saved_at = now
            state = {"config": repr(config), "tokens": len(train_ids), "model": model.state_dict(), "step": step + 1}
            state |= {"optimizers": [o.state_dict() for o in optimizers], "spent": spent + now - started}
            _save_state(state_path, state)
        if now - started > seconds:
            break
    spent += time.monotonic() - started
    _teach_chat_tokens(model, tokenizer)
    measures = {"validation_loss": validation_loss(model, validation_ids), "train_loss": smooth or math.nan}
    return model, measures | {"seconds": spent, "tokens": config.steps * config.rows * CONTEXT}
