"""The reward model: several raters, margins, weights, what held-out rankings say, ensembles; numbers worked by hand."""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, tensor

from tests.training import conftest as tiny
from training import checkpoints
from training.config import RewardConfig
from training.data import Codec, Ranking, load_tokenizer, read_rankings
from training.job import JobError
from training.labels import Label, weigh
from training.models import hidden_states, load_causal_lm, mean_logprobs, response_logprobs
from training.packing import pack
from training.rankings import Judged, elements, share_forwards
from training.reward import ranking_loss
from training.reward_model import RewardEnsemble, RewardModel, load_reward_model
from training.reward_report import accuracy, breakdown, calibration, held_out_pairs, length_classes, report, summary

CPU = torch.device("cpu")
EQUAL = RewardConfig(model="m", pair_weight="equal")
A, B, C = [5] * 10, [6] * 10, [7] * 20


def ranking(responses: list[list[int]], ranks: list[int], prompt: int = 3, **label: Any) -> Ranking:
    return Ranking("k", "p", [prompt], responses, ranks, [math.nan] * len(ranks), "train", Label(**label))


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


# -- which rankings share a forward, and what their pairs weigh ------------------------------------------------


def test_rankings_of_the_same_responses_share_a_forward_in_whatever_order_they_list_them() -> None:
    rows = [ranking([A, B, C], [1, 2, 3]), ranking([C, A, B], [1, 2, 3]), ranking([A, B], [1, 2]),
            ranking([A, B, C], [1, 2, 3], prompt=4)]  # fmt: skip
    judged = share_forwards(rows)
    assert [len(one.rankings) for one in judged] == [2, 1, 1]
    assert judged[0].item == ([3], [A, B, C])
    assert judged[0].places == [[0, 1, 2], [2, 0, 1]]


def test_a_text_that_was_drawn_twice_keeps_both_its_places() -> None:
    judged = share_forwards([ranking([A, B, A], [1, 2, 3]), ranking([A, A, B], [3, 1, 2])])
    assert len(judged) == 1
    assert [sorted(places) for places in judged[0].places] == [[0, 1, 2], [0, 1, 2]]


def test_each_labelers_ranking_is_one_element() -> None:
    # scores 2, 1, 0; one labeler agrees: pairs lead by 1, 2, 1; another has C first: pairs C>A, C>B trail by 2 and 1
    judged = share_forwards([ranking([A, B, C], [1, 2, 3]), ranking([C, A, B], [1, 2, 2])])
    loss, hits = ranking_loss(tensor([2.0, 1.0, 0.0]), elements(judged, EQUAL, CPU))
    by_hand = (2 * softplus(-1) + softplus(-2)) / 3 + (softplus(2) + softplus(1)) / 2
    assert loss.item() == pytest.approx(by_hand)
    assert hits.tolist() == [3.0, 5.0]


