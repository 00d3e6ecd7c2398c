"""What a job is told: one plain dataclass per program, read from `config.json` in its job folder.

Standard library only, because the application imports this module to write and to check a job's settings.
Unknown keys are refused and missing ones take the default, which is the "starter" preset (the tiny built-in
model on two CPU cores). The presets "instructgpt" (arXiv 2203.02155, appendix C) and "stiennon"
(arXiv 2009.01325, appendix B) hold the papers' numbers.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

__all__ = [
    "CONFIGS",
    "PRESETS",
    "ConfigError",
    "PPOConfig",
    "Policy",
    "RewardConfig",
    "SFTConfig",
    "SampleConfig",
    "preset",
]


class ConfigError(ValueError):
    """A config that cannot be used. `errors` maps each field to a sentence that says what to do."""

    def __init__(self, errors: dict[str, str]) -> None:
        self.errors = errors
        super().__init__(" ".join(f"{name}: {message}" for name, message in errors.items()))


def setting(
    default: Any = dataclasses.MISSING,
    help: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    choices: tuple[str, ...] | None = None,
    factory: Any = dataclasses.MISSING,
) -> Any:
    """A dataclass field with what a form needs to draw and check it: help, bounds, choices."""
    metadata = {"help": help, "minimum": minimum, "maximum": maximum, "above": above, "choices": choices}
    if factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(kw_only=True)
class BaseConfig:
    """What every program shares: reading, checking, writing, seed, device, how often to save."""

    kind: ClassVar[str] = ""

    seed: int = setting(0, "Seed of every random choice; the same seed gives the same result on a CPU.", 0, 2**53)
    device: str = setting("auto", "Where to run: auto takes a GPU if there is one.", choices=("auto", "cpu", "cuda"))
    bf16: bool = setting(False, "Matrix products in bfloat16 (weights stay in float32). Quick on GPUs.")
    matmul_precision: str = setting(
        "medium", "torch.set_float32_matmul_precision.", choices=("highest", "high", "medium")
    )
    threads: int = setting(0, "CPU threads; 0 takes all cores.", 0, 1024)
    save_every_seconds: float = setting(300.0, "Seconds between two resume states.", above=0)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build from parsed JSON. Raises ConfigError that names every field at fault."""
        if not isinstance(values, dict):
            raise ConfigError({"config": "must be a JSON object with one key a setting."})
        fields = {field.name: field for field in dataclasses.fields(cls)}
        errors: dict[str, str] = {}
        for name in values:
            if name not in fields:
                errors[name] = f"is no setting of {cls.kind}; remove it, or use one of: {', '.join(sorted(fields))}."
        hints = typing.get_type_hints(cls)
        ready: dict[str, Any] = {}
        for name, field in fields.items():
            if name in values:
                try:
                    ready[name] = _convert(values[name], hints[name])
                except ValueError as error:
                    errors[name] = str(error)
            elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                errors[name] = f"is required. {field.metadata.get('help', '')}".strip()
        if errors:
            raise ConfigError(errors)
        config = cls(**ready)
        config.check()
        return config

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a `config.json`, or the one inside a job folder. Raises ConfigError."""
        path = Path(path)
        if path.is_dir():
            path = path / "config.json"
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError({"config": f"{path} does not exist; a job folder needs a config.json."}) from None
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ConfigError({"config": f"{path} is not valid JSON ({error}); write it again."}) from None
        return cls.from_dict(values)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON types, in the order of the fields."""
        return dataclasses.asdict(self)

    def save(self, path: str | Path) -> None:
        """Write as `config.json` (or into a job folder)."""
        path = Path(path)
        if path.is_dir():
            path = path / "config.json"
        path.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    def check(self) -> None:
        """Raise ConfigError when a value is out of its range; programs call it through from_dict."""
        errors: dict[str, str] = {}
        for field in dataclasses.fields(self):
            problem = _problem(getattr(self, field.name), field.metadata)
            if problem:
                errors[field.name] = problem
        if not errors:
            errors = self.check_together()
        if errors:
            raise ConfigError(errors)

    def check_together(self) -> dict[str, str]:
        """Errors that concern several fields at once."""
        return {}

    @classmethod
    def describe(cls) -> list[dict[str, Any]]:
        """The settings as a form needs them: name, type, default, help, minimum, maximum, above, choices."""
        hints = typing.get_type_hints(cls)
        rows = []
        for field in dataclasses.fields(cls):
            default = None if field.default is dataclasses.MISSING else field.default
            hint = hints[field.name]
            kind = hint.__name__ if isinstance(hint, type) else str(hint)
            rows.append({"name": field.name, "type": kind, "default": default, **field.metadata})
        return rows


