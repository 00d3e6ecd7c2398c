"""The loop of PPO and its relatives, in the papers' steps (InstructGPT section 3.5 eq. 2 and C.4; Ziegler section 2).

    1. the models: policy, reference, reward model (frozen.py)   2. what trains (actor.py)   3. responses (rollout.py)
    4. log-probabilities   5. scores (frozen.py)   6. rewards with the KL (rollout.py)   7. advantages
    8. updates   9. an optimiser step, with PPO-ptx (pretraining.py) and EMA (weight_average.py)
    10. the KL coefficient   11. the result

A relative (ppo.py, a2c.py, rloo.py, grpo.py) says two things of its own: what a sampled token is worth (`advantages`),
and the loss of a microbatch (`losses`). "detail n" is the list in docs/training.md of what decides whether PPO on
language models is right, which the tests go through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from training import checkpoints
from training.actor import Actor, actor_of
from training.adapters import below, load_trainable, save_policy, trainable
from training.config.policy_gradient import PolicyGradientConfig
from training.data import Codec, load_tokenizer, micro_batches
from training.frozen import FrozenModels
from training.job import Drained, Job, set_up
from training.models import autocast, check_context
from training.optimiser import Updater, learning_rate
from training.packing import Packed, pack
from training.pretraining import Pretraining
from training.reward_model import RewardModel
from training.rl_math import adapt_kl_coef
from training.rollout import Group, Rollout, give, penalise, reward_tokens, sample_groups, training_prompts
from training.weight_average import WeightAverage

C = TypeVar("C", bound=PolicyGradientConfig)
PER_RESPONSE = ("objective/kl", "objective/rlhf_reward")  # metrics that are means over responses; of losses it depends


class PolicyGradient(Generic[C]):
    """The models, the optimiser, and one method a step."""

    def __init__(self, job: Job[C]) -> None:
        # 1. Policy and reference start equal; the reward model is frozen; dropout is off everywhere (detail 6).
        self.job, self.config = job, job.config
        config = self.config
        self.ranks = set_up(job)
        self.device = self.ranks.device
        self.codec = Codec(load_tokenizer(config.policy))
        self.prompts = training_prompts(job.data("prompts"), self.codec, config.max_prompt_tokens)
        policy = load_trainable(config.policy, self.device, config)
        check_context(
            policy, self.codec, config.max_prompt_tokens + config.max_new_tokens, "max_prompt_tokens + max_new_tokens"
        )
        self.frozen = FrozenModels(config, self.device)
        # 2. What trains: the policy, and the value network where the algorithm has one.
        actor = Actor(policy, self.value_network())
        groups: list[dict[str, Any]] = [{"params": trainable(actor.policy)}]
        if actor.value is not None:
            groups.append({"params": trainable(actor.value), "lr": self.value_lr, "clip": "grad_norm/value"})
        self.updater = Updater(self.ranks, actor, groups, config)
        self.ptx = Pretraining(job.data("pretraining"), self.codec, self.updater, config) if config.ptx_coef else None
        self.kl_coef = config.kl_coef
        self.average = WeightAverage(self.actor.policy, config.ema)
        self.iterations = max(1, config.episodes // config.batch_size)
        self.done = 0

    # -- what an algorithm says ------------------------------------------------------------------------------

    value_lr = 0.0
    per_response = False  # whether a step's loss is a mean over responses (RLOO, GRPO) and not over their tokens
    within_group = False  # whether advantages depend on the prompt's own samples alone, and on no value network

    def value_network(self) -> RewardModel | None:
        """A network that trains beside the policy; none unless the algorithm has one."""
        return None

    def advantages(self, rollout: Rollout) -> None:
        """7. What each token is worth: `rollout.keep("advantages", [R, L])`."""
        raise NotImplementedError

    def losses(
        self, batch: Packed, stored: dict[str, Tensor], new: Tensor | None, values: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a microbatch, summed over its tokens, and sums to report.

        `new` [N] are the policy's log-probabilities, None while it does not move; `values` [N] are the value network's.
        """
        raise NotImplementedError

    def moves(self, iteration: int) -> bool:
        """Whether the policy learns in this iteration."""
        return True

    # -- what several steps need -----------------------------------------------------------------------------

    @property
    def actor(self) -> Actor:
        """The module that trains, under whatever accelerate put around it."""
        return actor_of(self.updater.module)

    @property
    def one_step(self) -> bool:
        """Whether a rollout's only step does 4, 6 and 7 by its own forward, which spares one over the whole rollout."""
        config = self.config
        return self.within_group and config.inner_epochs == 1 and config.minibatch_size == config.batch_size

    def pack(self, groups: Sequence[Group]) -> Packed:
        """The groups as one packed batch, prompts shared."""
        return pack([(group.prompt, group.responses) for group in groups]).to(self.device)

    def counted(self, name: str, groups: Sequence[Group]) -> int:
        """What the sum of a metric is divided by: responses, or their tokens."""
        responses = self.per_response if name.startswith("loss/") else name in PER_RESPONSE
        return sum(len(group.responses) if responses else group.tokens for group in groups)

    # -- one iteration ---------------------------------------------------------------------------------------

    def rollout(self, iteration: int) -> list[Group]:
        """3. The iteration's prompts, and responses sampled from the policy as it is now."""
        return sample_groups(
            self.prompts, iteration, self.updater, self.codec.stops, self.config, lambda: self.job.stopping
        )

    def minibatches(self, groups: Sequence[Group], iteration: int, epoch: int) -> list[list[list[int]]]:
        """Minibatches of microbatches of group numbers; reshuffled every epoch (detail 14)."""
        seed = (self.config.seed * 100_003 + iteration) * 101 + epoch
        order = torch.randperm(len(groups), generator=torch.Generator().manual_seed(seed)).tolist()
        size = max(1, self.config.minibatch_size // self.config.samples_per_prompt)
        widths = [group.width for group in groups]
        return [
            micro_batches(order[start : start + size], widths, self.config.micro_batch_tokens)
            for start in range(0, len(order), size)
        ]

    @torch.no_grad()
    def experience(self, groups: Sequence[Group], plan: list[list[list[int]]]) -> dict[str, float]:
        """4. to 7.: log-probabilities, scores, rewards, advantages; fills the groups, returns metrics.

        `plan` is the first epoch's minibatches: computed in the same microbatches, the first ratio is exactly 1.
        """
        micros = [micro for minibatch in plan for micro in minibatch]
        for micro, judged in zip(micros, self.ranks.map(micros, lambda micro: self.judge(groups, micro)), strict=True):
            chosen = [groups[at] for at in micro]
            sizes = [len(group.responses) for group in chosen]
            for group, part in zip(chosen, torch.split(judged.pop("scores"), sizes), strict=True):
                group.scores = part.to(self.device)
            for name, flat in judged.items():
                give(chosen, name, flat.to(self.device))
        metrics = penalise(groups, self.config.missing_eos_penalty)
        if self.one_step:
            return metrics
        found = self.appraise(groups).items()
        return {**metrics, **{name: value.item() / self.counted(name, groups) for name, value in found}}

    def judge(self, groups: Sequence[Group], micro: list[int]) -> dict[str, Tensor]:
        """Log-probabilities, values and scores of a microbatch, before anything is learnt from it."""
        config = self.config
        batch = self.pack([groups[at] for at in micro])
        judged: dict[str, Tensor] = {}
        with autocast(self.device, config.precision):
            # 4. The trainer computes log-probabilities itself, for policy and reference alike (details 5 and 20).
            if not self.one_step:
                old, entropies, values = self.updater.module(batch, config.temperature, entropy=True)
                judged = {"old": old, "entropy": entropies, **({} if values is None else {"values": values})}
            judged["reference"] = self.frozen.logprobs(batch, self.updater.module)
            # 5. The score reads query and response together, as in the reward model's training (detail 1).
            judged["scores"] = self.frozen.scores(batch, judged["reference"])
        return judged

    def appraise(self, groups: Sequence[Group]) -> dict[str, Tensor]:
        """6. and 7. for these groups, whose log-probabilities are known; returns sums to report."""
        rollout = reward_tokens(groups, self.kl_coef)
        self.advantages(rollout)
        return {
            "objective/kl": rollout.kl.sum(),
            "objective/rlhf_reward": (rollout.scores - self.kl_coef * rollout.kl).sum(),
            "objective/entropy": torch.cat([group.per_token.pop("entropy") for group in groups]).sum(),
        }

    def update(self, groups: Sequence[Group], plan: list[list[list[int]]], iteration: int) -> dict[str, float]:
        """8. Updates over the rollout, `inner_epochs` times; returns the means over its minibatches."""
        config = self.config
        sums: dict[str, float] = {}
        count = 0
        for epoch in range(config.inner_epochs):
            batches = plan if epoch == 0 else self.minibatches(groups, iteration, epoch)
            for number, minibatch in enumerate(batches):
                step = (iteration * config.inner_epochs + epoch) * len(batches) + number
                share = self.share(iteration, step, config.inner_epochs * len(batches))
                for name, value in self.step(groups, minibatch, iteration, step, share).items():
                    sums[name] = sums.get(name, 0.0) + value
                count += 1
        return {name: value / count for name, value in sums.items()}

    def share(self, iteration: int, step: int, per_rollout: int) -> float:
        """The share of the peak learning rates at `step`. Rollouts that train the value network alone do not count."""
        alone = sum(not self.moves(at) for at in range(self.iterations)) if self.moves(iteration) else 0
        return learning_rate(step - alone * per_rollout, (self.iterations - alone) * per_rollout, self.config)

    def step(
        self, groups: Sequence[Group], minibatch: list[list[int]], iteration: int, step: int, share: float
    ) -> dict[str, float]:
        """9. One optimiser step on one minibatch: policy, value and (PPO-ptx) pretraining gradients together."""
        config, moves = self.config, self.moves(iteration)
        together = [groups[at] for micro in minibatch for at in micro]
        count = self.counted("loss/policy", together)
        ptx = self.ptx if moves else None
        sums: dict[str, Tensor] = {}
        self.updater.module.train(config.train_mode())
        dealt = self.ranks.deal(minibatch)
        for number, (micro, weight) in enumerate(dealt, start=1):
            with self.updater.microbatch(last=number == len(dealt) and ptx is None):
                with autocast(self.device, config.precision):
                    loss, reported = self.loss_of([groups[at] for at in micro], moves)
                self.updater.backward(weight * loss / count)
            for name, total in reported.items():
                sums[name] = sums.get(name, torch.zeros(())) + weight * total.detach().cpu()
        metrics = {name: self.ranks.sum(total).item() / self.counted(name, together) for name, total in sums.items()}
        if ptx is not None:
            metrics["loss/ptx"] = ptx.backward(step)
        metrics.update(self.updater.step(share))
        if moves:
            self.average.follow()
        return metrics

    def loss_of(self, groups: Sequence[Group], moves: bool) -> tuple[Tensor, dict[str, Tensor]]:
        """Forward and loss of a microbatch, and sums to report."""
        batch = self.pack(groups)
        reported: dict[str, Tensor] = {}
        new, entropies, values = self.updater.module(
            batch, self.config.temperature, policy=moves, entropy=self.one_step
        )
        if self.one_step:
            give(groups, "old", new.detach())
            give(groups, "entropy", entropies)
            reported = self.appraise(groups)
        stored = {name: torch.cat([group.per_token[name] for group in groups]) for name in groups[0].per_token}
        loss, more = self.losses(batch, stored, new, values)
        return loss, {**reported, **more}

    def iterate(self, iteration: int) -> dict[str, float]:
        """Steps 3 to 10 once; returns the metrics."""
        config = self.config
        groups = self.rollout(iteration)
        plan = self.minibatches(groups, iteration, 0)
        metrics = self.experience(groups, plan)
        metrics.update(self.update(groups, plan, iteration))
        metrics["kl_coef"] = self.kl_coef
        metrics["lr"] = self.updater.optimiser.param_groups[0]["lr"]
        # 10. The adaptive coefficient moves after the update (detail 15).
        if config.kl_target and self.moves(iteration):
            self.kl_coef = adapt_kl_coef(
                self.kl_coef, metrics["objective/kl"], config.kl_target, config.batch_size, config.kl_horizon
            )
        return metrics

    # -- the whole run, and its state ------------------------------------------------------------------------

    def run(self) -> None:
        """Every iteration, resumed where an earlier run stopped, and the result."""
        job, config = self.job, self.config
        state = job.load_state()
        if state:
            self.restore(state)
        metrics: dict[str, float] = {}
        while self.done < self.iterations:
            try:
                metrics = self.iterate(self.done)
            except Drained:  # SIGTERM during the rollout: nothing has moved yet, so the iteration can be begun anew
                job.save_state_when_due(self.done, self.snapshot)
            self.done += 1
            job.progress.write(self.done, self.iterations, config.kind, metrics, always=True)
            job.save_state_when_due(self.done, self.snapshot)
        self.save()
        parents = {"policy": config.policy, "reference": config.reference or config.policy}
        result = {"episodes": self.iterations * config.batch_size, **metrics}
        job.finish({**parents, "reward_model": config.reward_model}, result)

    def snapshot(self) -> dict[str, Any]:
        """All that a resumed run needs to go on as if nothing had happened."""
        return {
            "updater": self.updater.state(), "ema": self.average.weights, "rng": checkpoints.rng_state(),
            "kl_coef": self.kl_coef,
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Undo `snapshot`."""
        self.updater.restore(state["updater"])
        self.average.restore(state["ema"])
        checkpoints.restore_rng(state["rng"])
        self.kl_coef, self.done = state["kl_coef"], state["step"]

    def save(self) -> None:
        """11. The result: the policy, with the averaged weights when an average was kept."""
        self.average.put_in_place()
        weights = below(self.updater.weights(), "policy.model.")
        self.job.write_checkpoint(
            lambda folder: save_policy(
                self.actor.policy.model, weights, self.codec.tokenizer, self.config.policy, self.config, folder
            )
        )