def test_a_shared_forward_gives_the_loss_and_gradient_of_one_a_labeler(folders: dict[str, Path]) -> None:
    model = RewardModel(load_causal_lm(str(folders["llama"])), "mean", logprob_weight=False)
    rows = [ranking([A, B, C], [1, 2, 3]), ranking([C, B, A], [1, 3, 2], margins=[[0.5] * 3] * 3)]

    def gradient(judged: list[Judged]) -> tuple[Tensor, Tensor]:
        scores = model(pack([one.item for one in judged]))
        loss, _ = ranking_loss(scores, elements(judged, EQUAL, CPU))
        return loss, torch.autograd.grad(loss, model.head.weight)[0]

    together = gradient(share_forwards(rows))
    alone = gradient([share_forwards([row])[0] for row in rows])
    torch.testing.assert_close(together[0], alone[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together[1], alone[1], atol=1e-5, rtol=1e-5)


def test_a_ranking_of_weight_2_counts_as_two() -> None:
    scores = tensor([2.0, 1.0, 0.0])
    once, twice = ranking([A, B, C], [3, 1, 2], weight=2.0), ranking([A, B, C], [3, 1, 2])
    double, _ = ranking_loss(scores, elements(share_forwards([once]), EQUAL, CPU))
    both, hits = ranking_loss(scores, elements(share_forwards([twice, twice]), EQUAL, CPU))
    assert double.item() == pytest.approx(both.item())
    assert hits.tolist() == [2.0, 6.0]


def test_labels_of_programs_and_models_weigh_as_the_config_says() -> None:
    rows = [ranking([A, B], [1, 2], weight=3.0), ranking([A, B], [1, 2], simulated=True),
            ranking([A, B], [1, 2], ai=True, weight=0.5), ranking([A, B], [1, 2], weight=0.0)]  # fmt: skip
    kept = weigh(rows, ai_weight=0.2, simulated_weight=0.0)
    assert [row.label.weight for row in kept] == [3.0, pytest.approx(0.1)]


def test_margins_and_weights_meet_the_ratings_of_their_own_ranking_only() -> None:
    config = RewardConfig(model="m", pair_weight="rating", rating_floor=0.5)
    rated = Ranking("k", "p", [3], [A, B], [1, 2], [6.0, 4.0], "train", Label(weight=0.1))
    aimed = ranking([A, C], [2, 1], margins=[[0.0, 7.0], [0.25, 0.0]])
    loss, _ = ranking_loss(tensor([1.0, 0.0, 1.0, 3.0]), elements(share_forwards([rated, aimed]), config, CPU))
    assert loss.item() == pytest.approx(0.1 * 2.5 * softplus(-1) + softplus(-(2 - 0.25)))


def read_one(tmp_path: Path, folders: dict[str, Path], **changes: Any) -> Ranking:
    texts = ["the cat", "a dog ran " * 60, "blue tree"]
    row = {"messages": tiny.user("hello"), "responses": [{"id": str(n), "text": text} for n, text in enumerate(texts)],
           "ranks": [2, 1, 3], **changes}  # fmt: skip
    tiny.write_rows(tmp_path / "rankings.jsonl", [row])
    return read_rankings(tmp_path / "rankings.jsonl", Codec(load_tokenizer(str(folders["llama"]))), 96)[0]


def test_a_rows_label_is_read_for_the_responses_that_fit(tmp_path: Path, folders: dict[str, Path]) -> None:
    margin = [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    found = read_one(tmp_path, folders, margin=margin, weight=0.5, labeler_group="held_out", ai=True)
    assert found.ranks == [2, 3]
    assert found.label == Label("held_out", 0.5, False, True, [[0.0, 2.0], [6.0, 8.0]])
    assert read_one(tmp_path, folders, margin=1.5, simulated=True).label.margins == [[1.5, 1.5], [1.5, 1.5]]
    assert read_one(tmp_path, folders).label == Label()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weight": -1}, "line 1: weight must be a number of 0 or more"),
        ({"weight": True}, "weight must be a number"),
        ({"margin": "far"}, "margin must be a number"),
        ({"margin": [1, 2, 3]}, "3 lists of 3 numbers"),
        ({"margin": [[1, 2, 3]] * 2}, "3 lists of 3 numbers"),
    ],
)
def test_a_bad_label_is_explained(change: dict[str, Any], words: str, tmp_path: Path, folders: dict[str, Path]) -> None:
    with pytest.raises(JobError, match=words):
        read_one(tmp_path, folders, **change)


# -- what held-out rankings say --------------------------------------------------------------------------------


def two_labelers() -> tuple[list[Judged], list[Tensor], list[Tensor]]:
    """A of 10 tokens, B of 10, C of 20; scores 1, 0, 2: A>B>C by one group, C>A=B by another; and one pair of K = 2."""
    rows = [ranking([A, B, C], [1, 2, 3], group="training"), ranking([C, A, B], [1, 2, 2], group="held_out"),
            ranking([B, A], [1, 2], group="training")]  # fmt: skip
    judged = share_forwards(rows)
    return judged, [tensor([1.0, 0.0, 2.0]), tensor([0.5, 0.5])], [tensor([-1.0, -2.0, -3.0]), tensor([0.0, 1.0])]


def test_accuracy_and_loss_of_held_out_pairs() -> None:
    # gaps: A-B 1, A-C -1, B-C -2; C-A 1, C-B 2; B-A 0. Log-probability: right, right, right; wrong, wrong; wrong.
    pairs = held_out_pairs(*two_labelers())
    assert sorted(pairs.gaps.tolist()) == [-2.0, -1.0, 0.0, 1.0, 1.0, 2.0]
    found = summary(pairs)
    assert found["accuracy"] == pytest.approx(3.5 / 6)
    assert found["accuracy/logprob_baseline"] == pytest.approx(3 / 6)
    assert found["pairs/validation"] == 6
    elements = (softplus(-1) + softplus(1) + softplus(2)) / 3, (softplus(-1) + softplus(-2)) / 2, math.log(2)
    assert found["loss/validation"] == pytest.approx(sum(elements) / 3)


