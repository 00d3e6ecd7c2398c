"""Peak memory of our programs and of TRL's trainers: the same 5M-parameter model, the same data, the same batch.

    PYTHONPATH=WHERE_TRL_IS python -m benchmarks.memory [--programs sft dpo reward grpo rloo]

Each side runs two optimiser steps in a process of its own, as a user runs it: ours is the program on its job folder,
from its first import to its written checkpoint; TRL's a script that loads model and rows and calls `train()`. The peak
is the kernel's VmHWM of that process. `imports` is the peak once every module is loaded, models and data are not; what
lies beyond is the work's own. float32, one thread, no activation checkpointing; TRL as it comes. Data as in
`rl_compare`: prompts of about 100 tokens and responses of about 60; 16 demonstrations a step, 8 pairs, 2 rankings of 4
one at a time (TRL: the 6 pairs of one), 16 prompts with 4 samples. DPO's reference is a model of TRL's, a pass of ours.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import subprocess
import sys
import tempfile
from itertools import combinations
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
STEPS = 2
SIZES = {"sft": 16, "dpo": 8, "reward": 2, "grpo": 64, "rloo": 64}  # rows a step; of GRPO and RLOO, samples
Rows = list[dict[str, Any]]


def peak() -> float:
    """The most memory that this process has held, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def make_job(folder: Path, program: str, model: Path) -> Path:
    """Our side: a job folder. Its data are what TRL's side reads, too."""
    from benchmarks.rl_compare import PROMPT, RESPONSE, TOKENIZER, text_of, user, write_job
    from training.data import load_tokenizer

    tokenizer, rng, size = load_tokenizer(TOKENIZER), random.Random(0), SIZES[program]

    def response(at: int) -> dict[str, str]:
        return {"id": str(at), "text": text_of(RESPONSE, rng, tokenizer)}

    common = {"threads": 1, "lr": 1e-5, "batch_size": size}
    rows: Rows = [
        {"id": str(at), "prompt_id": str(at), "messages": user(text_of(PROMPT - 10, rng, tokenizer)), "split": "train"}
        for at in range(STEPS * size // (4 if program in ("grpo", "rloo") else 1))
    ]
    if program == "sft":
        rows = [{**row, "response": response(0)["text"]} for row in rows]
        config = {"model": str(model), "epochs": 1, "validation_share": 0.0}
        return write_job(folder, {**common, **config}, demonstrations=rows)
    if program in ("dpo", "reward"):
        count = 2 if program == "dpo" else 4
        ranks = list(range(1, count + 1))
        rows = [{**row, "responses": [response(at) for at in range(count)], "ranks": ranks} for row in rows]
        config = {"policy" if program == "dpo" else "model": str(model), "epochs": 1, "validation_share": 0.0}
        if program == "reward":  # in the papers' form, and one ranking in a forward, as TRL has it
            config |= {"readout": "last", "logprob_weight": False, "pair_weight": "equal", "micro_batch_tokens": 500}
        return write_job(folder, {**common, **config}, rankings=rows)
    config = {
        "policy": str(model), "reward_model": str(folder.parent / "judge"), "episodes": STEPS * size,
        "minibatch_size": size, "samples_per_prompt": 4, "inner_epochs": 1, "kl_coef": 0.04,
        "max_new_tokens": RESPONSE, "max_prompt_tokens": 2 * PROMPT,
    }  # fmt: skip
    return write_job(folder, {**common, **config}, prompts=rows)


def make_judges(folder: Path, model: Path) -> None:
    """The same reward model in our format (`judge`) and as a transformers classifier (`classifier`)."""
    from transformers import LlamaForSequenceClassification

    from training.data import load_tokenizer
    from training.models import load_causal_lm
    from training.reward_model import RewardModel, save_reward_model

    tokenizer, plain = load_tokenizer(str(model)), load_causal_lm(str(model))
    judge = RewardModel(load_causal_lm(str(model)), "last", False)
    own = {name: value for name, value in judge.state_dict().items() if not name.startswith("backbone.")}
    save_reward_model(judge, plain, own, tokenizer, folder / "judge")
    loader: Any = LlamaForSequenceClassification
    classifier = loader.from_pretrained(model, num_labels=1)
    classifier.config.pad_token_id = 0
    classifier.save_pretrained(folder / "classifier")


def run_ours(program: str, folder: Path) -> None:
    """The whole program on its job folder; prints the peaks."""
    module = importlib.import_module(f"training.{program}")
    # the modules that it imports when it needs them
    import torch._dynamo  # noqa: F401 (with the first optimiser)
    from transformers import AutoModelForCausalLM, LlamaForCausalLM, PreTrainedTokenizerFast  # noqa: F401

    from training.config import CONFIGS
    from training.job import run_program

    before = peak()
    if run_program(CONFIGS[program], getattr(module, program), [str(folder / program)]):
        raise SystemExit(1)
    print(json.dumps([peak(), before]))


def read(folder: Path, program: str) -> Rows:
    """The rows of our job folder, as TRL takes them."""
    name = {"sft": "demonstrations", "dpo": "rankings", "reward": "rankings"}.get(program, "prompts")
    found: Rows = []
    for line in (folder / program / "data" / f"{name}.jsonl").read_text().splitlines():
        row = json.loads(line)
        if program == "sft":
            found.append({"prompt": row["messages"], "completion": answer(row["response"])})
        elif name == "rankings":
            texts = [answer(response["text"]) for response in row["responses"]]
            found += [{"prompt": row["messages"], "chosen": a, "rejected": b} for a, b in combinations(texts, 2)]
        else:
            found.append({"prompt": row["messages"]})
    return found


def answer(text: str) -> list[dict[str, str]]:
    """A turn of the assistant."""
    return [{"role": "assistant", "content": text}]


def run_trl(program: str, folder: Path, model: Path) -> None:
    """TRL's trainer on the same rows; prints the peaks."""
    import datasets.table
    import torch
    import trl
    from transformers import LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast

    name = {"sft": "SFT", "dpo": "DPO", "reward": "Reward", "grpo": "GRPO", "rloo": "RLOO"}[program]
    trainer_class, config_class = getattr(trl, f"{name}Trainer"), getattr(trl, f"{name}Config")
    before = peak()
    torch.set_num_threads(1)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(model)
    more: dict[str, Any] = {"per_device_train_batch_size": SIZES[program]}
    models: dict[str, Any] = {}
    loader: Any = LlamaForSequenceClassification if program == "reward" else LlamaForCausalLM
    if program == "reward":
        more = {"per_device_train_batch_size": 6, "gradient_accumulation_steps": SIZES[program]}
        models = {"model": loader.from_pretrained(model, num_labels=1)}
    else:
        models = {"model": loader.from_pretrained(model)}
    if program == "dpo":
        models["ref_model"] = loader.from_pretrained(model)
    if program in ("grpo", "rloo"):
        judge: Any = LlamaForSequenceClassification
        more |= {"num_generations": 4, "max_completion_length": 60, "beta": 0.04, "num_iterations": 1}
        models |= {
            "reward_funcs": judge.from_pretrained(folder / "classifier"), "reward_processing_classes": tokenizer
        }  # fmt: skip
    arguments = config_class(
        output_dir=str(folder / "trl"), use_cpu=True, bf16=False, gradient_checkpointing=False, report_to="none",
        save_strategy="no", logging_strategy="no", disable_tqdm=True, learning_rate=1e-5, max_steps=STEPS, **more,
    )  # fmt: skip
    rows = datasets.Dataset(datasets.table.InMemoryTable.from_pylist(read(folder, program)), fingerprint="rows")
    trainer_class(args=arguments, train_dataset=rows, processing_class=tokenizer, **models).train()
    print(json.dumps([peak(), before]))


def measure(side: str, program: str, folder: Path, model: Path) -> tuple[float, float]:
    """(peak, peak after imports) of one side in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.memory", "--alone", side, program, str(folder), str(model)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    whole, imports = json.loads(done.stdout.splitlines()[-1])
    return whole, imports


def main() -> None:
    """Both sides of each program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--sides", nargs="+", default=["ours", "trl"], choices=["ours", "trl"])
    parser.add_argument("--alone", nargs=4, help="for itself: side, program, folder, model")
    arguments = parser.parse_args()
    if arguments.alone:
        side, program, folder, model = arguments.alone
        if side == "ours":
            run_ours(program, Path(folder))
        else:
            run_trl(program, Path(folder), Path(model))
        return
    from benchmarks.rl_compare import make_model

    with tempfile.TemporaryDirectory(prefix="memory-") as name:
        work = Path(name)
        make_model(work / "model")
        make_judges(work, work / "model")
        for program in arguments.programs:
            make_job(work / program, program, work / "model")
            found = {side: measure(side, program, work, work / "model") for side in arguments.sides}
            for side, (whole, imports) in found.items():
                print(f"{program}, {side}: {whole:.0f} MB, imports {imports:.0f}, the rest {whole - imports:.0f}")
            if len(found) == 2:
                (own, before), (theirs, their_before) = found["ours"], found["trl"]
                rest = (own - before) / (theirs - their_before)
                print(f"{program}: {own / theirs:.2f} of TRL's, without imports {rest:.2f}", flush=True)


if __name__ == "__main__":
    main()
