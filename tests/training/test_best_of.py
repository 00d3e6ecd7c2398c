"""Best-of-N: which sample is kept, how far it is from the policy, and rejection sampling, stopped and resumed."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.training import conftest as tiny
from training.best_of import Judge, best
from training.config import ConfigError, RejectionConfig, SampleConfig
from training.data import Codec, load_tokenizer
from training.decoder import Request, Sampling, decode
from training.models import load_causal_lm, mean_logprobs, response_logprobs
from training.packing import pack
from training.preference_math import best_of_n_kl
from training.reward_model import load_reward_model
from training.sample import Source

SHORT = {"max_new_tokens": 12, "max_prompt_tokens": 96, "threads": 1}


# -- which one is kept ---------------------------------------------------------------------------------------


def test_the_best_score_is_kept_and_the_first_of_equal_ones() -> None:
    assert best([0.5, 2.0, 1.0], [True, True, True]) == 1
    assert best([2.0, 1.0, 2.0], [True, True, True]) == 0


def test_a_sample_that_did_not_end_is_kept_only_where_none_ended() -> None:
    assert best([9.0, -3.0, 8.0], [False, True, False]) == 1
    assert best([7.0, 9.0], [False, False]) == 1


def test_scores_are_the_reward_models_own_however_many_share_a_row(planted: Path) -> None:
    path = str(planted / "checkpoint")
    judge = Judge(path, torch.device("cpu"), "float32", "float32", 256)
    codec = Codec(load_tokenizer(str(planted / "checkpoint" / "backbone")))
    items = [
        (codec.prompt(tiny.user("the cat")), [codec.response(" ".join(tiny.WORDS[:n])) for n in range(1, 12)]),
        (codec.prompt(tiny.user("hello")), [codec.response("thank you kindly")]),
    ]
    model, language_model = load_reward_model(path)
    for (prompt, responses), scores in zip(items, judge.scores(items), strict=True):
        batch = pack([(prompt, [response]) for response in responses])
        with torch.no_grad():
            alone = model(batch, mean_logprobs(response_logprobs(language_model, batch)[0], batch))
        torch.testing.assert_close(scores, alone, atol=1e-4, rtol=1e-4)


# -- the program ---------------------------------------------------------------------------------------------


def sampling(taught: Path, planted: Path, **settings: Any) -> dict[str, Any]:
    return {
        "policies": [{"name": "a", "path": str(taught)}], "samples_per_prompt": 2, "batch_rows": 24, "best_of": 4,
        "reward_model": str(planted / "checkpoint"), **SHORT, **settings,
    }  # fmt: skip


def test_a_row_is_the_best_of_its_candidates_and_its_seed_draws_it_again(
    taught: Path, planted: Path, make_job: Any
) -> None:
    folder = make_job(sampling(taught, planted), prompts=tiny.prompts(6))
    assert tiny.run("sample", folder) == 0
    rows = tiny.lines(folder / "completions.jsonl")
    assert {(row["prompt_id"], row["index"]) for row in rows} == {(f"p{n}", at) for n in range(6) for at in range(2)}
    # every candidate by itself: those of sample 1 are the samples 4 to 7 of a job without best_of
    plain = make_job(sampling(taught, planted, best_of=1, samples_per_prompt=8), "plain", prompts=tiny.prompts(6))
    assert tiny.run("sample", plain) == 0
    drawn = {(row["prompt_id"], row["index"]): row for row in tiny.lines(plain / "completions.jsonl")}
    for row in rows:
        candidates = [drawn[row["prompt_id"], row["index"] * 4 + at] for at in range(4)]
        ended = [one for one in candidates if one["finish_reason"] == "stop"] or candidates
        expected = max(ended, key=lambda one: one["score"])
        assert (row["text"], row["seed"]) == (expected["text"], expected["seed"])
        assert row["score"] == pytest.approx(expected["score"], abs=1e-4)
        assert row["best_of"] == 4


def test_best_of_raises_the_score(taught: Path, planted: Path, make_job: Any) -> None:
    means = []
    for n in (1, 8):
        folder = make_job(sampling(taught, planted, best_of=n), f"best-{n}", prompts=tiny.prompts(24))
        assert tiny.run("sample", folder) == 0
        scores = [row["score"] for row in tiny.lines(folder / "completions.jsonl")]
        means.append(sum(scores) / len(scores))
    assert means[1] > means[0] + 1


def test_rows_without_a_reward_model_are_as_they_were(taught: Path, planted: Path, make_job: Any) -> None:
    folder = make_job(sampling(taught, planted, best_of=1, reward_model=""), prompts=tiny.prompts(2))
    assert tiny.run("sample", folder) == 0
    assert not {"score", "best_of"} & set(tiny.lines(folder / "completions.jsonl")[0])


def test_a_killed_job_resumes_without_doubling(taught: Path, planted: Path, make_job: Any) -> None:
    config = sampling(taught, planted, max_new_tokens=24)
    whole = make_job(config, "whole", prompts=tiny.prompts(30))
    assert tiny.run("sample", whole) == 0
    broken = make_job(config, "broken", prompts=tiny.prompts(30))
    tiny.kill_while_drawing(broken)
    assert tiny.run("sample", broken) == 0
    said = [
        sorted((row["prompt_id"], row["index"], row["text"], row["seed"]) for row in tiny.lines(path))
        for path in (whole / "completions.jsonl", broken / "completions.jsonl")
    ]
    assert said[0] == said[1]


def test_two_ranks_draw_what_one_draws(taught: Path, planted: Path, make_job: Any) -> None:
    alone = make_job(sampling(taught, planted), "alone", prompts=tiny.prompts(9))
    together = make_job(sampling(taught, planted, processes=2, device="cpu"), "together", prompts=tiny.prompts(9))
    assert tiny.run("sample", alone) == 0
    assert tiny.run_ranks("sample", together) == 0, (together / "log.txt").read_text()[-2000:]
    said = [
        sorted((row["prompt_id"], row["index"], row["text"]) for row in tiny.lines(folder / "completions.jsonl"))
        for folder in (alone, together)
    ]
    assert said[0] == said[1]


def test_best_of_needs_a_reward_model_and_chance() -> None:
    one = {"policies": [{"name": "a", "path": "m"}], "best_of": 4}
    with pytest.raises(ConfigError, match="needs the folder of a reward model"):
        SampleConfig.from_dict(one)
    with pytest.raises(ConfigError, match="the same candidate each time"):
        SampleConfig.from_dict({**one, "reward_model": "r", "greedy": True})
    with pytest.raises(ConfigError, match="use 2 or more"):
        RejectionConfig.from_dict({"model": "m", "reward_model": "r", "best_of": 1})


def test_a_reward_model_with_another_tokenizer_is_refused(
    taught: Path, planted: Path, make_job: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    other = tmp_path / "other"
    shutil.copytree(planted / "checkpoint", other)
    path = other / "backbone" / "tokenizer.json"
    saved = json.loads(path.read_text())
    vocabulary = saved["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    path.write_text(json.dumps(saved))
    folder = make_job(sampling(taught, planted, reward_model=str(other)), prompts=tiny.prompts(2))
    assert tiny.run("sample", folder) == 1
    assert "another tokenizer" in capsys.readouterr().err


# -- how far from the policy ---------------------------------------------------------------------------------


class Table:
    """In a reward model's place: a score for each of the texts of two tokens."""

    def __init__(self, scores: Tensor) -> None:
        self.table = scores

    def scores(self, items: Sequence[tuple[Sequence[int], Sequence[Sequence[int]]]]) -> list[Tensor]:
        return [torch.stack([self.table[y[0], y[1]] for y in responses]) for _, responses in items]


