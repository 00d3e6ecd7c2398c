"""Lengths against a model's context: what nobody has set gives way, what somebody has set is told."""

from __future__ import annotations

from typing import Any

import pytest

from training.config import CONFIGS
from training.config.context import context_problems, fit

ROLLOUTS = ("ppo", "a2c", "rloo", "grpo")


@pytest.mark.parametrize("kind", list(CONFIGS))
def test_the_standard_lengths_fit_into_any_context_that_takes_a_response(kind: str) -> None:
    for context in (128, 256, 464, 512, 100_000):
        assert context_problems(CONFIGS[kind], fit(CONFIGS[kind], {}, context), context) == {}


def test_only_what_is_too_long_is_lowered() -> None:
    assert fit(CONFIGS["sft"], {"epochs": 2}, 256) == {"epochs": 2, "max_length": 256}
    assert fit(CONFIGS["sft"], {"epochs": 2}, 4096) == {"epochs": 2}
    assert fit(CONFIGS["reward"], {"max_length": 64}, 128) == {"max_length": 64}
    for kind in ROLLOUTS:  # 80 tokens of a response, 384 of a prompt
        assert fit(CONFIGS[kind], {}, 464) == {}
        assert fit(CONFIGS[kind], {}, 463) == {"max_prompt_tokens": 383}
        assert fit(CONFIGS[kind], {"max_new_tokens": 200}, 256) == {"max_new_tokens": 200, "max_prompt_tokens": 56}


def test_a_context_that_is_not_known_changes_and_refuses_nothing() -> None:
    recipe: dict[str, Any] = {"max_length": 10**6}
    assert (fit(CONFIGS["sft"], recipe, None), context_problems(CONFIGS["sft"], recipe, None)) == (recipe, {})


def test_what_somebody_has_set_is_told_with_the_setting() -> None:
    assert context_problems(CONFIGS["dpo"], {"max_length": 300}, 256) == {
        "max_length": "is 300; the base model takes 256 at most."
    }
    assert context_problems(CONFIGS["ppo"], {"max_prompt_tokens": 200}, 256) == {
        "max_prompt_tokens": "is 200, 280 tokens with prompt and response; the base model takes 256 at most."
    }
    (name,) = context_problems(CONFIGS["grpo"], {"max_new_tokens": 255}, 256)
    assert name == "max_new_tokens"