@dataclass(kw_only=True)
class Optimiser(BaseConfig):
    """Adam with a schedule, as the papers have it: betas .9/.95, cosine to 10 %, clipped gradients."""

    lr: float = setting(1e-3, "Peak learning rate.", above=0, maximum=1)
    lr_final: float = setting(0.1, "Learning rate at the end, as a share of the peak (cosine).", 0, 1)
    warmup_steps: int = setting(0, "Steps of linear warm-up.", 0)
    adam_beta1: float = setting(0.9, "Adam beta 1.", 0, 0.9999)
    adam_beta2: float = setting(0.95, "Adam beta 2.", 0, 0.99999)
    adam_eps: float = setting(1e-8, "Adam epsilon.", above=0)
    weight_decay: float = setting(0.0, "Decoupled weight decay.", 0)
    max_grad_norm: float = setting(1.0, "The gradient's norm is clipped to this.", above=0)


@dataclass(kw_only=True)
class SFTConfig(Optimiser):
    """Supervised fine-tuning on demonstrations (InstructGPT section 3.5, appendix C.1)."""

    kind: ClassVar[str] = "sft"

    model: str = setting(help="Folder (or hub name) of the model to start from.")
    epochs: int = setting(4, "Passes over the demonstrations.", 1, 1000)
    batch_size: int = setting(16, "Demonstrations per optimiser step.", 1)
    micro_batch_tokens: int = setting(8192, "Tokens, padding included, per forward and backward.", 16)
    lr: float = setting(1e-3, "Peak learning rate.", above=0, maximum=1)
    dropout: float = setting(0.0, "Dropout where the architecture has any.", 0, 0.9)
    max_length: int = setting(512, "Longest prompt and response together, in tokens; longer rows are left out.", 8)
    max_prompt_tokens: int = setting(384, "Longest prompt in tokens; longer rows are left out.", 4)
    validation_share: float = setting(
        0.05, "Share held out for the validation loss when no row has the split 'validation'.", 0, 0.5
    )


@dataclass(kw_only=True)
class Policy:
    """A checkpoint to sample from: the `name` that completions carry, and its folder."""

    name: str
    path: str


@dataclass(kw_only=True)
class SampleConfig(BaseConfig):
    """Sampling completions from one or several checkpoints."""

    kind: ClassVar[str] = "sample"

    policies: list[Policy] = setting(  # noqa: RUF009 (setting() is dataclasses.field())
        help="List of {name, path}: the checkpoints to sample from."
    )
    samples_per_prompt: int = setting(4, "Samples of each policy for each prompt, where `plan` says nothing.", 1, 64)
    plan: dict[str, dict[str, int]] | None = setting(  # noqa: RUF009 (as above)
        None, "Prompt id -> {policy name: samples}. Prompts that are not named get none once a plan is given."
    )
    temperature: float = setting(1.0, "Sampling temperature.", above=0, maximum=10)
    top_p: float = setting(1.0, "Nucleus: smallest set of tokens with this much probability.", above=0, maximum=1)
    top_k: int = setting(0, "Only the k likeliest tokens; 0 takes all.", 0)
    greedy: bool = setting(False, "Always the likeliest token (temperature, top_p and top_k are ignored).")
    max_new_tokens: int = setting(96, "Longest response in tokens.", 1)
    max_prompt_tokens: int = setting(384, "Longest prompt in tokens; a longer one is refused.", 4)
    batch_rows: int = setting(256, "Rows decoded at once.", 1)

    def check_together(self) -> dict[str, str]:
        names = [policy.name for policy in self.policies]
        if not names:
            return {"policies": "is empty; name at least one {name, path}."}
        if len(set(names)) != len(names):
            return {"policies": "has two entries with the same name; names must differ."}
        for prompt, counts in (self.plan or {}).items():
            for name, count in counts.items():
                if name not in names:
                    return {"plan": f"prompt {prompt} asks for policy {name!r}, which is not in policies; add it."}
                if not 0 <= count <= 64:
                    return {"plan": f"prompt {prompt}, policy {name!r}: {count} samples; use 0 to 64."}
        return {}


