"""Chats and packed rows: the loss is on the answers alone, and no conversation sees another one."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import conftest as tiny
from training.config import SFTConfig
from training.conversations import Conversation, fill_rows, pack_conversations, read_conversations
from training.data import Codec, load_tokenizer
from training.job import JobError
from training.models import LanguageModel, load_causal_lm
from training.sft import fitting, micro_rows

CHAT = {
    "id": "chat",
    "messages": tiny.user("hello"),
    "response": "hello you",
    "turns": [
        {"role": "user", "content": "the dog"},
        {"role": "assistant", "content": "the dog sat"},
        {"role": "user", "content": "please"},
        {"role": "assistant", "content": "thank you kindly"},
    ],
}

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(params=["llama", "gpt2", "qwen2"])
def model(request: pytest.FixtureRequest, folders: dict[str, Path]) -> LanguageModel:
    return LanguageModel(load_causal_lm(str(folders[request.param])))


@pytest.fixture
def codec(folders: dict[str, Path]) -> Codec:
    """With a template that ends an answer as the model does."""
    tokenizer = load_tokenizer(str(folders["llama"]))
    tokenizer.chat_template = TEMPLATE
    return Codec(tokenizer)


def read(tmp_path: Path, codec: Codec, *rows: dict[str, Any]) -> list[Conversation]:
    tiny.write_rows(tmp_path / "demonstrations.jsonl", list(rows))
    return read_conversations(tmp_path / "demonstrations.jsonl", codec)


def loss(model: LanguageModel, rows: list[list[Conversation]]) -> torch.Tensor:
    logprobs: torch.Tensor = model(pack_conversations(rows))[0]
    return -logprobs.sum()


def test_a_chat_is_one_sequence_whose_answers_are_learnt(tmp_path: Path, codec: Codec) -> None:
    (chat,) = read(tmp_path, codec, CHAT)
    learnt = [codec.text(chat.tokens[start:end]) for start, end in chat.answers]
    assert learnt == ["hello you", "the dog sat", "thank you kindly"]
    assert [chat.tokens[end - 1] for _, end in chat.answers] == [codec.end] * 3
    whole = [*CHAT["messages"], {"role": "assistant", "content": CHAT["response"]}, *CHAT["turns"]]
    assert chat.tokens[: chat.answers[-1][0]] == codec.prompt(whole[:-1])


def test_a_chat_has_the_loss_of_its_answers_one_by_one(model: LanguageModel, tmp_path: Path, codec: Codec) -> None:
    (chat,) = read(tmp_path, codec, CHAT)
    alone = [loss(model, [[part]]) for part in chat.parts()]
    assert loss(model, [[chat]]).item() == pytest.approx(sum(alone).item(), rel=1e-5)  # type: ignore[union-attr]


def test_packed_rows_have_the_loss_and_gradient_of_rows_of_their_own(
    model: LanguageModel, tmp_path: Path, codec: Codec
) -> None:
    rows = read(tmp_path, codec, *tiny.demonstrations(7), CHAT)
    gradients = []
    for packed in ([[row] for row in rows], [rows[:3], rows[3:]]):
        model.zero_grad()
        total = loss(model, packed)
        torch.autograd.backward(total)
        grads = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        gradients.append((total.item(), grads))
    (one, first), (other, second) = gradients
    assert one == pytest.approx(other, rel=1e-6)
    assert torch.allclose(first, second, atol=1e-4 * float(first.abs().max()))


def test_what_stands_beside_it_in_a_row_does_not_change_a_conversation(
    model: LanguageModel, tmp_path: Path, codec: Codec
) -> None:
    first, second, third = read(tmp_path, codec, *tiny.demonstrations(3))
    with torch.no_grad():
        one = model(pack_conversations([[first, second]]))[0][-second.learnt :]
        other = model(pack_conversations([[third, second]]))[0][-second.learnt :]
    assert torch.allclose(one, other, atol=1e-5)


def test_rows_are_filled_and_never_over_full() -> None:
    rng = random.Random(0)
    lengths = [rng.randint(1, 60) for _ in range(200)]
    rows = fill_rows(lengths, 64)
    assert sorted(at for row in rows for at in row) == list(range(200))
    assert all(sum(lengths[at] for at in row) <= 64 for row in rows)
    assert len(rows) <= 1.15 * sum(lengths) / 64
    assert fill_rows([70, 3], 64) == [[0], [1]], "what fits nowhere has a row of its own"


def test_packing_leaves_less_padding(tmp_path: Path, codec: Codec) -> None:
    rows = read(tmp_path, codec, *tiny.demonstrations(40))
    computed = []
    for packed in (True, False):
        batches = [pack_conversations(micro) for micro in micro_rows(rows, SFTConfig(model="m", packed=packed))]
        computed.append(sum(batch.input_ids.numel() for batch in batches))
    assert sum(len(row.tokens) for row in rows) <= computed[0] < 0.8 * computed[1]


def test_of_a_chat_that_is_too_long_the_answers_that_fit_are_learnt(tmp_path: Path, codec: Codec) -> None:
    (chat,) = read(tmp_path, codec, CHAT)
    limit = chat.answers[1][1]
    kept = fitting([chat], SFTConfig(model="m", max_length=limit))
    assert [part.answers for part in kept] == [[place] for place in chat.answers[:2]]


def test_a_template_that_forgets_earlier_answers_gives_one_sequence_for_each(tmp_path: Path, codec: Codec) -> None:
    codec.tokenizer.chat_template = (
        "{% for m in messages %}{% if loop.last or m.role == 'user' %}"
        "<|im_start|>{{ m.role }}\n{{ m.content }}<|end|>"
        "{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    parts = read(tmp_path, codec, CHAT)
    assert [len(part.answers) for part in parts] == [1, 1, 1]
    assert [codec.text(part.tokens[slice(*part.answers[0])]) for part in parts][2] == "thank you kindly"
    assert "the dog sat" not in codec.tokenizer.decode(parts[2].tokens)


def test_two_answers_in_a_row_are_refused(tmp_path: Path, codec: Codec) -> None:
    with pytest.raises(JobError, match=r"line 1: 'turns' has two answers with nothing said between"):
        read(tmp_path, codec, {**CHAT, "turns": [{"role": "assistant", "content": "again"}]})
