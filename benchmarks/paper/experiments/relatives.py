"""(i) DPO, SLiC, rejection sampling, A2C and RLOO beside PPO, from the same rankings."""

from __future__ import annotations

from benchmarks.paper.experiment import Claim, Experiment, Result
from benchmarks.paper.experiments.answers import answers_of, beats
from benchmarks.paper.lab import Lab
from benchmarks.paper.measure import mean
from benchmarks.village import prompt_row, spread
from starter.prompts import all_prompts

RELATIVES = ("DPO", "SLiC", "rejection sampling", "A2C", "RLOO")


def policies(lab: Lab) -> dict[str, str]:
    """Folders of all policies; those with a reward model take the one that the same rankings made."""
    scale, sft = lab.scale, lab.sft()
    rankings = {"rankings": lab.rankings(scale.rankings)}
    direct = {"policy": sft, "validation_share": 0.0, "kl_prompts": 0}
    some = {"prompts": [prompt_row(prompt) for prompt in spread(all_prompts("train"), scale.rejection_prompts)]}
    kept = {"model": sft, "reward_model": lab.reward(), "best_of": scale.rejection_best_of}
    return {
        "SFT": sft,
        "PPO": lab.ppo(),
        "DPO": str(lab.job("dpo", "dpo", rankings, **direct) / "checkpoint"),
        "SLiC": str(lab.job("slic", "dpo", rankings, loss="slic", **direct) / "checkpoint"),
        "rejection sampling": str(lab.job("rejection", "rejection", some, **kept) / "checkpoint"),
        "RLOO": lab.policy("rloo", "rloo", **scale.one_step),
        "A2C": lab.policy("a2c", "a2c", **scale.one_step),
    }


def run(lab: Lab) -> Result:
    """What the judge says of each, how far it went from SFT, and what it cost."""
    prompts = lab.prompts()
    found = Result()
    before = dict(lab.used)
    paths = policies(lab)
    cost = {folder.name.rsplit("-", 1)[0]: spent for folder, spent in lab.used.items() if folder not in before}
    answers = {name: answers_of(lab, name.lower().replace(" ", "-"), path) for name, path in paths.items()}
    for name, own in answers.items():
        found.figures[f"{name}: mean judge score"] = mean(own.scores)
        if name == "SFT":
            continue
        found.figures[f"{name} beats SFT, %"] = beats(own, answers["SFT"])
        if name != "PPO":
            found.figures[f"{name} beats PPO, %"] = beats(own, answers["PPO"])
        distance = lab.kl(paths[name], paths["SFT"], prompts, own.texts)
        found.figures[f"{name}: KL from SFT, nats a response"] = mean(distance)
        found.figures[f"{name}: CPU seconds of its training"] = [cost[name.lower().split(" ")[0]]]
    return found


EXPERIMENT = Experiment(
    key="i",
    title="PPO and its relatives at equal label budget",
    paper="Rafailov et al. (DPO), Zhao et al. (SLiC-HF), Touvron et al. (rejection sampling), Huang et al. (A2C"
    " as PPO), Ahmadian et al. (RLOO) each report to match PPO, or nearly so, or to beat it.",
    here="1,600 rankings for each: DPO and SLiC learn from them directly, the others by the reward model of (c)."
    " PPO, A2C and RLOO sample 4,096 responses, and so does rejection sampling (the best of 16 for 256"
    " prompts, 2 epochs). No setting was tuned for this table; the starter's presets hold.",
    run=run,
    claims=tuple(Claim(f"{name} beats SFT", f"{name} beats SFT, %", 50) for name in ("PPO", *RELATIVES))
    + tuple(Claim(f"{name} beats PPO", f"{name} beats PPO, %", 50) for name in RELATIVES),
)
