"""(j) All pairs of a ranking as one element of the loss against shuffled pairs: accuracy and overfitting."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from benchmarks.paper.experiment import Chart, Claim, Experiment, Result
from benchmarks.paper.experiments.reward_model import Counts, counts, ranked_by, shown
from benchmarks.paper.lab import Lab, Row
from benchmarks.paper.measure import Figure, of_sums, pair_loss, ratio, ratio_gap
from benchmarks.village import read_rows

FORMS = ("K-wise", "pairwise")
BATCH = 16  # rankings a step; as many pairs a step in the other form


def pairs(rankings: Sequence[Row]) -> list[Row]:
    """Each pair of a ranking as a row of its own; ties make none."""
    rows = []
    for row in rankings:
        for i, j in combinations(range(len(row["ranks"])), 2):
            if row["ranks"][i] != row["ranks"][j]:
                own = {key: [row[key][at] for at in (i, j)] for key in ("responses", "ranks")}
                rows.append({**row, **own, "id": f"{row['id']}-{i}{j}"})
    return rows


def train(lab: Lab, form: str, epochs: int) -> tuple[str, list[float], float]:
    """The reward model's folder, its validation loss after each epoch, and its CPU seconds."""
    rows = lab.rankings(lab.scale.kwise_rankings)
    split = rows if form == "K-wise" else pairs(rows)
    # As many steps in both forms, each of as many pairs, at a constant rate: one epoch is the beginning of four.
    batch = BATCH * len(split) // len(rows)
    data = {"rankings": split + lab.rankings(lab.scale.kwise_rankings, "validation")}
    settings = {"model": lab.sft(), "pair_weight": "equal", "lr_final": 1.0, "batch_size": batch, "epochs": epochs}
    folder = lab.job(f"{form}-{epochs}", "reward", data, **settings)
    seen = [row["metrics"] for row in read_rows(folder / "progress.jsonl")]
    return str(folder / "checkpoint"), [m["loss/validation"] for m in seen if "loss/validation" in m], lab.used[folder]


def losses(scores: Sequence[Sequence[float]], ranks: Sequence[Sequence[Sequence[int]]]) -> Counts:
    """The loss over the pairs of each prompt, and their number."""
    found = [[pair_loss(own, look) for look in looks] for own, looks in zip(scores, ranks, strict=True)]
    return [sum(loss for loss, _ in own) for own in found], [sum(n for _, n in own) for own in found]


def excess(rise: tuple[Counts, Counts], other: tuple[Counts, Counts]) -> Figure:
    """By how much more the first form's loss rises from its first epoch to its last."""

    def statistic(sums):  # type: ignore[no-untyped-def]
        means = sums[..., 0::2] / sums[..., 1::2]
        return (means[..., 0] - means[..., 1]) - (means[..., 2] - means[..., 3])

    columns = [column for counted in (*rise, *other) for column in counted]
    return of_sums(columns, statistic)


def run(lab: Lab) -> Result:
    """Both forms after one epoch and after several, on held-out prompts and their own labelers."""
    prompts = lab.prompts()
    texts = shown(lab, prompts)
    ranks = ranked_by(lab, "own", prompts, texts)
    last = lab.scale.kwise_epochs
    found, right, lost = Result(), {}, {}
    for form in FORMS:
        for epochs in (1, last):
            path, curve, cpu = train(lab, form, epochs)
            scores = lab.scores(path, prompts, texts)
            right[form, epochs], lost[form, epochs] = counts(scores, ranks), losses(scores, ranks)
            name = f"{form}, {'1 epoch' if epochs == 1 else 'all epochs'}"
            found.figures[f"{name}: accuracy, %"] = ratio(*right[form, epochs], 100)
            found.figures[f"{name}: loss, nats a pair"] = ratio(*lost[form, epochs])
            found.figures[f"{name}: CPU seconds"] = [cpu]
        found.curves[form] = [[float(at), loss] for at, loss in enumerate(curve, start=1)]
        found.figures[f"{form}: loss, all epochs less 1"] = ratio_gap(lost[form, last], lost[form, 1])
    found.figures["K-wise less pairwise after 1 epoch: accuracy, % points"] = ratio_gap(
        right["K-wise", 1], right["pairwise", 1], 100
    )
    found.figures["pairwise less K-wise after 1 epoch: loss, nats a pair"] = ratio_gap(
        lost["pairwise", 1], lost["K-wise", 1]
    )
    found.figures["pairwise overfits more than K-wise: rise of the loss"] = excess(
        (lost["pairwise", last], lost["pairwise", 1]), (lost["K-wise", last], lost["K-wise", 1])
    )
    return found


EXPERIMENT = Experiment(
    key="j",
    title="K-wise against pairwise",
    paper="InstructGPT, section 3.5: comparisons shuffled into one data set overfit in a single pass, since each"
    " response is used for K - 1 updates; as one batch element they do not, and cost one forward a response.",
    here="400 rankings of 4, 4 epochs at a constant learning rate, pairs of equal weight. Both forms take the"
    " same number of steps with the same number of pairs; only which pairs share a step differs, and how"
    " often a response is read.",
    run=run,
    claims=(
        Claim("With more epochs the K-wise form overfits", "K-wise: loss, all epochs less 1"),
        Claim("So does the pairwise form", "pairwise: loss, all epochs less 1"),
        Claim("The pairwise form overfits more", "pairwise overfits more than K-wise: rise of the loss"),
        Claim("After one pass already its loss is higher than that of the K-wise form",
              "pairwise less K-wise after 1 epoch: loss, nats a pair"),
        Claim("After one pass the K-wise form is more accurate",
              "K-wise less pairwise after 1 epoch: accuracy, % points"),
    ),
    charts=(Chart("Validation loss by epoch", "epoch", "nats a pair", FORMS),),
)  # fmt: skip
