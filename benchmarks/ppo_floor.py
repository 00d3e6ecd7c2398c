"""An iteration of PPO beside its floor: the same sampling, forward and backward work done bare.

    OMP_WAIT_POLICY=PASSIVE python -m benchmarks.ppo_floor [--rounds 5] [--threads 1] [--epochs 1 4]

64 samples of 48 new tokens, 4 a prompt of about 100; policy, reference, reward model and value network of 5 million
parameters each; two minibatches an epoch; float32. The floor draws with the same decoder, and then runs plain
causal rows that hold as many tokens as the packed ones, with no padding, no mask and no bookkeeping: four forwards,
per epoch forward and backward of policy and value network, the LM head on as many places, and the same optimiser steps.
Both in turn; figures are medians, ratios the medians of the rounds'.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import training  # noqa: F401 (before torch: idle threads must sleep)

import torch  # isort: skip

from benchmarks.rl_compare import PROMPT, TOKENIZER, make_model, text_of, user, write_job
from benchmarks.trl_compare import Seconds, now, since
from training.config import PPOConfig
from training.data import load_tokenizer
from training.decoder import Request, Sampling, decode
from training.job import Job
from training.models import lm_logits, load_causal_lm
from training.optimiser import make_optimiser
from training.ppo import PPO
from training.reward_model import RewardModel, save_reward_model
from training.rollout import Group

SAMPLES, PER_PROMPT, NEW = 64, 4, 48
PHASES = ("rollout", "experience", "updates")
Plan = list[list[list[int]]]  # minibatches of microbatches of group numbers


def make_trainer(work: Path, model: Path, epochs: int) -> PPO:
    """training.ppo on a job folder."""
    tokenizer, rng = load_tokenizer(TOKENIZER), random.Random(0)
    judge, plain = RewardModel(load_causal_lm(str(model)), "last", False), load_causal_lm(str(model))
    own = {name: value for name, value in judge.state_dict().items() if not name.startswith("backbone.")}
    save_reward_model(judge, plain, own, tokenizer, work / "judge")
    config = {
        "policy": str(model), "reward_model": str(work / "judge"), "episodes": 1000 * SAMPLES, "batch_size": SAMPLES,
        "minibatch_size": SAMPLES // 2, "samples_per_prompt": PER_PROMPT, "inner_epochs": epochs, "lr": 1e-5,
        "value_lr": 1e-5, "value_warmup": 0, "advantage": "gae", "max_new_tokens": NEW, "max_prompt_tokens": 2 * PROMPT,
    }  # fmt: skip
    texts = [text_of(rng.randint(PROMPT * 4 // 5, PROMPT * 6 // 5), rng, tokenizer) for _ in range(64)]
    rows = [{"id": str(at), "messages": user(text), "split": "train"} for at, text in enumerate(texts)]
    job = write_job(work / "job", config, prompts=rows)
    return PPO(Job(job, PPOConfig.load(job)))


class Floor:
    """The bare work, on models of its own."""

    def __init__(self, trainer: PPO, model: Path) -> None:
        self.trainer = trainer
        self.policy, self.value, self.reference, self.reward = (load_causal_lm(str(model)) for _ in range(4))
        for frozen in (self.reference, self.reward):
            frozen.requires_grad_(False)
        weights = [*self.policy.parameters(), *self.value.base_model.parameters()]
        self.optimiser = make_optimiser([{"params": weights}], trainer.config)

    def rollout(self, groups: Sequence[Group], iteration: int) -> None:
        """Draw as many tokens."""
        requests = [Request(str(at), group.prompt, n) for at, group in enumerate(groups) for n in range(PER_PROMPT)]
        decode(self.policy, requests, self.trainer.codec.stops, Sampling(max_new_tokens=NEW, seed=iteration))

    def rows(self, groups: Sequence[Group], micro: list[int]) -> tuple[torch.Tensor, int]:
        """Rows as wide as the packed ones are on average, and the response tokens in them."""
        chosen = [groups[at] for at in micro]
        width = round(sum(group.width for group in chosen) / len(chosen))
        return torch.randint(3, 1000, (len(chosen), width)), sum(group.tokens for group in chosen)

    def hidden(self, model: Any, ids: torch.Tensor) -> torch.Tensor:
        """Last hidden states, [tokens, d]."""
        out: torch.Tensor = model.base_model(input_ids=ids, use_cache=False).last_hidden_state.flatten(0, 1)
        return out

    def logprobs(self, model: Any, ids: torch.Tensor, count: int) -> torch.Tensor:
        """Log-probabilities at `count` places."""
        logits = lm_logits(model, self.hidden(model, ids)[-count:])
        return logits.log_softmax(-1).gather(1, ids.flatten()[-count:].unsqueeze(1))

    @torch.no_grad()
    def experience(self, groups: Sequence[Group], plan: Plan) -> None:
        """Policy, reference, value network and reward model, forward."""
        for micro in (micro for minibatch in plan for micro in minibatch):
            ids, count = self.rows(groups, micro)
            self.logprobs(self.policy, ids, count)
            self.logprobs(self.reference, ids, count)
            self.hidden(self.value, ids)
            self.hidden(self.reward, ids)

    def updates(self, groups: Sequence[Group], plan: Plan) -> None:
        """Policy and value network, forward and backward, and the steps."""
        for _ in range(self.trainer.config.inner_epochs):
            for minibatch in plan:
                for micro in minibatch:
                    ids, count = self.rows(groups, micro)
                    loss = self.logprobs(self.policy, ids, count).mean() + self.hidden(self.value, ids).mean()
                    torch.autograd.backward(loss)
                torch.nn.utils.clip_grad_norm_(self.optimiser.param_groups[0]["params"], 1.0)
                self.optimiser.step()
                self.optimiser.zero_grad(set_to_none=True)


def timed(work: Callable[[], Any]) -> Seconds:
    """How long it took."""
    start = now()
    work()
    return since(start)


def one_round(trainer: PPO, floor: Floor, iteration: int) -> list[tuple[Seconds, Seconds]]:
    """(ours, floor) for each phase."""
    groups: list[Group] = []
    ours = [timed(lambda: groups.extend(trainer.rollout(iteration)))]
    bare = [timed(lambda: floor.rollout(groups, iteration))]
    plan = trainer.minibatches(groups, iteration, 0)
    ours.append(timed(lambda: trainer.experience(groups, plan)))
    bare.append(timed(lambda: floor.experience(groups, plan)))
    ours.append(timed(lambda: trainer.update(groups, plan, iteration)))
    bare.append(timed(lambda: floor.updates(groups, plan)))
    return list(zip(ours, bare, strict=True))


def compare(epochs: int, rounds: int, model: Path, work: Path) -> None:
    """Both in turn; the first round warms up."""
    trainer = make_trainer(work, model, epochs)
    floor = Floor(trainer, model)
    found = [one_round(trainer, floor, turn) for turn in range(rounds + 1)][1:]
    for at, clock in enumerate(("on the clock", "of the processor")):
        ours = [[phase[0][at] for phase in turn] for turn in found]
        bare = [[phase[1][at] for phase in turn] for turn in found]
        ratios = [sum(own) / sum(least) for own, least in zip(ours, bare, strict=True)]
        print(f"PPO, {epochs} epochs: {statistics.median(map(sum, ours)):.2f} s {clock}, floor"
              f" {statistics.median(map(sum, bare)):.2f}; ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to"
              f" {max(ratios):.2f})", flush=True)  # fmt: skip
        for n, name in enumerate(PHASES):
            own, least = (statistics.median(turn[n] for turn in side) for side in (ours, bare))
            print(f"    {name} {own:.2f} s, floor {least:.2f}", flush=True)


def main() -> None:
    """Each number of epochs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 4])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        make_model(model)
        for epochs in arguments.epochs:
            compare(epochs, arguments.rounds, model, Path(folder) / str(epochs))


if __name__ == "__main__":
    main()
