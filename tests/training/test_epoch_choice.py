"""SFT keeps the epoch whose samples a reward model scores best, whatever the validation loss says."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import torch

from tests.training import conftest as tiny
from training.epoch_choice import mean_score


def job(taught: Path, make_job: Any, name: str, **settings: Any) -> Path:
    """Demonstrations without the word that the reward model wants, so that each epoch makes samples worse."""
    config = {
        "model": str(taught), "epochs": 4, "batch_size": 8, "lr": 3e-3, "lr_final": 1.0, "max_length": 80,
        "max_prompt_tokens": 70, "threads": 1,
    }  # fmt: skip
    rows = [{**row, "response": "the cat sat"} for row in tiny.demonstrations(48)]
    return make_job({**config, **settings}, name, demonstrations=rows)  # type: ignore[no-any-return]


def test_samples_that_do_not_end_win_no_epoch() -> None:
    finished, endless = [(1.0, True), (0.8, True)], [(1.5, False), (0.3, False)]
    assert mean_score(finished) == 0.9
    assert mean_score(endless) == 0.3
    assert mean_score([(1.0, True), (9.0, False)]) == 1.0


def test_the_epoch_with_the_best_samples_is_kept(taught: Path, planted: Path, make_job: Any) -> None:
    chosen = job(taught, make_job, "chosen", choose_by=str(planted / "checkpoint"))
    assert tiny.run("sft", chosen) == 0
    result = tiny.result(chosen)
    scores = result["objective/scores"]
    best = 1 + scores.index(max(scores))
    assert len(scores) == 4
    assert result["epoch"] == best < 4, scores
    assert result["loss/validation"][-1] < result["loss/validation"][0], "the loss would have kept the last one"
    until = job(taught, make_job, "until", epochs=best)
    assert tiny.run("sft", until) == 0
    first, second = tiny.weights(chosen), tiny.weights(until)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_stopped_run_keeps_the_same_epoch(taught: Path, planted: Path, make_job: Any) -> None:
    settings = {"choose_by": str(planted / "checkpoint"), "save_every_seconds": 0.01, "epochs": 20}
    whole, broken = (job(taught, make_job, name, **settings) for name in ("whole", "broken"))
    assert tiny.run("sft", whole) == 0
    child = tiny.Child(lambda: tiny.run("sft", broken), broken)
    tiny.wait_for_step(broken, 14)  # in the third epoch
    child.send_signal(signal.SIGTERM)
    assert child.wait() == 75
    assert tiny.run("sft", broken) == 0
    first, second = tiny.weights(whole), tiny.weights(broken)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert tiny.result(whole)["objective/scores"] == tiny.result(broken)["objective/scores"]
