"""Rows of job folders from the starter world: its prompts, and the rankings of its simulated labelers.

What `benchmarks.circle` and `benchmarks.paper` share.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from starter.labelers import SimulatedTaste
from starter.prompts import Prompt

T = TypeVar("T")
LABELERS = 8
EVALUATION_SEED = 977


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """A JSONL file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def spread(things: Sequence[T], count: int) -> list[T]:
    """`count` of them (all, where there are fewer), evenly over the whole list."""
    count = min(count, len(things))
    return [things[at * len(things) // count] for at in range(count)]


def prompt_row(prompt: Prompt, split: str = "train") -> dict[str, Any]:
    """A row of `prompts.jsonl`."""
    return {"id": prompt.id, "messages": prompt.messages, "split": split}


def people(seed: int, count: int = LABELERS) -> list[SimulatedTaste]:
    """The simulated labelers of a run; other seeds are other people."""
    return [SimulatedTaste(seed * 1000 + number) for number in range(count)]


def by_prompt(rows: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows of `completions.jsonl` of one policy, in the order of their index."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: int(row["index"])):
        found.setdefault(row["prompt_id"], []).append(row)
    return found


def places(tiers: Sequence[Sequence[int]], count: int) -> list[int]:
    """The rank of each of `count` responses, 1 the best, from what a labeler hands in."""
    return [1 + next(at for at, tier in enumerate(tiers) if place in tier) for place in range(count)]


def ranking_row(
    name: str, prompt: Prompt, drawn: Sequence[dict[str, Any]], labeler: SimulatedTaste, checkpoint: str = "sft"
) -> dict[str, Any]:
    """A row of `rankings.jsonl`: the labeler ranks these samples of the prompt."""
    said = labeler.rank(prompt.messages, [row["text"] for row in drawn])
    names = [f"{prompt.id}-{row['index']}" for row in drawn]
    return {
        "id": name, "prompt_id": prompt.id, "messages": prompt.messages,
        "responses": [{"id": own, "text": row["text"], "checkpoint": checkpoint, "sampling": {}, "seed": row["seed"]}
                      for own, row in zip(names, drawn, strict=True)],
        "ranks": places(said.tiers, len(drawn)), "simulated": True, "split": prompt.split,
        "ratings": {own: {"overall": rating} for own, rating in zip(names, said.ratings, strict=True)},
    }  # fmt: skip
