"""PPO's relatives: their arithmetic on numbers worked by hand, and their losses against the papers' equations."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, tensor

from tests.training import conftest as tiny
from training import rl_math
from training.config import CONFIGS, A2CConfig, ConfigError, PPOConfig, RLOOConfig
from training.job import Job
from training.models import response_logprobs
from training.optimiser import learning_rate
from training.packing import pack
from training.policy_gradient import PolicyGradient
from training.rollout import Group, reward_tokens
from training.weight_average import WeightAverage

PATHS = {"policy": "p", "reward_model": "r"}


# -- by hand -------------------------------------------------------------------------------------------------


def test_group_normalise_is_the_distance_from_the_groups_mean_in_standard_deviations() -> None:
    # group 0: mean 3, squares 4 + 1 + 9, variance 14 / 2 = 7; group 1 is one response; group 2 all alike
    scores, groups = tensor([1.0, 2.0, 6.0, 5.0, 4.0, 4.0]), tensor([0, 0, 0, 1, 2, 2])
    spread = math.sqrt(7) + 1e-4
    by_hand = [-2 / spread, -1 / spread, 3 / spread, 0, 0, 0]
    assert rl_math.group_normalise(scores, groups).tolist() == [pytest.approx(value, abs=1e-6) for value in by_hand]


def test_kl_k3_by_hand_and_0_where_policy_and_reference_agree() -> None:
    kl = rl_math.kl_k3(tensor([math.log(0.5), math.log(0.2)]), tensor([math.log(0.25), math.log(0.2)]))
    assert kl.tolist() == [pytest.approx(0.5 - math.log(0.5) - 1), 0.0]


def test_kl_k3_is_the_kl_on_average() -> None:
    policy, reference = tensor([0.5, 0.3, 0.2]), tensor([0.2, 0.2, 0.6])
    mean = (policy * rl_math.kl_k3(policy.log(), reference.log())).sum()
    torch.testing.assert_close(mean, (policy * (policy / reference).log()).sum())


def test_reinforce_loss_pulls_by_the_advantage() -> None:
    logprobs = tensor([-1.0, -2.0], requires_grad=True)
    losses = rl_math.reinforce_loss(logprobs, tensor([3.0, -0.5]))
    assert losses.tolist() == [3.0, -1.0]
    assert torch.autograd.grad(losses.sum(), logprobs)[0].tolist() == [-3.0, 0.5]


def test_squared_error_is_halved() -> None:
    assert rl_math.squared_error(tensor([1.0, 3.0]), tensor([2.0, 0.0])).tolist() == [0.5, 4.5]


def test_kwise_loss_with_margins_by_hand() -> None:
    # ranks 1, 2: the first leads by 2 and must lead by 0.5
    margins = tensor([[0.0, 0.5], [9.0, 0.0]])
    loss, right = rl_math.kwise_loss(tensor([2.0, 0.0]), tensor([1, 2]), tensor([0, 0]), margins=margins)
    assert loss.item() == pytest.approx(math.log1p(math.exp(-1.5)))
    assert right.tolist() == [1.0, 1.0]


def test_the_average_follows_what_trains_and_is_then_the_policy() -> None:
    policy = torch.nn.Linear(1, 1)
    policy.bias.requires_grad_(False)
    for weight in policy.parameters():
        weight.data.fill_(2.0)
    average = WeightAverage(policy, 0.75)
    for value in (6.0, 10.0):  # .75 * 2 + .25 * 6 = 3, then .75 * 3 + .25 * 10 = 4.75
        policy.weight.data.fill_(value)
        average.follow()
    policy.bias.data.fill_(5.0)
    average.put_in_place()
    assert (policy.weight.item(), policy.bias.item()) == (4.75, 5.0), "frozen weights are left alone"


def test_every_loss_has_the_gradient_that_differences_give() -> None:
    rng = torch.Generator().manual_seed(1)
    first, second, third, fourth = torch.randn(4, 7, generator=rng, dtype=torch.float64)
    first.requires_grad_()
    ranks, prompts = tensor([1, 2, 3, 1, 1, 2, 3]), tensor([0, 0, 0, 1, 1, 1, 1])
    square = torch.rand(7, 7, generator=rng, dtype=torch.float64)
    losses = [
        lambda x: rl_math.policy_loss(x, second, third, 0.2)[0],
        lambda x: rl_math.reinforce_loss(x, third),
        lambda x: rl_math.kl_k3(x, second),
        lambda x: rl_math.approx_kl(x, second),
        lambda x: rl_math.squared_error(x, third),
        lambda x: rl_math.value_loss(x, second, fourth, 0.2),
        lambda x: rl_math.kwise_loss(x, ranks, prompts, square, square)[0],
        lambda x: rl_math.group_normalise(x, prompts),
        lambda x: rl_math.group_baseline(x, prompts),
    ]
    assert all(torch.autograd.gradcheck(loss, (first,)) for loss in losses)


# -- on a rollout --------------------------------------------------------------------------------------------


def trainer(kind: str, planted: Path, make_job: Any, **changes: Any) -> PolicyGradient[Any]:
    """A program's trainer, with a rollout of 16 responses an iteration."""
    taught = json.loads((planted / "config.json").read_text())["model"]
    config = {
        "policy": taught, "reward_model": str(planted / "checkpoint"), "episodes": 32, "batch_size": 16,
        "minibatch_size": 16, "samples_per_prompt": 4, "max_new_tokens": 12, "max_prompt_tokens": 96, "threads": 1,
        "warmup_steps": 0, **({"value_warmup": 0} if kind in ("ppo", "a2c") else {}), **changes,
    }  # fmt: skip
    folder = make_job(config, kind, prompts=tiny.prompts(8))
    work = {"ppo": tiny.ppo.PPO, "a2c": tiny.a2c.A2C, "rloo": tiny.rloo.RLOO, "grpo": tiny.grpo.GRPO}[kind]
    return work(Job(folder, CONFIGS[kind].load(folder)))  # type: ignore[arg-type, no-any-return]


