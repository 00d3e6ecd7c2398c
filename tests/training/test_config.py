"""Settings: what is refused, and with which words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.training.conftest import ROOT
from training.config import CONFIGS, PRESETS, ConfigError, PPOConfig, SampleConfig, SFTConfig, preset

PATHS: dict[str, dict[str, Any]] = {
    "sft": {"model": "m"},
    "sample": {"policies": [{"name": "a", "path": "m"}]},
    "reward": {"model": "m"},
    "dpo": {"policy": "p"},
    "rejection": {"model": "m", "reward_model": "r"},
    "rlaif": {"judge": "m", "principles": ["Be kind."]},
    "critique": {"judge": "m", "principles": ["Be kind."]},
    **{kind: {"policy": "p", "reward_model": "r"} for kind in ("ppo", "a2c", "rloo", "grpo")},
}


@pytest.mark.parametrize("kind", list(CONFIGS))
@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_is_valid_and_survives_a_round_trip(name: str, kind: str, tmp_path: Path) -> None:
    config = preset(name, kind, **PATHS[kind])
    config.save(tmp_path)
    assert CONFIGS[kind].load(tmp_path) == config
    assert json.loads((tmp_path / "config.json").read_text())["seed"] == 0


def test_the_papers_numbers() -> None:
    ppo = preset("instructgpt", "ppo", **PATHS["ppo"])
    assert isinstance(ppo, PPOConfig)
    assert (ppo.kl_coef, ppo.ptx_coef, ppo.ema, ppo.batch_size, ppo.minibatch_size) == (0.02, 27.8, 0.992, 512, 64)
    assert ppo.ptx_batch_size == 8 * ppo.minibatch_size, "8 times more pretraining examples than episodes (C.4)"
    assert ppo.warmup_steps == 10 * ppo.batch_size // ppo.minibatch_size, "over the first 10 iterations (C.4)"
    assert preset("stiennon", "ppo", **PATHS["ppo"]).lr_schedule == "linear"


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({}, "model", "is required"),
        ({"model": "m", "learning_rate": 1}, "learning_rate", "is no setting of sft"),
        ({"model": "m", "epochs": "3"}, "epochs", "must be a whole number"),
        ({"model": "m", "epochs": True}, "epochs", "must be a whole number"),
        ({"model": "m", "activation_checkpointing": 1}, "activation_checkpointing", "must be true or false"),
        ({"model": "m", "lr": -1}, "lr", "use a number above 0"),
        ({"model": "m", "lr": float("nan")}, "lr", "finite"),
        ({"model": "m", "device": "tpu"}, "device", "use one of: auto, cpu, cuda"),
    ],
)
def test_a_bad_value_is_named_with_what_to_do(values: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SFTConfig.from_dict(values)
    assert words in caught.value.errors[field]


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of samples_per_prompt"):
        PPOConfig.from_dict({**PATHS["ppo"], "batch_size": 6, "minibatch_size": 4, "samples_per_prompt": 4})
    with pytest.raises(ConfigError, match="not in policies"):
        SampleConfig.from_dict({**PATHS["sample"], "plan": {"p1": {"other": 2}}})
    with pytest.raises(ConfigError, match="names must differ"):
        SampleConfig.from_dict({"policies": [{"name": "a", "path": "x"}, {"name": "a", "path": "y"}]})


def test_describe_gives_a_form_what_it_needs() -> None:
    rows = {row["name"]: row for row in PPOConfig.describe()}
    assert rows["advantage"]["choices"] == ("gae", "group")
    assert rows["lr"]["above"] == 0
    assert all(row["help"] for row in rows.values())


def test_the_config_module_needs_the_standard_library_only() -> None:
    code = "import sys, training.config; print([m for m in ('torch', 'transformers', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
