"""The papers' results in miniature: the arithmetic by hand, one experiment and the report from end to end."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from benchmarks.paper import measure
from benchmarks.paper.__main__ import run_one
from benchmarks.paper.experiment import Claim
from benchmarks.paper.experiments import EXPERIMENTS
from benchmarks.paper.experiments.kwise import excess, losses, pairs
from benchmarks.paper.experiments.reward_model import agreement, counts
from benchmarks.paper.experiments.small_model import make_small
from benchmarks.paper.lab import BASE, Lab
from benchmarks.paper.plots import COLOURS, TEXT, Line, plot
from benchmarks.paper.report import load, table, write_report, written
from benchmarks.paper.scales import Scale
from training.data import load_tokenizer

MINUTE = Scale(
    name="tiny", demonstrations=16, sft={"epochs": 1}, rankings=8, growth=(8,), evaluation=4, best_prompts=4, best_of=4
)


def test_best_of_is_the_mean_over_all_choices() -> None:
    scores, values = [0.1, 0.9, 0.5], [1.0, 2.0, 6.0]
    assert measure.best_of(scores, values, 1) == pytest.approx(3.0)
    # {0,1} keeps 1, {0,2} keeps 2, {1,2} keeps 1
    assert measure.best_of(scores, values, 2) == pytest.approx((2 + 6 + 2) / 3)
    assert measure.best_of(scores, values, 3) == pytest.approx(2.0)


def test_pairs_count_once_and_equal_scores_half() -> None:
    # Ranks 1, 2, 2: the two pairs with the best response; ties of the labeler make none.
    assert measure.hits([3.0, 1.0, 5.0], [1, 2, 2]) == (1.0, 2.0)
    assert measure.hits([3.0, 3.0, 1.0], [1, 2, 2]) == (1.5, 2.0)
    loss, number = measure.pair_loss([2.0, 0.0], [1, 2])
    assert (loss, number) == (pytest.approx(math.log1p(math.exp(-2.0))), 1.0)
    assert counts([[3.0, 1.0, 5.0]], [[[1, 2, 2], [2, 3, 1]]]) == ([4.0], [5.0])


def test_labelers_agree_on_pairs_that_both_order() -> None:
    # (1,2,3) and (1,3,2) agree on two of three pairs; (1,1,2) ties one of them.
    assert agreement([[[1, 2, 3], [1, 3, 2]]]) == ([2.0], [3.0])
    assert agreement([[[1, 2, 3], [1, 1, 2]]]) == ([2.0], [2.0])


def test_intervals_hold_the_value_and_shrink_with_prompts() -> None:
    few, many = ([float(at % 2) for at in range(count)] for count in (20, 2000))
    for values in (few, many):
        value, low, high = measure.mean(values)
        assert value == 0.5
        assert low < value < high
    wide, narrow = (measure.mean(values)[2] - measure.mean(values)[1] for values in (few, many))
    assert narrow == pytest.approx(2 * 1.96 * 0.5 / math.sqrt(2000), rel=0.1)
    assert wide > 5 * narrow


def test_a_ratio_weighs_prompts_by_what_they_hold() -> None:
    assert measure.ratio([1.0, 9.0], [1.0, 99.0])[0] == pytest.approx(0.1)
    assert measure.ratio_gap(([1.0, 1.0], [2.0, 2.0]), ([1.0, 0.0], [2.0, 2.0]))[0] == pytest.approx(0.25)


def test_the_interval_over_seeds_joins_students_with_their_own() -> None:
    assert measure.over_seeds([[1.0, 0.5, 1.5]]) == [1.0, 0.5, 1.5]
    value, low, high = measure.over_seeds([[1.0, 0, 2], [2.0, 0, 2], [3.0, 0, 2]])
    assert (value, high - value) == (2.0, pytest.approx(math.hypot(4.30 / math.sqrt(3), 1.0)))
    assert low == pytest.approx(4.0 - high)


def test_a_claim_is_shown_only_where_the_whole_interval_is() -> None:
    claim = Claim("PPO beats SFT", "x", 50)
    assert claim.verdict([60, 51, 69]) == "shown"
    assert claim.verdict([55, 49, 61]) == "not shown"
    assert claim.verdict([40, 31, 49]) == "the contrary"


def test_pairwise_rows_are_the_pairs_of_a_ranking() -> None:
    row = {"id": "r", "responses": ["a", "b", "c"], "ranks": [1, 2, 2], "split": "train"}
    assert [(one["id"], one["responses"], one["ranks"]) for one in pairs([row])] == [
        ("r-01", ["a", "b"], [1, 2]),
        ("r-02", ["a", "c"], [1, 2]),
    ]


def test_overfitting_is_the_difference_of_two_rises() -> None:
    def loss(gap: float) -> measure.Figure:
        return losses([[gap, 0.0]] * 3, [[[1, 2]]] * 3)

    # Pairwise from 1 to -1, K-wise from 1 to 0: softplus(1) - softplus(0) more.
    rise = excess((loss(-1.0), loss(1.0)), (loss(0.0), loss(1.0)))
    assert rise[0] == pytest.approx(math.log1p(math.e) - math.log(2))


def test_the_small_model_has_a_tenth_of_the_parameters() -> None:
    count = sum(weight.numel() for weight in make_small(load_tokenizer(str(BASE))).parameters())
    provenance = json.loads((BASE / "provenance.json").read_text())
    assert 0.09 < count / provenance["parameters"] < 0.11


def test_plots_are_svg_with_a_colour_a_name() -> None:
    lines = [Line("own", [[1, 0.5, 0.4, 0.6], [2, 0.7, 0.6, 0.8]]), Line("own", [[1, 0.55], [2, 0.6]])]
    all_lines = [*lines, Line("held-out", [[1, 0.3], [2, 0.2]])]
    drawn = plot("A <title>", "x", "y", all_lines)
    root = ElementTree.fromstring(drawn)
    assert root.tag.endswith("svg")
    assert "A &lt;title&gt;" in drawn
    assert drawn == plot("A <title>", "x", "y", all_lines)
    own, held_out = (drawn.count(f"stroke: {colour}; stroke-width: 1.4") for colour in COLOURS[:2])
    assert own == held_out + 1
    # One colour for text on light and on dark pages: contrast of 4 or more with both.
    for page in (1.0, 0.0056):  # white, and the luminance of GitHub's #0d1117
        grey = ((int(TEXT[1:3], 16) / 255 + 0.055) / 1.055) ** 2.4
        assert (max(grey, page) + 0.05) / (min(grey, page) + 0.05) >= 4.0


def test_an_experiment_is_run_once_and_reported(tmp_path: Path) -> None:
    work, out, docs = tmp_path / "work", tmp_path / "results", tmp_path / "docs"
    run_one(Lab(3, MINUTE, work), "g", out)
    first = (out / "seed-3" / "g.json").read_text()
    row = json.loads(first)
    assert row["cpu_seconds"]["jobs"] > 0
    value, low, high = row["figures"]["reward model's score: most less N = 1"]
    assert low <= value <= high
    assert value > 0  # the best of 4 by the reward model cannot score less than one of them

    # Without its result the experiment is measured again, on the jobs that are there: not one is run anew.
    finished = {path: path.stat().st_mtime_ns for path in work.rglob("run.json")}
    assert len(finished) == 4  # SFT, samples, reward model, candidates
    (out / "seed-3" / "g.json").unlink()
    run_one(Lab(3, MINUTE, work), "g", out)
    assert {path: path.stat().st_mtime_ns for path in work.rglob("run.json")} == finished
    assert json.loads((out / "seed-3" / "g.json").read_text())["figures"] == row["figures"]

    write_report(out, docs)
    page = (docs / "results.md").read_text(encoding="utf-8")
    assert all(f"## ({key}) {experiment.title}" in page for key, experiment in EXPERIMENTS.items())
    assert page.count("Not yet run") == page.count("| not yet run |") == len(EXPERIMENTS) - 1
    assert "| (g) Best of N against its KL | 3 | " in page
    assert f"| reward model's score: most less N = 1 | {written([value, low, high])} |" in page
    for name in ("results-g1.svg", "results-g2.svg"):
        assert f"img/{name}" in page
        ElementTree.parse(docs / "img" / name)


def test_every_claim_and_chart_names_what_its_experiment_measures() -> None:
    """Held to the committed results, as far as they go."""
    for key, seeds in load(Path("benchmarks/paper/results")).items():
        for row in seeds.values():
            for claim in EXPERIMENTS[key].claims:
                assert claim.figure in row["figures"]
            assert {name for chart in EXPERIMENTS[key].charts for name in chart.curves} <= set(row["curves"])
            for value, *ends in row["figures"].values():
                assert not ends or ends[0] <= value <= ends[1]


def test_the_page_says_what_the_results_say(tmp_path: Path) -> None:
    write_report(Path("benchmarks/paper/results"), tmp_path)
    assert (tmp_path / "results.md").read_text() == Path("docs/results.md").read_text()
    several = table({1: {"figures": {"x": [1.0, 0.5, 1.5]}}, 2: {"figures": {"x": [3.0, 2.5, 3.5], "y": [1]}}})
    assert several[0] == "|  | seed 1 | seed 2 | all seeds |"
    assert several[3].startswith("| y |  | 1 | 1 |")
