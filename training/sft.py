"""Supervised fine-tuning on demonstrations: `python -m training.sft JOB_FOLDER` (InstructGPT section 3.5, C.1).

Cross-entropy on the answers' tokens only (their end tokens included), every answer of a chat in one forward, batches of
like length or, if wanted, rows packed full, cosine to a tenth of the peak, validation loss after each epoch. A resumed
run gives the same weights, bit for bit, as one that was never stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, TypeVar

import torch

from training import checkpoints
from training.adapters import below, load_trainable, save_policy, trainable
from training.config import SFTConfig
from training.conversations import Conversation, fill_rows, pack_conversations, read_conversations
from training.data import Codec, Epochs, load_tokenizer, micro_batches, split_rows
from training.epoch_choice import EpochChoice
from training.job import Job, JobError, run_program, set_up
from training.labels import by_people, weigh
from training.models import LanguageModel, Model, autocast, check_context
from training.optimiser import Updater, learning_rate
from training.ranks import Ranks

C = TypeVar("C", bound=SFTConfig)


def fitting(conversations: Sequence[Conversation], config: SFTConfig) -> list[Conversation]:
    """Those within the limits; of a chat that is too long, the answers that fit with all that was said before them."""
    kept: list[Conversation] = []
    for whole in conversations:
        parts = [whole] if len(whole.tokens) <= config.max_length else whole.parts()
        kept += [part for part in parts if len(part.tokens) <= config.max_length]
    return [one for one in kept if one.prompt_tokens <= config.max_prompt_tokens]


def read_data(job: Job[C], codec: Codec) -> tuple[list[Conversation], list[Conversation]]:
    """Training and validation conversations that fit the limits. Raises JobError when none is left."""
    config = job.config
    rows = fitting(weigh(read_conversations(job.data("demonstrations"), codec), config.ai_weight), config)
    train, validation = split_rows(rows, lambda row: row.id, config.seed, config.validation_share)
    validation = by_people(validation)
    if not train:
        raise JobError(
            "No demonstration of the split 'train' fits max_prompt_tokens and max_length; raise these limits or"
            " write more demonstrations."
        )
    return train, validation


def micro_rows(rows: Sequence[Conversation], config: SFTConfig) -> list[list[list[Conversation]]]:
    """A step's conversations as microbatches of rows: one in a row, or rows filled up to max_length."""
    filled = [[at] for at in range(len(rows))]
    if config.packed:
        filled = fill_rows([len(row.tokens) for row in rows], config.max_length)
    widths = [sum(len(rows[at].tokens) for at in row) for row in filled]
    micros = micro_batches(range(len(filled)), widths, config.micro_batch_tokens)
    return [[[rows[at] for at in filled[row]] for row in micro] for micro in micros]


def batch_loss(
    model: Model, rows: Sequence[Sequence[Conversation]], config: SFTConfig, weighted: bool = True
) -> tuple[torch.Tensor, int]:
    """Cross-entropy summed over the answers' tokens, in nats, each times its row's weight; and their number."""
    device = next(model.parameters()).device
    batch = pack_conversations(rows).to(device)
    with autocast(device, config.precision):
        logprobs, _ = model(batch)
    if weighted:
        weights = [one.label.weight for row in rows for one in row for _ in one.answers]
        logprobs = logprobs * torch.tensor(weights, device=device)[batch.owner]
    return -logprobs.sum(), len(logprobs)


def update(updater: Updater, rows: Sequence[Conversation], share: float, config: SFTConfig) -> dict[str, float]:
    """One optimiser step on these conversations at `share` of the peak learning rate; returns the metrics."""
    ranks = updater.ranks
    updater.module.train(config.train_mode(config.dropout))
    tokens = sum(row.learnt for row in rows)
    total = torch.zeros(1)
    dealt = ranks.deal(micro_rows(rows, config))
    for number, (micro, weight) in enumerate(dealt, start=1):
        with updater.microbatch(last=number == len(dealt)):
            loss, _ = batch_loss(updater.module, micro, config)
            updater.backward(weight * loss / tokens)
        total += weight * loss.item()
    norms = updater.step(share)
    return {"loss": ranks.sum(total).item() / tokens, "lr": config.lr * share, **norms}


