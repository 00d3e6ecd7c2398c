"""Packed rows, left padding, the decoder and the sampler against plain transformers, on three architectures."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from tests.training.conftest import user, words
from training.data import Codec, load_tokenizer, micro_batches
from training.decoder import Request, Sampling, decode, draw, generate, left_pad, truncate
from training.models import load_causal_lm, mean_logprobs, response_logprobs
from training.packing import pack, unpacked
from training.reward_model import RewardModel
from training.rl_math import kwise_loss

KINDS = ["llama", "gpt2", "qwen2"]


def random_items(count: int, most: int = 5) -> list[tuple[list[int], list[list[int]]]]:
    """Prompts with 1 to `most` responses of random tokens."""
    rng = random.Random(5)
    item = lambda low, high: [rng.randrange(3, 300) for _ in range(rng.randint(low, high))]  # noqa: E731
    return [(item(2, 12), [item(1, 9) for _ in range(rng.randint(1, most))]) for _ in range(count)]


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Any:
    return load_causal_lm(str(folders[request.param]))


def test_packed_logprobs_equal_those_of_each_response_in_a_row_of_its_own(model: Any) -> None:
    items = random_items(6)
    with torch.no_grad():
        packed, _ = response_logprobs(model, pack(items))
        alone = torch.cat([response_logprobs(model, pack([item]))[0] for item in unpacked(items)])
    torch.testing.assert_close(packed, alone, atol=1e-4, rtol=1e-5)


def test_packed_logprobs_equal_transformers_logits(model: Any) -> None:
    for prompt, responses in random_items(3):
        for response in responses:
            with torch.no_grad():
                logits = model(torch.tensor([[*prompt, *response]])).logits[0, len(prompt) - 1 : -1]
                ours, _ = response_logprobs(model, pack([(prompt, [response])]))
            theirs = logits.log_softmax(-1).gather(1, torch.tensor(response).unsqueeze(1)).squeeze(1)
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-5)


def test_left_padded_logits_equal_unpadded_ones(model: Any) -> None:
    prompts = [item[0] for item in random_items(5)]
    ids, mask = left_pad(prompts)
    with torch.no_grad():
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        padded = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits[:, -1]
        alone = torch.cat([model(torch.tensor([prompt])).logits[:, -1] for prompt in prompts])
    torch.testing.assert_close(padded, alone, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("readout", ["mean", "last"])
def test_packed_kwise_loss_and_gradient_equal_the_pairwise_form(model: Any, readout: str) -> None:
    items = random_items(4)
    rng = random.Random(0)
    ranks = [[rng.randint(1, 3) for _ in responses] for _, responses in items]
    reward = RewardModel(model, readout, logprob_weight=True)
    with torch.no_grad():
        reward.logprob_weight.fill_(0.7)
        reward.head.weight.normal_(std=0.2)
        feature = mean_logprobs(response_logprobs(model, pack(items))[0], pack(items))
    owners = torch.tensor([n for n, (_, responses) in enumerate(items) for _ in responses])
    flat = torch.tensor([rank for row in ranks for rank in row])
    packed, _ = kwise_loss(reward(pack(items), feature), flat, owners)
    gradient = torch.autograd.grad(packed, reward.head.weight)[0]

    pairwise = torch.zeros(())
    features = iter(feature.split([len(responses) for _, responses in items]))
    for (prompt, responses), row in zip(items, ranks, strict=True):
        own = next(features)
        pairs = [(i, j) for i in range(len(row)) for j in range(len(row)) if row[i] < row[j]]
        for i, j in pairs:
            chosen, rejected = (reward(pack([(prompt, [responses[k]])]), own[k : k + 1]).squeeze(0) for k in (i, j))
            pairwise = pairwise - torch.nn.functional.logsigmoid(chosen - rejected) / len(pairs)
    torch.testing.assert_close(packed, pairwise, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(gradient, torch.autograd.grad(pairwise, reward.head.weight)[0], atol=1e-4, rtol=1e-4)


def test_a_fresh_reward_model_beside_a_log_probability_scores_as_it_does(model: Any) -> None:
    batch = pack(random_items(3))
    fresh, alone = RewardModel(model, "mean", logprob_weight=True), RewardModel(model, "mean", logprob_weight=False)
    with torch.no_grad():
        fresh.logprob_weight.fill_(2.0)
        feature = mean_logprobs(response_logprobs(model, batch)[0], batch)
        torch.testing.assert_close(fresh(batch, feature), 2.0 * feature)
        assert alone(batch).std() > 0


def test_the_gradient_of_shared_rows_is_the_same_every_time(tokenizer: Any) -> None:
    """Wide enough for torch to use all of its threads; with plain indexing some of the repeats differ."""
    big = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=256, intermediate_size=64, num_hidden_layers=1,
            num_attention_heads=4, max_position_embeddings=512,
        )
    )  # fmt: skip
    rng = random.Random(3)
    batch = pack([([rng.randrange(3, 300) for _ in range(5)], [[rng.randrange(3, 300)] for _ in range(400)])])

    def gradient() -> torch.Tensor:
        big.zero_grad()
        response_logprobs(big, batch)[0].sum().backward()
        return big.model.layers[0].mlp.down_proj.weight.grad.clone()

    before = torch.get_num_threads()
    torch.set_num_threads(max(2, os.cpu_count() or 2))
    try:
        first = gradient()
        assert all(torch.equal(first, gradient()) for _ in range(40))
    finally:
        torch.set_num_threads(before)


def test_greedy_sampling_equals_transformers_generate_token_for_token(model: Any, tokenizer: Any) -> None:
    rng = random.Random(9)
    codec = Codec(tokenizer)
    prompts = [(f"p{n}", user(words(rng, 1, 9))) for n in range(7)]
    drawn = generate(model, tokenizer, prompts, Sampling(max_new_tokens=24, greedy=True), samples=2)
    assert [done.index for done, _ in drawn] == [0, 1] * 7
    for (_, messages), (first, text), (second, _) in zip(prompts, drawn[::2], drawn[1::2], strict=True):
        ids = torch.tensor([codec.prompt(messages)])
        theirs = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False,
            eos_token_id=codec.stops, pad_token_id=1,
        )[0, ids.shape[1] :].tolist()  # fmt: skip
        assert first.tokens == theirs == second.tokens
        assert text == codec.text(theirs)


def test_sampled_logprobs_equal_the_trainers_to_1e_5(folders: dict[str, Path]) -> None:
    for kind in KINDS:
        model = load_causal_lm(str(folders[kind]))
        requests = [Request(f"p{n}", item[0], i) for n, item in enumerate(random_items(5)) for i in range(3)]
        for done, request in zip(
            decode(model, requests, [0], Sampling(max_new_tokens=20, temperature=0.7, seed=1)), requests, strict=True
        ):
            batch = pack([(request.tokens, [done.tokens])])
            with torch.no_grad():
                logprobs, _ = response_logprobs(model, batch, temperature=0.7)
            torch.testing.assert_close(torch.tensor(done.logprobs), logprobs, atol=2e-5, rtol=1e-5)


def test_a_sample_does_not_depend_on_what_else_is_in_the_batch(model: Any) -> None:
    requests = [Request(f"p{n}", item[0], i) for n, item in enumerate(random_items(6)) for i in range(4)]
    settings = Sampling(max_new_tokens=16, seed=3)
    together = decode(model, requests, [0, 7, 8, 9], settings)
    small = decode(model, requests, [0, 7, 8, 9], replace(settings, batch_rows=5))
    alone = [decode(model, [request], [0, 7, 8, 9], settings)[0] for request in requests[::5]]
    assert [done.tokens for done in together] == [done.tokens for done in small]
    assert [done.tokens for done in together[::5]] == [done.tokens for done in alone]
    assert len({tuple(done.tokens) for done in together}) > 12
    other = decode(model, requests, [0, 7, 8, 9], replace(settings, seed=4))
    assert [done.tokens for done in together] != [done.tokens for done in other]


def test_samples_follow_the_distribution() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0]]).expand(20000, -1)
    uniforms = torch.rand(20000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    tokens, _ = draw(logits, Sampling(temperature=0.5), uniforms)
    shares = torch.bincount(tokens, minlength=4) / 20000
    torch.testing.assert_close(shares, (logits[0] / 0.5).softmax(-1), atol=0.01, rtol=0.1)


def test_truncate_keeps_the_smallest_set_of_mass_top_p_and_the_k_likeliest() -> None:
    probabilities = torch.tensor([[0.5, 0.3, 0.15, 0.05]])
    assert (truncate(probabilities, 0, 0.7) > 0).tolist() == [[True, True, False, False]]
    assert (truncate(probabilities, 0, 0.5) > 0).tolist() == [[True, False, False, False]]
    assert (truncate(probabilities, 3, 1.0) > 0).tolist() == [[True, True, True, False]]


def test_responses_carry_the_end_token_everywhere_and_the_pad_is_another(tokenizer: Any) -> None:
    codec = Codec(tokenizer)
    assert codec.response("hello dog")[-1] == tokenizer.eos_token_id
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    assert codec.text([*codec.response("hello dog"), 5, 6]) == "hello dog"
    assert codec.prompt(user("hello"))[0] == tokenizer.convert_tokens_to_ids("<|im_start|>")


def test_the_end_token_is_the_one_that_the_template_writes(tokenizer: Any, folders: dict[str, Path]) -> None:
    own = load_tokenizer(str(folders["llama"]))
    own.chat_template = "{% for m in messages %}{{ m['content'] + '<|im_start|>' }}{% endfor %}"
    assert Codec(own).end == own.convert_tokens_to_ids("<|im_start|>")


def test_micro_batches_keep_within_their_tokens_and_lose_no_row() -> None:
    lengths = [5, 9, 3, 30, 7]
    batches = micro_batches(range(5), lengths, 20)
    assert sorted(row for batch in batches for row in batch) == [0, 1, 2, 3, 4]
    assert all(len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= 20 for batch in batches)
