"""What PPO and its relatives share: rollout, scores, the KL to the reference, one optimiser step, PPO-ptx, EMA, resume.

A relative (ppo.py, a2c.py, rloo.py, grpo.py) says two things of its own: what a sampled token is worth (`advantages`),
and the loss of a microbatch (`losses`). The steps are numbered in the papers' order (InstructGPT section 3.5 eq. 2 and
C.4; Ziegler et al. section 2); "detail n" is the list in docs/training.md of what decides whether PPO on language
models is right, which the tests go through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from training import checkpoints
from training.adapters import adapters_off, below, load_trainable, save_policy, trainable
from training.config.policy_gradient import PolicyGradientConfig
from training.data import Codec, Prompt, cycle, load_tokenizer, micro_batches, read_prompts, read_rows
from training.decoder import Completion, Request, Sampling, decode
from training.job import Drained, Job, JobError, set_up
from training.models import (
    LanguageModel,
    Model,
    autocast,
    check_context,
    hidden_states,
    load_causal_lm,
    mean_logprobs,
    response_logprobs,
    same_weights,
)
from training.optimiser import Updater, learning_rate
from training.packing import Packed, length_mask, pack, pad_flat
from training.ranks import plain
from training.reward_model import RewardModel, load_reward_model
from training.rl_math import adapt_kl_coef, end_penalty, kl_penalty_rewards

C = TypeVar("C", bound=PolicyGradientConfig)
PER_RESPONSE = ("objective/kl", "objective/rlhf_reward")  # metrics that are means over responses; of losses it depends


@dataclass
class Group:
    """A prompt with its sampled responses, and per-token values of all of them, response after response ([n])."""

    prompt: list[int]
    responses: list[list[int]]
    ended: list[bool]
    per_token: dict[str, Tensor] = field(default_factory=dict)
    scores: Tensor = field(default_factory=lambda: torch.empty(0))
    final_scores: Tensor = field(default_factory=lambda: torch.empty(0))  # after the penalty for a missing end

    @property
    def width(self) -> int:
        """Tokens of the packed row."""
        return len(self.prompt) + self.tokens

    @property
    def tokens(self) -> int:
        """Response tokens in all."""
        return sum(len(response) for response in self.responses)


def give(groups: Sequence[Group], name: str, flat: Tensor) -> None:
    """Give each group its part of a per-token value, [N], under a name."""
    for group, part in zip(groups, torch.split(flat, [group.tokens for group in groups]), strict=True):
        group.per_token[name] = part


@dataclass
class Rollout:
    """All responses of an iteration (or, of `one_step`, a microbatch) padded: R of them, L the longest's tokens."""

    lengths: Tensor  # [R]
    owners: Tensor  # [R], the number of the prompt
    mask: Tensor  # [R, L], 1 on real tokens
    scores: Tensor  # [R], after the penalty for a missing end (detail 9)
    kl: Tensor  # [R], log-probability less the reference's, summed over the response: nats
    rewards: Tensor  # [R, L], -beta KL a token, and the score at the last one
    groups: Sequence[Group]

    def padded(self, name: str) -> Tensor:
        """A per-token value of the groups, [R, L]."""
        return pad_flat(torch.cat([group.per_token[name] for group in self.groups]), self.lengths)

    def keep(self, name: str, values: Tensor) -> None:
        """Give each group its part of [R, L] values under a name."""
        give(self.groups, name, values[self.mask.bool()])