def rolled(which: PolicyGradient[Any]) -> list[Group]:
    """The first rollout, judged and appraised."""
    groups = which.rollout(0)
    which.experience(groups, which.minibatches(groups, 0, 0))
    if which.one_step:
        which.loss_of(groups, True)
    return groups


def gradients(which: PolicyGradient[Any], groups: list[Group]) -> dict[str, Tensor]:
    """Of the loss of all groups in one microbatch."""
    which.updater.optimiser.zero_grad()
    loss, _ = which.loss_of(groups, True)
    loss.backward()  # type: ignore[no-untyped-call]
    return {name: p.grad.clone() for name, p in which.actor.named_parameters() if p.grad is not None}


def test_a2c_is_ppo_with_one_epoch_and_one_minibatch(folders: dict[str, Path], planted: Path, make_job: Any) -> None:
    same = {"whiten_advantages": False, "lam": 1.0, "micro_batch_tokens": 100_000}
    proximal = trainer("ppo", planted, make_job, advantage="gae", inner_epochs=1, **same)
    plain = trainer("a2c", planted, make_job, **same)
    groups = rolled(proximal)
    # PPO's rollout serves both: A2C needs nothing else of it.
    first, second = gradients(proximal, groups), gradients(plain, groups)
    assert first.keys() == second.keys()
    assert max(float(grad.abs().max()) for grad in first.values()) > 1e-2
    for name, gradient in first.items():
        scale = max(1.0, float(gradient.abs().max()))
        torch.testing.assert_close(gradient / scale, second[name] / scale, atol=1e-6, rtol=0)
    for which in (proximal, plain):
        which.updater.optimiser.zero_grad()
        which.step(groups, [list(range(len(groups)))], 0, 0, 1.0)
    for (name, one), (_, other) in zip(proximal.actor.named_parameters(), plain.actor.named_parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0, msg=name)


