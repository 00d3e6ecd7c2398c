"""Sampling: `python -m training.sample JOB_FOLDER` reads `data/prompts.jsonl` and appends to `completions.jsonl`.

A killed job goes on where it stopped. Samples come from our own decoder (decoder.py) or from a server (server.py); a
sample is a function of (seed, prompt id, index). With `best_of` N, sample i is the one of candidates iN to iN + N - 1
that a reward model scores best, and its seed is that candidate's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from training.best_of import Judge, best
from training.config import Policy, SampleConfig
from training.data import Codec, load_tokenizer, read_prompts
from training.decoder import Completion, Request, Sampling, decode, length_sorted
from training.job import Drained, Job, JobError, run_program, set_up
from training.models import Model, check_context, load_causal_lm
from training.ranks import Ranks
from training.server import Server

LONGEST = "The longest prompt with max_new_tokens"


def wanted(config: SampleConfig, prompt_id: str, policy: str) -> int:
    """How many samples of `policy` this prompt gets."""
    if config.plan is None:
        return config.samples_per_prompt
    return config.plan.get(prompt_id, {}).get(policy, 0)


def read_done(path: Path, ranks: Ranks) -> set[tuple[str, str, int]]:
    """(prompt id, policy, index) of the rows already written; a torn last line is cut off."""
    ranks.wait()
    data = path.read_bytes() if path.exists() else b""
    whole = data[: data.rfind(b"\n") + 1]
    ranks.wait()  # all have read it before the first rank writes
    if len(whole) != len(data) and ranks.first:
        path.write_bytes(whole)
    rows = [json.loads(line) for line in whole.splitlines()]
    return {(row["prompt_id"], row["checkpoint"], row["index"]) for row in rows}


@dataclass(frozen=True)
class Source:
    """A policy that samples are drawn from, how, and who chooses among `best_of` candidates."""

    name: str
    model: Model | Server
    codec: Codec
    settings: Sampling
    judge: Judge | None = None
    best_of: int = 1

    def draw(self, requests: Sequence[Request], cancelled: Callable[[], bool]) -> list[tuple[Completion, float | None]]:
        """The chosen sample of each request, and its score where there is a judge."""
        each = self.best_of
        candidates = [replace(one, index=one.index * each + at) for one in requests for at in range(each)]
        drawn = self._draw(candidates, cancelled)
        if self.judge is None:
            return [(one, None) for one in drawn]
        groups = [drawn[at : at + each] for at in range(0, len(drawn), each)]
        items = [(one.tokens, [c.tokens for c in group]) for one, group in zip(requests, groups, strict=True)]
        chosen: list[tuple[Completion, float | None]] = []
        for request, group, scores in zip(requests, groups, self.judge.scores(items), strict=True):
            at = best(scores.tolist(), [candidate.ended for candidate in group])
            chosen.append((replace(group[at], index=request.index), float(scores[at])))
        return chosen

    def _draw(self, candidates: Sequence[Request], cancelled: Callable[[], bool]) -> list[Completion]:
        if isinstance(self.model, Server):
            return self.model.decode(candidates, self.codec.stops, self.settings, cancelled)
        return decode(self.model, candidates, self.codec.stops, self.settings, cancelled)

    def check(self, tokens: int) -> None:
        """Refuse what is longer than the models take; a server says so itself. Raises JobError."""
        if not isinstance(self.model, Server):
            check_context(self.model, self.codec, tokens, LONGEST)
        if self.judge is not None:
            self.judge.check(self.codec, tokens)

    def row(self, done: Completion, score: float | None) -> dict[str, Any]:
        """A row of completions.jsonl."""
        row = {
            "prompt_id": done.prompt_id,
            "checkpoint": self.name,
            "index": done.index,
            "text": self.codec.text(done.tokens),
            "seed": done.seed,
            "finish_reason": "stop" if done.ended else "length",
            "tokens": len(done.tokens),
            "logprob": sum(done.logprobs),
        }
        return row if score is None else {**row, "best_of": self.best_of, "score": score}


def draw_rows(
    job: Job[Any], ranks: Ranks, source: Source, requests: Sequence[Request], path: Path
) -> Iterator[list[dict[str, Any]]]:
    """Draw the requests, shared out over the ranks, and append them to `path`, batch after batch; yields the rows.

    Raises Drained when SIGTERM came: one rank alone stops between two tokens, several between two batches.
    """
    source.check(longest(requests, source.settings))
    alone = ranks.size == 1
    batches = length_sorted(requests, max(1, source.settings.batch_rows // source.best_of))
    for start in range(0, len(batches), ranks.size):
        if job.should_stop():
            raise Drained
        found = ranks.map(
            batches[start : start + ranks.size],
            lambda batch: source.draw([requests[at] for at in batch], lambda: alone and job.stopping),
        )
        rows = [source.row(*one) for batch in found for one in batch]
        if ranks.first:
            _append(path, rows)
        yield rows


def longest(requests: Sequence[Request], settings: Sampling) -> int:
    """Tokens of the longest prompt with the longest response."""
    return max(len(request.tokens) for request in requests) + settings.max_new_tokens


def sample(job: Job[SampleConfig]) -> None:
    """Draw what the config asks for, policy after policy, appending each finished batch."""
    config = job.config
    ranks = set_up(job)
    path = job.folder / "completions.jsonl"
    done = read_done(path, ranks)
    settings = Sampling(
        max_new_tokens=config.max_new_tokens, temperature=config.temperature, top_p=config.top_p,
        top_k=config.top_k, greedy=config.greedy, seed=config.seed, batch_rows=config.batch_rows,
        precision=config.precision,
    )  # fmt: skip
    judge = None
    if config.reward_model:
        judge = Judge(
            config.reward_model, ranks.device, config.precision, config.frozen_weights, config.micro_batch_tokens
        )
    written, total, tokens = 0, 0, 0
    for policy in config.policies:
        codec = Codec(load_tokenizer(policy.path))
        requests = _requests(job, codec, policy, done)
        total += len(requests)
        if not requests:
            continue
        model = Server(config.server, [policy.name, policy.path]) if config.server else None
        model = model or load_causal_lm(policy.path, ranks.device)
        source = Source(policy.name, model, codec, settings, judge, config.best_of)
        for rows in draw_rows(job, ranks, source, requests, path):
            written += len(rows)
            tokens += sum(row["tokens"] for row in rows)
            job.progress.write(written, total, f"sample {policy.name}", {"tokens": tokens})
    if not done and not written:
        raise JobError("The plan asks for no sample at all; give a prompt or a policy a count above 0.")
    path.touch()
    parents = {policy.name: policy.path for policy in config.policies}
    if config.reward_model:
        parents["reward_model"] = config.reward_model
    job.finish(parents, {"samples": written + len(done)})


def _requests(job: Job[SampleConfig], codec: Codec, policy: Policy, done: set[tuple[str, str, int]]) -> list[Request]:
    """What is still to be drawn from one policy. Raises JobError for a prompt that is too long."""
    requests = []
    for prompt in read_prompts(job.data("prompts"), codec):
        count = wanted(job.config, prompt.id, policy.name)
        if count and len(prompt.tokens) > job.config.max_prompt_tokens:
            raise JobError(
                f"Prompt {prompt.id} has {len(prompt.tokens)} tokens, over max_prompt_tokens"
                f" ({job.config.max_prompt_tokens}); shorten it or raise the limit."
            )
        for index in range(count):
            if (prompt.id, policy.name, index) not in done:
                requests.append(Request(prompt.id, prompt.tokens, index))
    return requests


def _append(path: Path, rows: list[dict[str, Any]]) -> None:
    """One write and one flush to disk a batch."""
    import os

    with path.open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    sys.exit(run_program(SampleConfig, sample))
