"""Our training programs against TRL's trainers: the same loss and gradients, and how fast and how large each is.

    PYTHONPATH=WHERE_TRL_IS python -m benchmarks.trl_compare dpo [--rounds 9] [--threads 2]

TRL is no dependency and in no lock; these figures are of trl==1.16.0 (`pip install --target WHERE_TRL_IS trl==1.16.0
datasets`). A model of 5 million parameters with random weights, prompts of about 100 tokens, responses of about 60, on
the CPU in float32. Both sides take turns, so that a busy machine slows both; figures are medians, ratios the median of
each round's ratio. Another trainer is one more function in COMPARISONS.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import training  # noqa: F401 (before torch: idle threads must sleep)

import torch  # isort: skip

os.environ.setdefault("HF_HUB_OFFLINE", "1")
Seconds = tuple[float, float]  # on the clock, of the processor
VOCABULARY = 2048
BATCH = 8  # pairs a step
STEPS = 1  # optimiser steps a round
LR = 1e-6


# -- what every comparison needs -----------------------------------------------------------------------------


def make_base(folder: Path, vocabulary: int = VOCABULARY, **sizes: int) -> Path:
    """A Llama of 5 million parameters with random weights, and a tokenizer of whole words w3, w4, ..."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "vocab_size": vocabulary, "hidden_size": 256, "num_hidden_layers": 5, "num_attention_heads": 8,
        "intermediate_size": 704, "max_position_embeddings": 512, "eos_token_id": 0, "pad_token_id": 1,
        "bos_token_id": None,
    }  # fmt: skip
    config = LlamaConfig(**{**shape, **sizes})
    LlamaForCausalLM(config).save_pretrained(folder)
    words = ["<|end|>", "<|pad|>", "<|unk|>", *(f"w{at}" for at in range(3, vocabulary))]
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="<|unk|>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(words[:3])
    fast: Any = PreTrainedTokenizerFast
    fast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>").save_pretrained(folder)
    return folder


