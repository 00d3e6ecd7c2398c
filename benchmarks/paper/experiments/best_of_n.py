"""(g) Best-of-N by the reward model against its analytic KL, ln N - (N - 1)/N."""

from __future__ import annotations

from benchmarks.paper.experiment import Chart, Claim, Experiment, Result
from benchmarks.paper.lab import Lab
from benchmarks.paper.measure import best_of, gap, mean
from benchmarks.village import spread
from starter.judge import judge
from training.preference_math import best_of_n_kl

BY_RM, BY_JUDGE, SCORE = "judge, best by the reward model", "judge, best by the judge", "reward model's score"


def run(lab: Lab) -> Result:
    """Many samples a prompt; for each N the mean over all choices of N among them."""
    prompts = spread(lab.prompts(), lab.scale.best_prompts)
    drawn = lab.answers("candidates", lab.sft(), prompts, samples=lab.scale.best_of, reward=lab.reward())
    scores = [[row["score"] for row in own] for own in drawn]
    truth = [[judge(prompt, row["text"]).score for row in own] for prompt, own in zip(prompts, drawn, strict=True)]
    sizes = [2**power for power in range(lab.scale.best_of.bit_length())]
    found = Result()
    for name, by, worth in ((BY_RM, scores, truth), (BY_JUDGE, truth, truth), (SCORE, scores, scores)):
        means = {n: [best_of(own, values, n) for own, values in zip(by, worth, strict=True)] for n in sizes}
        found.curves[name] = [[best_of_n_kl(n), *mean(values)] for n, values in means.items()]
        last, first = sizes[-1], sizes[0]
        found.figures[f"{name}: N = {first}"] = mean(means[first])
        found.figures[f"{name}: N = {last}"] = mean(means[last])
        found.figures[f"{name}: most less N = 1"] = gap(means[last], means[first])
        found.figures[f"{name}: most less a quarter of it"] = gap(means[last], means[sizes[-3]])
    return found


EXPERIMENT = Experiment(
    key="g",
    title="Best of N against its KL",
    paper="Stiennon et al., appendix G; Gao et al., section 3: the reward of the best of N rises with its"
    " distance ln N - (N - 1)/N from the policy; what people think of it rises too, more and more slowly,"
    " and falls at last.",
    here="SFT samples, ranked by the reward model of (c). Each N is the mean over all choices of N among the"
    " samples of a prompt. The best by the judge is the most that any reward model could choose.",
    run=run,
    claims=(
        Claim("The best of N by the reward model is better for the judge", f"{BY_RM}: most less N = 1"),
        Claim("The judge's score still rises over the last two doublings", f"{BY_RM}: most less a quarter of it"),
        Claim("The reward model's score rises over the last two doublings", f"{SCORE}: most less a quarter of it"),
    ),
    charts=(
        Chart("Judge's score of the best of N", "ln N - (N - 1)/N, nats", "judge", (BY_RM, BY_JUDGE)),
        Chart("Reward model's score of the best of N", "ln N - (N - 1)/N, nats", "reward model", (SCORE,)),
    ),
)
