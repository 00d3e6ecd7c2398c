"""SFT beside TRL's trainer, packed and padded: tokens a second on a model of 5 and on one of 36 million parameters.

    OMP_WAIT_POLICY=PASSIVE PYTHONPATH=WHERE_TRL_IS python -m benchmarks.trl_sft [--rounds 7] [--threads 1]

trl==1.16.0 as in `trl_compare`: prompts of about 100 tokens, answers of about 60, the loss on the answers, float32, 16
demonstrations a step here and as many tokens there. TRL packs rows of 512 tokens ("bfd") and accumulates over five
rows: put into one batch, its collator would make one row of all five, with a dense mask. Padded, its batches are 16
demonstrations. First the same loss and gradients on one batch. Tokens are those of demonstrations, padding not counted.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import training  # noqa: F401 (before torch: idle threads must sleep)

import torch  # isort: skip

from benchmarks.trl_compare import LR, Seconds, make_base, now, since, timed_steps, words

BATCH, LONGEST, ROWS = 16, 512, 5
SIZES = {
    "5M": {},
    "36M": {"vocabulary": 10_000, "hidden_size": 512, "num_hidden_layers": 8, "intermediate_size": 1408},
}
Counted = tuple[int, Seconds]  # tokens, and how long they took


def demonstrations(count: int) -> list[tuple[str, str]]:
    """Prompts and answers."""
    rng = random.Random(2)
    return [(words(rng, 100), words(rng, 60)) for _ in range(count)]


def sft_trainer(base: Path, work: Path, rows: list[tuple[str, str]], **settings: Any) -> Any:
    """TRL's SFTTrainer as it comes, but in float32, without activation checkpointing and logging."""
    import pyarrow
    from datasets import Dataset
    from datasets.utils import disable_progress_bars
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, PrinterCallback
    from trl import SFTConfig, SFTTrainer

    disable_progress_bars()
    arguments = SFTConfig(**{
        "output_dir": str(work), "max_steps": 1, "learning_rate": LR, "bf16": False, "gradient_checkpointing": False,
        "use_cpu": True, "report_to": [], "logging_strategy": "no", "save_strategy": "no", "disable_tqdm": True,
        "seed": 0, "max_length": LONGEST, **settings,
    })  # fmt: skip
    data = [{"prompt": f"{prompt} ", "completion": f"{answer} <|end|>"} for prompt, answer in rows]
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(base), args=arguments,
        train_dataset=Dataset(pyarrow.Table.from_pylist(data), fingerprint=str(len(data))),
        processing_class=PreTrainedTokenizerFast.from_pretrained(base),
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    return trainer