def test_accuracy_by_labeler_group_k_and_length() -> None:
    found = breakdown(held_out_pairs(*two_labelers()))
    assert found == {
        "accuracy/labelers/held_out": 1.0, "pairs/labelers/held_out": 2,
        "accuracy/labelers/training": pytest.approx(1.5 / 4), "pairs/labelers/training": 4,
        "accuracy/k/2": 0.5, "pairs/k/2": 1,
        "accuracy/k/3": pytest.approx(3 / 5), "pairs/k/3": 5,
        "accuracy/length/better_longer": 1.0, "pairs/length/better_longer": 2,
        "accuracy/length/like_length": pytest.approx(1.5 / 2), "pairs/length/like_length": 2,
        "accuracy/length/better_shorter": 0.0, "pairs/length/better_shorter": 2,
    }  # fmt: skip


def test_like_length_is_a_tenth_at_most() -> None:
    assert length_classes(tensor([11, 10, 12, 10, 20]), tensor([10, 11, 10, 12, 20])).tolist() == [1, 1, 0, 2, 1]


def test_calibration_by_hand() -> None:
    # .52 sure twice, right once; .73 sure four times, right three times; .96 sure once, right
    logit = lambda p: math.log(p / (1 - p))  # noqa: E731
    gaps = tensor([logit(0.52), -logit(0.52), *[logit(0.73)] * 3, -logit(0.73), logit(0.96)])
    bins, error = calibration(gaps)
    assert [(row["from"], row["to"], row["pairs"]) for row in bins] == [(0.5, 0.55, 2), (0.7, 0.75, 4), (0.95, 1.0, 1)]
    assert [row["predicted"] for row in bins] == [pytest.approx(value, abs=1e-6) for value in (0.52, 0.73, 0.96)]
    assert [row["preferred"] for row in bins] == [0.5, 0.75, 1.0]
    assert error == pytest.approx((2 * 0.02 + 4 * 0.02 + 1 * 0.04) / 7, abs=1e-6)


def test_calibration_of_extremes_and_of_equal_scores() -> None:
    bins, error = calibration(tensor([0.0, 0.0, 50.0]))
    assert [(row["from"], row["pairs"], row["predicted"], row["preferred"]) for row in bins] == [
        (0.5, 2, 0.5, 0.5), (0.95, 1, pytest.approx(1.0), 1.0)
    ]  # fmt: skip
    assert error == pytest.approx(0.0)
    assert calibration(tensor([-50.0]))[1] == pytest.approx(1.0)


def test_a_calibrated_model_has_a_small_error_and_an_overconfident_one_a_large_one() -> None:
    rng = torch.Generator().manual_seed(0)
    gaps = 3 * torch.randn(20_000, generator=rng).abs()
    right = torch.rand(20_000, generator=rng) < torch.sigmoid(gaps)
    signed = torch.where(right, gaps, -gaps)
    assert calibration(signed)[1] < 0.01
    assert calibration(4 * signed)[1] > 0.05


def test_accuracy_counts_equal_scores_half_and_no_pairs_as_0() -> None:
    assert accuracy(tensor([1.0, 0.0, -1.0, 2.0])) == 2.5 / 4
    assert accuracy(torch.empty(0)) == 0


def test_the_report_of_an_ensemble_is_of_the_mean_and_tells_how_far_its_members_are_apart() -> None:
    judged = share_forwards([ranking([A, B], [1, 2])])
    members = [[tensor([1.0, 0.0])], [tensor([-1.0, 0.5])]]  # means 0 and .25: wrong; deviations sqrt(2) and .5/sqrt(2)
    found = report(judged, members, [tensor([0.0, 0.0])])
    assert found["accuracy"] == 0.0
    assert found["accuracy/members"] == [1.0, 0.0]
    assert found["uncertainty/validation"] == pytest.approx((math.sqrt(2) + 0.5 / math.sqrt(2)) / 2)


# -- the model itself ------------------------------------------------------------------------------------------