class Actor(nn.Module):
    """Policy and value network as the one module that trains."""

    def __init__(self, policy: Model, value: RewardModel | None) -> None:
        super().__init__()
        self.policy = LanguageModel(policy)
        self.value = value

    def forward(
        self, batch: Packed, temperature: float, policy: bool = True, value: bool = True, entropy: bool = False
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Log-probabilities, entropies, and the value of the state *before* each response token; [N] each."""
        logprobs, entropies = self.policy(batch, temperature, entropy) if policy else (None, None)
        values = None
        if value and self.value is not None:
            hidden = hidden_states(self.value.backbone, batch).index_select(0, batch.source)
            values = self.value.head(hidden.to(self.value.head.weight.dtype)).squeeze(-1).float()
        return logprobs, entropies, values


class PolicyGradient(Generic[C]):
    """The models, the optimiser, and one method a step."""

    def __init__(self, job: Job[C]) -> None:
        # 1. Policy and reference start equal; the reward model is frozen; dropout is off everywhere (detail 6).
        self.job, self.config = job, job.config
        config = self.config
        self.ranks = set_up(job)
        self.device = self.ranks.device
        self.codec = Codec(load_tokenizer(config.policy))
        self.prompts = self._read_prompts()
        policy = load_trainable(config.policy, self.device, config)
        check_context(
            policy, self.codec, config.max_prompt_tokens + config.max_new_tokens, "max_prompt_tokens + max_new_tokens"
        )
        self.reference = self._reference(policy)
        self.reward, sft = load_reward_model(config.reward_model, self.device, config.frozen_weights)
        self.reward.requires_grad_(False)
        # The reward model's log-probability is the reference's own, at temperature 1, where they are one model.
        base = self.reference
        shared = sft is not None and base is not None and config.temperature == 1 and same_weights(sft, base)
        self.sft: Model | None = None if shared else sft
        # 2. What trains: the policy, and the value network where the algorithm has one.
        actor = Actor(policy, self.value_network())
        groups: list[dict[str, Any]] = [{"params": trainable(actor.policy)}]
        if actor.value is not None:
            groups.append({"params": trainable(actor.value), "lr": self.value_lr, "clip": "grad_norm/value"})
        self.updater = Updater(self.ranks, actor, groups, config)
        self.ptx = self._read_pretraining() if config.ptx_coef else []
        self.kl_coef = config.kl_coef
        self.ema = {name: weight.detach().clone() for name, weight in self._moving().items()} if config.ema else {}
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

    @property
    def one_step(self) -> bool:
        """Whether a rollout's only step does 4, 6 and 7 by its own forward, which spares one over the whole rollout."""
        config = self.config
        return self.within_group and config.inner_epochs == 1 and config.minibatch_size == config.batch_size

    # -- data ------------------------------------------------------------------------------------------------

    @property
    def actor(self) -> Actor:
        """The module that trains, under whatever accelerate put around it."""
        actor = plain(self.updater.module)
        assert isinstance(actor, Actor)
        return actor

    def _reference(self, policy: Model) -> Model | None:
        """The frozen reference; None where it is the policy without its adapters."""
        config = self.config
        if config.lora_rank and not config.reference:
            return None
        path = config.reference or config.policy
        return load_causal_lm(path, self.device, weights=config.frozen_weights).requires_grad_(False)

    def _moving(self) -> dict[str, Tensor]:
        """The policy's weights that train, by name (and under LoRA nothing else)."""
        return {name: weight for name, weight in self.actor.policy.named_parameters() if weight.requires_grad}

    def _read_prompts(self) -> list[Prompt]:
        rows = [
            row
            for row in read_prompts(self.job.data("prompts"), self.codec)
            if row.split == "train" and len(row.tokens) <= self.config.max_prompt_tokens
        ]
        if not rows:
            raise JobError("No prompt of the split 'train' fits max_prompt_tokens; add prompts or raise the limit.")
        return rows

    def _read_pretraining(self) -> list[list[int]]:
        limit = self.config.max_prompt_tokens + self.config.max_new_tokens
        path = self.job.data("pretraining")
        texts = []
        for number, row in read_rows(path):
            if not isinstance(row.get("text"), str):
                raise JobError(f"{path.name}, line {number}: 'text' is missing or no text.")
            tokens = self.codec.tokenizer.encode(row["text"], add_special_tokens=False)[:limit]
            if len(tokens) > 1:
                texts.append(tokens)
        if not texts:
            raise JobError("ptx_coef is above 0, but pretraining.jsonl holds no text; add some, or set ptx_coef to 0.")
        return texts

    def draw_prompts(self, iteration: int) -> list[Prompt]:
        """The rollout's prompts: the list in a new order for each pass, a pure function of the seed."""
        count = self.config.batch_size // self.config.samples_per_prompt
        return [self.prompts[at] for at in cycle(len(self.prompts), count, iteration, self.config.seed)]

    # -- one iteration ---------------------------------------------------------------------------------------

    def rollout(self, iteration: int) -> list[Group]:
        """3. Sample `samples_per_prompt` responses for each prompt: no top_k, no top_p (detail 4)."""
        config = self.config
        prompts = self.draw_prompts(iteration)
        own = range(self.ranks.index, len(prompts), self.ranks.size)
        requests = [
            Request(f"{number}:{prompts[number].id}", prompts[number].tokens, index)
            for number in own
            for index in range(config.samples_per_prompt)
        ]
        settings = Sampling(
            max_new_tokens=config.max_new_tokens, temperature=config.temperature, batch_rows=config.batch_rows,
            seed=config.seed * 1_000_003 + iteration, precision=config.precision,
        )  # fmt: skip
        self.updater.module.eval()
        with self.ranks.whole(self.updater.module):
            model = self.actor.policy.model
            drawn = decode(model, requests, self.codec.stops, settings, lambda: self.job.stopping)
        each = config.samples_per_prompt
        answers: dict[int, list[Completion]] = dict(
            self.ranks.gather([(number, drawn[at * each : (at + 1) * each]) for at, number in enumerate(own)])
        )
        return [
            Group(prompt.tokens, [one.tokens for one in answers[number]], [one.ended for one in answers[number]])
            for number, prompt in enumerate(prompts)
        ]

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

    def pack(self, groups: Sequence[Group]) -> Packed:
        """The groups as one packed batch, prompts shared."""
        return pack([(group.prompt, group.responses) for group in groups]).to(self.device)

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
        metrics = self.penalise(groups)
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
            judged["reference"] = reference = self._reference_logprobs(batch, config.temperature)
            # 5. The score reads query and response together, as in the reward model's training (detail 1).
            feature = None
            if self.reward.uses_logprob:
                own = reference if self.sft is None else response_logprobs(self.sft, batch)[0]
                feature = mean_logprobs(own, batch)
            judged["scores"] = self.reward(batch, feature)
        return judged

    def _reference_logprobs(self, batch: Packed, temperature: float) -> Tensor:
        if self.reference is not None:
            return response_logprobs(self.reference, batch, temperature)[0]
        with adapters_off(self.actor.policy):
            logprobs: Tensor = self.updater.module(batch, temperature, value=False)[0]
        return logprobs

    def penalise(self, groups: Sequence[Group]) -> dict[str, float]:
        """The penalty for a missing end, which knows the lowest score of the rollout (detail 9)."""
        raw = torch.cat([group.scores for group in groups])
        ended = torch.tensor([end for group in groups for end in group.ended], device=self.device)
        final = end_penalty(raw, ended, self.config.missing_eos_penalty)
        for group, part in zip(groups, torch.split(final, [len(group.responses) for group in groups]), strict=True):
            group.final_scores = part
        return {
            "objective/scores": raw.mean().item(),
            "response/tokens": sum(group.tokens for group in groups) / len(raw),
            "response/ended": ended.float().mean().item(),
        }

    def appraise(self, groups: Sequence[Group]) -> dict[str, Tensor]:
        """6. and 7. for these groups, whose log-probabilities are known; returns sums to report."""
        rollout = self.rewards(groups)
        self.advantages(rollout)
        return {
            "objective/kl": rollout.kl.sum(),
            "objective/rlhf_reward": (rollout.scores - self.kl_coef * rollout.kl).sum(),
            "objective/entropy": torch.cat([group.per_token.pop("entropy") for group in groups]).sum(),
        }

    def rewards(self, groups: Sequence[Group]) -> Rollout:
        """6. The score, and the KL to the reference in the reward."""
        lengths = torch.tensor([len(y) for group in groups for y in group.responses], device=self.device)
        real = length_mask(lengths).float()
        scores = torch.cat([group.final_scores for group in groups])
        old, reference = (
            pad_flat(torch.cat([group.per_token[name] for group in groups]), lengths) for name in ("old", "reference")
        )
        owners = [number for number, group in enumerate(groups) for _ in group.responses]
        return Rollout(
            lengths=lengths, owners=torch.tensor(owners, device=self.device), mask=real, scores=scores,
            kl=((old - reference) * real).sum(1), groups=groups,
            rewards=kl_penalty_rewards(old, reference, scores, real, self.kl_coef),
        )  # fmt: skip

    def counted(self, name: str, groups: Sequence[Group]) -> int:
        """What the sum of a metric is divided by: responses, or their tokens."""
        responses = self.per_response if name.startswith("loss/") else name in PER_RESPONSE
        return sum(len(group.responses) if responses else group.tokens for group in groups)

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
        ptx = self.ptx_batch(step) if moves and self.ptx else []
        sums: dict[str, Tensor] = {}
        self.updater.module.train(config.train_mode())
        dealt = self.ranks.deal(minibatch)
        for number, (micro, weight) in enumerate(dealt, start=1):
            with self.updater.microbatch(last=number == len(dealt) and not ptx):
                with autocast(self.device, config.precision):
                    loss, reported = self.loss_of([groups[at] for at in micro], moves)
                self.updater.backward(weight * loss / count)
            for name, total in reported.items():
                sums[name] = sums.get(name, torch.zeros(())) + weight * total.detach().cpu()
        metrics = {name: self.ranks.sum(total).item() / self.counted(name, together) for name, total in sums.items()}
        if ptx:
            metrics["loss/ptx"] = self.ptx_backward(ptx)
        metrics.update(self.updater.step(share))
        if self.ema and moves:  # InstructGPT C.4: average = ema average + (1 - ema) weights, once an optimiser step
            with torch.no_grad():
                for name, parameter in self._moving().items():
                    self.ema[name].lerp_(parameter, 1 - config.ema)
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

    def ptx_batch(self, step: int) -> list[list[int]]:
        """The pretraining texts of an optimiser step, a pure function of the seed."""
        generator = torch.Generator().manual_seed(self.config.seed * 31 + step)
        rows = torch.randint(len(self.ptx), (self.config.ptx_batch_size,), generator=generator).tolist()
        return [self.ptx[row] for row in rows]

    def ptx_backward(self, texts: list[list[int]]) -> float:
        """Add ptx_coef times the mean cross-entropy on pretraining text to the gradient (PPO-ptx).

        gamma E[log pi(x)] of InstructGPT eq. 2 (C.4): gamma is ptx_coef, and log pi(x) is the mean per token.
        """
        config = self.config
        tokens = sum(len(text) - 1 for text in texts)
        total = torch.zeros(())
        dealt = self.ranks.deal(
            micro_batches(range(len(texts)), [len(text) for text in texts], config.micro_batch_tokens)
        )
        for number, (micro, weight) in enumerate(dealt, start=1):
            batch = pack([(texts[at][:1], [texts[at][1:]]) for at in micro]).to(self.device)
            with self.updater.microbatch(last=number == len(dealt)):
                with autocast(self.device, config.precision):
                    logprobs = self.updater.module(batch, 1.0, value=False)[0]
                loss = -logprobs.sum() / tokens
                self.updater.backward(weight * config.ptx_coef * loss)
            total += weight * loss.detach().cpu()
        return self.ranks.sum(total).item()

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
            "updater": self.updater.state(), "ema": self.ema, "rng": checkpoints.rng_state(), "kl_coef": self.kl_coef
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Undo `snapshot`."""
        self.updater.restore(state["updater"])
        for name, average in state["ema"].items():
            self.ema[name].copy_(average)
        checkpoints.restore_rng(state["rng"])
        self.kl_coef, self.done = state["kl_coef"], state["step"]

    def save(self) -> None:
        """11. The result: the policy, with the averaged weights when an average was kept."""
        if self.ema:
            with torch.no_grad():
                for name, weight in self._moving().items():
                    weight.copy_(self.ema[name])
        weights = below(self.updater.weights(), "policy.model.")
        self.job.write_checkpoint(
            lambda folder: save_policy(
                self.actor.policy.model, weights, self.codec.tokenizer, self.config.policy, self.config, folder
            )
        )
