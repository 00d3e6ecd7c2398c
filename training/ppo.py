"""PPO and PPO-ptx: `python -m training.ppo JOB_FOLDER` (InstructGPT section 3.5 eq. 2 and C.4; Ziegler section 2).

One iteration: sample responses, score them, take the KL to the reference into the reward, estimate advantages,
and make clipped updates. The steps below are numbered in the papers' order; "detail n" is the list of what decides
whether PPO on language models is right, which the tests go through.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from training import checkpoints
from training.config import PPOConfig
from training.data import Codec, Prompt, load_tokenizer, micro_batches, read_prompts, read_rows
from training.job import Drained, Job, JobError, run_program, set_up_torch
from training.models import (
    Model,
    RewardModel,
    autocast,
    check_context,
    hidden_states,
    lm_logits,
    load_causal_lm,
    load_reward_model,
    mean_logprobs,
    response_logprobs,
    same_weights,
    save_causal_lm,
)
from training.optimiser import adam, clip, learning_rate, set_learning_rate
from training.packing import Packed, length_mask, pack, pad_flat
from training.rl_math import (
    adapt_kl_coef,
    approx_kl,
    end_penalty,
    gae,
    group_baseline,
    kl_penalty_rewards,
    masked_whiten,
    policy_loss,
    token_logprobs,
    value_loss,
)
from training.sample import Request, Sampling, decode


@dataclass
class Group:
    """A prompt with its sampled responses, and per-token values of all of them, response after response ([n])."""

    prompt: list[int]
    responses: list[list[int]]
    ended: list[bool]
    per_token: dict[str, Tensor] = field(default_factory=dict)
    scores: Tensor = field(default_factory=lambda: torch.empty(0))

    @property
    def width(self) -> int:
        """Tokens of the packed row."""
        return len(self.prompt) + self.tokens

    @property
    def tokens(self) -> int:
        """Response tokens in all."""
        return sum(len(response) for response in self.responses)


class PPO:
    """The four models, the optimiser, and one method a step."""

    def __init__(self, job: Job[PPOConfig]) -> None:
        # 1. Policy and reference start equal; the reward model is frozen; dropout is off everywhere (detail 6).
        self.job, self.config = job, job.config
        config = self.config
        self.device = set_up_torch(config)
        self.codec = Codec(load_tokenizer(config.policy))
        self.prompts = self._read_prompts()
        self.policy = load_causal_lm(config.policy, self.device)
        check_context(
            self.policy, self.codec, config.max_prompt_tokens + config.max_new_tokens,
            "max_prompt_tokens + max_new_tokens",
        )  # fmt: skip
        self.reference = load_causal_lm(config.reference or config.policy, self.device).requires_grad_(False)
        self.reward, sft = load_reward_model(config.reward_model, self.device)
        self.reward.requires_grad_(False)
        # The reward model's log-probability is the reference's own, at temperature 1, where they are one model.
        shared = sft is not None and config.temperature == 1 and same_weights(sft, self.reference)
        self.sft: Model | None = None if shared else sft
        # 2. The value network is a network of its own and starts as the reward model (Stiennon section 3.4).
        self.value = self._value_network() if config.advantage == "gae" else None
        groups: list[dict[str, Any]] = [{"params": list(self.policy.parameters())}]
        if self.value is not None:
            groups.append({"params": list(self.value.parameters()), "lr": config.value_lr})
        self.optimiser = adam(groups, config)
        self.ptx = self._read_pretraining() if config.ptx_coef else []
        self.kl_coef = config.kl_coef
        self.ema = {k: v.detach().clone() for k, v in self.policy.state_dict().items()} if config.ema else {}
        self.iterations = max(1, config.episodes // config.batch_size)
        self.done = 0
        self.last: dict[str, float] = {}

    # -- data ------------------------------------------------------------------------------------------------

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

    def _value_network(self) -> RewardModel:
        config = self.config
        if config.value_init == "reward":
            value = load_reward_model(config.reward_model, self.device)[0]
        else:
            value = RewardModel(load_causal_lm(config.policy, self.device), "last", False).to(self.device)
        value.logprob_weight.requires_grad_(False)
        value.head.bias.data -= value.shift
        if config.value_head_zero:
            torch.nn.init.zeros_(value.head.weight)
            torch.nn.init.zeros_(value.head.bias)
        return value

    def draw_prompts(self, iteration: int) -> list[Prompt]:
        """The rollout's prompts: the list in a new order for each pass, a pure function of the seed."""
        count = self.config.batch_size // self.config.samples_per_prompt
        chosen = []
        for at in range(iteration * count, (iteration + 1) * count):
            turn, place = divmod(at, len(self.prompts))
            chosen.append(self.prompts[self._order(turn)[place]])
        return chosen

    def _order(self, turn: int) -> list[int]:
        if getattr(self, "_turn", None) != turn:
            generator = torch.Generator().manual_seed(self.config.seed * 7919 + turn)
            self._turn, self._permutation = turn, torch.randperm(len(self.prompts), generator=generator).tolist()
        return self._permutation

    # -- one iteration ---------------------------------------------------------------------------------------

    def rollout(self, iteration: int) -> list[Group]:
        """3. Sample `samples_per_prompt` responses for each prompt: no top_k, no top_p (detail 4)."""
        config = self.config
        prompts = self.draw_prompts(iteration)
        requests = [
            Request(f"{number}:{prompt.id}", prompt.tokens, index)
            for number, prompt in enumerate(prompts)
            for index in range(config.samples_per_prompt)
        ]
        settings = Sampling(
            max_new_tokens=config.max_new_tokens, temperature=config.temperature, batch_rows=config.batch_rows,
            seed=config.seed * 1_000_003 + iteration, bf16=config.bf16,
        )  # fmt: skip
        drawn = decode(self.policy, requests, self.codec.stops, settings, lambda: self.job.stopping)
        groups = []
        for number, prompt in enumerate(prompts):
            own = drawn[number * config.samples_per_prompt : (number + 1) * config.samples_per_prompt]
            groups.append(Group(prompt.tokens, [one.tokens for one in own], [one.ended for one in own]))
        return groups

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

    def logprobs(self, model: Model, batch: Packed) -> tuple[Tensor, Tensor]:
        """Log-probabilities and entropies at the sampling temperature (details 5 and 20), [N] each."""
        with autocast(self.device, self.config.bf16):
            return response_logprobs(model, batch, self.config.temperature)

    def values(self, batch: Packed) -> Tensor:
        """The value of the state *before* each response token, [N]."""
        assert self.value is not None
        with autocast(self.device, self.config.bf16):
            hidden = hidden_states(self.value.backbone, batch).index_select(0, batch.source)
            return self.value.head(hidden).squeeze(-1).float()  # type: ignore[no-any-return]

    @torch.no_grad()
    def experience(self, groups: Sequence[Group], plan: list[list[list[int]]]) -> dict[str, float]:
        """4. to 7.: log-probabilities, scores, rewards, advantages; fills the groups, returns metrics.

        `plan` is the first epoch's minibatches: computed in the same microbatches, the first ratio is exactly 1.
        """
        entropy = 0.0
        for micro in (micro for minibatch in plan for micro in minibatch):
            chosen = [groups[at] for at in micro]
            batch = self.pack(chosen)
            # 4. The trainer computes log-probabilities itself, for policy and reference alike (detail 20).
            old, entropies = self.logprobs(self.policy, batch)
            reference, _ = self.logprobs(self.reference, batch)
            entropy += entropies.sum().item()
            # 5. The score reads query and response together, as in the reward model's training (detail 1).
            feature = None
            if self.reward.uses_logprob:
                own = reference if self.sft is None else response_logprobs(self.sft, batch)[0]
                feature = mean_logprobs(own, batch)
            with autocast(self.device, self.config.bf16):
                scores = self.reward(batch, feature)
            per_token = {"old": old, "reference": reference}
            if self.value is not None:
                per_token["values"] = self.values(batch)
            sizes = [group.tokens for group in chosen]
            for name, flat in per_token.items():
                for group, part in zip(chosen, torch.split(flat, sizes), strict=True):
                    group.per_token[name] = part
            for group, part in zip(chosen, torch.split(scores, [len(g.responses) for g in chosen]), strict=True):
                group.scores = part
        metrics = self.advantages(groups)
        tokens = sum(group.tokens for group in groups)
        return {**metrics, "objective/entropy": entropy / tokens}

    def advantages(self, groups: Sequence[Group]) -> dict[str, float]:
        """6. KL in the reward, 7. advantages and returns over the whole rollout; fills the groups."""
        config = self.config
        lengths = torch.tensor([len(y) for group in groups for y in group.responses], device=self.device)
        mask = length_mask(lengths)
        real = mask.float()

        def padded(name: str) -> Tensor:
            return pad_flat(torch.cat([group.per_token[name] for group in groups]), lengths)

        old, reference = padded("old"), padded("reference")
        raw = torch.cat([group.scores for group in groups])
        ended = torch.tensor([end for group in groups for end in group.ended], device=self.device)
        scores = end_penalty(raw, ended, config.missing_eos_penalty)
        rewards = kl_penalty_rewards(old, reference, scores, real, self.kl_coef)
        if config.whiten_rewards:
            rewards = masked_whiten(rewards, real, shift_mean=False)
        if self.value is not None:
            values = padded("values")
            advantages, returns = gae(rewards, values, real, config.gamma, config.lam)
        else:
            owners = [number for number, group in enumerate(groups) for _ in group.responses]
            total = rewards.sum(1)
            centred = group_baseline(total, torch.tensor(owners, device=self.device))
            advantages = centred.unsqueeze(1) * real
            returns = torch.zeros_like(advantages)
        if config.whiten_advantages:
            advantages = masked_whiten(advantages, real)
        sizes = [group.tokens for group in groups]
        for name, values_of in (("advantages", advantages), ("returns", returns)):
            for group, part in zip(groups, torch.split(values_of[mask], sizes), strict=True):
                group.per_token[name] = part
        kl = ((old - reference) * real).sum(1)
        return {
            "objective/kl": kl.mean().item(),
            "objective/scores": raw.mean().item(),
            "objective/rlhf_reward": (scores - self.kl_coef * kl).mean().item(),
            "response/tokens": lengths.float().mean().item(),
            "response/ended": ended.float().mean().item(),
        }

    def update(self, groups: Sequence[Group], plan: list[list[list[int]]], iteration: int) -> dict[str, float]:
        """8. Clipped updates over the rollout, `inner_epochs` times; returns the means over its minibatches."""
        config = self.config
        sums: dict[str, float] = {}
        count = 0
        for epoch in range(config.inner_epochs):
            batches = plan if epoch == 0 else self.minibatches(groups, iteration, epoch)
            for number, minibatch in enumerate(batches):
                step = (iteration * config.inner_epochs + epoch) * len(batches) + number
                steps = self.iterations * config.inner_epochs * len(batches)
                set_learning_rate(self.optimiser, learning_rate(step, steps, config.lr_final, config.warmup_steps))
                for name, value in self.step(groups, minibatch, iteration, step).items():
                    sums[name] = sums.get(name, 0.0) + value
                count += 1
        return {name: value / count for name, value in sums.items()}

    def step(self, groups: Sequence[Group], minibatch: list[list[int]], iteration: int, step: int) -> dict[str, float]:
        """9. One optimiser step on one minibatch: policy, value and (PPO-ptx) pretraining gradients together."""
        config = self.config
        moves = self.value is None or iteration >= config.value_warmup
        tokens = sum(groups[at].tokens for micro in minibatch for at in micro)
        metrics: dict[str, float] = {}

        def add(name: str, total: Tensor) -> None:
            metrics[name] = metrics.get(name, 0.0) + total.item() / tokens

        for micro in minibatch:
            chosen = [groups[at] for at in micro]
            batch = self.pack(chosen)
            stored = {name: torch.cat([group.per_token[name] for group in chosen]) for name in chosen[0].per_token}
            loss = torch.zeros((), device=self.device)
            if moves:
                new, _ = self.logprobs(self.policy, batch)
                losses, ratio, clipped = policy_loss(new, stored["old"], stored["advantages"], config.cliprange)
                loss = loss + losses.sum()
                add("loss/policy", losses.detach().sum())
                add("policy/ratio", ratio.detach().sum())
                add("policy/clipfrac", clipped.sum())
                add("policy/approxkl", approx_kl(new.detach(), stored["old"]).sum())
            if self.value is not None:
                errors = value_loss(self.values(batch), stored["values"], stored["returns"], config.cliprange_value)
                loss = loss + config.vf_coef * errors.sum()
                add("loss/value", errors.detach().sum())
            torch.autograd.backward(loss / tokens)
        if moves and self.ptx:
            metrics["loss/ptx"] = self.ptx_backward(step)
        metrics["grad_norm"] = float(clip(self.policy.parameters(), config.max_grad_norm)) if moves else 0.0
        if self.value is not None:
            clip(self.value.parameters(), config.max_grad_norm)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        if self.ema and moves:
            with torch.no_grad():
                for name, weight in self.policy.state_dict().items():
                    self.ema[name].lerp_(weight, 1 - config.ema)
        return metrics

    def ptx_backward(self, step: int) -> float:
        """Add ptx_coef times the mean cross-entropy on pretraining text to the gradient (PPO-ptx)."""
        config = self.config
        generator = torch.Generator().manual_seed(config.seed * 31 + step)
        rows = torch.randint(len(self.ptx), (config.ptx_batch_size,), generator=generator).tolist()
        tokens = sum(len(self.ptx[row]) - 1 for row in rows)
        total = 0.0
        texts = [self.ptx[row] for row in rows]
        for micro in micro_batches(range(len(texts)), [len(text) for text in texts], config.micro_batch_tokens):
            batch = pack([(texts[at][:1], [texts[at][1:]]) for at in micro]).to(self.device)
            with autocast(self.device, config.bf16):
                hidden = hidden_states(self.policy.base_model, batch).index_select(0, batch.source)
                logprobs, _ = token_logprobs(lm_logits(self.policy, hidden), batch.targets)
            loss = -logprobs.sum() / tokens
            torch.autograd.backward(config.ptx_coef * loss)
            total += loss.item()
        return total

    def iterate(self, iteration: int) -> dict[str, float]:
        """Steps 3 to 10 once; returns the metrics."""
        config = self.config
        groups = self.rollout(iteration)
        plan = self.minibatches(groups, iteration, 0)
        metrics = self.experience(groups, plan)
        metrics.update(self.update(groups, plan, iteration))
        metrics["kl_coef"] = self.kl_coef
        metrics["lr"] = self.optimiser.param_groups[0]["lr"]
        # 10. The adaptive coefficient moves after the update (detail 15).
        if config.kl_target:
            self.kl_coef = adapt_kl_coef(
                self.kl_coef, metrics["objective/kl"], config.kl_target, config.batch_size, config.kl_horizon
            )
        return metrics

    # -- state -----------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """All that a resumed run needs to go on as if nothing had happened."""
        return {
            "policy": self.policy.state_dict(),
            "value": None if self.value is None else self.value.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "ema": self.ema,
            "rng": checkpoints.rng_state(),
            "kl_coef": self.kl_coef,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Undo `snapshot`."""
        self.policy.load_state_dict(state["policy"])
        if self.value is not None:
            self.value.load_state_dict(state["value"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.ema = {name: tensor.to(self.device) for name, tensor in state["ema"].items()}
        checkpoints.restore_rng(state["rng"])
        self.kl_coef, self.done = state["kl_coef"], state["step"]

    def save(self) -> None:
        """11. The result: the policy, with the averaged weights when an average was kept."""
        if self.ema:
            self.policy.load_state_dict(self.ema)
        checkpoints.write_folder(
            self.job.checkpoint, lambda folder: save_causal_lm(self.policy, self.codec.tokenizer, folder)
        )


def ppo(job: Job[PPOConfig]) -> None:
    """The whole program; see the module's head."""
    trainer = PPO(job)
    state = job.load_state()
    if state:
        trainer.restore(state)
    metrics: dict[str, float] = {}
    while trainer.done < trainer.iterations:
        try:
            metrics = trainer.iterate(trainer.done)
        except Drained:  # SIGTERM during the rollout: nothing has moved yet, so the iteration can be begun anew
            job.save_state_when_due(trainer.done, trainer.snapshot)
        trainer.done += 1
        job.progress.write(trainer.done, trainer.iterations, "ppo", metrics, always=True)
        job.save_state_when_due(trainer.done, trainer.snapshot)
    trainer.save()
    config = job.config
    job.finish(
        {"policy": config.policy, "reference": config.reference or config.policy, "reward_model": config.reward_model},
        {"episodes": trainer.iterations * config.batch_size, **metrics},
    )


if __name__ == "__main__":
    sys.exit(run_program(PPOConfig, ppo))