@pytest.mark.parametrize("n", [2, 4, 16])
def test_the_kl_of_the_best_of_n_is_what_the_formula_says(n: int) -> None:
    # 50 x 50 texts of two tokens by a random model; a score without ties, so that
    # P(best of n = y) = F(y)^n - F(y-)^n, F the policy's probability of a score as low or lower
    model = tiny.make_model("llama", 50)
    with torch.no_grad():
        model.lm_head.weight.mul_(0.15)  # nearly flat: samples seldom repeat
        first = model(torch.tensor([[7, 3]])).logits[0, -1].double().log_softmax(-1)
        prompts = torch.tensor([[7, 3, token] for token in range(50)])
        logprobs = first.unsqueeze(1) + model(prompts).logits[:, -1].double().log_softmax(-1)
    generator = torch.Generator().manual_seed(1)
    table = torch.randn(50, 50, generator=generator, dtype=torch.double)
    order = table.flatten().argsort()
    mass = logprobs.flatten()[order].exp()
    upper = mass.cumsum(0)
    best_of = torch.empty_like(mass)
    best_of[order] = upper**n - (upper - mass).clamp(min=0) ** n
    ratio = best_of.clamp(min=1e-300).log().view(50, 50) - logprobs

    judge: Any = Table(table)
    codec = type("Codec", (), {"stops": []})()
    source = Source("policy", model, codec, Sampling(max_new_tokens=2, seed=3), judge, n)
    drawn = source.draw([Request("p", [7, 3], index) for index in range(2000)], lambda: False)
    logs = torch.tensor([float(ratio[tuple(one.tokens)]) for one, _ in drawn], dtype=torch.double)
    measured, error = float(logs.mean()), float(logs.std()) / math.sqrt(len(logs))
    exact = float((best_of * ratio.flatten()).sum())
    assert exact <= best_of_n_kl(n), "the formula is an upper bound"
    assert exact == pytest.approx(best_of_n_kl(n), abs=0.02)
    assert measured == pytest.approx(exact, abs=4 * error)
    assert error < 0.03


