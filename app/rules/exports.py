"""The rows of exports, snapshots and job folders: one shape for researchers and for training.

Asked by services/exports.py. docs/job-folder.md describes the native rows; the TRL rows are the conversational
`prompt, completion` and `prompt, chosen, rejected`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any

from app.rules.rankings import ranking_to_pairs


def to_line(row: Mapping[str, Any]) -> str:
    """One JSON line, the same bytes every time: keys keep their order, nothing is escaped that need not be."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def pseudonym(user_id: int | None, key: bytes) -> str | None:
    """A stable name that leads back to nobody without the installation's key."""
    if user_id is None:
        return None
    return "labeler-" + hmac.new(key, f"labeler:{user_id}".encode(), hashlib.sha256).hexdigest()[:12]


def label_split(prompt_split: str, labeler_group: str | None) -> str:
    """Held-out labelers and held-out prompts never train (InstructGPT, 3.4)."""
    if labeler_group == "held_out" and prompt_split == "train":
        return "validation"
    return prompt_split


def said(**values: Any) -> dict[str, Any]:
    """The members that say something. Rows from before a member existed thus keep their bytes, and their hash."""
    return {name: value for name, value in values.items() if value is not None and value != []}


def expand_turns(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A demonstration as training reads it: one row for each answer of its chat, with all that was said before it.

    They share their `id`, so that a split by id never parts them. A row without `turns` stays as it is.
    """
    first = {name: value for name, value in row.items() if name != "turns"}
    yield first
    said_before = [*row["messages"], {"role": "assistant", "content": row["response"]}]
    for turn in row.get("turns") or ():
        if turn["role"] == "assistant":
            yield {**first, "messages": list(said_before), "response": turn["content"]}
        said_before.append(turn)


def demonstration_to_trl(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One pair for each answer: TRL learns from every token of a completion, and the user's turns are not hers."""
    for part in expand_turns(row):
        answer = [{"role": "assistant", "content": part["response"]}]
        yield {"prompt": part["messages"], "completion": answer, **_by_ai(row)}


def ranking_to_trl(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every ordered pair of a native ranking row; ties state nothing."""
    answers = [[{"role": "assistant", "content": response["text"]}] for response in row["responses"]]
    for chosen, rejected in ranking_to_pairs(row["ranks"]):
        yield {"prompt": row["messages"], "chosen": answers[chosen], "rejected": answers[rejected], **_by_ai(row)}


def _by_ai(row: Mapping[str, Any]) -> dict[str, Any]:
    """No label of a model leaves without saying so."""
    return {"ai": True} if row.get("ai") else {}
