"""The referee: which of two models answers the held-out prompts better, by the judge of Mossbrook?

`python -m starter.referee A B --temperature 1 --seed 0 --json out.json`. A and B are model folders; `fewshot:FOLDER`
shows the model three worked examples as plain text before each prompt. Ties count half; the interval is over prompts.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from starter.demonstrations import write
from starter.judge import Judgment, judge
from starter.prompts import Prompt, all_prompts
from training.data import Codec, load_tokenizer
from training.decoder import Request, Sampling, decode, generate
from training.models import load_causal_lm

MAX_NEW_TOKENS = 64
SHOTS = 3
TIE = 1e-9


@dataclass(frozen=True)
class Verdict:
    """How often A beats B (ties half), with the 95 % interval over prompts, and what both scored."""

    win_rate: float
    low: float
    high: float
    ties: float
    prompts: int
    mean_a: float
    mean_b: float
    by_use_case: dict[str, dict[str, float]]
    parts_a: dict[str, float]
    parts_b: dict[str, float]

    def line(self) -> str:
        return (
            f"A beats B on {self.win_rate:.1%} of {self.prompts} prompts "
            f"(95 % interval {self.low:.1%} to {self.high:.1%}); "
            f"{self.ties:.1%} tied; judge {self.mean_a:.3f} against {self.mean_b:.3f}"
        )


def sample_texts(
    model: str, prompts: Sequence[Prompt], temperature: float, seed: int, samples: int = 1
) -> list[list[str]]:
    """`samples` answers for each prompt. `model` is a folder, or `fewshot:` and a folder."""
    shots = model.startswith("fewshot:")
    folder = model.removeprefix("fewshot:")
    tokenizer, network = load_tokenizer(folder), load_causal_lm(folder)
    greedy = temperature == 0
    settings = Sampling(MAX_NEW_TOKENS, 1.0 if greedy else temperature, greedy=greedy, seed=seed)
    if shots:
        texts = _few_shot(network, tokenizer, prompts, settings, samples)
    else:
        asked = [(prompt.id, prompt.messages) for prompt in prompts]
        texts = [text for _, text in generate(network, tokenizer, asked, settings, samples)]
    return [texts[i * samples : (i + 1) * samples] for i in range(len(prompts))]


def _plain(prompt: Prompt) -> str:
    return "\n".join(message["content"] for message in prompt.messages)


def _few_shot(network: Any, tokenizer: Any, prompts: Sequence[Prompt], settings: Sampling, samples: int) -> list[str]:
    """Three prompts of the same use-case with good answers, then the prompt; the answer is the first line."""
    rng = random.Random(settings.seed)
    pool: dict[str, list[Prompt]] = defaultdict(list)
    for prompt in all_prompts("train"):
        pool[prompt.use_case].append(prompt)
    codec, requests = Codec(tokenizer), []
    for prompt in prompts:
        shown = rng.sample(pool[prompt.use_case], SHOTS)
        text = "".join(f"{_plain(shot)}\n{write(shot, rng)}\n\n" for shot in shown) + _plain(prompt) + "\n"
        ids = tokenizer.encode(text, add_special_tokens=False)[-(480 - MAX_NEW_TOKENS) :]
        requests += [Request(prompt.id, ids, index) for index in range(samples)]
    done = decode(network, requests, codec.stops, settings)
    return [codec.text(answer.tokens).split("\n")[0] for answer in done]


def judge_all(prompts: Sequence[Prompt], texts: Sequence[Sequence[str]]) -> list[list[Judgment]]:
    return [[judge(prompt, text) for text in drawn] for prompt, drawn in zip(prompts, texts, strict=True)]


def _points(a: float, b: float) -> float:
    return 0.5 if abs(a - b) < TIE else float(a > b)


def compare(prompts: Sequence[Prompt], a: list[list[Judgment]], b: list[list[Judgment]]) -> Verdict:
    """Sample i of A against sample i of B, prompt by prompt."""
    per_prompt, ties, cases = [], 0, defaultdict(list)
    for prompt, ours, theirs in zip(prompts, a, b, strict=True):
        points = [_points(x.score, y.score) for x, y in zip(ours, theirs, strict=True)]
        ties += sum(abs(x.score - y.score) < TIE for x, y in zip(ours, theirs, strict=True))
        per_prompt.append(statistics.mean(points))
        means = [statistics.mean(j.score for j in side) for side in (ours, theirs)]
        cases[prompt.use_case].append((per_prompt[-1], *means))
    rate = statistics.mean(per_prompt)
    half = 1.96 * statistics.stdev(per_prompt) / math.sqrt(len(per_prompt))
    pairs = sum(len(drawn) for drawn in a)
    by_use_case = {
        case: dict(zip(("win_rate", "mean_a", "mean_b"), map(statistics.mean, zip(*rows, strict=True)), strict=True))
        for case, rows in cases.items()
    }
    parts_a, parts_b = parts(a), parts(b)
    return Verdict(
        rate, rate - half, rate + half, ties / pairs, len(prompts), parts_a["score"], parts_b["score"],
        by_use_case, parts_a, parts_b,
    )  # fmt: skip


def parts(judgments: list[list[Judgment]]) -> dict[str, float]:
    """Mean of every part of the judgment; `extras` becomes the share of responses with at least one."""
    flat = [judgment for drawn in judgments for judgment in drawn]
    names = ("score", "relevance", "instruction", "truth", "kindness", "fluency", "length", "greeting")
    measured = {name: statistics.mean(float(getattr(j, name)) for j in flat) for name in names}
    return measured | {"extra": statistics.mean(float(j.extras > 0) for j in flat)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("a")
    parser.add_argument("b")
    parser.add_argument("--temperature", type=float, default=1.0, help="0 is greedy")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=1, help="per prompt and model")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    prompts = all_prompts("evaluation")
    drawn = [
        sample_texts(model, prompts, arguments.temperature, arguments.seed + offset, arguments.samples)
        for offset, model in enumerate((arguments.a, arguments.b))
    ]
    judged = [judge_all(prompts, texts) for texts in drawn]
    verdict = compare(prompts, judged[0], judged[1])
    print(verdict.line())
    for case, row in verdict.by_use_case.items():
        print(f"  {case:15} A wins {row['win_rate']:6.1%}   judge {row['mean_a']:.3f} against {row['mean_b']:.3f}")
    for name in verdict.parts_a:
        print(f"  {name:15} {verdict.parts_a[name]:.3f} against {verdict.parts_b[name]:.3f}")
    if arguments.json:
        settings = {"a": arguments.a, "b": arguments.b, "temperature": arguments.temperature, "seed": arguments.seed}
        arguments.json.write_text(json.dumps({**settings, **asdict(verdict)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
