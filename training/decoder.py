"""The decoder: `generate` and `decode` draw from a model here, for the sampling program and for rollouts.

The prompt is computed once for its samples, attention to it is one matrix product per prompt, finished rows are
dropped, and tokens are drawn by inverse CDF from random numbers that depend on (seed, prompt id, index) alone, so a
sample does not depend on what else is in the batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.data import Codec, Message
from training.job import Drained
from training.models import Model, autocast, lm_logits
from training.packing import PAD

ATTENTION = "tutelage_decode"
COMPACT_BELOW = 0.9  # drop finished rows from the cache once fewer than this share are alive


@dataclass(frozen=True)
class Sampling:
    """How to draw. temperature 1, top_p 1 and top_k 0 sample the model's own distribution (detail 4)."""

    max_new_tokens: int = 96
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    greedy: bool = False
    seed: int = 0
    batch_rows: int = 256
    precision: str = "float32"


@dataclass(frozen=True)
class Request:
    """One sample to draw: the prompt's id and token ids, and the sample's index among those of the prompt."""

    prompt_id: str
    tokens: Sequence[int]
    index: int


@dataclass
class Completion:
    """A drawn sample: token ids with the end token if it ended, and their log-probabilities in nats.

    The log-probabilities are those at the sampling temperature (1 when greedy), before top_k and top_p.
    """

    prompt_id: str
    index: int
    seed: int
    tokens: list[int]
    logprobs: list[float]
    ended: bool