# -- rejection sampling --------------------------------------------------------------------------------------


def rejection(taught: Path, planted: Path, **settings: Any) -> dict[str, Any]:
    return {
        "model": str(taught), "reward_model": str(planted / "checkpoint"), "best_of": 4, "epochs": 3, "batch_size": 4,
        "batch_rows": 16, "max_length": 128, **SHORT, **settings,
    }  # fmt: skip


def test_rejection_writes_the_best_samples_that_ended_and_learns_them(
    taught: Path, planted: Path, make_job: Any
) -> None:
    asked = [*tiny.prompts(20), {"id": "v", "messages": tiny.user("the tree"), "split": "validation"}]
    folder = make_job(rejection(taught, planted), prompts=asked)
    assert tiny.run("rejection", folder) == 0
    demonstrations = {row["id"]: row for row in tiny.lines(folder / "data" / "demonstrations.jsonl")}
    completions = {f"{row['prompt_id']}:{row['index']}": row for row in tiny.lines(folder / "completions.jsonl")}
    assert set(completions) == {f"{row['id']}:0" for row in asked}
    assert set(demonstrations) == {key for key, row in completions.items() if row["finish_reason"] == "stop"}
    assert all(demonstrations[key]["response"] == completions[key]["text"] for key in demonstrations)
    assert demonstrations["v:0"]["split"] == "validation"
    assert demonstrations["p0:0"]["messages"] == asked[0]["messages"]
    metrics = json.loads((folder / "run.json").read_text())["metrics"]
    assert metrics["demonstrations"] == len(demonstrations) - 1
    assert len(metrics["loss/validation"]) == 3
    parents = json.loads((folder / "run.json").read_text())["parent"]
    assert set(parents) == {"model", "reward_model"}


def test_a_rejection_job_killed_while_sampling_and_stopped_while_learning_ends_as_one_that_was_not(
    taught: Path, planted: Path, make_job: Any
) -> None:
    config = rejection(taught, planted, save_every_seconds=1e-6)
    whole = make_job(config, "whole", prompts=tiny.prompts(24))
    assert tiny.run("rejection", whole) == 0
    broken = make_job(config, "broken", prompts=tiny.prompts(24))
    child = tiny.Child(lambda: tiny.run("rejection", broken), broken)
    while not (broken / "completions.jsonl").exists():
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -9
    assert len(tiny.lines(broken / "completions.jsonl")) < 24
    child = tiny.Child(lambda: tiny.run("rejection", broken), broken)
    tiny.wait_for_step(broken, 3)
    child.send_signal(signal.SIGTERM)
    assert child.wait() == 75
    assert tiny.run("rejection", broken) == 0
    made = [(folder / "data" / "demonstrations.jsonl").read_text() for folder in (whole, broken)]
    assert [row["response"] for row in map(json.loads, made[0].splitlines())] == (
        [row["response"] for row in map(json.loads, made[1].splitlines())]
    )
    first, second = tiny.weights(whole), tiny.weights(broken)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_somebody_elses_demonstrations_are_not_written_over(
    taught: Path, planted: Path, make_job: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_job(rejection(taught, planted), prompts=tiny.prompts(4), demonstrations=tiny.demonstrations(4))
    assert tiny.run("rejection", folder) == 1
    assert "this program writes it" in capsys.readouterr().err
    assert len(tiny.lines(folder / "data" / "demonstrations.jsonl")) == 4


def test_candidates_are_functions_of_prompt_and_index_whatever_is_drawn_beside_them(taught: Path) -> None:
    model, codec = load_causal_lm(str(taught)), Codec(load_tokenizer(str(taught)))
    tokens = codec.prompt(tiny.user("the cat"))
    alone = decode(model, [Request("p", tokens, 6)], codec.stops, Sampling(max_new_tokens=12))
    beside = decode(model, [Request("p", tokens, n) for n in range(9)], codec.stops, Sampling(max_new_tokens=12))
    assert alone[0].tokens == beside[6].tokens


def test_an_ensemble_chooses_too(taught: Path, make_job: Any) -> None:
    config = {"model": str(taught), "max_length": 128, "epochs": 1, "lr": 1e-2, "ensemble": 2, "threads": 1}
    judges = make_job(config, "judges", rankings=tiny.rankings(40), demonstrations=tiny.demonstrations(8))
    assert tiny.run("reward", judges) == 0
    folder = make_job(
        {**sampling(taught, judges), "best_of": 3, "samples_per_prompt": 1}, "job", prompts=tiny.prompts(3)
    )
    assert tiny.run("sample", folder) == 0
    assert [row["best_of"] for row in tiny.lines(folder / "completions.jsonl")] == [3, 3, 3]
