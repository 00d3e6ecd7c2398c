"""The arithmetic, on numbers worked by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import tensor

from training import rl_math


def test_masked_mean_never_counts_padding() -> None:
    assert rl_math.masked_mean(tensor([[1.0, 3.0, 100.0]]), tensor([[1.0, 1.0, 0.0]])).item() == 2.0


def test_masked_whiten_gives_mean_0_variance_1_over_real_tokens_and_0_on_padding() -> None:
    white = rl_math.masked_whiten(tensor([[1.0, 3.0, 100.0]]), tensor([[1.0, 1.0, 0.0]]))
    assert white.tolist() == [[pytest.approx(-1.0), pytest.approx(1.0), 0.0]]


def test_masked_whiten_keeps_the_mean_of_rewards() -> None:
    white = rl_math.masked_whiten(tensor([[1.0, 3.0]]), tensor([[1.0, 1.0]]), shift_mean=False)
    assert white.tolist() == [[pytest.approx(1.0), pytest.approx(3.0)]]


def test_kl_penalty_rewards_put_the_score_on_the_last_real_token() -> None:
    logprobs, reference = tensor([[-1.0, -2.0, -9.0]]), tensor([[-1.5, -1.0, -3.0]])
    rewards = rl_math.kl_penalty_rewards(logprobs, reference, tensor([2.0]), tensor([[1.0, 1.0, 0.0]]), 0.1)
    assert rewards.tolist() == [[pytest.approx(-0.05), pytest.approx(2.1), 0.0]]


def test_gae_on_two_tokens() -> None:
    # delta_1 = 1 + .5*0 - .4 = .6; A_1 = .6; delta_0 = 0 + .5*.4 - .2 = 0; A_0 = 0 + .5*.8*.6 = .24
    rewards, values, mask = tensor([[0.0, 1.0, 7.0]]), tensor([[0.2, 0.4, 5.0]]), tensor([[1.0, 1.0, 0.0]])
    advantages, returns = rl_math.gae(rewards, values, mask, gamma=0.5, lam=0.8)
    assert advantages.tolist() == [[pytest.approx(0.24), pytest.approx(0.6), 0.0]]
    assert returns.tolist() == [[pytest.approx(0.44), pytest.approx(1.0), 0.0]]


def test_gae_with_lambda_1_and_gamma_1_is_reward_to_go_less_value() -> None:
    rewards, values, mask = torch.randn(3, 5), torch.randn(3, 5), torch.ones(3, 5)
    _, returns = rl_math.gae(rewards, values, mask, 1.0, 1.0)
    torch.testing.assert_close(returns, rewards.flip(1).cumsum(1).flip(1))


def test_group_baseline_leaves_one_out() -> None:
    centred = rl_math.group_baseline(tensor([1.0, 2.0, 6.0, 5.0]), tensor([0, 0, 0, 1]))
    assert centred.tolist() == [pytest.approx(-3.0), pytest.approx(-1.5), pytest.approx(4.5), 0.0]


def test_policy_loss_clips_on_the_side_where_it_would_gain() -> None:
    new = tensor([math.log(1.5), math.log(1.5), math.log(0.5)])
    loss, ratio, clipped = rl_math.policy_loss(new, torch.zeros(3), tensor([1.0, -1.0, -1.0]), 0.2)
    assert ratio.tolist() == [pytest.approx(1.5), pytest.approx(1.5), pytest.approx(0.5)]
    assert loss.tolist() == [pytest.approx(-1.2), pytest.approx(1.5), pytest.approx(0.8)]
    assert clipped.tolist() == [1.0, 0.0, 1.0]


def test_value_loss_takes_the_worse_of_plain_and_clipped() -> None:
    loss = rl_math.value_loss(tensor([1.0, 0.1]), tensor([0.0, 0.0]), tensor([1.0, 1.0]), 0.2)
    assert loss.tolist() == [pytest.approx(0.5 * 0.64), pytest.approx(0.5 * 0.81)]


def test_adaptive_kl_coefficient_moves_towards_the_target_and_is_clipped() -> None:
    assert rl_math.adapt_kl_coef(0.1, kl=6.6, target=6.0, episodes=100, horizon=1000) == pytest.approx(0.101)
    assert rl_math.adapt_kl_coef(0.1, kl=60.0, target=6.0, episodes=100, horizon=1000) == pytest.approx(0.102)
    assert rl_math.adapt_kl_coef(0.1, kl=0.0, target=6.0, episodes=100, horizon=1000) == pytest.approx(0.098)


def test_responses_that_do_not_end_score_below_all_others() -> None:
    scores = rl_math.end_penalty(tensor([0.5, 3.0, -1.0]), tensor([True, False, True]), 1.0)
    assert scores.tolist() == [0.5, -2.0, -1.0]


def test_kwise_loss_weighs_each_prompt_once_and_drops_ties() -> None:
    # prompt 0: ranks 1, 2, 2 -> two pairs of margins 1 and 2; prompt 1: one pair of margin -1; prompt 2: ties only
    scores = tensor([2.0, 1.0, 0.0, 0.0, 1.0, 4.0, 4.0])
    loss, right = rl_math.kwise_loss(scores, tensor([1, 2, 2, 1, 2, 1, 1]), tensor([0, 0, 0, 1, 1, 2, 2]))
    by_hand = (math.log1p(math.exp(-1)) + math.log1p(math.exp(-2))) / 2 + math.log1p(math.exp(1))
    assert loss.item() == pytest.approx(by_hand)
    assert right.tolist() == [2.0, 3.0]


def test_far_apart_ratings_weigh_more() -> None:
    # rated 7, 4, 4 and one without a rating; a floor of 0.5
    importance = rl_math.rating_importance(tensor([7.0, 4.0, 4.0, math.nan]), 0.5)
    assert importance[0].tolist() == [0.5, 3.5, 3.5, 1.0]
    assert importance[1].tolist() == [0.5, 0.5, 0.5, 1.0]  # never less than the floor, whatever the order says
    assert importance[3].tolist() == [1.0] * 4


def test_kwise_loss_weighs_pairs_by_their_importance() -> None:
    # ranks 1, 2, 3, margins 1, 2 and 1: three pairs of weight 1/3 each, times what the ratings 5, 4, 1 say
    scores, ranks, prompts = tensor([2.0, 1.0, 0.0]), tensor([1, 2, 3]), tensor([0, 0, 0])
    importance = rl_math.rating_importance(tensor([5.0, 4.0, 1.0]), 0.3)
    loss, right = rl_math.kwise_loss(scores, ranks, prompts, importance)
    near, far = math.log1p(math.exp(-1)), math.log1p(math.exp(-2))
    assert loss.item() == pytest.approx((1.3 * near + 4.3 * far + 3.3 * near) / 3)
    assert right.tolist() == [3.0, 3.0]  # the accuracy counts every pair once


def test_kwise_loss_without_any_pair_is_zero_with_a_gradient() -> None:
    scores = tensor([1.0, 2.0], requires_grad=True)
    loss, hits = rl_math.kwise_loss(scores, tensor([1, 1]), tensor([0, 0]))
    torch.autograd.backward(loss)
    assert loss.item() == 0
    assert hits.tolist() == [0, 0]


def test_fit_weight_finds_the_log_odds() -> None:
    # three of four pairs go the feature's way, with a gap of 1: the best weight is log(3), less the tiny pull
    feature = tensor([1.0, 0.0] * 4)
    ranks = tensor([1, 2, 1, 2, 1, 2, 2, 1])
    prompts = tensor([0, 0, 1, 1, 2, 2, 3, 3])
    assert rl_math.fit_weight(feature, ranks, prompts) == pytest.approx(math.log(3), abs=0.01)


def test_fit_weight_with_margins_is_the_lowest_point_of_the_loss() -> None:
    rng = torch.Generator().manual_seed(3)
    feature, ranks, prompts = torch.randn(8, generator=rng), tensor([1, 2, 3, 4] * 2), tensor([0] * 4 + [1] * 4)
    margins = torch.rand(8, 8, generator=rng)
    best = rl_math.fit_weight(feature, ranks, prompts, margins=margins)
    around = [
        float(rl_math.kwise_loss(weight * feature, ranks, prompts, margins=margins)[0])
        for weight in (best - 0.1, best, best + 0.1)
    ]
    assert min(around) == around[1]
    assert best != pytest.approx(rl_math.fit_weight(feature, ranks, prompts), abs=0.1)


def test_token_logprobs_and_entropy() -> None:
    logprobs, entropy = rl_math.token_logprobs(tensor([[0.0, math.log(3.0)]]), tensor([1]), entropy=True)
    assert logprobs.item() == pytest.approx(math.log(0.75))
    assert entropy.item() == pytest.approx(-(0.25 * math.log(0.25) + 0.75 * math.log(0.75)))
