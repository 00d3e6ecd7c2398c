"""(h) Over-optimisation: the judge's score against the KL, while the reward model's score climbs."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.paper.experiment import Chart, Claim, Experiment, Result
from benchmarks.paper.experiments.answers import Answers, judged
from benchmarks.paper.lab import Lab
from benchmarks.paper.measure import gap, mean

JUDGE, SCORE = "judge", "reward model's score"


@dataclass
class Leg:
    """The policy at one point of the way."""

    answers: Answers
    scores: list[float]
    kl: list[float]


def walk(lab: Lab) -> list[Leg]:
    """PPO without KL against a weak reward model, leg after leg; the first point is the SFT model."""
    weak, sft, prompts = lab.reward(lab.scale.weak_rankings), lab.sft(), lab.prompts()
    legs, policy = [], sft
    for number in range(lab.scale.legs + 1):
        if number:
            settings = {**lab.scale.leg, "kl_coef": 0.0, "lr_final": 1.0, "seed": lab.seed * 100 + number}
            policy = lab.policy(
                f"leg-{number}", "ppo", policy=policy, reference=sft, reward_model=weak, **settings
            )  # fmt: skip
        drawn = [own[0] for own in lab.answers(f"leg-{number}", policy, prompts, reward=weak)]
        texts = [row["text"] for row in drawn]
        kl = lab.kl(policy, sft, prompts, texts) if number else [0.0] * len(prompts)
        legs.append(Leg(judged(prompts, texts), [row["score"] for row in drawn], kl))
    return legs


def run(lab: Lab) -> Result:
    """Both scores at every leg, and how far the judge's falls from its peak."""
    legs = walk(lab)
    found = Result()
    found.curves[JUDGE] = [[mean(leg.kl)[0], *mean(leg.answers.scores)] for leg in legs]
    found.curves[SCORE] = [[mean(leg.kl)[0], *mean(leg.scores)] for leg in legs]
    # The peak is chosen on every second prompt and measured on the others, for the best of several looks lucky.
    chosen = max(legs, key=lambda leg: sum(leg.answers.scores[::2]))
    last, first = legs[-1], legs[0]
    found.figures["KL of the last policy, nats"] = mean(last.kl)
    found.figures["KL at the judge's peak, nats"] = mean(chosen.kl)
    for name, leg in (("SFT", first), ("at the peak", chosen), ("at the end", last)):
        found.figures[f"{JUDGE}, {name}"] = mean(leg.answers.scores)
        found.figures[f"{SCORE}, {name}"] = mean(leg.scores)
    found.figures["judge, peak less end"] = gap(chosen.answers.scores[1::2], last.answers.scores[1::2])
    found.figures["reward model's score, end less peak"] = gap(last.scores, chosen.scores)
    found.figures["reward model's score, end less SFT"] = gap(last.scores, first.scores)
    return found


EXPERIMENT = Experiment(
    key="h",
    title="Over-optimisation",
    paper="Gao et al. 2022, figure 1; Stiennon et al., figure 5: against the KL, the proxy's score climbs while"
    " the true score rises, turns and falls.",
    here="PPO without a KL term against a reward model from 200 rankings, in legs of 1,024 episodes that each"
    " begin where the last one ended (the optimiser afresh). The judge is the true score.",
    run=run,
    claims=(
        Claim("The reward model's score climbs", "reward model's score, end less SFT"),
        Claim("The judge's score falls from its peak", "judge, peak less end"),
        Claim("Meanwhile the reward model's score goes on climbing", "reward model's score, end less peak"),
    ),
    notes="Tried first: six legs, to a KL of 5.7 nats, where the judge's score stood 0.037 below its peak (-0.016 to"
    " 0.095) with seed 1; six more took that back. The reward model begins as the SFT model's log-probability and stays"
    " tied to it, and the judge's parts are bounded, so that none can be farmed. Whether that is why was not tried.",
    charts=(
        Chart("Judge's score", "KL from SFT, nats a response", "judge", (JUDGE,)),
        Chart("Reward model's score", "KL from SFT, nats a response", "reward model", (SCORE,)),
    ),
)
