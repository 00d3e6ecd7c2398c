"""RLAIF: `python -m training.rlaif JOB_FOLDER`; a judge ranks responses by a constitution (arXiv 2309.00267, 2).

Reads `data/comparisons.jsonl` and writes `rankings.jsonl`, which the reward model reads like any labeler's; every row
says `ai: true`. The judge chooses between two responses at a time (Constitutional AI, arXiv 2212.08073, section 4.1),
by its log-probabilities of the labels, and never writes a word.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from training.ai_judge import AIJudge, write_batches
from training.ai_preferences import (
    Asked,
    label_probability,
    mean_wins,
    position_bias,
    ranks_with_ties,
    win_probabilities,
)
from training.config import RLAIFConfig
from training.constitution import draw_principles, pair_question
from training.data import Message, messages_of, need, read_rows, unseen
from training.job import Job, JobError, run_program, set_up

DIGITS = 6  # of a probability in a row


@dataclass(frozen=True)
class Comparison:
    """A row of comparisons.jsonl: K responses to a prompt; `row` is what its ranking repeats of it."""

    prompt_id: str
    messages: list[Message]
    texts: list[str]
    row: dict[str, Any]


@dataclass(frozen=True)
class Question:
    """Which of two responses, in this order."""

    first: int
    second: int
    messages: list[Message]


def read_comparisons(path: Path) -> list[Comparison]:
    """Rows with `messages` and `responses`; ranks that somebody gave are not looked at. Raises JobError."""
    found: list[Comparison] = []
    seen: set[Any] = set()
    for number, row in read_rows(path):
        where = f"{path.name}, line {number}"
        responses = need(row, "responses", list, where)
        if not all(isinstance(response, dict) for response in responses):
            raise JobError(f"{where}: each response must be an object with a text.")
        texts = [need(response, "text", str, where) for response in responses]
        if len(texts) < 2:
            raise JobError(f"{where}: a comparison needs at least two responses.")
        name = unseen(row.get("id", number), seen, where)
        prompt_id, split = str(row.get("prompt_id", name)), str(row.get("split", "train"))
        messages = messages_of(row, where)
        kept = {"id": name, "prompt_id": prompt_id, "messages": messages, "responses": responses, "split": split}
        found.append(Comparison(prompt_id, messages, texts, kept))
    if not found:
        raise JobError(f"{path.name} holds no comparison; sample some responses first.")
    return found


def questions(comparison: Comparison, config: RLAIFConfig) -> list[Question]:
    """Every pair in both orders, one after the other, by each principle that the prompt drew.

    Equal texts are not asked about: whatever the judge says, the average over both orders is 1/2.
    """
    numbers = draw_principles(len(config.principles), config.principles_per_prompt, config.seed, comparison.prompt_id)
    texts = comparison.texts
    pairs = [(i, j) for i, j in combinations(range(len(texts)), 2) if texts[i] != texts[j]]
    return [
        Question(i, j, pair_question(comparison.messages, config.principles[number], texts[i], texts[j]))
        for number in numbers
        for pair in pairs
        for i, j in (pair, pair[::-1])
    ]


def ranking_row(comparison: Comparison, asked: Sequence[Asked], config: RLAIFConfig) -> dict[str, Any]:
    """The native ranking row, marked as an AI's, with all that the ranks rest on."""
    probabilities = win_probabilities(len(comparison.texts), asked)
    wins, bias = mean_wins(probabilities), position_bias(asked)
    row = comparison.row
    return {
        "id": row["id"],
        "prompt_id": row["prompt_id"],
        "messages": row["messages"],
        "responses": row["responses"],
        "ranks": ranks_with_ties(wins, config.tie_margin),
        "ratings": {},
        "labeler": f"ai:{config.judge_name}",
        "labeler_group": "ai",
        "ai": True,
        "wins": [round(value, DIGITS) for value in wins],
        "win_probabilities": [[round(value, DIGITS) for value in line] for line in probabilities],
        "principles": draw_principles(
            len(config.principles), config.principles_per_prompt, config.seed, comparison.prompt_id
        ),
        "questions": len(asked),
        "position": {"first": round(bias.first, DIGITS), "changed": round(bias.changed, DIGITS)},
        "split": row["split"],
    }


def rlaif(job: Job[RLAIFConfig]) -> None:
    """The whole program; see the module's head."""
    config = job.config
    ranks = set_up(job)

    # 1. The judge, and the comparisons of which it can read each pair whole.
    judge = AIJudge(job, ranks)
    every = read_comparisons(job.data("comparisons"))

    def longest(comparison: Comparison) -> int:
        lengths = (len(judge.codec.prompt(one.messages)) for one in questions(comparison, config))
        return judge.label_tokens + max(lengths, default=0)

    comparisons = judge.fitting(every, longest, "a comparison's longest pair of responses with its question")

    # 2. Each pair in both orders: log-probabilities of (A) and (B), their softmax, the mean of both orders and of the
    #    principles; a response's mean probability of winning is its score, and close scores tie.
    def rank(batch: Sequence[Comparison]) -> list[dict[str, Any]]:
        each = [questions(comparison, config) for comparison in batch]
        flat = [judge.codec.prompt(one.messages) for own in each for one in own]
        answers = iter(judge.label_logprobs(flat, config.micro_batch_tokens) if flat else [])
        asked = [[Asked(one.first, one.second, label_probability(*next(answers))) for one in own] for own in each]
        return [ranking_row(comparison, own, config) for comparison, own in zip(batch, asked, strict=True)]

    # 3. Batch after batch into rankings.jsonl; a killed job goes on where it stopped.
    rows = write_batches(job, ranks, job.folder / "rankings.jsonl", comparisons, rank)
    job.finish({"judge": config.judge}, {**summary(rows), "comparisons/too_long": len(every) - len(rows)})


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """What run.json says: how much was asked, how sure the judge was, what it owes to the order."""
    asked = [row for row in rows if row["questions"]]
    tied = sum(len(set(row["ranks"])) == 1 for row in rows)
    sure = [max(p, 1 - p) for row in asked for i, line in enumerate(row["win_probabilities"]) for p in line[i + 1 :]]
    return {
        "rankings": len(rows),
        "rankings/tied": tied,
        "questions": sum(row["questions"] for row in rows),
        "confidence": sum(sure) / max(1, len(sure)),
        "position/first": sum(row["position"]["first"] for row in asked) / max(1, len(asked)),
        "position/changed": sum(row["position"]["changed"] for row in asked) / max(1, len(asked)),
    }


if __name__ == "__main__":
    sys.exit(run_program(RLAIFConfig, rlaif))
