"""Rejection sampling: `python -m training.rejection JOB_FOLDER`; SFT on the best of N samples by a reward model.

As in Llama 2 (arXiv 2307.09288, section 3.2). The best of N lies at most ln N - (N - 1)/N nats from the policy
(preference_math.best_of_n_kl).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from training.best_of import Judge
from training.config import RejectionConfig
from training.data import Codec, load_tokenizer, read_prompts, read_rows
from training.decoder import Request, Sampling
from training.job import Job, JobError, run_program, set_up
from training.models import load_causal_lm
from training.ranks import Ranks
from training.sample import Source, draw_rows, read_done
from training.sft import fine_tune

NAME = "policy"  # of the policy in completions.jsonl


def draw_best(job: Job[RejectionConfig], ranks: Ranks, path: Path) -> None:
    """Append the best of N for each prompt and index that `path` does not hold yet."""
    config = job.config
    codec = Codec(load_tokenizer(config.model))
    prompts = [row for row in read_prompts(job.data("prompts"), codec) if row.split in ("train", "validation")]
    done = read_done(path, ranks)
    requests = [
        Request(prompt.id, prompt.tokens, index)
        for prompt in prompts
        for index in range(config.samples_per_prompt)
        if len(prompt.tokens) <= config.max_prompt_tokens and (prompt.id, NAME, index) not in done
    ]
    if not requests:
        return
    settings = Sampling(
        max_new_tokens=config.max_new_tokens, temperature=config.temperature, seed=config.seed,
        batch_rows=config.batch_rows, precision=config.precision,
    )  # fmt: skip
    judge = Judge(config.reward_model, ranks.device, config.precision, config.frozen_weights, config.micro_batch_tokens)
    model = load_causal_lm(config.model, ranks.device, weights=config.frozen_weights)
    source = Source(NAME, model, codec, settings, judge, config.best_of)
    written, scores = len(done), 0.0
    for rows in draw_rows(job, ranks, source, requests, path):
        written += len(rows)
        scores += sum(row["score"] for row in rows)
        metrics = {"objective/scores": scores / (written - len(done))}
        job.progress.write(written, len(done) + len(requests), "sample", metrics)


def write_demonstrations(job: Job[RejectionConfig], ranks: Ranks, path: Path) -> dict[str, float]:
    """`data/demonstrations.jsonl` of the completions that ended; whole or absent. Raises JobError when none did."""
    prompts = {str(row["id"]): row for _, row in read_rows(job.data("prompts"))}
    best = sorted((row for _, row in read_rows(path)), key=lambda row: (row["prompt_id"], row["index"]))
    rows: list[dict[str, Any]] = [
        {
            "id": f"{row['prompt_id']}:{row['index']}", "prompt_id": row["prompt_id"],
            "messages": prompts[row["prompt_id"]]["messages"], "response": row["text"],
            "split": prompts[row["prompt_id"]].get("split", "train"),
            "best_of": row["best_of"], "score": row["score"], "seed": row["seed"],
        }
        for row in best if row["finish_reason"] == "stop"
    ]  # fmt: skip
    if not rows:
        raise JobError("No sample ended within max_new_tokens, so there is nothing to learn; raise max_new_tokens.")
    if ranks.first:
        temporary = job.folder / ".demonstrations.tmp"
        with temporary.open("w", encoding="utf-8") as file:
            file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(job.data("demonstrations"))
    ranks.wait()
    return {
        "objective/scores": sum(row["score"] for row in rows) / len(rows),
        "response/ended": len(rows) / len(best),
    }


def rejection(job: Job[RejectionConfig]) -> None:
    """The whole program; see the module's head."""
    config = job.config

    # 1. The prompts; demonstrations are made here, and those of somebody else are never written over.
    ranks = set_up(job)
    path = job.folder / "completions.jsonl"
    if job.data("demonstrations").is_file() and not path.is_file():
        raise JobError("data/demonstrations.jsonl is there already, but this program writes it; remove it, or run sft.")
    ranks.wait()

    # 2. N samples for each demonstration, of which the reward model keeps one; a killed job goes on where it stopped.
    draw_best(job, ranks, path)

    # 3. Those that ended become demonstrations.
    sampled = write_demonstrations(job, ranks, path)

    # 4. SFT on them.
    result = fine_tune(job, ranks)
    job.finish({"model": config.model, "reward_model": config.reward_model}, {**result, **sampled})


if __name__ == "__main__":
    sys.exit(run_program(RejectionConfig, rejection))
