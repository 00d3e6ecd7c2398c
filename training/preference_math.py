"""The arithmetic of learning from preferences without a reward model, as small pure functions on tensors.

Shapes: N response tokens, response after response; R responses; P pairs (better, worse) of responses to one prompt.
Units: log-probabilities, log-ratios and KL in nats. h is the difference of two log-ratios,
h = log pi(y_w)/ref(y_w) - log pi(y_l)/ref(y_l); beta h is the difference of DPO's implicit rewards.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def sequence_logprobs(logprobs: Tensor, owner: Tensor, lengths: Tensor) -> Tensor:
    """log pi(y|x) of each response, the sum over its tokens (end token included).

    logprobs [N]; owner [N] is the response's number; lengths [R] its tokens; returns [R].
    """
    return torch.zeros(len(lengths), dtype=logprobs.dtype, device=logprobs.device).index_add(0, owner, logprobs)


def gaps(values: Tensor, better: Tensor, worse: Tensor) -> Tensor:
    """`values` [R] of the better response less those of the worse one, [P].

    By index_select, never [...]: a response is in several pairs, and the gradient must add up in one order.
    """
    return values.index_select(0, better) - values.index_select(0, worse)


def dpo_loss(h: Tensor, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """-log sigma(beta h) per pair, [P] (DPO, arXiv 2305.18290, eq. 7).

    With label_smoothing e, a label is taken to be wrong with probability e (cDPO, its authors' note on noisy labels):
    -(1 - e) log sigma(beta h) - e log sigma(-beta h).
    """
    loss = -F.logsigmoid(beta * h)
    if label_smoothing:
        loss = (1 - label_smoothing) * loss - label_smoothing * F.logsigmoid(-beta * h)
    return loss


def ipo_loss(h: Tensor, beta: float) -> Tensor:
    """(h - 1 / (2 beta))^2 per pair, [P] (IPO, arXiv 2310.12036, eq. 17, where beta is called tau).

    h is of log-ratios *per token*: `log_ratios / lengths`. The equation has sequence log-probabilities, whose
    differences grow with the responses' lengths while their target 1/(2 beta) does not; the authors have said that
    their results are of averages, which is what TRL computes too.
    """
    return (h - 1 / (2 * beta)) ** 2


def slic_loss(gap: Tensor, margin: float) -> Tensor:
    """max(0, delta - log pi(y_w) + log pi(y_l)) per pair, [P] (SLiC-HF, arXiv 2305.10425, the calibration loss).

    gap [P] is log pi(y_w) - log pi(y_l); delta is `margin`. There is no reference: the regulariser to the SFT targets,
    - lambda log pi(y_ref|x) with lambda `sft_coef` (dpo.py), is in its place.
    """
    return F.relu(margin - gap)


def best_mean(logprobs: Tensor, ranks: Tensor, prompts: Tensor) -> Tensor:
    """log pi of each prompt's best response, the mean of several where they tie, [prompts].

    SLiC's regulariser takes it where there are no demonstrations. logprobs, ranks, prompts [R].
    """
    count = int(prompts.max()) + 1
    best = torch.full((count,), int(ranks.max()), device=ranks.device).scatter_reduce(0, prompts, ranks, "amin")
    first = (ranks == best[prompts]).to(logprobs.dtype)
    empty = torch.zeros(count, dtype=logprobs.dtype, device=ranks.device)
    return empty.index_add(0, prompts, logprobs * first) / empty.index_add(0, prompts, first)


def desirability(ranks: Tensor, prompts: Tensor) -> tuple[Tensor, Tensor]:
    """KTO's labels out of rankings, [R]: 1 desirable, -1 undesirable, 0 neither; and weights [R].

    A response is desirable when it beats more of its prompt's others than beat it: its rank, ties at their middle
    place, is better than the prompt's mean rank. In the middle it says nothing. Weights are 1 / labelled responses of
    the prompt, so that each prompt counts once, as with pairs. ranks, prompts as in rl_math.preference_pairs.
    """
    same = prompts.unsqueeze(0) == prompts.unsqueeze(1)
    beats = (same & (ranks.unsqueeze(1) < ranks.unsqueeze(0))).sum(1)
    beaten = (same & (ranks.unsqueeze(1) > ranks.unsqueeze(0))).sum(1)
    signs = torch.sign(beats - beaten)
    labelled = torch.zeros(int(prompts.max()) + 1, device=ranks.device).index_add(0, prompts, signs.abs().float())
    return signs, signs.abs() / labelled[prompts].clamp(min=1)


def kto_loss(
    log_ratios: Tensor, signs: Tensor, kl: float, beta: float, desirable: float = 1.0, undesirable: float = 1.0
) -> Tensor:
    """lambda_y - v(x, y) per response, [R], 0 where the sign is 0 (KTO, arXiv 2402.01306, eq. 7 for v and 8).

    v = lambda_D sigma(beta (r - z0)) of a desirable response, lambda_U sigma(beta (z0 - r)) of an undesirable one.
    log_ratios [R] is r; signs [R] of `desirability`; kl is z0 (`kto_reference_point`), through which no gradient goes.
    """
    scale = torch.where(signs > 0, desirable, undesirable) * signs.abs()
    return scale * torch.sigmoid(-beta * signs * (log_ratios - kl))


def kto_reference_point(log_ratios: Tensor) -> float:
    """z0 = max(0, mean log-ratio of prompts with *other* prompts' responses), a KL estimate (KTO section 4; its
    z0-hat over m pairs, m here the batch)."""
    return max(0.0, float(log_ratios.mean()))


def best_of_n_kl(n: int) -> float:
    """KL of the best of n samples to the policy they come from: ln n - (n - 1)/n nats (Stiennon, appendix G.3).

    Exact where no two samples are equal or score the same, else an upper bound (arXiv 2401.01879).
    """
    return math.log(n) - (n - 1) / n