def words(rng: random.Random, middle: int) -> str:
    """About `middle` words."""
    return " ".join(f"w{rng.randrange(3, VOCABULARY)}" for _ in range(rng.randint(middle * 4 // 5, middle * 6 // 5)))


def rankings(prompts: int, responses: int) -> list[tuple[str, list[str]]]:
    """Prompts with responses, the best first."""
    rng = random.Random(1)
    return [(words(rng, 100), [words(rng, 60) for _ in range(responses)]) for _ in range(prompts)]


def pairs_of(rows: list[tuple[str, list[str]]]) -> list[dict[str, str]]:
    """Each pair of a ranking as TRL wants it."""
    return [
        {"prompt": f"{prompt} ", "chosen": texts[a], "rejected": texts[b]}
        for prompt, texts in rows
        for a in range(len(texts))
        for b in range(a + 1, len(texts))
    ]


def now() -> Seconds:
    """The time, and the processor time of this process."""
    return time.perf_counter(), time.process_time()


def since(start: Seconds, end: Seconds | None = None) -> Seconds:
    """Seconds from one `now` to another."""
    end = end or now()
    return end[0] - start[0], end[1] - start[1]


def in_turns(sides: dict[str, Callable[[], Seconds]], rounds: int) -> dict[str, list[Seconds]]:
    """Seconds of each side in each round, after one that does not count."""
    found: dict[str, list[Seconds]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, work in sides.items():
            seconds = work()
            if turn:
                found[name].append(seconds)
    return found


def print_speed(title: str, units: int, seconds: dict[str, list[Seconds]], unit: str) -> None:
    """Units a second of both sides, and ours over TRL's; on the clock, and by processor time."""
    for at, clock in enumerate(("second", "second of the processor")):
        theirs, ours = ([turn[at] for turn in seconds[name]] for name in ("trl", "ours"))
        ratio = [a / b for a, b in zip(theirs, ours, strict=True)]
        print(
            f"{title}: TRL {units / statistics.median(theirs):.2f}, here {units / statistics.median(ours):.2f} {unit} a"
            f" {clock}; ratio {statistics.median(ratio):.2f} (rounds {min(ratio):.2f} to {max(ratio):.2f})",
            flush=True,
        )


def print_memory(program: str) -> None:
    """Peak resident memory of both sides, each in a process of its own, and what of it came after the imports.

    Before anything else is measured: a child's peak begins with what its parent had at its birth.
    """
    for side in ("trl", "ours"):
        command = [sys.executable, "-m", "benchmarks.trl_compare", program, "--memory-of", side]
        line = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
        peak, before = json.loads(line)
        print(f"peak memory, {side}: {peak:.0f} MB, of these {peak - before:.0f} MB after imports and data", flush=True)


def megabytes() -> float:
    """Peak resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# -- DPO -----------------------------------------------------------------------------------------------------


def dpo_trainer(base: Path, work: Path, rows: list[dict[str, str]], policy: Any = None, **settings: Any) -> Any:
    """TRL's DPOTrainer on pairs; as it comes, but in float32, without activation checkpointing and logging."""
    import pyarrow
    from datasets import Dataset
    from datasets.utils import disable_progress_bars
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, PrinterCallback
    from trl import DPOConfig, DPOTrainer

    disable_progress_bars()
    arguments = DPOConfig(**{
        "output_dir": str(work), "per_device_train_batch_size": BATCH, "max_steps": STEPS, "learning_rate": LR,
        "beta": 0.1, "bf16": False, "gradient_checkpointing": False, "use_cpu": True, "report_to": [],
        "logging_strategy": "no", "save_strategy": "no", "disable_tqdm": True, "seed": 0, **settings,
    })  # fmt: skip
    load, tokenizer = AutoModelForCausalLM.from_pretrained, PreTrainedTokenizerFast.from_pretrained(base)
    reference = None if settings.get("precompute_ref_log_probs") else load(base)
    data = Dataset(pyarrow.Table.from_pylist(rows), fingerprint=str(len(rows)))  # it cannot hash every pyarrow's table
    trainer = DPOTrainer(
        model=policy or load(base), ref_model=reference, args=arguments, train_dataset=data, processing_class=tokenizer
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def timed_steps(trainer: Any) -> Callable[[], Seconds]:
    """A round of the trainer: STEPS optimiser steps, from the first one's beginning to the last one's end."""
    from transformers import TrainerCallback

    times: list[Seconds] = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            times.append(now())

        def on_step_end(self, *_: Any, **__: Any) -> None:
            times.append(now())

    trainer.add_callback(Clock())

    def work() -> Seconds:
        times.clear()
        trainer.train()
        return since(times[0], times[-1])

    return work


class Ours:
    """training.dpo without its job folder: reference pass and optimiser steps on the same data."""

    def __init__(self, base: Path, rows: list[tuple[str, list[str]]], batch: int, **settings: Any) -> None:
        from training.config import DPOConfig
        from training.data import Ranking, bucketed_batches, load_tokenizer
        from training.models import LanguageModel, load_causal_lm
        from training.optimiser import Updater
        from training.preferences import Preferences
        from training.rankings import width
        from training.ranks import Ranks

        self.config = DPOConfig.from_dict({"policy": str(base), "lr": LR, "device": "cpu", **settings})
        self.ranks = Ranks(self.config)
        tokenizer = load_tokenizer(str(base))
        read: list[Ranking] = []
        for at, (prompt, texts) in enumerate(rows):
            responses = [[*tokenizer.encode(text), tokenizer.eos_token_id] for text in texts]
            ranks, ratings = list(range(1, len(texts) + 1)), [0.0] * len(texts)
            read.append(Ranking(str(at), str(at), tokenizer.encode(prompt), responses, ranks, ratings, "train"))
        self.data = Preferences(read, [])
        self.batches = bucketed_batches([width(item) for item in self.data.items], batch, seed=0)
        self.at = 0
        self.data.reference = [torch.zeros(len(row.ranks)) for row in read]
        model = LanguageModel(load_causal_lm(str(base)))
        self.updater = Updater(self.ranks, model, [{"params": list(model.parameters())}], self.config)

    def round(self, reference: bool) -> Seconds:
        """Seconds of STEPS steps, with their share of the reference pass where TRL runs its reference too."""
        from training.dpo import update
        from training.preferences import all_logprobs

        start = now()
        for _ in range(STEPS):
            rows = self.batches[self.at % len(self.batches)]
            self.at += 1
            if reference:
                items = [self.data.items[row] for row in rows]
                found = all_logprobs(self.updater.module, items, self.config, self.ranks)
                for row, logprobs in zip(rows, found, strict=True):
                    self.data.reference[row] = logprobs
            update(self.updater, self.data, rows, [], 1.0, self.config)
        return since(start)


def dpo_equality(base: Path, work: Path) -> None:
    """Loss and gradients of one batch, by TRL and by training.dpo, policy and reference apart."""
    from transformers import AutoModelForCausalLM

    from training.config import DPOConfig
    from training.data import Ranking
    from training.dpo import losses
    from training.models import LanguageModel, load_causal_lm
    from training.preferences import Preferences, all_logprobs
    from training.ranks import Ranks

    torch.manual_seed(3)
    moved = AutoModelForCausalLM.from_pretrained(base)
    with torch.no_grad():
        for weight in moved.parameters():
            weight.add_(0.1 * weight.std().nan_to_num() * torch.randn_like(weight))
    moved.save_pretrained(work / "moved")
    for loss in ("sigmoid", "ipo"):
        trainer = dpo_trainer(base, work, pairs_of(rankings(BATCH, 2)), policy=moved, loss_type=[loss])
        inputs = next(iter(trainer.get_train_dataloader()))
        moved.zero_grad()
        theirs = trainer.compute_loss(trainer.model, dict(inputs))
        torch.autograd.backward(theirs)
        # the very tokens of TRL's batch, chosen ones first, as rankings of two
        real, answer = inputs["attention_mask"].bool(), inputs["completion_mask"].bool()
        prompts = [ids[keep].tolist() for ids, keep in zip(inputs["input_ids"], real & ~answer, strict=True)]
        texts = [ids[keep].tolist() for ids, keep in zip(inputs["input_ids"], real & answer, strict=True)]
        rows = [
            Ranking(str(at), str(at), prompts[at], [texts[at], texts[at + BATCH]], [1, 2], [0.0] * 2, "train")
            for at in range(BATCH)
        ]
        config = DPOConfig.from_dict({"policy": "p", "loss": "ipo" if loss == "ipo" else "dpo", "device": "cpu"})
        data = Preferences(rows, [])
        data.reference = all_logprobs(LanguageModel(load_causal_lm(str(base))), data.items, config, Ranks(config))
        ours = LanguageModel(load_causal_lm(str(work / "moved")))
        value = losses(ours, data, range(BATCH), 0.0, config)[0] / BATCH
        torch.autograd.backward(value)
        gradients = dict(trainer.model.named_parameters())
        largest = max(float(weight.grad.abs().max()) for weight in gradients.values())
        apart = max(
            float((weight.grad - gradients[name].grad).abs().max())
            for name, weight in ours.model.named_parameters()
        )  # fmt: skip
        print(
            f"{loss}: loss TRL {float(theirs):.7f}, here {float(value):.7f}, apart {abs(float(theirs - value)):.1e};"
            f" gradients apart {apart:.1e}, the largest {largest:.2e}",
            flush=True,
        )
        assert abs(float(theirs - value)) <= 1e-5 * max(1.0, abs(float(theirs)))
        assert apart <= 1e-5 * max(1.0, largest)


def compare_dpo(base: Path, work: Path, rounds: int) -> None:
    """Equality, pairs per second, peak memory."""
    print_memory("dpo")
    torch.set_float32_matmul_precision("highest")
    dpo_equality(base, work)
    two = rankings(16 * BATCH, 2)
    trainer, ours = dpo_trainer(base, work, pairs_of(two)), Ours(base, two, BATCH)
    seconds = in_turns({"trl": timed_steps(trainer), "ours": lambda: ours.round(reference=True)}, rounds)
    print_speed("DPO, reference included", STEPS * BATCH, seconds, "pairs")
    trainer = dpo_trainer(base, work, pairs_of(two), precompute_ref_log_probs=True)
    seconds = in_turns({"trl": timed_steps(trainer), "ours": lambda: ours.round(reference=False)}, rounds)
    print_speed("DPO, references computed before on both sides", STEPS * BATCH, seconds, "pairs")
    four = rankings(64, 4)  # 6 pairs each: 3 of TRL's steps of 8 pairs are one of ours of 4 rankings
    trainer, ours = dpo_trainer(base, work, pairs_of(four), max_steps=3 * STEPS), Ours(base, four, 4)
    seconds = in_turns({"trl": timed_steps(trainer), "ours": lambda: ours.round(reference=True)}, rounds)
    print_speed("DPO on rankings of 4, reference included", 3 * STEPS * BATCH, seconds, "pairs")


def memory_of_dpo(side: str, base: Path, work: Path) -> tuple[float, float]:
    """Peak memory of this process after a round of one side, and before its models were loaded."""
    two = rankings(2 * BATCH, 2)
    if side == "trl":
        import trl.trainer.dpo_trainer  # noqa: F401

        before = megabytes()
        dpo_trainer(base, work, pairs_of(two)).train()
    else:
        import training.dpo  # noqa: F401

        before = megabytes()
        Ours(base, two, BATCH).round(reference=True)
    return megabytes(), before


COMPARISONS: dict[str, Callable[[Path, Path, int], None]] = {"dpo": compare_dpo}
MEMORY: dict[str, Callable[[str, Path, Path], tuple[float, float]]] = {"dpo": memory_of_dpo}


def main() -> None:
    """Run one comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", choices=list(COMPARISONS))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-of", choices=("trl", "ours"), help="for itself: one side's peak memory")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory(prefix="trl-compare-") as name:
        work = Path(name)
        base = make_base(work / "base")
        if arguments.memory_of:
            print(json.dumps(MEMORY[arguments.program](arguments.memory_of, base, work / "trl")))
        else:
            COMPARISONS[arguments.program](base, work / "trl", arguments.rounds)


if __name__ == "__main__":
    main()
