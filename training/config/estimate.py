"""What a job will take, before it is started: memory of one process, and products to compute. Pure arithmetic.

Of the settings as each program reads them, of the model's sizes and of the data's. Standard library only, since the
application shows it (services/estimates.py). `benchmarks/estimates.py` holds it against real jobs; docs/training.md
says how far off it is. Symbols: P parameters, L layers, d width, f feed-forward width, V vocabulary, B bytes a number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from training.config.base import BaseConfig
from training.config.policy_gradient import PolicyGradientConfig
from training.config.rejection import RejectionConfig
from training.config.shape import ModelShape

FLOAT, HALF = 4, 2  # bytes
RUNTIME = 350_000_000  # bytes that Python, torch and transformers take before any model
OPTIMISER_BYTES = {"adamw": 8.0, "adamw8bit": 2.0, "rmsprop": 4.0}  # a parameter's moments
STARTUP = 9.0  # seconds that a program takes to import torch and transformers and to load a small model
FORWARD_ONLY, TRAINED, LORA = 1, 3, 2  # forwards' worth: backward costs two, or one where no weight learns


@dataclass(frozen=True)
class Data:
    """What the job reads. A row is a demonstration, a ranked comparison, or a prompt to answer."""

    rows: int
    prompt_tokens: float  # mean
    response_tokens: float  # mean of one response
    responses: int = 1  # to a prompt: K where they are ranked, or how many are sampled
    longest: float = 0  # tokens of a long row, prompt and responses, to which a batch's others are padded
    pretraining_tokens: float = 0  # mean of a pretraining text as it is read (PPO-ptx)


@dataclass(frozen=True)
class Memory:
    """Bytes of one process at its peak."""

    weights: float  # of what trains, or of the model that samples
    gradients: float
    optimiser: float
    copies: float  # models beside it: reference, reward model, the average of the weights
    activations: float  # of one microbatch, or the cache of the rows that are decoded at once, whichever is more
    runtime: float = RUNTIME

    @property
    def total(self) -> float:
        return self.weights + self.gradients + self.optimiser + self.copies + self.activations + self.runtime


def memory(config: BaseConfig, model: ModelShape, data: Data) -> Memory:
    """Memory of a program with these settings, all its models being of this shape."""
    if config.kind == "sample":
        return _sampling_memory(config, model, data)
    settings: Any = config  # every other program is an Optimiser
    frozen = HALF if settings.frozen_weights == "bf16" else FLOAT
    held, moving = _trainable(settings, model)
    if _has_critic(settings):  # a network of its own, trained beside the policy
        held, moving = 2 * held, 2 * moving
    ranks = settings.processes if settings.shard else 1
    return Memory(
        weights=held / ranks,
        gradients=moving * FLOAT / ranks,
        optimiser=moving * OPTIMISER_BYTES[settings.optimiser] / ranks,
        copies=_copies(settings, model, frozen) + moving * FLOAT * (getattr(settings, "ema", 0) > 0),
        activations=max(_activations(settings, model, data), _decoding(settings, model, data)),
    )


def flops(config: BaseConfig, model: ModelShape, data: Data) -> float:
    """Floating point operations of the whole job: 2 for each weight that a token meets, attention's own left out."""
    settings: Any = config
    prompts, answers = data.prompt_tokens, data.response_tokens

    def forward(responses: float, head: bool = True) -> float:
        """A prompt and so many responses, the prompt computed once."""
        return 2 * (model.body * (prompts + responses * answers) + head * model.head * responses * answers)

    if config.kind == "sample":
        drawn = data.responses * settings.best_of
        judged = 2 * forward(drawn) if settings.best_of > 1 else 0.0
        return data.rows * (forward(drawn) + judged)
    step = _step_cost(settings)
    if isinstance(settings, PolicyGradientConfig):
        return _policy_gradient_flops(settings, step, forward) + _ptx_flops(settings, model, step, data)
    if isinstance(settings, RejectionConfig):
        kept, drawn = settings.samples_per_prompt, settings.samples_per_prompt * settings.best_of
        return data.rows * (3 * forward(drawn) + settings.epochs * step * kept * forward(1))
    if config.kind == "reward":
        passes = settings.epochs * (step * forward(data.responses, head=False) + forward(data.responses))
        return float(data.rows * settings.ensemble * passes)
    once = FORWARD_ONLY if config.kind == "dpo" else 0  # the reference's pass
    return float(data.rows * (settings.epochs * step + once) * forward(data.responses))


def seconds_like(done: float, took: float, wanted: float) -> float:
    """Seconds of a job of `wanted` operations, where one of `done` took `took`: in proportion, but for the start."""
    start = min(STARTUP, took / 2)
    return start + (took - start) * wanted / done


