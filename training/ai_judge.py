"""The judge of AI feedback: a language model here or on a server, asked for labels or for text; and its written rows.

Rows are written in whole batches of prompts and in their order, and a batch that a kill cut off is judged anew: a job
that was killed leaves the same file as one that was not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from training.config.judge import JudgeConfig
from training.constitution import LABELS
from training.data import Codec, load_tokenizer
from training.decoder import Completion, Request, Sampling, decode, length_sorted
from training.job import Drained, Job, JobError
from training.models import autocast, context_length, load_causal_lm, response_logprobs
from training.packing import pack
from training.preference_math import sequence_logprobs
from training.ranks import Ranks
from training.scoring import by_item
from training.server import Server

C = TypeVar("C", bound=JudgeConfig)
T = TypeVar("T")


class AIJudge:
    """A causal language model that is asked in its own chat template."""

    def __init__(self, job: Job[C], ranks: Ranks) -> None:
        config = job.config
        self.job, self.ranks, self.precision = job, ranks, config.precision
        self.codec = Codec(load_tokenizer(config.judge))
        self.labels = [self.codec.tokenizer.encode(label, add_special_tokens=False) for label in LABELS]
        self.server = Server(config.server, [config.judge_name, config.judge]) if config.server else None
        self.model = None
        if self.server is None:
            self.model = load_causal_lm(config.judge, ranks.device, weights=config.frozen_weights)

    @property
    def label_tokens(self) -> int:
        """Tokens of the longer label."""
        return max(len(label) for label in self.labels)

    def fitting(self, rows: Sequence[T], tokens: Callable[[T], int], what: str) -> list[T]:
        """The rows that the judge can read whole; a server says so itself. Raises JobError when none is left."""
        if self.model is None:
            return list(rows)
        most, needed = context_length(self.model), [tokens(row) for row in rows]
        kept = [row for row, count in zip(rows, needed, strict=True) if count <= most]
        if not kept:
            raise JobError(
                f"The judge reads {most} tokens at most, and {what} takes {min(needed)} or more; choose a judge with a"
                " longer context."
            )
        return kept

    def label_logprobs(self, prompts: Sequence[Sequence[int]], micro_batch_tokens: int) -> list[list[float]]:
        """log p of (A) and of (B) after each prompt, in nats. The prompt is computed once for both. Raises Drained."""
        items = [(prompt, self.labels) for prompt in prompts]
        if self.server is not None:
            return self.server.logprobs(items, self.stopped)

        @torch.no_grad()
        def logprobs(micro: list[int]) -> Tensor:
            if self.stopped():
                raise Drained
            batch = pack([items[at] for at in micro]).to(self.ranks.device)
            with autocast(self.ranks.device, self.precision):
                tokens, _ = response_logprobs(self.model, batch)
            return sequence_logprobs(tokens, batch.owner, batch.lengths).cpu()

        found = by_item(items, micro_batch_tokens, logprobs, self.ranks.map)
        return [[float(value) for value in both] for both in found]

    def write(self, requests: Sequence[Request], settings: Sampling) -> list[Completion]:
        """A sample for each request, in their order. Raises Drained."""
        if self.server is not None:
            return self.server.decode(requests, self.codec.stops, settings, self.stopped)
        batches = length_sorted(requests, settings.batch_rows)
        drawn = self.ranks.map(
            batches,
            lambda batch: decode(self.model, [requests[at] for at in batch], self.codec.stops, settings, self.stopped),
        )
        flat = [at for batch in batches for at in batch]
        by_number = dict(zip(flat, [one for found in drawn for one in found], strict=True))
        return [by_number[at] for at in range(len(requests))]

    def stopped(self) -> bool:
        """SIGTERM came, and there is nobody to wait for; several ranks stop together, between two batches."""
        return self.ranks.size == 1 and self.job.stopping


def write_batches(
    job: Job[C], ranks: Ranks, path: Path, rows: Sequence[Any], work: Callable[[Sequence[Any]], list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """`work` on each batch of `rows`, one result a row, appended to `path`; returns all results, earlier ones included.

    Raises Drained when SIGTERM came.
    """
    size = job.config.batch_prompts
    done = read_whole_batches(path, ranks, size, len(rows))
    job.progress.rewind(len(done))
    for start in range(len(done), len(rows), size):
        if job.should_stop():
            raise Drained
        found = work(rows[start : start + size])
        if ranks.first:
            _append(path, found)
        done += found
        job.progress.write(len(done), len(rows), job.config.kind, {})
    path.touch()
    return done


def read_whole_batches(path: Path, ranks: Ranks, size: int, total: int) -> list[dict[str, Any]]:
    """The rows of batches that are there as a whole; what is left of one that was cut off is taken away."""
    ranks.wait()
    data = path.read_bytes() if path.exists() else b""
    ranks.wait()  # all have read it before the first rank writes
    lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
    if len(lines) < total:
        lines = lines[: len(lines) // size * size]
    whole = b"".join(lines)
    if len(whole) != len(data) and ranks.first:
        path.write_bytes(whole)
    return [json.loads(line) for line in lines]


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """A JSONL file, whole or absent."""
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    _append(partial, rows)
    partial.rename(path)


def _append(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """One write and one flush to disk."""
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        file.flush()
        os.fsync(file.fileno())
