"""(c) The reward model's accuracy on its own labelers and on held-out ones, and how it grows with data."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

from benchmarks.paper.experiment import Chart, Claim, Experiment, Result
from benchmarks.paper.lab import BASE, HELD_OUT_LABELERS, Lab, encoded
from benchmarks.paper.measure import hits, mean, ratio, ratio_gap
from benchmarks.village import LABELERS, people, places
from starter.judge import judge
from starter.prompts import Prompt
from training.data import Codec, load_tokenizer

LOOKS = 3  # labelers of each group who rank the same responses
GROUPS = {"own": 0, "held-out": HELD_OUT_LABELERS}
Counts = tuple[list[float], list[float]]  # by prompt: pairs in order, and all pairs


def shown(lab: Lab, prompts: Sequence[Prompt]) -> list[list[str]]:
    """Four SFT samples for each held-out prompt."""
    return [[row["text"] for row in own] for own in lab.answers("pairs", lab.sft(), prompts, samples=4)]


def ranked_by(lab: Lab, group: str, prompts: Sequence[Prompt], texts: Sequence[Sequence[str]]) -> list[list[list[int]]]:
    """For each prompt the ranks that LOOKS labelers of a group give its responses; the labelers take turns."""
    crowd = people(lab.seed * 1000 + GROUPS[group]) if GROUPS[group] else people(lab.seed)
    turns = range(0, LOOKS * len(prompts), LOOKS)
    return [
        [places(crowd[(turn + look) % LABELERS].rank(prompt.messages, list(own)).tiers, len(own))
         for look in range(LOOKS)]
        for turn, prompt, own in zip(turns, prompts, texts, strict=True)
    ]  # fmt: skip


def counts(scores: Sequence[Sequence[float]], ranks: Sequence[Sequence[Sequence[int]]]) -> Counts:
    """Pairs that the scores put in the labelers' order, and all that they order, by prompt."""
    tops, bottoms = [], []
    for own, looks in zip(scores, ranks, strict=True):
        found = [hits(own, look) for look in looks]
        tops.append(sum(right for right, _ in found))
        bottoms.append(sum(pairs for _, pairs in found))
    return tops, bottoms


def agreement(ranks: Sequence[Sequence[Sequence[int]]]) -> Counts:
    """Pairs that two labelers of the group order alike, and those that both order, by prompt."""
    tops, bottoms = [], []
    for looks in ranks:
        both = [
            (one[i] < one[j]) == (other[i] < other[j])
            for at, one in enumerate(looks)
            for other in looks[at + 1 :]
            for i in range(len(one))
            for j in range(i)
            if one[i] != one[j] and other[i] != other[j]
        ]
        tops.append(float(sum(both)))
        bottoms.append(float(len(both)))
    return tops, bottoms


def run(lab: Lab) -> Result:
    """Accuracy on held-out prompts for each amount of data and each group of labelers."""
    prompts = lab.prompts()
    texts = shown(lab, prompts)
    ranks = {group: ranked_by(lab, group, prompts, texts) for group in GROUPS}
    found = Result()
    smallest, largest = lab.scale.growth[0], lab.scale.growth[-1]
    by_size = {size: lab.scores(lab.reward(size), prompts, texts) for size in lab.scale.growth}
    for group in GROUPS:
        sizes = {size: counts(scores, ranks[group]) for size, scores in by_size.items()}
        found.curves[group] = [[float(size), *ratio(*own, 100)] for size, own in sizes.items()]
        found.figures[f"accuracy % on {group} labelers"] = ratio(*sizes[largest], 100)
        growth = ratio_gap(sizes[largest], sizes[smallest], 100)
        doublings = log2(largest / smallest)
        found.figures[f"% points for each doubling of the data, {group} labelers"] = [x / doublings for x in growth]
        found.figures[f"two {group} labelers agree, %"] = ratio(*agreement(ranks[group]), 100)
    own, held = (counts(by_size[largest], ranks[group]) for group in GROUPS)
    found.figures["own less held-out labelers, % points"] = ratio_gap(own, held, 100)
    items = encoded(Codec(load_tokenizer(str(BASE))), prompts, texts)
    means = [
        [total / len(tokens) for total, tokens in zip(totals, item[1], strict=True)]
        for totals, item in zip(lab.logprobs(lab.sft(), items), items, strict=True)
    ]
    plain = counts(means, ranks["own"])
    found.figures["mean log-probability under SFT, accuracy % on own labelers"] = ratio(*plain, 100)
    found.figures["reward model less log-probability, % points"] = ratio_gap(own, plain, 100)
    _against_judge(found, prompts, texts, by_size[largest])
    return found


def _against_judge(
    found: Result, prompts: Sequence[Prompt], texts: Sequence[Sequence[str]], scores: Sequence[Sequence[float]]
) -> None:
    """The same pairs in the judge's own order, without the labelers' noise."""
    truth = [[judge(prompt, text).score for text in own] for prompt, own in zip(prompts, texts, strict=True)]
    ranks = [[[sum(other > one for other in own) for one in own]] for own in truth]
    found.figures["accuracy % by the judge's own order"] = ratio(*counts(scores, ranks), 100)
    found.figures["judge's mean score of these samples"] = mean([sum(own) / len(own) for own in truth])


EXPERIMENT = Experiment(
    key="c",
    title="Reward model: own labelers, held-out labelers, more data",
    paper="InstructGPT, section 4.1 and appendix E.2: 72.4 % accuracy on its own labelers, 69.6 % on held-out"
    " ones, who agree with each other in 73 to 77 % of pairs. Stiennon et al., section 4.3: about 1.1 points"
    " for each doubling.",
    here="Rankings of 4 SFT samples by 8 simulated labelers. Accuracy over pairs of samples for held-out"
    " prompts, ranked by three labelers of either group. The held-out group is other people of the same"
    " village: they err as much, and differ from the training labelers only in their leaning to greetings"
    " and extra facts.",
    run=run,
    claims=(
        Claim("The reward model is more accurate on its own labelers than on held-out ones",
              "own less held-out labelers, % points"),
        Claim("Accuracy grows with data", "% points for each doubling of the data, own labelers"),
        Claim("So it does on held-out labelers", "% points for each doubling of the data, held-out labelers"),
        Claim("The reward model beats the SFT model's log-probability", "reward model less log-probability, % points"),
    ),
    notes="There is little here that a gap between the groups could come from: both are drawn alike, and err far"
    " more than they differ. InstructGPT's held-out labelers had not gone through its screening.",
    charts=(Chart("Accuracy by rankings", "rankings (logarithmic)", "accuracy, %", ("own", "held-out")),),
)  # fmt: skip
