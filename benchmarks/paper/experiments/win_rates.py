"""(a) Win rates against human-style references: base < few-shot base < SFT < PPO and PPO-ptx."""

from __future__ import annotations

from benchmarks.paper.experiment import Claim, Experiment, Result
from benchmarks.paper.experiments.answers import beats, judged, papers_models
from benchmarks.paper.lab import HELD_OUT_LABELERS, Lab
from benchmarks.paper.measure import gap, mean, points
from benchmarks.village import people

STEPS = (("base", "few-shot base"), ("few-shot base", "SFT"), ("SFT", "PPO"), ("SFT", "PPO-ptx"))


def run(lab: Lab) -> Result:
    """Each model's answers against the references, by the judge and by held-out labelers; then model against model."""
    prompts = lab.prompts()
    models = papers_models(lab)
    written = judged(prompts, lab.references(prompts))
    found = Result()
    against = {name: points(answers.scores, written.scores) for name, answers in models.items()}
    for name, won in against.items():
        found.figures[f"{name}: wins % against references"] = mean(won, 100)
    for name, answers in models.items():
        strangers = people(lab.seed * 1000 + HELD_OUT_LABELERS)
        seen = [
            points([one.perceive(own)], [one.perceive(other)])[0]
            for one, own, other in zip(strangers * len(prompts), answers.judged, written.judged, strict=False)
        ]
        found.figures[f"{name}: the same % by held-out labelers"] = mean(seen, 100)
    for name, answers in models.items():
        found.figures[f"{name}: mean judge score"] = mean(answers.scores)
    for worse, better in STEPS:
        found.figures[f"{better} less {worse}, % points against references"] = gap(against[better], against[worse], 100)
        found.figures[f"{better} beats {worse}, %"] = beats(models[better], models[worse])
    return found


EXPERIMENT = Experiment(
    key="a",
    title="Win rates against references",
    paper="InstructGPT, figure 1: base < few-shot base < SFT < PPO and PPO-ptx; PPO is preferred to the base in"
    " 85 % and to the few-shot base in 71 % of comparisons.",
    here="One answer at temperature 1 to each held-out prompt. References are programmed demonstrations, without"
    " a fault but with each of the village's two tastes only half of the time. PPO has a third of the"
    " starter's episodes.",
    run=run,
    claims=tuple(Claim(f"{better} beats {worse}", f"{better} beats {worse}, %", 50) for worse, better in STEPS)
    + tuple(
        Claim(f"{better} wins more often than {worse} against references",
              f"{better} less {worse}, % points against references")
        for worse, better in STEPS
    ),
    notes="Against references without a fault the base wins next to nothing with examples or without, so that step is"
    " seen in the direct comparison alone. PPO-ptx pays for its text: how much of it (e) tells.",
)  # fmt: skip