def _policy_gradient_flops(config: Any, step: float, forward: Any) -> float:
    """Per prompt: the rollout, four models that judge it, and the updates."""
    each = config.samples_per_prompt
    # The rollout, the policy's own log-probabilities, the reference's, and the reward model's.
    judged = 3 * forward(each) + forward(each, head=False)
    learnt = config.inner_epochs * step * forward(each)
    if _has_critic(config):
        judged += forward(each, head=False)
        learnt += config.inner_epochs * step * forward(each, head=False)
    iterations = max(1, config.episodes // config.batch_size)
    return float(iterations * config.batch_size / each * (judged + learnt))


def _ptx_flops(config: Any, model: ModelShape, step: float, data: Data) -> float:
    """The policy's forward and backward over pretraining text, at every optimiser step that moves it."""
    if not config.ptx_coef:
        return 0.0
    rollouts = max(1, config.episodes // config.batch_size) - (config.value_warmup if _has_critic(config) else 0)
    steps = max(0, rollouts) * config.inner_epochs * math.ceil(config.batch_size / config.minibatch_size)
    tokens = config.ptx_batch_size * data.pretraining_tokens
    return float(steps * step * 2 * (model.body * tokens + model.head * max(0, tokens - config.ptx_batch_size)))


def _step_cost(config: Any) -> float:
    """Forwards' worth of a forward and backward."""
    cost = LORA if config.lora_rank else TRAINED
    return cost + (1 if config.activation_checkpointing else 0)


def _has_critic(config: Any) -> bool:
    return config.kind == "a2c" or getattr(config, "advantage", "") == "gae"


def _trainable(config: Any, model: ModelShape) -> tuple[float, float]:
    """(bytes of the weights held, parameters that move)."""
    if not config.lora_rank:
        return model.parameters * FLOAT, model.parameters
    moving = config.lora_rank * model.linear
    bytes_held: float = HALF if config.frozen_weights == "bf16" else FLOAT
    if config.quantise == "nf4":  # 4 bits and the blocks' scales; embeddings and head stay as they are
        embeddings = model.parameters - model.body
        return model.body * 0.52 + embeddings * HALF + moving * FLOAT, moving
    return model.parameters * bytes_held + moving * FLOAT, moving


def _copies(config: Any, model: ModelShape, frozen: int) -> float:
    """Frozen models that stay beside what trains."""
    count = 0
    if isinstance(config, PolicyGradientConfig):
        count = 1 + (0 if config.lora_rank and not config.reference else 1)  # reward model; reference
    elif config.kind == "rejection":
        count = 0  # policy and reward model that sample are gone before the fine-tuning
    elif config.kind == "reward":
        count = 1 if config.logprob_weight else 0  # the SFT model of the log-probability
    elif getattr(config, "choose_by", ""):
        count = 2
    return count * model.parameters * frozen


def _activations(config: Any, model: ModelShape, data: Data) -> float:
    """What a microbatch keeps for its backward pass.

    A layer keeps of each token: three of d around each norm, queries, attention's result twice, keys and values, and
    four of f in the feed-forward part; on the way back the gradients of one layer stand beside them. The head keeps
    logits and log-probabilities of response tokens, and their gradients pass through two more.
    """
    together = 1 if config.kind in ("sft", "rejection") else getattr(config, "samples_per_prompt", data.responses)
    rows = getattr(config, "minibatch_size", config.batch_size * together) / together
    answered = together * data.response_tokens
    tokens = min(config.micro_batch_tokens, rows * max(data.longest, data.prompt_tokens + answered))
    number = FLOAT if config.precision == "float32" else HALF
    layer = (9 * model.hidden + 2 * model.keys + 4 * model.intermediate) * number
    inputs = model.layers * model.hidden * number
    body = (inputs + layer if config.activation_checkpointing else model.layers * layer) + layer
    head = 4 * model.vocabulary * FLOAT
    # Of pretraining text every token meets the head, and no value network goes along.
    ptx = config.ptx_batch_size * data.pretraining_tokens if getattr(config, "ptx_coef", 0) else 0
    mixed_in = min(config.micro_batch_tokens, ptx) * (body + head)
    body *= 2 if _has_critic(config) else 1  # policy and value network go forward and back together
    share = answered / (data.prompt_tokens + answered)  # of the tokens that meet the head; a reward model has none
    return float(max(mixed_in, tokens * (body + (0.0 if config.kind == "reward" else share * head))))


def _decoding(config: Any, model: ModelShape, data: Data) -> float:
    """Keys and values of the rows that are decoded at once, their prompts' once each, and the logits of a token."""
    if not hasattr(config, "batch_rows"):
        return 0.0
    each = getattr(config, "samples_per_prompt", data.responses) * getattr(config, "best_of", 1)
    if config.kind == "sample":
        each = data.responses * config.best_of
    all_rows = config.batch_size if isinstance(config, PolicyGradientConfig) else data.rows * each
    rows = min(config.batch_rows, all_rows)
    number = FLOAT if config.precision == "float32" else HALF
    kept = model.layers * 2 * model.keys * number * (config.max_new_tokens + data.prompt_tokens / each)
    return float(rows * (kept + 3 * model.vocabulary * FLOAT))


def _sampling_memory(config: Any, model: ModelShape, data: Data) -> Memory:
    """One policy at a time, and the reward model with its log-probability's where the best of N is chosen."""
    copies = 2 * model.parameters * FLOAT if config.best_of > 1 else 0.0
    return Memory(model.parameters * FLOAT, 0, 0, copies, _decoding(config, model, data))
