"""The reward model around a language model, several of them as one score, and their folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.job import JobError
from training.models import Model, hidden_states, load_causal_lm, read_json, save_causal_lm
from training.packing import Packed

REWARD_FILE = "reward.json"


class RewardModel(nn.Module):
    """Backbone, scalar head, and a learned weight on the mean log-probability under the frozen SFT model.

    score = head(read-out of the response's hidden states) + logprob_weight * (mean logprob - logprob_mean) - shift.
    The read-out is the mean over the response's tokens (end token included) or its last token. The head starts
    with std 1/sqrt(d+1) and bias 0 (detail 7); beside a log-probability it starts at 0, so that training sets out from
    that baseline and not from noise on it. `shift` makes demonstrations score 0 on average (detail 8).
    """

    def __init__(self, language_model: Model, readout: str, logprob_weight: bool) -> None:
        super().__init__()
        width = language_model.config.hidden_size
        self.backbone = language_model.base_model
        self.readout = readout
        self.uses_logprob = logprob_weight
        self.head = nn.Linear(width, 1)
        nn.init.normal_(self.head.weight, std=0.0 if logprob_weight else (width + 1) ** -0.5)
        nn.init.zeros_(self.head.bias)
        self.logprob_weight = nn.Parameter(torch.zeros(1), requires_grad=logprob_weight)
        self.register_buffer("logprob_mean", torch.zeros(()))
        self.register_buffer("logprob_std", torch.ones(()))
        self.register_buffer("shift", torch.zeros(()))
        self.logprob_mean: Tensor
        self.logprob_std: Tensor
        self.shift: Tensor

    def member(self, number: int) -> RewardModel:
        """Itself, whatever the number: a reward model is an ensemble of one."""
        return self

    def forward(self, batch: Packed, mean_logprobs: Tensor | None = None) -> Tensor:
        """Scores [R]; `mean_logprobs` [R] are the responses' mean log-probabilities under the SFT model."""
        hidden = hidden_states(self.backbone, batch)
        if self.readout == "last":
            read = hidden.index_select(0, batch.last)
        else:
            total = torch.zeros(len(batch.lengths), hidden.shape[-1], dtype=hidden.dtype, device=hidden.device)
            total = total.index_add(0, batch.owner, hidden.index_select(0, batch.place))
            read = total / batch.lengths.unsqueeze(1)
        scores: Tensor = self.head(read.to(self.head.weight.dtype)).squeeze(-1).float()
        if self.uses_logprob:
            if mean_logprobs is None:
                raise ValueError("this reward model needs the responses' mean log-probabilities")
            scores = scores + self.logprob_weight * (mean_logprobs - self.logprob_mean) / self.logprob_std
        return scores - self.shift


class RewardEnsemble(nn.Module):
    """Reward models of several seeds: their mean is the score, their standard deviation the uncertainty.

    Coste et al. (arXiv 2310.02743, section 3), mean optimisation: neither their worst-case (WCO) nor their
    uncertainty-weighted (UWO) score. Members differ in the order of their batches and in the head that they start
    with; with `logprob_weight` that head is 0 for all, so that they disagree less than they might.
    """

    def __init__(self, members: list[RewardModel]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.uses_logprob = members[0].uses_logprob

    def member(self, number: int) -> RewardModel:
        """One of the reward models."""
        found = self.members[number]
        assert isinstance(found, RewardModel)
        return found

    def each(self, batch: Packed, mean_logprobs: Tensor | None = None) -> Tensor:
        """The members' scores, [M, R]."""
        return torch.stack([member(batch, mean_logprobs) for member in self.members])

    def forward(self, batch: Packed, mean_logprobs: Tensor | None = None) -> Tensor:
        """The mean score, [R]."""
        return self.each(batch, mean_logprobs).mean(0)

    def uncertainty(self, batch: Packed, mean_logprobs: Tensor | None = None) -> Tensor:
        """The standard deviation of the members' scores, divided by M - 1, [R]."""
        return self.each(batch, mean_logprobs).std(0)


def save_reward_model(
    model: RewardModel, backbone: Model, own: dict[str, Tensor], tokenizer: Any, folder: Path
) -> None:
    """`backbone/` (a causal LM), `head.safetensors` and `reward.json`; `save_log_probability` adds `sft/`.

    `backbone` is the trained one with plain weights, `own` what the reward model has besides (adapters.save_reward).
    """
    save_causal_lm(backbone, tokenizer, folder / "backbone")
    save_file({name: value.detach().cpu().contiguous() for name, value in own.items()}, folder / "head.safetensors")
    _write_about(folder, {"readout": model.readout, "logprob_weight": model.uses_logprob})


def save_log_probability(sft_folder: str, tokenizer: Any, folder: Path) -> None:
    """`sft/`: the model whose log-probability a score weighs."""
    save_causal_lm(load_causal_lm(sft_folder), tokenizer, folder / "sft")


def save_ensemble(members: int, readout: str, logprob_weight: bool, folder: Path) -> None:
    """The `reward.json` above `member-0/`, `member-1/` and so on, each a reward model's folder."""
    _write_about(folder, {"readout": readout, "logprob_weight": logprob_weight, "members": members})


def _write_about(folder: Path, about: dict[str, Any]) -> None:
    (folder / REWARD_FILE).write_text(json.dumps({**about, "format": 1}, indent=2) + "\n", encoding="utf-8")


def load_reward_model(
    path: str, device: torch.device | None = None, weights: str = "float32"
) -> tuple[RewardModel | RewardEnsemble, Model | None]:
    """The reward model or ensemble and, when it weighs log-probabilities, its SFT model.

    `weights` as in load_causal_lm. Raises JobError.
    """
    folder = Path(path)
    about = _about(folder)
    where = device or torch.device("cpu")
    count = about.get("members")
    model: RewardModel | RewardEnsemble
    if count is None:
        model = _load_one(folder, about, weights)
    elif isinstance(count, int) and count >= 2:
        members = [folder / f"member-{number}" for number in range(count)]
        model = RewardEnsemble([_load_one(member, _about(member), weights) for member in members])
    else:
        raise JobError(f"{folder / REWARD_FILE} names {count!r} members; an ensemble has 2 or more. Train it again.")
    sft = load_causal_lm(str(folder / "sft"), where, weights=weights) if model.uses_logprob else None
    return model.to(where).eval(), sft


def backbone_folder(path: str) -> Path:
    """The language model's folder, with its tokenizer, in a reward model or in an ensemble's first member."""
    folder = Path(path)
    return folder / "backbone" if _about(folder).get("members") is None else folder / "member-0" / "backbone"


def _about(folder: Path) -> dict[str, Any]:
    if not (folder / REWARD_FILE).is_file():
        raise JobError(f"{folder} is no reward model ({REWARD_FILE} is missing); give the checkpoint of a reward job.")
    return read_json(folder / REWARD_FILE)


def _load_one(folder: Path, about: dict[str, Any], weights: str) -> RewardModel:
    try:
        model = RewardModel(
            load_causal_lm(str(folder / "backbone"), weights=weights), about["readout"], about["logprob_weight"]
        )
        own = load_file(folder / "head.safetensors")
        missing = [name for name in model.state_dict() if not name.startswith("backbone.") and name not in own]
        if missing:
            raise JobError(f"{folder} lacks {', '.join(missing)}; train the reward model again.")
        own["logprob_weight"] = own["logprob_weight"].view(1)  # older checkpoints have a scalar
        model.load_state_dict(own, strict=False)
    except (KeyError, RuntimeError, OSError) as error:
        raise JobError(f"The reward model {folder} cannot be loaded ({error}); train it again.") from None
    return model