def sample_seed(seed: int, prompt_id: str, index: int) -> int:
    """The seed of one sample, 53 bits: a pure function of the job's seed, the prompt and the index."""
    digest = hashlib.sha256(f"{seed}:{index}:{prompt_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 11


def generate(
    model: Model,
    tokenizer: Any,
    prompts: Sequence[tuple[str, list[Message]]],
    settings: Sampling,
    samples: int = 1,
) -> list[tuple[Completion, str]]:
    """Draw `samples` completions for each (id, messages); returns (completion, text), prompt after prompt."""
    codec = tokenizer if isinstance(tokenizer, Codec) else Codec(tokenizer)
    requests = []
    for prompt_id, messages in prompts:
        tokens = codec.prompt(messages)
        requests += [Request(prompt_id, tokens, index) for index in range(samples)]
    return [(done, codec.text(done.tokens)) for done in decode(model, requests, codec.stops, settings)]


def decode(
    model: Model,
    requests: Sequence[Request],
    stops: Sequence[int],
    settings: Sampling,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Completion]:
    """Draw every request, in batches of like length; the answers come in the order of the requests.

    Raises Drained between two tokens when `cancelled()` turns true.
    """
    answers: dict[int, Completion] = {}
    for batch in length_sorted(requests, settings.batch_rows):
        drawn = decode_batch(model, [requests[at] for at in batch], stops, settings, cancelled)
        answers.update(zip(batch, drawn, strict=True))
    return [answers[at] for at in range(len(requests))]


def length_sorted(requests: Sequence[Request], rows: int) -> list[list[int]]:
    """Request numbers in batches: prompts of like length together, the samples of a prompt side by side."""
    order = sorted(range(len(requests)), key=lambda at: (len(requests[at].tokens), requests[at].prompt_id))
    return [order[start : start + rows] for start in range(0, len(order), rows)]


class PrefixCache:
    """Keys and values of P prompts (computed once) and of S growing responses, as transformers' cache interface.

    prefix keys and values [P, H, Lp, d] a layer, left-padded; suffix [S, H, T, d] a layer, written in place.
    `groups` [P, W] lists each prompt's live rows (padded with 0), `slot` [S] is where a row stands in it.
    """

    def __init__(self, model: Model, prompts: list[Sequence[int]], owner: Tensor, width: int, device: torch.device):
        self.width, self.length = width, 0
        ids, mask = left_pad(prompts)
        ids, mask = ids.to(device), mask.to(device)
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        out = model.base_model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=True)
        self.last_hidden: Tensor = out.last_hidden_state[:, -1]
        layers = out.past_key_values.layers
        self.prefix = [(layer.keys, layer.values) for layer in layers]
        bias = torch.zeros(mask.shape, device=device, dtype=self.prefix[0][0].dtype)
        self.bias = bias.masked_fill(mask == 0, float("-inf"))[:, None, None, :]
        self.padded = bool((mask == 0).any())
        self.owner = owner
        shape = (len(owner), self.prefix[0][0].shape[1], width, self.prefix[0][0].shape[3])
        self.suffix = [(key.new_empty(shape), value.new_empty(shape)) for key, value in self.prefix]
        self._regroup()

    def _regroup(self) -> None:
        """Drop prompts without live rows and list the rows of the others."""
        kept, self.owner = torch.unique(self.owner, return_inverse=True)
        if len(kept) < self.bias.shape[0]:
            self.prefix = [(key[kept], value[kept]) for key, value in self.prefix]
            self.bias = self.bias[kept]
        counts = torch.bincount(self.owner)
        order = torch.argsort(self.owner, stable=True)
        starts = counts.cumsum(0) - counts
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order), device=order.device) - starts[self.owner[order]]
        wide = int(counts.max())
        self.groups = torch.zeros(len(counts), wide, dtype=torch.long, device=order.device)
        self.groups[self.owner, place] = torch.arange(len(order), device=order.device)
        self.slot = self.owner * wide + place
        self.plain = bool((self.slot == torch.arange(len(order), device=order.device)).all()) and (
            self.groups.numel() == len(order)
        )

    def keep(self, rows: Tensor) -> None:
        """Keep only these response rows."""
        used = self.length
        self.suffix = [(self._narrow(key, rows, used), self._narrow(value, rows, used)) for key, value in self.suffix]
        self.owner = self.owner[rows]
        self._regroup()

    def _narrow(self, old: Tensor, rows: Tensor, used: int) -> Tensor:
        new = old.new_empty((len(rows), *old.shape[1:]))
        new[:, :, :used] = old[:, :, :used].index_select(0, rows)
        return new

    def update(self, key: Tensor, value: Tensor, layer: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Called by the model's attention with keys and values [S, H, 1, d] of the newest token."""
        keys, values = self.suffix[layer]
        keys[:, :, self.length] = key[:, :, 0]
        values[:, :, self.length] = value[:, :, 0]
        return key, value

    def get_seq_length(self, layer: int = 0) -> int:
        """For models that ask how much was seen; positions are always given, so it decides nothing."""
        return int(self.bias.shape[-1]) + self.length

    def attend(self, layer: int, query: Tensor, scaling: float) -> Tensor:
        """Attention of one query token a row, [S, Hq, 1, d], to its prompt and its own response; [S, Hq, d]."""
        prompt_keys, prompt_values = self.prefix[layer]
        keys, values = self.suffix[layer]
        rows, heads, _, size = query.shape
        kv, seen = prompt_keys.shape[1], self.length + 1
        share = heads // kv
        query = query.reshape(rows, kv, share, size) * scaling
        prompts, wide = self.groups.shape
        # one product per prompt and head for all live samples of the prompt: [P, kv, W * share, Lp]
        grouped = query if self.plain else query[self.groups.view(-1)]
        grouped = grouped.view(prompts, wide, kv, share, size).transpose(1, 2).reshape(prompts, kv, wide * share, size)
        far = torch.matmul(grouped, prompt_keys.transpose(2, 3))
        if self.padded:
            far = far + self.bias
        length = far.shape[-1]
        far = far.view(prompts, kv, wide, share, length).transpose(1, 2).reshape(prompts * wide, kv, share, length)
        if not self.plain:
            far = far[self.slot]
        near = torch.matmul(query, keys[:, :, :seen].transpose(2, 3))
        weights = torch.cat([far, near], dim=-1).softmax(dim=-1, dtype=torch.float32).to(query.dtype)
        far, near = weights[..., :length], weights[..., length:]
        if not self.plain:
            far = far[self.groups.view(-1)]
        far = far.reshape(prompts, wide, kv, share, length).transpose(1, 2).reshape(prompts, kv, wide * share, length)
        seen_prompt = torch.matmul(far, prompt_values).view(prompts, kv, wide, share, size)
        seen_prompt = seen_prompt.transpose(1, 2).reshape(prompts * wide, kv, share, size)
        if not self.plain:
            seen_prompt = seen_prompt[self.slot]
        out = seen_prompt + torch.matmul(near, values[:, :, :seen])
        return out.reshape(rows, heads, size)


_active: list[PrefixCache] = []


def _decode_attention(
    module: Any, query: Tensor, _key: Tensor, _value: Tensor, _mask: Tensor | None, scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """transformers' attention interface, answered from the active PrefixCache."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return _active[-1].attend(module.layer_idx, query, scale).unsqueeze(1), None


@contextmanager
def _decoding(model: Model, cache: PrefixCache) -> Iterator[None]:
    """Route the model's attention through `cache` inside this context."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    if ATTENTION not in ALL_ATTENTION_FUNCTIONS.valid_keys():
        ALL_ATTENTION_FUNCTIONS.register(ATTENTION, _decode_attention)
    before = model.config._attn_implementation
    model.config._attn_implementation = ATTENTION
    _active.append(cache)
    try:
        yield
    finally:
        _active.pop()
        model.config._attn_implementation = before


def left_pad(prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Token ids and mask, each [P, Lp], padded on the left (detail 3)."""
    width = max(len(tokens) for tokens in prompts)
    ids = torch.full((len(prompts), width), PAD, dtype=torch.long)
    mask = torch.zeros((len(prompts), width), dtype=torch.long)
    for row, tokens in enumerate(prompts):
        ids[row, width - len(tokens) :] = torch.tensor(list(tokens))
        mask[row, width - len(tokens) :] = 1
    return ids, mask


@torch.no_grad()
def decode_batch(
    model: Model,
    requests: Sequence[Request],
    stops: Sequence[int],
    settings: Sampling,
    cancelled: Callable[[], bool],
) -> list[Completion]:
    """Draw one batch of rows together; see `decode`."""
    device = next(model.parameters()).device
    numbers: dict[str, int] = {}
    for request in requests:
        numbers.setdefault(request.prompt_id, len(numbers))
    prompts = list({request.prompt_id: request.tokens for request in requests}.values())
    owner = torch.tensor([numbers[request.prompt_id] for request in requests], device=device)
    seeds = [sample_seed(settings.seed, request.prompt_id, request.index) for request in requests]
    steps = settings.max_new_tokens
    uniforms = None if settings.greedy else _uniforms(seeds, steps).to(device)
    stop_ids = torch.tensor(list(stops), device=device)
    drawn = torch.full((len(requests), steps), PAD, dtype=torch.long, device=device)
    logprobs = torch.zeros((len(requests), steps), device=device)
    lengths = torch.full((len(requests),), steps, dtype=torch.long, device=device)
    ended = torch.zeros(len(requests), dtype=torch.bool, device=device)
    start = torch.tensor([len(tokens) for tokens in prompts], device=device)[owner]

    with autocast(device, settings.precision):
        cache = PrefixCache(model, prompts, owner, steps, device)
        hidden = cache.last_hidden[owner]
        rows = torch.arange(len(requests), device=device)  # which request each live cache row belongs to
        live = torch.ones(len(requests), dtype=torch.bool, device=device)  # per cache row
        with _decoding(model, cache):
            for step in range(steps):
                if cancelled():
                    raise Drained
                logits = lm_logits(model, hidden)
                tokens, logs = draw(logits, settings, None if uniforms is None else uniforms[rows, step])
                drawn[rows[live], step] = tokens[live]
                logprobs[rows[live], step] = logs[live]
                done = live & torch.isin(tokens, stop_ids)
                lengths[rows[done]] = step + 1
                ended[rows[done]] = True
                live = live & ~done
                alive = int(live.sum())
                if alive == 0 or step + 1 == steps:
                    break
                if alive < COMPACT_BELOW * len(rows):
                    keep = live.nonzero().squeeze(1)
                    rows, tokens, live = rows[keep], tokens[keep], live[keep]
                    cache.keep(keep)
                hidden = model.base_model(
                    input_ids=tokens.unsqueeze(1), position_ids=(start[rows] + step).unsqueeze(1),
                    past_key_values=cache, use_cache=True,
                ).last_hidden_state[:, 0]  # fmt: skip
                cache.length += 1

    all_tokens, all_logs = drawn.tolist(), logprobs.tolist()
    return [
        Completion(request.prompt_id, request.index, seed, all_tokens[at][:length], all_logs[at][:length], end)
        for at, (request, seed, length, end) in enumerate(
            zip(requests, seeds, lengths.tolist(), ended.tolist(), strict=True)
        )
    ]


def _uniforms(seeds: Sequence[int], steps: int) -> Tensor:
    """Random numbers [S, steps] in [0, 1), row by row from each sample's own seed."""
    return torch.from_numpy(np.stack([np.random.Generator(np.random.Philox(seed)).random(steps) for seed in seeds]))


def draw(logits: Tensor, settings: Sampling, uniforms: Tensor | None) -> tuple[Tensor, Tensor]:
    """One token a row by inverse CDF (the likeliest when greedy) and its log-probability. logits [S, V] float32."""
    if settings.greedy or uniforms is None:
        logs = logits.log_softmax(-1)
        tokens = logits.argmax(-1)
        return tokens, logs.gather(1, tokens.unsqueeze(1)).squeeze(1)
    logs = (logits / settings.temperature).log_softmax(-1)
    probabilities = logs.exp()
    if settings.top_k or settings.top_p < 1:
        probabilities = truncate(probabilities, settings.top_k, settings.top_p)
    cdf = probabilities.double().cumsum(-1)
    tokens = torch.searchsorted(cdf, (uniforms * cdf[:, -1]).unsqueeze(1), right=True).squeeze(1)
    tokens = tokens.clamp(max=logits.shape[-1] - 1)
    return tokens, logs.gather(1, tokens.unsqueeze(1)).squeeze(1)


def truncate(probabilities: Tensor, top_k: int, top_p: float) -> Tensor:
    """Zero what lies outside the k likeliest tokens, then outside the smallest set of mass top_p. [S, V]."""
    if top_k and top_k < probabilities.shape[-1]:
        least = probabilities.topk(top_k, dim=-1).values[:, -1:]
        probabilities = probabilities.masked_fill(probabilities < least, 0)
    if top_p < 1:
        ordered, order = probabilities.sort(dim=-1, descending=True)
        before = ordered.cumsum(-1) - ordered
        out = torch.zeros_like(before, dtype=torch.bool)
        out.scatter_(1, order, before >= top_p * ordered.sum(-1, keepdim=True))
        probabilities = probabilities.masked_fill(out, 0)
    return probabilities