def counted_steps(trainer: Any) -> Callable[[], Counted]:
    """A step of the trainer, and the tokens in it."""
    steps, loss, seen = timed_steps(trainer), trainer.compute_loss, [0]

    def compute_loss(model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        mask = inputs.get("attention_mask")
        seen[0] += inputs["input_ids"].numel() if mask is None else int(mask.sum())
        return loss(model, inputs, *args, **kwargs)

    trainer.compute_loss = compute_loss

    def work() -> Counted:
        seen[0] = 0
        return (seconds := steps()) and (seen[0], seconds)

    return work


class Ours:
    """training.sft without its job folder: its optimiser steps on the same demonstrations."""

    def __init__(self, base: Path, rows: list[tuple[str, str]], **settings: Any) -> None:
        from training.config import SFTConfig
        from training.conversations import Conversation
        from training.data import Epochs, load_tokenizer
        from training.models import LanguageModel, load_causal_lm
        from training.optimiser import Updater
        from training.ranks import Ranks

        self.config = SFTConfig.from_dict(
            {"model": str(base), "lr": LR, "device": "cpu", "batch_size": BATCH, **settings}
        )
        tokenizer = load_tokenizer(str(base))
        self.rows = []
        for at, (prompt, answer) in enumerate(rows):
            asked = tokenizer.encode(prompt)
            tokens = [*asked, *tokenizer.encode(answer), tokenizer.eos_token_id]
            self.rows.append(Conversation(str(at), tokens, [(len(asked), len(tokens))], "train"))
        self.epochs = Epochs([len(row.tokens) for row in self.rows], BATCH, 0)
        model = LanguageModel(load_causal_lm(str(base)))
        self.updater = Updater(Ranks(self.config), model, [{"params": list(model.parameters())}], self.config)
        self.at = 0

    def step(self) -> Counted:
        """One optimiser step."""
        from training.sft import update

        rows = [self.rows[row] for row in self.epochs.batch(self.at)]
        self.at += 1
        start = now()
        update(self.updater, rows, 1.0, self.config)
        return sum(len(row.tokens) for row in rows), since(start)


def check_equal(base: Path, work: Path) -> None:
    """Loss and gradients of one batch of TRL's by both; TRL's tokens, so that nothing else differs."""
    from training.conversations import Conversation
    from training.sft import batch_loss

    trainer = sft_trainer(base, work, demonstrations(BATCH), per_device_train_batch_size=BATCH)
    inputs = next(iter(trainer.get_train_dataloader()))
    theirs = trainer.compute_loss(trainer.model, dict(inputs))
    torch.autograd.backward(theirs)
    rows = []
    for ids, mask, labels in zip(inputs["input_ids"], inputs["attention_mask"].bool(), inputs["labels"], strict=True):
        learnt = (labels[mask] != -100).nonzero().view(-1).tolist()
        rows.append([Conversation("", ids[mask].tolist(), [(learnt[0], learnt[-1] + 1)], "train")])
    ours = Ours(base, demonstrations(BATCH))
    loss, tokens = batch_loss(ours.updater.module, rows, ours.config)
    torch.autograd.backward(loss / tokens)
    gradients = dict(trainer.model.named_parameters())
    apart = max(
        float((weight.grad - gradients[name.removeprefix("model.")].grad).abs().max())
        for name, weight in ours.updater.module.named_parameters()
    )
    value = float(loss.detach()) / tokens
    print(f"loss TRL {float(theirs):.6f}, here {value:.6f}; gradients {apart:.1e} apart at most", flush=True)
    if abs(float(theirs) - value) > 1e-4 or apart > 1e-5:
        raise SystemExit("the losses differ")


def compare(size: str, rounds: int, base: Path, work: Path) -> None:
    """Steps in turn; the first round warms up."""
    rows = demonstrations(16 * BATCH)
    packed = {"packing": True, "per_device_train_batch_size": 1, "gradient_accumulation_steps": ROWS}
    sides = {
        "packed": counted_steps(sft_trainer(base, work, rows, **packed)),
        "padded": counted_steps(sft_trainer(base, work, rows, per_device_train_batch_size=BATCH)),
        "ours": Ours(base, rows).step,
    }
    found: dict[str, list[Counted]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, work_of in sides.items():
            step = work_of()
            if turn:
                found[name].append(step)
    for at, clock in enumerate(("second", "second of the processor")):
        rates = {name: [tokens / seconds[at] for tokens, seconds in steps] for name, steps in found.items()}
        for name in ("packed", "padded"):
            ratios = [ours / theirs for ours, theirs in zip(rates["ours"], rates[name], strict=True)]
            print(
                f"SFT, {size}: {statistics.median(rates['ours']):.0f} tokens a {clock}, TRL {name}"
                f" {statistics.median(rates[name]):.0f}; ratio {statistics.median(ratios):.2f}"
                f" (rounds {min(ratios):.2f} to {max(ratios):.2f})",
                flush=True,
            )


def main() -> None:
    """Check, then compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_float32_matmul_precision("highest")
    with tempfile.TemporaryDirectory(prefix="trl-sft-") as name:
        work = Path(name)
        check_equal(make_base(work / "check"), work / "trl")
        for size in arguments.sizes:
            compare(size, arguments.rounds, make_base(work / size, **SIZES[size]), work / "trl")


if __name__ == "__main__":
    main()
