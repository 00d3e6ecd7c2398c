"""The programs on tiny job folders: end to end, stopped, killed, resumed, and given bad input."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.training import conftest as tiny
from training import checkpoints, ppo, sample
from training.config import PPOConfig
from training.data import Codec, load_tokenizer
from training.decoder import Request, Sampling, decode
from training.job import Job
from training.models import load_causal_lm, mean_logprobs, response_logprobs
from training.packing import pack
from training.progress import Progress
from training.reward_model import load_reward_model

SHORT = {"max_new_tokens": 12, "max_prompt_tokens": 96, "threads": 1}


# -- each algorithm end to end -------------------------------------------------------------------------------


def test_sft_lowers_the_loss_and_leaves_a_transformers_folder(folders: dict[str, Path], make_job: Any) -> None:
    config = {"model": str(folders["qwen2"]), "epochs": 3, "max_length": 128, "max_prompt_tokens": 100, "threads": 1}
    folder = make_job(config, demonstrations=tiny.demonstrations(48))
    assert tiny.run("sft", folder) == 0
    losses = tiny.result(folder)["loss/validation"]
    assert losses[-1] < losses[0]
    assert checkpoints.verify(folder / "checkpoint")
    load_causal_lm(str(folder / "checkpoint"))
    assert load_tokenizer(str(folder / "checkpoint")).chat_template
    record = json.loads((folder / "run.json").read_text())
    assert set(record) >= {"config", "data", "parent", "code", "seed", "metrics"}
    assert record["data"]["demonstrations.jsonl"] == checkpoints.sha256(folder / "data" / "demonstrations.jsonl")
    steps = [row["step"] for row in tiny.lines(folder / "progress.jsonl")]
    assert steps == sorted(set(steps))
    assert tiny.run("sft", folder) == 0  # it already has its result


def test_sft_learns_the_response_only_and_its_end_token(folders: dict[str, Path], tokenizer: Any) -> None:
    codec = Codec(tokenizer)
    batch = pack([(codec.prompt(tiny.user("the cat")), [codec.response("a dog")])])
    assert codec.text(batch.targets.tolist()) == "a dog"
    assert batch.targets[-1].item() == tokenizer.eos_token_id


def test_reward_beats_the_logprob_baseline_on_a_planted_preference(planted: Path) -> None:
    metrics = tiny.result(planted)
    assert metrics["accuracy"] > 0.8
    assert metrics["accuracy"] > metrics["accuracy/logprob_baseline"]


def test_demonstrations_score_zero_on_average(planted: Path) -> None:
    model, language_model = load_reward_model(str(planted / "checkpoint"))
    codec = Codec(load_tokenizer(str(planted / "checkpoint" / "backbone")))
    rows = tiny.demonstrations(24)
    batch = pack([(codec.prompt(row["messages"]), [codec.response(row["response"])]) for row in rows])
    with torch.no_grad():
        feature = mean_logprobs(response_logprobs(language_model, batch)[0], batch)
        assert model(batch, feature).mean().item() == pytest.approx(0, abs=1e-4)


def test_unpacked_reward_training_gives_the_same_model(folders: dict[str, Path], make_job: Any) -> None:
    heads = []
    for packed in (True, False):
        config = {"model": str(folders["llama"]), "max_length": 128, "epochs": 1, "packed": packed, "threads": 1}
        folder = make_job(config, f"packed-{packed}", rankings=tiny.rankings(24))
        assert tiny.run("reward", folder) == 0
        heads.append(load_file(folder / "checkpoint" / "head.safetensors")["head.weight"])
    torch.testing.assert_close(heads[0], heads[1], atol=1e-4, rtol=1e-3)


def test_ratings_move_the_reward_model_only_where_pairs_weigh_by_them(folders: dict[str, Path], make_job: Any) -> None:
    plain = tiny.rankings(24)
    rated = [
        {**row, "ratings": {r["id"]: {"overall": 9 - n} for r, n in zip(row["responses"], row["ranks"], strict=True)}}
        for row in plain
    ]  # fmt: skip

    def head(name: str, rows: list[dict[str, Any]], pair_weight: str) -> torch.Tensor:
        config = {"model": str(folders["llama"]), "max_length": 128, "pair_weight": pair_weight, "threads": 1}
        folder = make_job(config, name, rankings=rows)
        assert tiny.run("reward", folder) == 0
        return load_file(folder / "checkpoint" / "head.safetensors")["head.weight"]

    without = head("plain", plain, "equal")
    torch.testing.assert_close(head("unrated", plain, "rating"), without, rtol=0, atol=0)
    torch.testing.assert_close(head("equal", rated, "equal"), without, rtol=0, atol=0)
    assert not torch.allclose(head("rated", rated, "rating"), without, atol=1e-4)


def test_sampling_from_two_policies_by_a_plan(folders: dict[str, Path], make_job: Any) -> None:
    policies = [{"name": name, "path": str(folders[name])} for name in ("llama", "gpt2")]
    plan = {"p0": {"llama": 2, "gpt2": 1}, "p1": {"gpt2": 3}}
    folder = make_job({"policies": policies, "plan": plan, **SHORT}, prompts=tiny.prompts(3))
    assert tiny.run("sample", folder) == 0
    keys = {(row["prompt_id"], row["checkpoint"], row["index"]) for row in tiny.lines(folder / "completions.jsonl")}
    assert keys == {("p0", "llama", 0), ("p0", "llama", 1), ("p0", "gpt2", 0), *(("p1", "gpt2", n) for n in range(3))}


def ppo_config(planted: Path, **changes: Any) -> dict[str, Any]:
    taught = json.loads((planted / "config.json").read_text())["model"]
    return {
        "policy": taught, "reward_model": str(planted / "checkpoint"), "episodes": 192,
        "batch_size": 64, "minibatch_size": 32, "lr": 1e-3, "warmup_steps": 0, **SHORT, **changes,
    }  # fmt: skip


@pytest.mark.parametrize("advantage", ["group", "gae"])
def test_ppo_improves_a_planted_reward(advantage: str, folders: dict[str, Path], planted: Path, make_job: Any) -> None:
    config = ppo_config(
        planted, advantage=advantage, episodes=1024, lr=3e-3, kl_coef=0.01, missing_eos_penalty=0.0,
        value_lr=3e-3, value_warmup=2, inner_epochs=2,
    )  # fmt: skip
    folder = make_job(config, prompts=tiny.prompts(24))
    assert tiny.run("ppo", folder) == 0
    rows = [row["metrics"] for row in tiny.lines(folder / "progress.jsonl")]
    assert rows[-1]["objective/scores"] > rows[0]["objective/scores"] + 0.5
    assert rows[0]["objective/kl"] == 0
    assert rows[-1]["objective/kl"] > 0


def test_ppo_with_every_option_runs(folders: dict[str, Path], planted: Path, make_job: Any) -> None:
    config = ppo_config(
        planted, advantage="gae", ptx_coef=2.0, ema=0.9, kl_target=3.0, whiten_rewards=True,
        value_head_zero=True, inner_epochs=2, temperature=0.8,
    )  # fmt: skip
    folder = make_job(config, prompts=tiny.prompts(10), pretraining=[{"text": "the cat sat on the mat"}] * 4)
    assert tiny.run("ppo", folder) == 0
    last = tiny.lines(folder / "progress.jsonl")[-1]["metrics"]
    names = {"objective/kl", "objective/scores", "objective/rlhf_reward", "objective/entropy", "policy/ratio",
             "policy/approxkl", "policy/clipfrac", "loss/policy", "loss/value", "loss/ptx", "lr",
             "kl_coef"}  # fmt: skip
    assert names <= set(last)


def test_before_the_first_step_ratio_is_1_and_kl_is_0(folders: dict[str, Path], planted: Path, make_job: Any) -> None:
    folder = make_job(ppo_config(planted, temperature=0.9), prompts=tiny.prompts(16))
    trainer = ppo.PPO(Job(folder, PPOConfig.load(folder)))
    groups = trainer.rollout(0)
    plan = trainer.minibatches(groups, 0, 0)
    metrics = trainer.experience(groups, plan)
    assert metrics["objective/kl"] == 0
    first = trainer.step(groups, plan[0], 0, 0, 1.0)
    assert first["policy/ratio"] == pytest.approx(1, abs=1e-7)
    assert first["policy/approxkl"] == 0
    assert first["policy/clipfrac"] == 0
    for group in groups:
        assert all(len(y) == SHORT["max_new_tokens"] or y[-1] in trainer.codec.stops for y in group.responses)


def test_ppo_scores_are_the_reward_models_own(folders: dict[str, Path], planted: Path, make_job: Any) -> None:
    folder = make_job(ppo_config(planted), prompts=tiny.prompts(16))
    trainer = ppo.PPO(Job(folder, PPOConfig.load(folder)))
    groups = trainer.rollout(0)
    trainer.experience(groups, trainer.minibatches(groups, 0, 0))
    model, language_model = load_reward_model(str(planted / "checkpoint"))
    batch = pack([(groups[0].prompt, [response]) for response in groups[0].responses])
    with torch.no_grad():
        feature = mean_logprobs(response_logprobs(language_model, batch)[0], batch)
        torch.testing.assert_close(groups[0].scores, model(batch, feature), atol=1e-4, rtol=1e-4)


# -- stopped, killed, resumed --------------------------------------------------------------------------------


def resumable(kind: str, folders: dict[str, Path], planted: Path, make_job: Callable[..., Path], name: str) -> Path:
    """A job of a few seconds that saves its state after every step."""
    model = str(folders["llama"])
    each = {"save_every_seconds": 1e-6, "threads": 1}
    if kind == "sft":
        config = {"model": model, "epochs": 4, "max_length": 128, "max_prompt_tokens": 100, "batch_size": 8, **each}
        return make_job(config, name, demonstrations=tiny.demonstrations(64))
    if kind == "reward":
        config = {"model": model, "epochs": 4, "max_length": 128, "batch_size": 8, **each}
        return make_job(config, name, rankings=tiny.rankings(60), demonstrations=tiny.demonstrations(8))
    config = ppo_config(planted, episodes=768, ema=0.9, kl_target=3.0, **each)
    config |= {"minibatch_size": 64} if kind in ("a2c", "rloo") else {}
    config |= {"advantage": "gae"} if kind == "ppo" else {}
    return make_job(config, name, prompts=tiny.prompts(10))


@pytest.mark.parametrize("kind", ["sft", "reward", "ppo", "a2c", "rloo", "grpo"])
def test_a_run_that_was_stopped_and_killed_ends_bit_identical_to_one_that_was_not(
    kind: str, folders: dict[str, Path], planted: Path, make_job: Any
) -> None:
    whole = resumable(kind, folders, planted, make_job, "whole")
    assert tiny.run(kind, whole) == 0
    broken = resumable(kind, folders, planted, make_job, "broken")
    child = tiny.Child(lambda: tiny.run(kind, broken), broken)
    tiny.wait_for_step(broken, 3)
    child.send_signal(signal.SIGTERM)
    assert child.wait() == 75
    assert "state is saved" in (broken / "log.txt").read_text().splitlines()[-1]
    reached = tiny.lines(broken / "progress.jsonl")[-1]["step"]
    child = tiny.Child(lambda: tiny.run(kind, broken), broken)
    tiny.wait_for_step(broken, reached + 2)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -9
    newest = max((broken / "state").glob("step-*"))
    tensors = newest / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-100])  # torn: the one before must serve
    assert tiny.run(kind, broken) == 0
    first, second = tiny.weights(whole), tiny.weights(broken)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    steps = [row["step"] for row in tiny.lines(broken / "progress.jsonl") if row["phase"] == kind]
    assert steps == sorted(set(steps))


def test_sigterm_to_the_command_itself_saves_and_exits_75(
    folders: dict[str, Path], planted: Path, make_job: Any
) -> None:
    folder = resumable("sft", folders, planted, make_job, "job")
    child = tiny.start("sft", folder)
    tiny.wait_for_step(folder, 2)
    child.send_signal(signal.SIGTERM)
    assert child.wait(120) == 75
    assert tiny.run("sft", folder) == 0
    assert checkpoints.verify(folder / "checkpoint")


def test_a_killed_sampling_job_resumes_without_doubling(folders: dict[str, Path], make_job: Any) -> None:
    config = {
        "policies": [{"name": "a", "path": str(folders["llama"])}], "samples_per_prompt": 3, "batch_rows": 6,
        **SHORT, "max_new_tokens": 40,
    }  # fmt: skip
    whole = make_job(config, "whole", prompts=tiny.prompts(40))
    assert tiny.run("sample", whole) == 0
    broken = make_job(config, "broken", prompts=tiny.prompts(40))
    path = broken / "completions.jsonl"
    tiny.kill_while_drawing(broken)
    with path.open("a") as file:
        file.write('{"prompt_id": "p1", "checkp')  # torn by the kill
    assert tiny.run("sample", broken) == 0
    key = lambda row: (row["prompt_id"], row["index"])  # noqa: E731
    first, second = (sorted(tiny.lines(folder / "completions.jsonl"), key=key) for folder in (whole, broken))
    assert [(key(row), row["text"], row["seed"]) for row in first] == [
        (key(row), row["text"], row["seed"]) for row in second
    ]


# -- bad input -----------------------------------------------------------------------------------------------


def fails(program: str, folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> None:
    assert tiny.run(program, folder) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert all(word in last for word in words), last


def test_a_bad_line_is_named_by_its_number(folders: dict[str, Path], make_job: Any, capsys: Any) -> None:
    folder = make_job({"model": str(folders["llama"]), "max_length": 128}, demonstrations=tiny.demonstrations(3))
    path = folder / "data" / "demonstrations.jsonl"
    path.write_text(path.read_text() + "\n{broken\n")
    fails("sft", folder, capsys, "demonstrations.jsonl, line 5", "not valid JSON")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ranks": [1]}, "ranks; each response needs one"),
        ({"ranks": ["a", "b"]}, "whole numbers"),
        ({"responses": ["x", "y"]}, "must be an object with a text"),
        ({"messages": []}, "'messages' is empty"),
        ({"ratings": {"r0-0": {"overall": "good"}}}, "must be a number"),
    ],
)
def test_a_bad_ranking_is_explained(
    change: dict[str, Any], words: str, folders: dict[str, Path], make_job: Any, capsys: Any
) -> None:
    rows = tiny.rankings(5)
    rows[4] = {**rows[0], **change}
    folder = make_job({"model": str(folders["llama"]), "max_length": 128}, rankings=rows)
    fails("reward", folder, capsys, "rankings.jsonl, line 5", words)


def test_an_unknown_setting_is_refused(folders: dict[str, Path], make_job: Any, capsys: Any) -> None:
    folder = make_job({"model": str(folders["llama"]), "learning_rate": 1})
    fails("sft", folder, capsys, "learning_rate", "no setting of sft")


def broken_copy(source: Path, target: Path, harm: Callable[[Path], None]) -> str:
    import shutil

    shutil.copytree(source, target)
    harm(target)
    return str(target)


def _truncate(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def _pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _edit(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def _drop_a_weight(folder: Path) -> None:
    from safetensors.torch import save_file

    tensors = load_file(folder / "model.safetensors")
    tensors.pop("model.layers.1.mlp.up_proj.weight")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_truncate, "cannot be loaded"),
        (_pickle_only, "pickled weights only"),
        (_drop_a_weight, "lacks weights"),
        (lambda folder: _edit(folder, auto_map={"AutoModelForCausalLM": "evil.Model"}), "auto_map"),
        (lambda folder: _edit(folder, architectures=["BertModel"]), "not supported"),
        (lambda folder: (folder / "config.json").unlink(), "is missing"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be read"),
    ],
)
def test_a_checkpoint_that_cannot_or_must_not_be_loaded_is_refused(
    harm: Any, words: str, folders: dict[str, Path], make_job: Any, tmp_path: Path, capsys: Any
) -> None:
    model = broken_copy(folders["llama"], tmp_path / "model", harm)
    folder = make_job({"model": model, "max_length": 128}, demonstrations=tiny.demonstrations(4))
    fails("sft", folder, capsys, words)


def test_settings_beyond_the_models_context_are_refused(folders: dict[str, Path], make_job: Any, capsys: Any) -> None:
    folder = make_job({"model": str(folders["llama"]), "max_length": 4096}, demonstrations=tiny.demonstrations(4))
    fails("sft", folder, capsys, "max_length", "256 at most")


def test_the_data_folder_may_be_missing(folders: dict[str, Path], make_job: Any, capsys: Any) -> None:
    fails(
        "sft", make_job({"model": str(folders["llama"]), "max_length": 64}), capsys, "demonstrations.jsonl is missing"
    )


def test_decoding_ends_at_once_when_cancelled(folders: dict[str, Path]) -> None:
    model = load_causal_lm(str(folders["llama"]))
    with pytest.raises(sample.Drained):
        decode(model, [Request("p", [5, 6], 0)], [0], Sampling(max_new_tokens=4), cancelled=lambda: True)


def test_a_rewind_never_shows_less_than_it_keeps(tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    for step in range(400):
        progress.write(step, 400, "sft", {"loss": 1.0}, always=True)
    stop, least = threading.Event(), [400]

    def look() -> None:
        while not stop.is_set():
            least[0] = min(least[0], len(progress.path.read_text().splitlines()))

    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(200):
        progress.rewind(299)
    stop.set()
    reader.join()
    assert least[0] == 300
