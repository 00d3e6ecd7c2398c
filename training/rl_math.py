"""The arithmetic of learning from rankings, as small pure functions on tensors.

Shapes: R responses, L the longest of them in tokens; `mask` [R, L] is 1 on real response tokens (the end token
included) and 0 on padding. Padding never counts in a mean. Units: log-probabilities and KL in nats.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` where `mask` is 1; any equal shapes; 0 where the mask is empty."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


def masked_whiten(values: Tensor, mask: Tensor, shift_mean: bool = True, eps: float = 1e-8) -> Tensor:
    """Scale [R, L] to variance 1 over real tokens; keep the mean unless `shift_mean` (detail 11).

    The programs whiten over a rollout, Ziegler's code over a minibatch.
    """
    mean = masked_mean(values, mask)
    variance = masked_mean((values - mean) ** 2, mask)
    white = (values - mean) * torch.rsqrt(variance + eps)
    if not shift_mean:
        white = white + mean
    return white * mask


def kl_penalty_rewards(logprobs: Tensor, ref_logprobs: Tensor, scores: Tensor, mask: Tensor, kl_coef: float) -> Tensor:
    """reward_t = -beta (logp - ref_logp), plus the score at the last real token (detail 10).

    InstructGPT eq. 2, Stiennon section 3.4, Ziegler eq. 2: beta is kl_coef, logp the policy pi^RL, ref_logp pi^SFT.
    logprobs, ref_logprobs, mask [R, L]; scores [R]; returns [R, L]. Every row of the mask has a 1.
    """
    rewards = -kl_coef * (logprobs - ref_logprobs) * mask
    last = mask.sum(dim=1).long() - 1
    return rewards.scatter_add(1, last.unsqueeze(1), scores.unsqueeze(1).to(rewards.dtype))


def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation (arXiv 1506.02438, eq. 16): advantages and returns, each [R, L].

    delta_t = r_t + gamma V(s_t+1) - V(s_t), A_t = delta_t + gamma lambda A_t+1. The episode ends at the last real
    token: the value after it is 0. Returns are advantages, not whitened, plus values (detail 12).
    """
    advantages = torch.zeros_like(rewards)
    carry = torch.zeros_like(rewards[:, 0])
    next_value = torch.zeros_like(carry)
    for t in range(rewards.shape[1] - 1, -1, -1):
        real = mask[:, t]
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        carry = (delta + gamma * lam * carry) * real
        advantages[:, t] = carry
        next_value = values[:, t] * real
    return advantages, (advantages + values) * mask


def group_baseline(returns: Tensor, groups: Tensor) -> Tensor:
    """R(y_i, x) - 1/(k-1) sum over j != i of R(y_j, x): RLOO's estimator (arXiv 2402.14740; Kool et al. 2019).

    `returns` [R] less the mean of the *other* responses to the same prompt; k is samples_per_prompt.
    groups [R] holds the prompt's number; a response alone in its group gets 0.
    """
    count = int(groups.max()) + 1
    totals = torch.zeros(count, dtype=returns.dtype, device=returns.device).index_add(0, groups, returns)
    sizes = torch.bincount(groups, minlength=count).to(returns.dtype)
    others = (sizes[groups] - 1).clamp(min=1)
    baseline = (totals[groups] - returns) / others
    return torch.where(sizes[groups] > 1, returns - baseline, torch.zeros_like(returns))


def policy_loss(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, cliprange: float
) -> tuple[Tensor, Tensor, Tensor]:
    """PPO's clipped surrogate (arXiv 1707.06347, eq. 7) per token: loss, ratio, and where the clip was active.

    Any equal shapes; the caller takes the mean over real tokens.
    """
    ratio = torch.exp(logprobs - old_logprobs)
    plain = -advantages * ratio
    clipped = -advantages * ratio.clamp(1 - cliprange, 1 + cliprange)
    return torch.maximum(plain, clipped), ratio, (clipped > plain).to(ratio.dtype)


def reinforce_loss(logprobs: Tensor, advantages: Tensor) -> Tensor:
    """-A log pi per token, the policy gradient itself (Williams 1992; RLOO, arXiv 2402.14740, section 2).

    Any equal shapes. It is right for samples of the very policy that learns: nothing corrects for an older one.
    """
    return -advantages * logprobs


def group_normalise(scores: Tensor, groups: Tensor, eps: float = 1e-4) -> Tensor:
    """(r - mean of the prompt's responses) / (their standard deviation + eps): GRPO (arXiv 2402.03300, 4.1.2).

    scores [R]; groups [R] holds the prompt's number. The standard deviation is that of a sample (divided by n - 1);
    a response alone in its group gets 0, and so do responses that all score the same.
    """
    count = int(groups.max()) + 1
    zeros = torch.zeros(count, dtype=scores.dtype, device=scores.device)
    sizes = torch.bincount(groups, minlength=count).to(scores.dtype)
    mean = zeros.index_add(0, groups, scores) / sizes.clamp(min=1)
    centred = scores - mean[groups]
    variance = zeros.index_add(0, groups, centred**2) / (sizes - 1).clamp(min=1)
    return centred / (variance.sqrt()[groups] + eps)


def kl_k3(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """ref/pi - log(ref/pi) - 1 per token: the KL to the reference (GRPO, arXiv 2402.03300, eq. 4), never negative.

    Any equal shapes; k3 of Schulman's "Approximating KL divergence". Its expectation under pi is KL(pi || ref).
    """
    gap = ref_logprobs - logprobs
    return gap.exp() - gap - 1


def squared_error(values: Tensor, returns: Tensor) -> Tensor:
    """Half the squared error of the values, per token: A2C's value loss (arXiv 1602.01783, section 4)."""
    return 0.5 * (values - returns) ** 2


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, cliprange: float) -> Tensor:
    """Half the squared error with clipped values, per token (Ziegler's code); the caller takes the mean."""
    clipped = old_values + (values - old_values).clamp(-cliprange, cliprange)
    return 0.5 * torch.maximum((values - returns) ** 2, (clipped - returns) ** 2)


