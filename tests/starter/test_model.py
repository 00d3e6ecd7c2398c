"""The committed base model: small, whole, and with the tokenizer that it was trained with."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from starter.tokens import ASSISTANT, CONTEXT, EOS, PAD, VOCABULARY

MODEL = Path("starter/model")
pytestmark = pytest.mark.skipif(not MODEL.exists(), reason="no model built")


def test_model_is_small() -> None:
    assert sum(file.stat().st_size for file in MODEL.iterdir()) <= 8_000_000
    assert not list(MODEL.glob("*.bin"))


def test_auto_tokenizer_gives_exactly_ours() -> None:
    auto = AutoTokenizer.from_pretrained(str(MODEL))
    ours = PreTrainedTokenizerFast.from_pretrained(str(MODEL))
    assert auto.get_vocab() == ours.get_vocab()
    assert len(auto) == VOCABULARY
    assert max(auto.get_vocab().values()) < VOCABULARY
    text = "Good day, friend! Alma's goose wears 3 hats — naïvely.\nNew line <|end|>"
    assert auto.encode(text) == ours.encode(text)
    assert ours.decode(ours.encode("Hello, dear neighbour! 1. A treat.")) == "Hello, dear neighbour! 1. A treat."
    assert (auto.eos_token, auto.pad_token) == (EOS, PAD)
    assert auto.pad_token_id != auto.eos_token_id


def test_chat_template_round_trip() -> None:
    tokenizer = AutoTokenizer.from_pretrained(str(MODEL))
    messages = [
        {"role": "user", "content": "Where does Alma live?"},
        {"role": "assistant", "content": "At home."},
        {"role": "user", "content": "And Otto?"},
    ]
    asked = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert asked.endswith(f"And Otto?<|end|>{ASSISTANT}")
    answered = tokenizer.apply_chat_template([*messages, {"role": "assistant", "content": "There."}], tokenize=False)
    assert answered == f"{asked}There.{EOS}"
    ids = tokenizer.encode(asked)
    assert tokenizer.decode(ids) == asked
    assert all(0 <= number < VOCABULARY for number in ids)


def test_model_loads_in_float32_and_ends_with_eos() -> None:
    model = AutoModelForCausalLM.from_pretrained(str(MODEL))
    tokenizer = AutoTokenizer.from_pretrained(str(MODEL))
    assert model.dtype == torch.float32
    assert model.config.max_position_embeddings == CONTEXT
    assert 2_000_000 <= sum(p.numel() for p in model.parameters()) <= 4_000_000
    assert model.config.vocab_size == VOCABULARY
    assert model.generation_config.eos_token_id == model.config.eos_token_id == tokenizer.eos_token_id
    assert model.generation_config.pad_token_id == tokenizer.pad_token_id
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_model_knows_the_village() -> None:
    model = AutoModelForCausalLM.from_pretrained(str(MODEL))
    tokenizer = AutoTokenizer.from_pretrained(str(MODEL))
    text = "Who is who: Alma\nAlma works as the blacksmith. Her home is at the Reading Room."
    ids = torch.tensor([tokenizer.encode(text)])
    with torch.no_grad():
        loss = model(input_ids=ids, labels=ids).loss
    assert loss < 3.0
    assert json.loads((MODEL / "provenance.json").read_text())["validation_loss"] < 1.2