@dataclass(kw_only=True)
class RewardConfig(Optimiser):
    """The K-wise reward model (InstructGPT section 3.5 and appendix C.2; Stiennon section 3.4)."""

    kind: ClassVar[str] = "reward"

    model: str = setting(help="Folder of the SFT model: backbone, and the log-probability's model.")
    epochs: int = setting(1, "Passes over the rankings; the papers use exactly 1, more overfits.", 1, 100)
    batch_size: int = setting(16, "Rankings (prompts) per optimiser step.", 1)
    micro_batch_tokens: int = setting(4096, "Tokens, padding included, per forward and backward.", 16)
    lr: float = setting(5e-4, "Peak learning rate.", above=0, maximum=1)
    head_lr_scale: float = setting(20.0, "Learning rate of head and log-probability weight, times lr.", above=0)
    readout: str = setting(
        "mean",
        "Score read from the mean over the response's tokens or from the last one.",
        choices=("mean", "last"),
    )
    logprob_weight: bool = setting(
        True, "Add a learned weight on the response's mean log-probability under the SFT model to the score."
    )
    pair_weight: str = setting(
        "rating",
        "rating: a pair weighs as much as its two overall ratings differ, plus rating_floor (1 where there are none)."
        " equal: all pairs of a prompt alike, as in the papers.",
        choices=("rating", "equal"),
    )
    rating_floor: float = setting(0.3, "Weight of a pair whose ratings are equal, in points of the rating.", 0, 100)
    packed: bool = setting(True, "All responses of a prompt in one row; else one row per response.")
    dropout: float = setting(0.0, "Dropout where the architecture has any.", 0, 0.9)
    max_length: int = setting(512, "Longest prompt and response together, in tokens; longer responses are left out.", 8)
    validation_share: float = setting(
        0.1, "Share of prompts held out for accuracy when no row has the split 'validation'.", 0, 0.5
    )