def approx_kl(logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    """0.5 (logp - old_logp)^2 per token: `policy/approxkl` of Ziegler's code."""
    return 0.5 * (logprobs - old_logprobs) ** 2


def adapt_kl_coef(kl_coef: float, kl: float, target: float, episodes: int, horizon: float) -> float:
    """beta *= 1 + clip(KL/target - 1, -.2, .2) n / horizon (detail 15), called after the update.

    Ziegler section 2.2 has a constant K_beta of .1 where their code, and we, have n / horizon.
    """
    error = min(max(kl / target - 1, -0.2), 0.2)
    return kl_coef * (1 + error * episodes / horizon)


def end_penalty(scores: Tensor, ended: Tensor, penalty: float) -> Tensor:
    """Responses without an end token get the batch's lowest score less `penalty`, in place of their score.

    scores [R]; ended [R] bool; returns [R] (detail 9 of Stiennon's PPO: a constant that is worse than any score).
    """
    return torch.where(ended, scores, scores.min() - penalty)


def preference_pairs(ranks: Tensor, prompts: Tensor, importance: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """All pairs (better, worse) within a prompt, [P] each, and their weights 1 / pairs of the prompt.

    ranks [R], 1 is best, equal numbers are ties and make no pair; prompts [R] number from 0. importance [R, R]
    multiplies the weight of a pair by importance[better, worse].
    """
    same = prompts.unsqueeze(0) == prompts.unsqueeze(1)
    better, worse = torch.nonzero(same & (ranks.unsqueeze(1) < ranks.unsqueeze(0)), as_tuple=True)
    pairs = torch.bincount(prompts[better], minlength=int(prompts.max()) + 1)
    weights = 1.0 / pairs[prompts[better]]
    return better, worse, weights if importance is None else weights * importance[better, worse]


def rating_importance(ratings: Tensor, floor: float) -> Tensor:
    """How much each pair matters by its overall ratings: the better one's less the worse one's, at least 0, plus floor.

    ratings [R] on the labelers' scale, nan where none was given; returns [R, R], rows the better ones. A pair with a
    rating missing gets 1.
    """
    gaps = (ratings.unsqueeze(1) - ratings.unsqueeze(0)).clamp(min=0) + floor
    return torch.where(gaps.isnan(), torch.ones_like(gaps), gaps)


def kwise_loss(
    scores: Tensor, ranks: Tensor, prompts: Tensor, importance: Tensor | None = None, margins: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """InstructGPT eq. 1, -1/C(K,2) sum of log sigma(r(x, y_w) - r(x, y_l)), for prompts of different K.

    All pairs of a prompt are one element of weight 1/pairs; ties make no pair, and leave C(K,2) too.
    scores [R]; ranks, prompts, importance as in preference_pairs. margins [R, R] says by how much the better one of a
    pair (the row) must win: -log sigmoid(r_better - r_worse - margin) (Llama 2, arXiv 2307.09288, eq. 2). Returns (sum
    over prompts of the mean pair loss; pairs put in the right order, equal scores counting half, and all pairs, [2]).
    """
    better, worse, weights = preference_pairs(ranks, prompts, importance)
    gaps = scores.index_select(0, better) - scores.index_select(0, worse)  # not [...]: models.hidden_states says why
    aims = gaps if margins is None else gaps - margins[better, worse]
    loss = (-F.logsigmoid(aims) * weights).sum()
    right = torch.stack([(gaps > 0).sum() + 0.5 * (gaps == 0).sum(), torch.tensor(len(gaps))])
    return loss, right


def fit_weight(
    feature: Tensor,
    ranks: Tensor,
    prompts: Tensor,
    importance: Tensor | None = None,
    margins: Tensor | None = None,
    steps: int = 20,
) -> float:
    """The weight w that minimises kwise_loss(w * feature): one number, a convex problem, by Newton's method.

    A tiny pull towards 0 keeps it finite when the feature alone orders every pair. feature [R]; the others as there.
    """
    better, worse, weights = preference_pairs(ranks, prompts, importance)
    gaps, weights = (feature[better] - feature[worse]).double(), weights.double()
    aims = torch.zeros_like(gaps) if margins is None else margins[better, worse].double()
    pull = 1e-3 * float(weights.sum())
    weight = 0.0
    for _ in range(steps):
        wrong = torch.sigmoid(aims - weight * gaps)
        slope = float((-weights * gaps * wrong).sum()) + pull * weight
        curve = float((weights * gaps**2 * wrong * (1 - wrong)).sum()) + pull
        weight -= max(-1.0, min(1.0, slope / curve))
    return weight


def token_logprobs(logits: Tensor, targets: Tensor, entropy: bool = False) -> tuple[Tensor, Tensor | None]:
    """Log-probability of each target and, if wanted, entropy of each distribution; logits [N, V], targets and both [N].

    The caller has divided the logits by the sampling temperature (detail 5).
    In float32 whatever comes in: ratios of low-precision log-probabilities are noise.
    """
    logs = F.log_softmax(logits.float(), dim=-1)
    chosen = logs.gather(1, targets.unsqueeze(1)).squeeze(1)
    if not entropy:
        return chosen, None
    with torch.no_grad():
        return chosen, -(logs.exp() * logs).sum(-1)
