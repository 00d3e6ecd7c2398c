"""What every config shares: reading, checking, writing, and the sentences of its errors."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self


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
    makes_checkpoint: ClassVar[bool] = True  # else its result is rows

    seed: int = setting(0, "Seed of every random choice; the same seed gives the same result on a CPU.", 0, 2**53)
    device: str = setting("auto", "Where to run: auto takes a GPU if there is one.", choices=("auto", "cpu", "cuda"))
    precision: str = setting(
        "float32",
        "Precision of matrix products. bf16 and fp16 are mixed precision: weights that train stay in float32.",
        choices=("float32", "bf16", "fp16"),
    )
    frozen_weights: str = setting(
        "float32",
        "How models that do not train are held: a reference, a reward model, the base under LoRA.",
        choices=("float32", "bf16"),
    )
    matmul_precision: str = setting(
        "medium", "torch.set_float32_matmul_precision.", choices=("highest", "high", "medium")
    )
    threads: int = setting(0, "CPU threads; 0 takes all cores.", 0, 1024)
    processes: int = setting(1, "Processes on this machine that share the work (accelerate launch).", 1, 1024)
    accelerate_config: str = setting("", "An accelerate config file, for several hosts; empty is `processes` here.")
    shard: bool = setting(False, "Spread weights, gradients and optimiser over the processes (FSDP2).")
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
class Policy:
    """A checkpoint to sample from: the `name` that completions carry, and its folder."""

    name: str
    path: str


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
