"""A model's context, and settings of length against it: what nobody has set gives way, what somebody has set is told.

Standard library only, since the application asks before it starts a job; the programs check again (models.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.config.base import BaseConfig

LEAST_PROMPT = 4  # tokens
POSITIONS = ("max_position_embeddings", "n_positions", "n_ctx")  # in a config.json


def context_of(config: Mapping[str, Any]) -> int | None:
    """Tokens that a model takes by its config.json: its positions, or its attention window where that is narrower."""
    window = config.get("sliding_window") if config.get("use_sliding_window", True) else None
    positions = next((config[name] for name in POSITIONS if config.get(name)), None)
    return min((value for value in (positions, window) if type(value) is int and value > 0), default=None)


def fit(config: type[BaseConfig], recipe: Mapping[str, Any], context: int | None) -> dict[str, Any]:
    """The recipe of a job, its standard lengths lowered to the model's `context` (tokens; None where it is unknown)."""
    fitted = dict(recipe)
    lengths = _lengths(config, recipe)
    if context is None:
        return fitted
    if "max_length" in lengths:
        if "max_length" not in recipe and lengths["max_length"] > context:
            fitted["max_length"] = context
    elif "max_prompt_tokens" in lengths and "max_prompt_tokens" not in recipe:
        room = context - lengths["max_new_tokens"]
        if LEAST_PROMPT <= room < lengths["max_prompt_tokens"]:
            fitted["max_prompt_tokens"] = room
    return fitted


def context_problems(config: type[BaseConfig], recipe: Mapping[str, Any], context: int | None) -> dict[str, str]:
    """What of a recipe the model cannot take: setting and sentence, as a ConfigError has them. `recipe` is valid."""
    if context is None:
        return {}
    lengths = _lengths(config, fit(config, recipe, context))
    if "max_length" in lengths:
        name, asked = "max_length", lengths["max_length"]
    elif "max_prompt_tokens" in lengths:
        name = "max_prompt_tokens" if "max_prompt_tokens" in recipe else "max_new_tokens"
        asked = lengths["max_prompt_tokens"] + lengths["max_new_tokens"]
    else:
        return {}
    if asked <= context:
        return {}
    whole = "" if name == "max_length" else f", {asked} tokens with prompt and response"
    return {name: f"is {lengths[name]}{whole}; the base model takes {context} at most."}


def _lengths(config: type[BaseConfig], recipe: Mapping[str, Any]) -> dict[str, int]:
    names = ("max_length", "max_prompt_tokens", "max_new_tokens")
    return {row["name"]: recipe.get(row["name"], row["default"]) for row in config.describe() if row["name"] in names}