def test_the_score_is_read_from_the_last_token_or_from_the_mean_over_the_response(folders: dict[str, Path]) -> None:
    language_model = load_causal_lm(str(folders["qwen2"]))
    batch = pack([([3, 4], [[5, 6, 7]])])
    with torch.no_grad():
        own = hidden_states(language_model.base_model, batch)[2:]  # the response's three tokens
        for readout, read in (("last", own[-1]), ("mean", own.mean(0))):
            model = RewardModel(language_model, readout, logprob_weight=False)
            by_hand = read @ model.head.weight[0] + model.head.bias[0]
            torch.testing.assert_close(model(batch)[0], by_hand)


def test_an_ensemble_scores_the_mean_and_is_unsure_by_the_standard_deviation(folders: dict[str, Path]) -> None:
    members = [RewardModel(load_causal_lm(str(folders["llama"])), "mean", logprob_weight=False) for _ in range(3)]
    batch = pack([([3, 4], [[5, 6], [7, 8, 9]])])
    with torch.no_grad():
        each = [member(batch) for member in members]
        ensemble = RewardEnsemble(members)
        for at in range(2):
            own = [float(scores[at]) for scores in each]
            mean = sum(own) / 3
            deviation = math.sqrt(sum((value - mean) ** 2 for value in own) / 2)
            assert float(ensemble(batch)[at]) == pytest.approx(mean, abs=1e-6)
            assert float(ensemble.uncertainty(batch)[at]) == pytest.approx(deviation, abs=1e-5)


# -- the program -----------------------------------------------------------------------------------------------


def reward_job(folders: dict[str, Path], make_job: Any, name: str, **changes: Any) -> Path:
    config = {"model": str(folders["llama"]), "epochs": 4, "max_length": 128, "batch_size": 8, "threads": 1, **changes}
    rows = [{**row, "labeler_group": "held_out" if at % 2 else "training", "split": "validation" if at % 5 > 2 else
             "train"} for at, row in enumerate(tiny.rankings(60))]  # fmt: skip
    folder: Path = make_job(config, name, rankings=rows, demonstrations=tiny.demonstrations(8))
    return folder


def metrics(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())["metrics"]
    return found


def test_run_json_says_what_held_out_rankings_say(folders: dict[str, Path], make_job: Any) -> None:
    folder = reward_job(folders, make_job, "job", epochs=1)
    assert tiny.run("reward", folder) == 0
    found = metrics(folder)
    for names in (["labelers/held_out", "labelers/training"], [f"k/{k}" for k in (2, 3, 4, 5)],
                  ["length/better_longer", "length/like_length", "length/better_shorter"]):  # fmt: skip
        parts = [(found[f"accuracy/{name}"], found[f"pairs/{name}"]) for name in names]
        assert sum(pairs for _, pairs in parts) == found["pairs/validation"]
        mean = sum(right * pairs for right, pairs in parts) / found["pairs/validation"]
        assert mean == pytest.approx(found["accuracy"])
    assert sum(row["pairs"] for row in found["calibration"]) == found["pairs/validation"]
    assert 0 <= found["calibration/error"] <= 0.5


def test_several_raters_of_a_prompt_train_in_one_forward_each(folders: dict[str, Path], make_job: Any) -> None:
    rows = tiny.rankings(24)
    doubled = [{**row, "id": f"{row['id']}-{n}", "labeler": f"l{n}"} for row in rows for n in range(3)]
    config = {"model": str(folders["llama"]), "max_length": 128, "batch_size": 8, "threads": 1}
    once, thrice = (make_job(config, name, rankings=given) for name, given in (("once", rows), ("thrice", doubled)))
    assert tiny.run("reward", once) == tiny.run("reward", thrice) == 0
    # Three that agree are as one: the same batches of prompts, the same mean over rankings, so the same model.
    one, other = tiny.weights(once), tiny.weights(thrice)
    assert max(float((one[name] - other[name]).abs().max()) for name in one) < 1e-5
    assert metrics(thrice)["rankings"] == 3 * metrics(once)["rankings"]
    assert metrics(thrice)["pairs/validation"] == 3 * metrics(once)["pairs/validation"]


