"""Critique and revision: `python -m training.critique JOB_FOLDER` (Constitutional AI, arXiv 2212.08073, section 3).

Reads `data/prompts.jsonl`; a row may bring its `response`, else the model answers first. It then criticises the answer
by a principle and writes it again, for so many rounds. `revisions.jsonl` keeps every step, `demonstrations.jsonl` the
revised answers as SFT reads them; every row says `ai: true`. All of it is a function of (seed, prompt id, round).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.ai_judge import AIJudge, write_batches, write_rows
from training.config import CritiqueConfig
from training.constitution import critique_question, draw_principles, revision_question
from training.data import Message, messages_of, need, read_rows, unseen
from training.decoder import Completion, Request, Sampling
from training.job import Job, JobError, run_program, set_up


@dataclass
class Draft:
    """An answer on its way: what it says now, whether it ended, and the steps that led there."""

    id: str
    messages: list[Message]
    split: str
    answer: str | None
    ended: bool = True
    first: str = ""
    steps: list[dict[str, Any]] = field(default_factory=list)


def read_drafts(path: Path) -> list[Draft]:
    """Rows of prompts.jsonl, those with a `response` answered already. Raises JobError."""
    found: list[Draft] = []
    seen: set[str] = set()
    for number, row in read_rows(path):
        where = f"{path.name}, line {number}"
        name = unseen(str(need(row, "id", object, where)), seen, where)
        answer = need(row, "response", str, where) if "response" in row else None
        found.append(Draft(name, messages_of(row, where), str(row.get("split", "train")), answer))
    if not found:
        raise JobError(f"{path.name} holds no prompt; add some first.")
    return found


class Reviser:
    """The model that answers, criticises and revises, a batch of drafts at a time."""

    def __init__(self, job: Job[CritiqueConfig], judge: AIJudge) -> None:
        self.config, self.judge = job.config, judge
        self.settings = Sampling(
            max_new_tokens=self.config.max_new_tokens, temperature=self.config.temperature, top_p=self.config.top_p,
            seed=self.config.seed, batch_rows=self.config.batch_rows, precision=self.config.precision,
        )  # fmt: skip

    def longest(self, draft: Draft) -> int:
        """Tokens of a prompt with the longest answer, critique and revision that there may be."""
        codec, new = self.judge.codec, self.config.max_new_tokens
        principle = max(self.config.principles, key=len)
        frame = len(codec.prompt(revision_question(draft.messages, "", principle, "")))
        answer = max(new, len(codec.response(draft.answer or "")))
        return frame + answer + 2 * new

    def say(self, what: str, drafts: Sequence[Draft], asked: Sequence[list[Message]]) -> list[Completion]:
        """What the model says to each of `asked`; a function of the seed, the prompt's id and `what`."""
        requests = [
            Request(f"{draft.id}:{what}", self.judge.codec.prompt(messages), 0)
            for draft, messages in zip(drafts, asked, strict=True)
        ]
        return self.judge.write(requests, self.settings)

    def revise(self, drafts: Sequence[Draft]) -> list[dict[str, Any]]:
        """Every round of a batch; returns the rows of revisions.jsonl."""
        text = self.judge.codec.text

        # 2. The first answer, where the row brought none.
        blank = [draft for draft in drafts if draft.answer is None]
        for draft, done in zip(blank, self.say("answer", blank, [d.messages for d in blank]), strict=True):
            draft.answer, draft.ended = text(done.tokens), done.ended
        for draft in drafts:
            draft.first = str(draft.answer)

        # 3. Rounds: a principle, a critique, a revision. One that did not end is not taken (detail 9 of PPO's).
        for turn in range(1, self.config.revisions + 1):
            numbers = [self.principle(draft, turn) for draft in drafts]
            chosen = [self.config.principles[number] for number in numbers]
            asked = [critique_question(d.messages, str(d.answer), p) for d, p in zip(drafts, chosen, strict=True)]
            critiques = [text(done.tokens) for done in self.say(f"critique {turn}", drafts, asked)]
            asked = [
                revision_question(d.messages, str(d.answer), p, critique)
                for d, p, critique in zip(drafts, chosen, critiques, strict=True)
            ]
            revised = self.say(f"revision {turn}", drafts, asked)
            for draft, number, critique, done in zip(drafts, numbers, critiques, revised, strict=True):
                said = text(done.tokens)
                taken = done.ended and bool(said)
                draft.steps.append({"principle": number, "critique": critique, "revision": said, "taken": taken})
                if taken:
                    draft.answer, draft.ended = said, True
        return [revision_row(draft, self.config) for draft in drafts]

    def principle(self, draft: Draft, turn: int) -> int:
        """The number of the principle that this prompt draws for this round."""
        return draw_principles(len(self.config.principles), 1, self.config.seed, f"{draft.id}:{turn}")[0]


def revision_row(draft: Draft, config: CritiqueConfig) -> dict[str, Any]:
    """A row of revisions.jsonl."""
    return {
        "prompt_id": draft.id, "messages": draft.messages, "draft": draft.first, "steps": draft.steps,
        "response": draft.answer, "finish_reason": "stop" if draft.ended else "length", "split": draft.split,
        "labeler": f"ai:{config.judge_name}", "ai": True,
    }  # fmt: skip


def demonstration_row(row: dict[str, Any]) -> dict[str, Any]:
    """A revised answer as SFT reads it, marked as an AI's."""
    return {
        "id": f"ai-{row['prompt_id']}", "prompt_id": row["prompt_id"], "messages": row["messages"],
        "response": row["response"], "split": row["split"], "source": "revision", "labeler": row["labeler"],
        "labeler_group": "ai", "ai": True, "principles": [step["principle"] for step in row["steps"]],
    }  # fmt: skip


def critique(job: Job[CritiqueConfig]) -> None:
    """The whole program; see the module's head."""
    ranks = set_up(job)

    # 1. The model, and the prompts whose longest chain it can read whole.
    judge = AIJudge(job, ranks)
    reviser = Reviser(job, judge)
    every = read_drafts(job.data("prompts"))
    drafts = judge.fitting(every, reviser.longest, "a prompt with an answer, a critique and a revision")

    # 2. and 3., batch after batch into revisions.jsonl; a killed job goes on where it stopped.
    rows = write_batches(job, ranks, job.folder / "revisions.jsonl", drafts, reviser.revise)

    # 4. Answers that a revision was taken for become demonstrations.
    revised = [row for row in rows if any(step["taken"] for step in row["steps"])]
    if not revised:
        raise JobError("No revision ended within max_new_tokens, so there is nothing to learn; raise max_new_tokens.")
    if ranks.first:
        write_rows(job.folder / "demonstrations.jsonl", [demonstration_row(row) for row in revised])
    job.finish(
        {"judge": job.config.judge},
        {"prompts": len(rows), "demonstrations": len(revised), "prompts/too_long": len(every) - len(rows)},
    )


if __name__ == "__main__":
    sys.exit(run_program(CritiqueConfig, critique))
