"""The arithmetic of preferences: on numbers worked by hand, against float64, and whatever the batch looks like."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, tensor

from tests.training import conftest as tiny
from training import preference_math as pm
from training.config import DPOConfig
from training.data import Ranking
from training.dpo import Order, order_of, preference_loss
from training.models import LanguageModel
from training.preferences import logprobs_of
from training.rl_math import preference_pairs

LOSSES = ["dpo", "ipo", "slic", "kto"]


def order(ranks: list[int], owners: list[int]) -> Order:
    """Rankings that weigh 1 each."""
    return Order(tensor(ranks), tensor(owners), torch.ones(max(owners) + 1))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


# -- by hand -------------------------------------------------------------------------------------------------


def test_sequence_logprobs_are_sums_over_each_responses_tokens() -> None:
    flat, owner = tensor([-1.0, -2.0, -0.5, -0.25, -4.0]), tensor([0, 0, 1, 1, 2])
    assert pm.sequence_logprobs(flat, owner, tensor([2, 2, 1])).tolist() == [-3.0, -0.75, -4.0]


def test_dpo_loss_is_the_logistic_loss_of_beta_h() -> None:
    # log pi: -10 and -14, log ref: -11 and -13 -> log-ratios 1 and -1, h = 2, beta h = 1
    h = pm.gaps(tensor([-10.0, -14.0]) - tensor([-11.0, -13.0]), tensor([0]), tensor([1]))
    assert pm.dpo_loss(h, 0.5).tolist() == [pytest.approx(math.log1p(math.exp(-1)))]
    assert pm.dpo_loss(-h, 0.5).tolist() == [pytest.approx(math.log1p(math.e))]


def test_dpo_loss_at_the_reference_is_log_2() -> None:
    assert pm.dpo_loss(torch.zeros(1), 0.1).item() == pytest.approx(math.log(2))


def test_label_smoothing_mixes_the_loss_of_the_turned_label_in() -> None:
    right, turned = math.log1p(math.exp(-1)), math.log1p(math.e)
    assert pm.dpo_loss(tensor([2.0]), 0.5, 0.1).item() == pytest.approx(0.9 * right + 0.1 * turned)


def test_smoothed_dpo_is_least_where_the_model_believes_the_label_as_far_as_it_is_right() -> None:
    h = tensor([math.log(0.9 / 0.1) / 0.5], requires_grad=True)
    torch.autograd.backward(pm.dpo_loss(h, 0.5, 0.1).sum())
    assert h.grad is not None
    assert h.grad.item() == pytest.approx(0, abs=1e-6)


def test_dpo_gradient_is_beta_times_how_wrong_the_pair_is() -> None:
    h = tensor([2.0], requires_grad=True)
    torch.autograd.backward(pm.dpo_loss(h, 0.5).sum())
    assert h.grad is not None
    assert h.grad.item() == pytest.approx(-0.5 * sigmoid(-1))  # eq. 8's weight


def test_ipo_loss_is_the_squared_distance_to_half_the_inverse_of_beta() -> None:
    # 1 / (2 * .25) = 2; h = .5 -> 1.5^2
    assert pm.ipo_loss(tensor([0.5, 2.0]), 0.25).tolist() == [2.25, 0.0]


def test_ipo_averages_over_tokens() -> None:
    config = DPOConfig.from_dict({"policy": "p", "loss": "ipo", "beta": 0.25})
    # log-ratios 3 over 6 tokens and -1 over 2 tokens: h = .5 + .5 = 1, target 2
    loss = preference_loss(tensor([3.0, -1.0]), torch.zeros(2), tensor([6, 2]), order([1, 2], [0, 0]), 0, config)
    assert loss.item() == pytest.approx(1.0)


def test_slic_loss_is_a_hinge_on_the_log_likelihoods() -> None:
    gap = pm.gaps(tensor([-10.0, -10.4, -12.0]), tensor([0, 0, 1]), tensor([1, 2, 0]))
    assert pm.slic_loss(gap, 1.0).tolist() == [pytest.approx(0.6), 0.0, pytest.approx(1.4)]


def test_slics_target_without_a_demonstration_is_the_best_response_and_the_mean_of_tied_ones() -> None:
    logprobs, ranks, prompts = tensor([-4.0, -6.0, -9.0, -3.0, -5.0]), tensor([1, 1, 2, 2, 1]), tensor([0, 0, 0, 1, 1])
    assert pm.best_mean(logprobs, ranks, prompts).tolist() == [-5.0, -5.0]


def test_a_response_is_desirable_where_it_beats_more_than_beat_it() -> None:
    ranks, prompts = tensor([1, 2, 2, 4, 1, 2, 2, 2, 1]), tensor([0, 0, 0, 0, 1, 1, 1, 2, 2])
    signs, weights = pm.desirability(ranks, prompts)
    assert signs.tolist() == [1, 0, 0, -1, 1, -1, -1, -1, 1]
    assert weights.tolist() == [pytest.approx(w) for w in (1 / 2, 0, 0, 1 / 2, 1 / 3, 1 / 3, 1 / 3, 1 / 2, 1 / 2)]


def test_kto_loss_of_good_and_bad_responses() -> None:
    # beta (r - z0) = 2 (1 - .5) = 1: 1 - sigma(1) of a good one; 1.5 (1 - sigma(-1)) of a bad one; 0 of neither
    loss = pm.kto_loss(tensor([1.0, 1.0, 1.0]), tensor([1, -1, 0]), 0.5, 2.0, desirable=1.0, undesirable=1.5)
    assert loss.tolist() == [pytest.approx(1 - sigmoid(1)), pytest.approx(1.5 * (1 - sigmoid(-1))), 0.0]


def test_ktos_reference_point_is_a_mean_that_is_never_negative() -> None:
    assert pm.kto_reference_point(tensor([1.0, 2.0, -0.6])) == pytest.approx(0.8)
    assert pm.kto_reference_point(tensor([-1.0, 0.5])) == 0


def test_pairs_of_a_prompt_weigh_1_together_and_ties_make_none() -> None:
    # prompt 0: ranks 1, 2, 2 -> h of 1 and 3; prompt 1: h = -1; beta 1
    config = DPOConfig.from_dict({"policy": "p", "beta": 1.0})
    logprobs = tensor([-1.0, -2.0, -4.0, -3.0, -2.0])
    ranked = order([1, 2, 2, 1, 2], [0, 0, 0, 1, 1])
    loss = preference_loss(logprobs, torch.zeros(5), torch.ones(5), ranked, 0, config)
    first, second = (math.log1p(math.exp(-1)) + math.log1p(math.exp(-3))) / 2, math.log1p(math.e)
    assert loss.item() == pytest.approx(first + second)
    ranked.weights = tensor([1.0, 0.25])  # the second is a model's, say
    loss = preference_loss(logprobs, torch.zeros(5), torch.ones(5), ranked, 0, config)
    assert loss.item() == pytest.approx(first + 0.25 * second)


def test_a_label_weighs_its_responses_in_kto() -> None:
    config = DPOConfig.from_dict({"policy": "p", "loss": "kto", "beta": 1.0})
    ranked = order([1, 2, 1, 2], [0, 0, 1, 1])
    ranked.weights = tensor([1.0, 0.5])
    loss = preference_loss(tensor([1.0, 0.0, 0.0, 0.0]), torch.zeros(4), torch.ones(4), ranked, 0, config)
    assert loss.item() == pytest.approx((1 - sigmoid(1)) / 2 + 0.5 / 2 + 0.5 * 0.5)


def test_best_of_n_kl() -> None:
    assert pm.best_of_n_kl(1) == 0
    assert pm.best_of_n_kl(4) == pytest.approx(math.log(4) - 0.75)


# -- against float64 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: pm.dpo_loss(x, 0.3),
        lambda x: pm.dpo_loss(x, 0.3, 0.2),
        lambda x: pm.ipo_loss(x, 0.3),
        lambda x: pm.slic_loss(x, 0.9),
        lambda x: pm.kto_loss(x, torch.tensor([1, -1, 0, 1, -1, -1]), 0.4, 0.7, 1.2, 0.8),
        lambda x: pm.best_mean(x, tensor([1, 1, 2, 1, 2, 2]), tensor([0, 0, 0, 1, 1, 1])),
        lambda x: pm.gaps(x, tensor([0, 0, 1]), tensor([1, 2, 2])),
        lambda x: pm.sequence_logprobs(x, tensor([0, 0, 1, 1, 1, 2]), tensor([2, 3, 1])),
    ],
)
def test_gradients_are_those_of_finite_differences(loss: Callable[[Tensor], Tensor]) -> None:
    x = tensor([0.3, -1.7, 2.2, 0.5, -0.4, 5.0], dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(loss, (x,))


@pytest.mark.parametrize("loss", LOSSES)
def test_float32_losses_and_gradients_are_those_of_float64(loss: str) -> None:
    config = DPOConfig.from_dict({"policy": "p", "loss": loss})
    generator = torch.Generator().manual_seed(0)
    ranked = order([1, 2, 2, 4, 2, 1, 3], [0, 0, 0, 0, 1, 1, 1])
    logprobs = -60 + 5 * torch.randn(7, generator=generator, dtype=torch.double)
    reference = logprobs + torch.randn(7, generator=generator, dtype=torch.double)
    found = []
    for dtype in (torch.double, torch.float):
        x = logprobs.to(dtype, copy=True).requires_grad_()
        value = preference_loss(x, reference.to(dtype), tensor([20, 30, 25, 9, 40, 31, 18]), ranked, 0.3, config)
        torch.autograd.backward(value)
        assert x.grad is not None
        found.append((value.detach().double(), x.grad.double()))
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-5)


# -- whatever the batch looks like ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return LanguageModel(tiny.make_model("llama", 64))


def made(seed: int, prompts: int) -> list[Ranking]:
    """Rankings of random tokens, K of 2 to 4, some ranks tied."""
    rng = random.Random(seed)
    rows = []
    for at in range(prompts):
        k = rng.randint(2, 4)
        responses = [[rng.randrange(64) for _ in range(rng.randint(1, 7))] for _ in range(k)]
        ranks = [rng.randint(1, 3) for _ in range(k)]
        ranks[0], ranks[1] = 1, 2
        prompt = [rng.randrange(64) for _ in range(rng.randint(1, 9))]
        rows.append(Ranking(str(at), str(at), prompt, responses, ranks, [math.nan] * k, "train"))
    return rows


def reference(rankings: list[Ranking]) -> Tensor:
    """log ref of each response, a function of its tokens alone."""
    return tensor([-2.0 * len(y) - 0.1 * (sum(y) % 7) for row in rankings for y in row.responses])


def loss_and_gradient(model: LanguageModel, batches: list[list[Ranking]], config: DPOConfig) -> tuple[Tensor, Tensor]:
    """Of all rankings, a microbatch after the other."""
    model.zero_grad()
    total = torch.zeros(())
    for rankings in batches:
        logprobs, lengths = logprobs_of(model, [(row.prompt, row.responses) for row in rankings], config)
        ranked = order_of(rankings, torch.device("cpu"))
        loss = preference_loss(logprobs, reference(rankings), lengths, ranked, 0.2, config)
        torch.autograd.backward(loss)
        total += loss.detach()
    gradient = torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])
    return total, gradient


def shuffled(row: Ranking, rng: random.Random) -> Ranking:
    """The same ranking with its responses in another order."""
    places = rng.sample(range(len(row.ranks)), len(row.ranks))
    again: dict[str, Any] = {**vars(row)}
    return Ranking(
        **{**again, "responses": [row.responses[at] for at in places], "ranks": [row.ranks[at] for at in places]}
    )


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), prompts=st.integers(1, 4), loss=st.sampled_from(LOSSES))
def test_packing_padding_and_order_change_neither_loss_nor_gradient(
    model: LanguageModel, seed: int, prompts: int, loss: str
) -> None:
    rows, rng = made(seed, prompts), random.Random(seed)
    config = DPOConfig.from_dict({"policy": "p", "loss": loss, "beta": 0.3})
    alone = DPOConfig.from_dict({**config.to_dict(), "packed": False})
    expected = loss_and_gradient(model, [rows], config)
    for name, found in {
        "one row a response": loss_and_gradient(model, [rows], alone),
        "no padding": loss_and_gradient(model, [[row] for row in rows], config),
        "other orders": loss_and_gradient(model, [rng.sample([shuffled(row, rng) for row in rows], len(rows))], config),
    }.items():
        torch.testing.assert_close(found[0], expected[0], atol=1e-4, rtol=1e-4, msg=lambda text, name=name: name + text)
        scale = float(expected[1].abs().max())
        assert float((found[1] - expected[1]).abs().max()) < 1e-4 * max(1.0, scale), name


@settings(max_examples=50, deadline=None, derandomize=True)
@given(ranks=st.lists(st.integers(1, 5), min_size=2, max_size=9))
def test_what_a_ranking_says_does_not_hang_on_how_ranks_are_numbered(ranks: list[int]) -> None:
    prompts = torch.zeros(len(ranks), dtype=torch.long)
    dense = sorted(set(ranks))
    renumbered = tensor([3 * dense.index(rank) + 1 for rank in ranks])
    signs, weights = pm.desirability(tensor(ranks), prompts)
    again, weights_again = pm.desirability(renumbered, prompts)
    assert torch.equal(signs, again)
    assert torch.equal(weights, weights_again)
    if len(dense) > 1:
        better, worse, shares = preference_pairs(tensor(ranks), prompts)
        assert torch.equal(torch.stack([better, worse]), torch.stack(preference_pairs(renumbered, prompts)[:2]))
        assert float(shares.sum()) == pytest.approx(1)
        assert float(weights.sum()) == pytest.approx(1)
        assert 1 in signs
        assert -1 in signs