def test_an_ensemble_is_its_members_trained_alone_with_their_seeds(folders: dict[str, Path], make_job: Any) -> None:
    small = {"epochs": 1, "logprob_weight": False, "readout": "last"}
    together = reward_job(folders, make_job, "together", ensemble=2, **small)
    alone = reward_job(folders, make_job, "alone", **small)
    assert tiny.run("reward", together) == tiny.run("reward", alone) == 0
    ensemble, sft = load_reward_model(str(together / "checkpoint"))
    single, _ = load_reward_model(str(alone / "checkpoint"))
    assert isinstance(ensemble, RewardEnsemble)
    assert isinstance(single, RewardModel)
    assert sft is None
    assert all(torch.equal(a, b) for a, b in zip(ensemble.member(0).parameters(), single.parameters(), strict=True))
    assert not torch.equal(ensemble.member(1).head.weight, single.head.weight)
    assert not any((together / "state").glob("member-*")), "members are kept once"
    found = metrics(together)
    assert len(found["accuracy/members"]) == 2
    assert found["accuracy/members"][0] == metrics(alone)["accuracy"]
    assert found["uncertainty/validation"] > 0
    steps = [row["step"] for row in tiny.lines(together / "progress.jsonl") if row["phase"] == "reward"]
    assert steps == sorted(set(steps))
    assert steps[-1] == tiny.lines(together / "progress.jsonl")[-1]["of"]


def test_demonstrations_score_zero_under_an_ensemble(folders: dict[str, Path], make_job: Any) -> None:
    folder = reward_job(folders, make_job, "job", ensemble=2, epochs=1)
    assert tiny.run("reward", folder) == 0
    model, sft = load_reward_model(str(folder / "checkpoint"))
    codec = Codec(load_tokenizer(str(folder / "checkpoint" / "sft")))
    batch = pack([(codec.prompt(row["messages"]), [codec.response(row["response"])]) for row in tiny.demonstrations(8)])
    with torch.no_grad():
        feature = mean_logprobs(response_logprobs(sft, batch)[0], batch)
        assert model(batch, feature).mean().item() == pytest.approx(0, abs=1e-4)


def test_an_ensemble_stopped_and_killed_within_its_second_member_ends_bit_identical(
    folders: dict[str, Path], make_job: Any
) -> None:
    each = {"ensemble": 2, "save_every_seconds": 1e-6}
    whole, broken = (reward_job(folders, make_job, name, **each) for name in ("whole", "broken"))
    assert tiny.run("reward", whole) == 0
    half = tiny.lines(whole / "progress.jsonl")[-1]["of"] // 2
    for stop, after, code in ((signal.SIGTERM, half + 2, 75), (signal.SIGKILL, half + 6, -9)):
        child = tiny.Child(lambda: tiny.run("reward", broken), broken)
        tiny.wait_for_step(broken, after)
        child.send_signal(stop)
        assert child.wait() == code
    assert checkpoints.verify(broken / "state" / "member-0")
    assert tiny.run("reward", broken) == 0
    first, second = metrics(whole), metrics(broken)
    assert first == second
    for number in (0, 1):
        for path in (whole / "checkpoint" / f"member-{number}").rglob("*.safetensors"):
            assert path.read_bytes() == (broken / path.relative_to(whole)).read_bytes()


@pytest.mark.parametrize("advantage", ["gae", "group"])
def test_ppo_takes_an_ensemble_as_its_reward(advantage: str, folders: dict[str, Path], make_job: Any) -> None:
    judge = reward_job(folders, make_job, "judge", ensemble=2, epochs=1)
    assert tiny.run("reward", judge) == 0
    config = {
        "policy": str(folders["llama"]), "reward_model": str(judge / "checkpoint"), "episodes": 32, "batch_size": 16,
        "minibatch_size": 8, "max_new_tokens": 8, "max_prompt_tokens": 96, "threads": 1, "advantage": advantage,
    }  # fmt: skip
    folder = make_job(config, "ppo", prompts=tiny.prompts(8))
    assert tiny.run("ppo", folder) == 0


def test_an_ensemble_that_lacks_a_member_is_refused(folders: dict[str, Path], make_job: Any) -> None:
    import shutil

    folder = reward_job(folders, make_job, "job", ensemble=2, epochs=1)
    assert tiny.run("reward", folder) == 0
    shutil.rmtree(folder / "checkpoint" / "member-1")
    with pytest.raises(JobError, match=r"member-1 is no reward model"):
        load_reward_model(str(folder / "checkpoint"))
