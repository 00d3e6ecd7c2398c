"""(f) Epochs of SFT: the validation loss overfits while the reward model's score rises."""

from __future__ import annotations

from benchmarks.paper.experiment import Chart, Claim, Experiment, Result
from benchmarks.paper.lab import BASE, Lab, Row
from benchmarks.paper.measure import gap, mean, points, ratio_gap
from starter.judge import judge
from training.data import Codec, load_tokenizer

LOSS, SCORE = "validation loss", "reward model's score"


def train(lab: Lab, epochs: int, **settings: str | int) -> Row:
    """SFT at a constant rate, so that a shorter run is the beginning of a longer one."""
    rows = lab.demonstrations(lab.scale.epoch_demonstrations)
    data = {"demonstrations": rows}
    folder = lab.job(f"epochs-{epochs}", "sft", data, model=str(BASE), epochs=epochs, lr_final=1.0, **settings)
    return {**lab.metrics(folder), "path": str(folder / "checkpoint")}


def run(lab: Lab) -> Result:
    """Both curves; then the epoch that the reward model prefers beside the one of the lowest validation loss."""
    reward = lab.reward()
    long = train(lab, lab.scale.epochs, choose_by=reward, choose_prompts=lab.scale.epoch_prompts)
    losses, scores = long["loss/validation"], long["objective/scores"]
    lowest = 1 + losses.index(min(losses))
    found = Result(
        curves={
            LOSS: [[at, loss] for at, loss in enumerate(losses, start=1)],
            SCORE: [[at, score] for at, score in enumerate(scores, start=1)],
        }
    )
    preferred = long["epoch"]
    for name, number in (("of the lowest validation loss", lowest), ("preferred by the reward model", preferred)):
        found.figures[f"epoch {name}"] = [float(number)]
    # The weights of an earlier epoch, from a run that ends there; the long run kept those of the preferred one.
    early, late = train(lab, lowest)["path"], long["path"]
    found.figures["validation loss, preferred less lowest"] = ratio_gap(_losses(lab, late), _losses(lab, early))
    prompts = lab.prompts()
    drawn = [
        lab.answers(f"epoch-{name}", path, prompts, reward=reward) for name, path in (("late", late), ("early", early))
    ]
    scored = [[row["score"] for (row,) in rows] for rows in drawn]
    seen = [[judge(p, row["text"]).score for p, (row,) in zip(prompts, rows, strict=True)] for rows in drawn]
    found.figures["reward model's score on held-out prompts, preferred less lowest"] = gap(scored[0], scored[1])
    found.figures["preferred beats lowest by the judge, %"] = mean(points(seen[0], seen[1]), 100)
    return found


def _losses(lab: Lab, path: str) -> tuple[list[float], list[float]]:
    """Nats and tokens of each validation demonstration's answer."""
    codec = Codec(load_tokenizer(path))
    rows = [row for row in lab.demonstrations(lab.scale.epoch_demonstrations) if row["split"] == "validation"]
    items = [(codec.prompt(row["messages"]), [codec.response(row["response"])]) for row in rows]
    return [-own[0] for own in lab.logprobs(path, items)], [float(len(item[1][0])) for item in items]


EXPERIMENT = Experiment(
    key="f",
    title="Epochs of SFT",
    paper="InstructGPT, section 3.5: SFT overfits on validation loss after 1 epoch; more epochs help the reward"
    " model's score and the labelers' preference all the same.",
    here="A third of the demonstrations for 16 epochs, at a constant learning rate so that the epochs compare;"
    " the reward model of (c) scores samples after each. The curves are means without intervals: loss a"
    " token over the validation demonstrations, score over 128 of their prompts. The figures beneath are on"
    " held-out prompts.",
    run=run,
    claims=(
        Claim("The epoch that the reward model prefers has a higher validation loss than the lowest",
              "validation loss, preferred less lowest"),
        Claim("It has a higher score on held-out prompts",
              "reward model's score on held-out prompts, preferred less lowest"),
        Claim("The judge prefers it too", "preferred beats lowest by the judge, %", 50),
    ),
    charts=(
        Chart("Validation loss", "epoch", "nats a token", (LOSS,)),
        Chart("Reward model's score", "epoch", "mean score", (SCORE,)),
    ),
)  # fmt: skip