@dataclass(kw_only=True)
class PPOConfig(Optimiser):
    """PPO and PPO-ptx (InstructGPT section 3.5 and appendix C.4; Ziegler et al. section 2)."""

    kind: ClassVar[str] = "ppo"

    policy: str = setting(help="Folder of the SFT model; it is also the reference unless `reference` is given.")
    reward_model: str = setting(help="Folder of the reward model's checkpoint.")
    reference: str = setting("", "Folder of the KL reference; empty takes the policy's starting weights.")
    episodes: int = setting(12288, "Responses sampled in all.", 1)
    batch_size: int = setting(512, "Responses sampled per rollout.", 1)
    minibatch_size: int = setting(128, "Responses per optimiser step.", 1)
    micro_batch_tokens: int = setting(8192, "Tokens, padding included, per forward and backward.", 16)
    samples_per_prompt: int = setting(4, "Responses sampled per prompt in a rollout.", 1, 64)
    inner_epochs: int = setting(1, "Passes over a rollout.", 1, 100)
    lr: float = setting(4e-4, "Peak learning rate.", above=0, maximum=1)
    lr_final: float = setting(0.2, "Learning rate at the end, as a share of the peak.", 0, 1)
    warmup_steps: int = setting(4, "Optimiser steps of linear warm-up.", 0)
    adam_eps: float = setting(1e-5, "Adam epsilon.", above=0)
    advantage: str = setting(
        "group",
        "gae: value network and generalised advantage estimation. group: the score less the mean of the"
        " prompt's other samples, no value network.",
        choices=("gae", "group"),
    )
    value_init: str = setting(
        "reward", "Value network starts as the reward model or as the policy.", choices=("reward", "policy")
    )
    value_head_zero: bool = setting(False, "Start the value head at zero instead of the reward head.")
    value_warmup: int = setting(2, "Rollouts that train the value network alone, before the policy moves.", 0)
    value_lr: float = setting(3e-4, "Peak learning rate of the value network.", above=0, maximum=1)
    gamma: float = setting(1.0, "Discount.", above=0, maximum=1)
    lam: float = setting(0.95, "Lambda of generalised advantage estimation.", 0, 1)
    cliprange: float = setting(0.2, "Clip range of the ratio.", above=0)
    cliprange_value: float = setting(0.2, "Clip range of the values.", above=0)
    vf_coef: float = setting(0.5, "Weight of the value loss.", 0)
    whiten_advantages: bool = setting(True, "Whiten the advantages over the real tokens of the rollout.")
    whiten_rewards: bool = setting(False, "Whiten the rewards, keeping their mean.")
    kl_coef: float = setting(0.03, "KL coefficient beta (its starting value when a target is given).", 0)
    kl_target: float = setting(0.0, "KL per response, in nats, that an adaptive beta aims at; 0 keeps beta fixed.", 0)
    kl_horizon: float = setting(10000.0, "Episodes over which the adaptive beta moves.", above=0)
    ptx_coef: float = setting(0.0, "PPO-ptx: weight of the pretraining loss (the paper uses 27.8).", 0)
    ptx_batch_size: int = setting(16, "Pretraining texts per optimiser step.", 1)
    temperature: float = setting(1.0, "Temperature of the rollout, and of every logprob in training.", above=0)
    max_new_tokens: int = setting(80, "Longest response in tokens.", 1)
    max_prompt_tokens: int = setting(384, "Longest prompt in tokens; longer ones are left out.", 4)
    missing_eos_penalty: float = setting(
        1.0, "Taken off the lowest score of the batch when a response does not end.", 0
    )
    ema: float = setting(
        0.0, "Decay of the averaged weights that are saved; 0 saves the last ones (paper: .992).", 0, 0.99999
    )
    batch_rows: int = setting(512, "Rows decoded at once in a rollout.", 1)

    def check_together(self) -> dict[str, str]:
        if self.batch_size % self.samples_per_prompt:
            return {"batch_size": f"must be a multiple of samples_per_prompt ({self.samples_per_prompt})."}
        if self.minibatch_size > self.batch_size:
            return {"minibatch_size": f"must not exceed batch_size ({self.batch_size})."}
        if self.advantage == "group" and self.samples_per_prompt < 2:
            return {"samples_per_prompt": "must be 2 or more with advantage 'group'; raise it, or choose 'gae'."}
        return {}


CONFIGS: dict[str, type[BaseConfig]] = {
    "sft": SFTConfig,
    "sample": SampleConfig,
    "reward": RewardConfig,
    "ppo": PPOConfig,
}

