"""Each algorithm makes a tiny model learn a preference that it did not satisfy before, by a fixed statistical bar."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.training import conftest as tiny
from training.data import Codec, load_tokenizer
from training.decoder import Sampling, generate
from training.models import load_causal_lm

WORD = "kindly"
SIZES = {"max_length": 128, "threads": 1}


def politeness(folder: Path) -> tuple[int, int]:
    """Of 256 samples to prompts that nobody trained on, how many hold the word; and 256."""
    prompts = [(f"new{at}", tiny.user(f"{word} the bird")) for at, word in enumerate(tiny.WORDS * 4)][:64]
    codec = Codec(load_tokenizer(str(folder)))
    drawn = generate(load_causal_lm(str(folder)), codec, prompts, Sampling(max_new_tokens=16, seed=5), samples=4)
    return sum(WORD in text.split() for _, text in drawn), len(drawn)


def learns(before: Path, after: Path) -> None:
    """The share of polite answers rises by a third or more, five standard errors of the difference above 0."""
    (less, of), (more, _) = politeness(before), politeness(after)
    pooled = (less + more) / (2 * of)
    error = math.sqrt(2 * pooled * (1 - pooled) / of)
    print("polite answers:", less, more, "of", of)
    assert less / of < 0.4
    assert (more - less) / of > 1 / 3, (less, more)
    assert (more - less) / of > 5 * error, (less, more)


@pytest.mark.parametrize("loss", ["dpo", "ipo", "slic", "kto"])
def test_preference_losses_teach_what_labelers_prefer(loss: str, taught: Path, make_job: Any) -> None:
    config = {"policy": str(taught), "loss": loss, "lr": 1e-3, "epochs": 4, "kl_prompts": 16, "max_new_tokens": 16}
    folder = make_job({**config, **SIZES}, rankings=tiny.rankings(120, prefer=WORD))
    assert tiny.run("dpo", folder) == 0
    learns(taught, folder / "checkpoint")


def test_rejection_sampling_teaches_what_the_reward_model_prefers(taught: Path, planted: Path, make_job: Any) -> None:
    config = {
        "model": str(taught), "reward_model": str(planted / "checkpoint"), "best_of": 16, "samples_per_prompt": 6,
        "max_new_tokens": 16, "max_prompt_tokens": 100, "epochs": 6, "lr": 1e-2, **SIZES,
    }  # fmt: skip
    folder = make_job(config, prompts=tiny.prompts(60))
    assert tiny.run("rejection", folder) == 0
    learns(taught, folder / "checkpoint")
