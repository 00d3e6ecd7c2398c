"""What a job is said to take, on numbers worked by hand."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from training.config import CONFIGS
from training.config.estimate import RUNTIME, Data, flops, memory, seconds_like
from training.config.shape import ModelShape, read_shape
from training.models import load_causal_lm

# d 4, two layers, f 8, V 10, LM head of its own: body 200, head 40, 280 in all.
TINY = ModelShape(
    parameters=280, layers=2, hidden=4, keys=4, intermediate=8, vocabulary=10, tied=False, linear=100
)  # fmt: skip
GIVEN: dict[str, dict[str, Any]] = {
    "sft": {"model": "x"},
    "reward": {"model": "x"},
    "ppo": {"policy": "x", "reward_model": "x"},
    "rloo": {"policy": "x", "reward_model": "x"},
    "dpo": {"policy": "x"},
    "rejection": {"model": "x", "reward_model": "x"},
    "sample": {"policies": [{"name": "x", "path": "x"}]},
}


def config(kind: str, **settings: Any) -> Any:
    return CONFIGS[kind].from_dict({**GIVEN[kind], **settings})


def write_header(file: Path, shapes: dict[str, list[int]]) -> None:
    header = json.dumps({name: {"dtype": "F32", "shape": shape} for name, shape in shapes.items()}).encode()
    file.write_bytes(struct.pack("<Q", len(header)) + header)


def test_the_sizes_of_a_model_are_those_that_it_loads_with(tiny_model: Path) -> None:
    shape = read_shape(tiny_model)
    model = load_causal_lm(str(tiny_model))
    assert shape is not None
    assert shape.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert (shape.layers, shape.hidden) == (model.config.num_hidden_layers, model.config.hidden_size)
    assert shape.tied == bool(model.config.tie_word_embeddings)
    assert shape.head == model.get_output_embeddings().weight.numel()


def test_sizes_of_several_files_are_added_and_lora_leaves_embeddings_alone(tmp_path: Path) -> None:
    settings = {"n_embd": 4, "n_layer": 1, "n_head": 2, "vocab_size": 10}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    write_header(tmp_path / "model-1.safetensors", {"wte.weight": [10, 4]})
    write_header(tmp_path / "model-2.safetensors", {"h.0.c_fc.weight": [4, 16], "h.0.ln.weight": [4]})
    expected = ModelShape(108, layers=1, hidden=4, keys=4, intermediate=16, vocabulary=10, tied=True, linear=20)
    assert read_shape(tmp_path) == expected
    assert expected.body == 68


@pytest.mark.parametrize("content", ["{}", "no json", '{"hidden_size": "much"}'])
def test_a_folder_that_is_no_model_has_no_sizes(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    write_header(tmp_path / "model.safetensors", {"wte.weight": [10, 4]})
    assert read_shape(tmp_path) is None
    assert read_shape(tmp_path / "nowhere") is None


def test_training_all_weights_in_float32_takes_sixteen_bytes_a_parameter() -> None:
    said = memory(config("dpo"), TINY, Data(100, 6, 2, 2))
    assert (said.weights, said.gradients, said.optimiser, said.copies) == (280 * 4, 280 * 4, 280 * 8, 0)
    assert said.runtime == RUNTIME
    # A layer keeps 9 d + 2 keys + 4 f = 76 floats a token, of two layers and a third in passing: 912 bytes.
    # Of ten tokens four meet the head: 0.4 * 4 * 10 floats, 64 bytes. Sixteen rankings of ten tokens.
    assert said.activations == 160 * (912 + 64)
    assert said.total == 16 * 280 + 160 * 976 + RUNTIME


def test_a_microbatch_bounds_the_activations_and_checkpointing_keeps_the_layers_inputs() -> None:
    data = Data(100, 6, 2, 2)
    assert memory(config("dpo", micro_batch_tokens=16), TINY, data).activations == 16 * 976
    # Inputs of two layers, 2 * 4 floats, and one layer anew with its gradients: 32 + 304 + 304.
    kept = memory(config("dpo", micro_batch_tokens=16, activation_checkpointing=True), TINY, data)
    assert kept.activations == 16 * (640 + 64)


def test_lora_moves_its_matrices_alone() -> None:
    said = memory(config("dpo", lora_rank=2, frozen_weights="bf16"), TINY, Data(100, 6, 2, 2))
    assert (said.weights, said.gradients, said.optimiser) == (280 * 2 + 200 * 4, 200 * 4, 200 * 8)


def test_sharding_splits_what_trains_over_the_processes() -> None:
    whole, share = (memory(config("sft", processes=n, shard=True), TINY, Data(1, 6, 2)) for n in (1, 4))
    assert (share.weights, share.gradients, share.optimiser) == (280, 280, 560)
    assert share.activations == whole.activations


def test_ppo_holds_a_reference_a_reward_model_and_with_gae_a_second_network_that_trains() -> None:
    data = Data(100, 6, 2)
    group, gae = (memory(config("ppo", advantage=kind, batch_rows=1), TINY, data) for kind in ("group", "gae"))
    assert group.copies == gae.copies == 2 * 280 * 4
    assert (gae.weights, gae.optimiser) == (2 * group.weights, 2 * group.optimiser)
    assert group.activations < gae.activations < 2 * group.activations  # two bodies, one LM head
    assert memory(config("ppo", lora_rank=2), TINY, data).copies == 280 * 4  # no second model as its reference
    assert memory(config("ppo", ema=0.9), TINY, data).copies == 3 * 280 * 4


def test_operations_of_sft_and_dpo() -> None:
    # A prompt of 6 and a response of 2: 2 * (200 * 8 + 40 * 2) = 3,360 forward, three times that to train.
    assert flops(config("sft", epochs=2), TINY, Data(10, 6, 2)) == 10 * 2 * 3 * 3360
    # The prompt once for two responses: 2 * (200 * 10 + 40 * 4) = 4,320; the reference runs once.
    assert flops(config("dpo"), TINY, Data(10, 6, 2, 2)) == 10 * 4 * 4320
    assert flops(config("dpo", lora_rank=1), TINY, Data(10, 6, 2, 2)) == 10 * 3 * 4320


def test_operations_of_a_rollout_and_of_the_best_of_n() -> None:
    settings = {"episodes": 8, "batch_size": 8, "minibatch_size": 8, "samples_per_prompt": 2}
    # Two responses: 4,320 with the head, 4,000 without. Rollout, policy, reference, reward model; then the update.
    assert flops(config("rloo", **settings), TINY, Data(10, 6, 2, 2)) == 4 * (3 * 4320 + 4000 + 3 * 4320)
    drawn = 2 * (200 * (6 + 4 * 2) + 40 * 4 * 2)  # four candidates, drawn, scored, and their log-probabilities
    assert flops(config("sample", best_of=2, reward_model="x"), TINY, Data(10, 6, 2, 2)) == 10 * 3 * drawn
    trained = 2 * 3 * 3360
    assert flops(config("rejection", best_of=4), TINY, Data(10, 6, 2)) == 10 * (3 * drawn + trained)


def test_operations_and_memory_of_pretraining_text_that_is_mixed_in() -> None:
    settings = {"episodes": 16, "batch_size": 8, "minibatch_size": 4, "samples_per_prompt": 2, "inner_epochs": 2}
    plain, ptx = (config("ppo", **settings, ptx_coef=weight, ptx_batch_size=3) for weight in (0, 1))
    data = Data(10, 6, 2, 2, pretraining_tokens=5)
    # Two rollouts, two passes, two minibatches: eight steps. Three texts of 5 tokens, of which 4 are learnt.
    assert flops(ptx, TINY, data) - flops(plain, TINY, data) == 8 * 3 * 2 * (200 * 15 + 40 * 12)
    # A value network takes no part in it, nor do the rollouts that train it alone.
    critic = config("ppo", **settings, advantage="gae", value_warmup=1, ptx_coef=1, ptx_batch_size=3)
    more = flops(critic, TINY, data) - flops(critic, TINY, Data(10, 6, 2, 2))
    assert more == 4 * 3 * 2 * (200 * 15 + 40 * 12)
    # 912 bytes a token as without, and all of its logits: 4 * 10 floats.
    long = Data(10, 6, 2, 2, pretraining_tokens=1000)
    assert memory(ptx, TINY, long).activations == 3000 * (912 + 160)
    assert memory(plain, TINY, long).activations == memory(plain, TINY, data).activations


def test_twice_the_work_takes_twice_the_time_but_for_the_start() -> None:
    assert seconds_like(done=100, took=29, wanted=200) == 9 + 2 * 20
    assert seconds_like(done=100, took=4, wanted=300) == 2 + 3 * 2  # quicker than any start that we have seen