@torch.no_grad()
def validation_loss(model: Model, rows: list[Conversation], config: SFTConfig, ranks: Ranks) -> float:
    """Mean cross-entropy per token of an answer, in nats, with dropout off."""
    model.eval()
    sums = torch.zeros(2, dtype=torch.double)
    for micro, weight in ranks.deal(micro_rows(rows, config)):
        loss, tokens = batch_loss(model, micro, config, weighted=False)
        sums += weight * torch.tensor([loss.item(), tokens], dtype=torch.double)
    loss, tokens = ranks.sum(sums).tolist()
    return float(loss / max(1, tokens))


def fine_tune(job: Job[C], ranks: Ranks) -> dict[str, Any]:
    """Everything from the demonstrations to the checkpoint, which it writes; returns what run.json says of it."""
    config = job.config

    # 1. Model, tokenizer, demonstrations.
    codec = Codec(load_tokenizer(config.model))
    train, validation = read_data(job, codec)
    model = load_trainable(config.model, ranks.device, config, config.dropout)
    check_context(model, codec, config.max_length, "max_length")

    # 2. Optimiser and schedule over all epochs.
    epochs = Epochs([len(row.tokens) for row in train], config.batch_size, config.seed)
    steps = config.epochs * len(epochs)
    trained = LanguageModel(model)
    updater = Updater(ranks, trained, [{"params": trainable(trained)}], config)
    step, epoch_losses = 0, []
    choice = EpochChoice(updater, codec, validation, config) if config.choose_by and validation else None

    # 3. Resume: weights, optimiser, random numbers and the cursor, all from one state.
    state = job.load_state()
    if state:
        updater.restore(state["updater"])
        checkpoints.restore_rng(state["rng"])
        step, epoch_losses = state["step"], state["epoch_losses"]
        if choice is not None:
            choice.restore(state["choice"])

    def snapshot() -> dict[str, Any]:
        chosen = choice.state() if choice else {}
        return {
            "updater": updater.state(), "rng": checkpoints.rng_state(), "epoch_losses": epoch_losses, "choice": chosen
        }  # fmt: skip

    # 4. Epochs: batches of like length in an order that the seed and the epoch decide.
    while step < steps:
        share = learning_rate(step, steps, config)
        metrics = update(updater, [train[row] for row in epochs.batch(step)], share, config)
        step += 1
        metrics["epoch"] = step / len(epochs)

        # 5. After each epoch the validation loss (it overfits after the first while preference still improves), and
        #    where there is a reward model, what it says of samples.
        if epochs.ends_with(step) and validation:
            metrics["loss/validation"] = validation_loss(updater.module, validation, config, ranks)
            epoch_losses.append(metrics["loss/validation"])
            if choice is not None:
                metrics["objective/scores"] = choice.consider()
        job.progress.write(step, steps, "sft", metrics, always=epochs.ends_with(step))
        job.save_state_when_due(step, snapshot)

    # 6. The result: the last epoch, or the one that the reward model prefers.
    result = {"demonstrations": len(train), "validation": len(validation), "loss/validation": epoch_losses}
    if choice is not None:
        result |= {"objective/scores": choice.scores, "epoch": choice.keep_best()}
    weights = below(updater.weights(), "model.")
    job.write_checkpoint(lambda folder: save_policy(model, weights, codec.tokenizer, config.model, config, folder))
    return result


def sft(job: Job[SFTConfig]) -> None:
    """The whole program; see the module's head."""
    result = fine_tune(job, set_up(job))
    parents = {"model": job.config.model} | ({"choose_by": job.config.choose_by} if job.config.choose_by else {})
    job.finish(parents, result)


if __name__ == "__main__":
    sys.exit(run_program(SFTConfig, sft))