def test_the_policys_learning_rate_and_kl_coefficient_wait_for_the_value_network(planted: Path, make_job: Any) -> None:
    settings = {"advantage": "gae", "value_warmup": 1, "warmup_steps": 2, "minibatch_size": 4, "kl_target": 50.0}
    which = trainer("ppo", planted, make_job, episodes=32, **settings)
    assert [which.share(1, step, 4) for step in (4, 5, 6)] == [0.5, 1.0, 1.0], (
        "its own warm-up, from its own first step"
    )
    before = which.kl_coef
    which.iterate(0)
    assert which.kl_coef == before, "a policy that stands still says nothing of the coefficient"
    which.iterate(1)
    assert which.kl_coef < before


def sequence_logprobs(which: PolicyGradient[Any], group: Group) -> list[Tensor]:
    """Log-probabilities of each response's tokens, each response in a row of its own."""
    return [response_logprobs(which.actor.policy.model, pack([(group.prompt, [y])]))[0] for y in group.responses]


def test_rloo_follows_the_papers_estimator(folders: dict[str, Path], planted: Path, make_job: Any) -> None:
    which = trainer("rloo", planted, make_job, kl_coef=0.5, reference=str(folders["llama"]))
    groups = rolled(which)
    total = torch.zeros(())
    shown = reward_tokens(groups, which.kl_coef).scores.split(4)
    for group, scores in zip(groups, shown, strict=True):
        new = [row.sum() for row in sequence_logprobs(which, group)]
        own = [row.detach() for row in new]
        reference = [part.sum() for part in group.per_token["reference"].split([len(y) for y in group.responses])]
        returns = [float(s - 0.5 * (n - r)) for s, n, r in zip(scores, own, reference, strict=True)]
        for at, row in enumerate(new):
            others = [value for place, value in enumerate(returns) if place != at]
            total = total - (returns[at] - sum(others) / 3) * row / 16
    total.backward()  # type: ignore[no-untyped-call]
    by_hand = {name: p.grad.clone() for name, p in which.actor.named_parameters() if p.grad is not None}
    for name, gradient in gradients(which, groups).items():
        scale = max(1.0, float(by_hand[name].abs().max()))
        torch.testing.assert_close(gradient / 16 / scale, by_hand[name] / scale, atol=1e-4, rtol=0)


def test_grpo_minimises_the_papers_objective(folders: dict[str, Path], planted: Path, make_job: Any) -> None:
    which = trainer("grpo", planted, make_job, kl_coef=0.3, reference=str(folders["llama"]))
    groups = rolled(which)
    with torch.no_grad():  # a policy that has moved, so that ratios are not 1 and some are clipped
        for weight in which.actor.parameters():
            weight.add_(0.02 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(weight.numel())))
    total, clipped = 0.0, 0
    shown = reward_tokens(groups, which.kl_coef).scores.split(4)
    for group, scores in zip(groups, shown, strict=True):
        sizes = [len(y) for y in group.responses]
        advantages = (scores - scores.mean()) / (scores.std() + 1e-4)
        old, reference = (group.per_token[name].split(sizes) for name in ("old", "reference"))
        for at, row in enumerate(sequence_logprobs(which, group)):
            ratio, gap = (row - old[at]).exp(), reference[at] - row
            surrogate = torch.minimum(ratio * advantages[at], ratio.clamp(0.8, 1.2) * advantages[at])
            clipped += int((surrogate != ratio * advantages[at]).sum())
            total -= float((surrogate - 0.3 * (gap.exp() - gap - 1)).mean()) / 16
    loss, reported = which.loss_of(groups, True)
    assert clipped > 0
    assert float(loss) / 16 == pytest.approx(total, rel=1e-3)
    assert float(reported["loss/policy"] + 0.3 * reported["loss/kl"]) / 16 == pytest.approx(total, rel=1e-3)


@pytest.mark.parametrize("kind", ["a2c", "rloo", "grpo"])
def test_before_the_first_step_the_ratio_is_1_and_the_kl_0(
    kind: str, folders: dict[str, Path], planted: Path, make_job: Any
) -> None:
    which = trainer(kind, planted, make_job, temperature=0.9)
    groups = which.rollout(0)
    plan = which.minibatches(groups, 0, 0)
    first = {**which.experience(groups, plan), **which.step(groups, plan[0], 0, 0, 1.0)}
    assert first["objective/kl"] == 0
    assert first["policy/ratio"] == pytest.approx(1, abs=1e-7)
    assert first.get("loss/kl", 0.0) == 0
    assert first.get("policy/clipfrac", 0.0) == 0