# The papers' numbers; what is not named here keeps its default. "starter" is the defaults themselves.
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "starter": {"sft": {}, "sample": {}, "reward": {}, "ppo": {}},
    "instructgpt": {
        "sft": {
            "epochs": 16,
            "batch_size": 32,
            "lr": 9.65e-6,
            "dropout": 0.2,
            "bf16": True,
            "max_length": 2048,
            "max_prompt_tokens": 1024,
        },
        "sample": {"samples_per_prompt": 9, "max_new_tokens": 1024, "max_prompt_tokens": 1024, "bf16": True},
        "reward": {
            "epochs": 1,
            "batch_size": 64,
            "lr": 9e-6,
            "readout": "last",
            "head_lr_scale": 1.0,
            "logprob_weight": False,
            "pair_weight": "equal",
            "bf16": True,
            "max_length": 2048,
        },
        "ppo": {
            "episodes": 256_000,
            "batch_size": 512,
            "minibatch_size": 64,
            "inner_epochs": 1,
            "samples_per_prompt": 1,
            "lr": 9.65e-6,
            "lr_final": 1.0,
            "warmup_steps": 10,
            "advantage": "gae",
            "value_lr": 9e-6,
            "lam": 0.95,
            "kl_coef": 0.02,
            "ptx_coef": 27.8,
            "ema": 0.992,
            "bf16": True,
            "max_new_tokens": 1024,
            "max_prompt_tokens": 1024,
            "value_warmup": 0,
        },
    },
    "stiennon": {
        "sft": {
            "epochs": 1,
            "batch_size": 128,
            "lr": 6.35e-5,
            "bf16": True,
            "max_length": 2048,
            "max_prompt_tokens": 1024,
        },
        "sample": {"samples_per_prompt": 2, "max_new_tokens": 48, "max_prompt_tokens": 1024, "bf16": True},
        "reward": {
            "epochs": 1,
            "batch_size": 64,
            "lr": 1.5e-5,
            "readout": "last",
            "head_lr_scale": 1.0,
            "logprob_weight": False,
            "pair_weight": "equal",
            "bf16": True,
            "max_length": 2048,
        },
        "ppo": {
            "episodes": 1_000_000,
            "batch_size": 512,
            "minibatch_size": 64,
            "inner_epochs": 4,
            "samples_per_prompt": 1,
            "lr": 1.5e-5,
            "lr_final": 0.0,
            "warmup_steps": 0,
            "advantage": "gae",
            "value_lr": 1.5e-5,
            "lam": 0.95,
            "kl_coef": 0.05,
            "bf16": True,
            "max_new_tokens": 48,
            "max_prompt_tokens": 1024,
            "value_warmup": 0,
        },
    },
}


def preset(name: str, kind: str, **overrides: Any) -> BaseConfig:
    """The preset `name` for a program ("sft", "sample", "reward", "ppo"), with paths and changes on top."""
    if name not in PRESETS:
        raise ConfigError({"preset": f"{name!r} is unknown; use one of: {', '.join(PRESETS)}."})
    if kind not in CONFIGS:
        raise ConfigError({"kind": f"{kind!r} is unknown; use one of: {', '.join(CONFIGS)}."})
    return CONFIGS[kind].from_dict({**PRESETS[name][kind], **overrides})


def _convert(value: Any, hint: Any) -> Any:
    """Check a JSON value against a field's type; ints pass as floats. Raises ValueError with a sentence."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _convert(value, next(arg for arg in args if arg is not type(None)))
    if origin is list:
        if not isinstance(value, list):
            raise ValueError("must be a list.")
        return [_convert(item, args[0]) for item in value]
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError("must be an object.")
        return {str(key): _convert(item, args[1]) for key, item in value.items()}
    if hint is Policy:
        return _convert_policy(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, bool) is not (hint is bool) or not isinstance(value, hint):
        words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
        raise ValueError(f"must be {words.get(hint, hint)}, not {value!r}.")
    return value


def _convert_policy(value: Any) -> Policy:
    if isinstance(value, Policy):
        return value
    if not isinstance(value, dict) or set(value) != {"name", "path"}:
        raise ValueError("each entry must be an object with exactly the keys name and path.")
    if not all(isinstance(item, str) and item for item in value.values()):
        raise ValueError("name and path must be text that is not empty.")
    return Policy(**value)


def _problem(value: Any, metadata: typing.Mapping[str, Any]) -> str | None:
    """A sentence when the value is out of the range that its field's metadata states."""
    choices, low, high, above = (metadata.get(key) for key in ("choices", "minimum", "maximum", "above"))
    if choices and value not in choices:
        return f"is {value!r}; use one of: {', '.join(choices)}."
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if value != value or value in (float("inf"), float("-inf")):
        return f"is {value}; give a finite number."
    if low is not None and value < low:
        return f"is {value}; use {low:g} or more."
    if high is not None and value > high:
        return f"is {value}; use {high:g} or less."
    if above is not None and value <= above:
        return f"is {value}; use a number above {above:g}."
    return None