@pytest.mark.parametrize("kind", ["rloo", "grpo"])
def test_one_step_a_rollout_learns_the_same_without_a_forward_of_its_own_before(
    kind: str, folders: dict[str, Path], planted: Path, make_job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"inner_epochs": 1, "reference": str(folders["llama"]), "kl_coef": 0.3, "micro_batch_tokens": 150}
    found = []
    for shared in (True, False):
        name = f"{kind}-{shared}"
        which = trainer(kind, planted, lambda config, _, name=name, **data: make_job(config, name, **data), **settings)
        monkeypatch.setattr(type(which), "within_group", shared)
        assert which.one_step is shared
        metrics = [which.iterate(iteration) for iteration in range(2)]
        found.append((metrics, [weight.detach() for weight in which.actor.parameters()]))
    (own, weights), (before, expected) = found
    for one, other in zip(own, before, strict=True):
        assert one == {name: pytest.approx(value, rel=1e-4, abs=1e-6) for name, value in other.items()}
    for weight, same in zip(weights, expected, strict=True):
        torch.testing.assert_close(weight, same, atol=1e-6, rtol=1e-5)


def test_the_scores_of_grpo_hold_no_kl_and_those_of_rloo_do(
    folders: dict[str, Path], planted: Path, make_job: Any
) -> None:
    far = {"reference": str(folders["llama"])}
    for kind, expected in (("grpo", True), ("rloo", False)):
        found = []
        for kl_coef in (0.0, 5.0):
            name = f"{kind}-{kl_coef}"
            groups = rolled(trainer(kind, planted, lambda config, _, name=name, **data: make_job(config, name, **data),
                                    kl_coef=kl_coef, **far))  # fmt: skip
            found.append(torch.cat([group.per_token["advantages"] for group in groups]))
        assert torch.equal(*found) is expected


# -- settings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [A2CConfig, RLOOConfig])
def test_algorithms_without_a_ratio_take_one_step_a_rollout(config: Any) -> None:
    config.from_dict(PATHS)
    with pytest.raises(ConfigError, match="inner_epochs: must be 1"):
        config.from_dict({**PATHS, "inner_epochs": 2})
    with pytest.raises(ConfigError, match="minibatch_size: must equal batch_size"):
        config.from_dict({**PATHS, "minibatch_size": 64})


def test_a_group_has_two_responses_at_least() -> None:
    for kind in ("rloo", "grpo"):
        with pytest.raises(ConfigError, match="samples_per_prompt: is 1; use 2 or more"):
            CONFIGS[kind].from_dict({**PATHS, "samples_per_prompt": 1})


def test_settings_are_of_the_algorithm_that_reads_them() -> None:
    names = {kind: {row["name"] for row in CONFIGS[kind].describe()} for kind in ("ppo", "a2c", "rloo", "grpo")}
    assert "cliprange" in names["ppo"] & names["grpo"]
    assert "cliprange" not in names["a2c"] | names["rloo"]
    assert "vf_coef" in names["ppo"] & names["a2c"]
    assert not {"vf_coef", "gamma", "whiten_advantages"} & (names["rloo"] | names["grpo"])
    assert PPOConfig.from_dict(PATHS).whiten_advantages


@pytest.mark.parametrize(("schedule", "quarter"), [("linear", 0.775), ("cosine", 0.8682)])
def test_the_learning_rate_rises_and_falls_as_its_schedule_says(schedule: str, quarter: float) -> None:
    config = RLOOConfig(policy="p", reward_model="r", lr_schedule=schedule, lr_final=0.1, warmup_steps=4)
    shares = [learning_rate(step, 44, config) for step in range(45)]
    assert shares[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert shares[24] == pytest.approx(0.55)
    assert shares[44] == pytest.approx(0.1)
    # a quarter of the way: .1 + .9 * .75, and .1 + .9 * (1 + cos(pi/4)) / 2
    assert shares[14] == pytest.approx(quarter, abs=1e-4)
