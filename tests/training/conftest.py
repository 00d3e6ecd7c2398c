"""A tiny tokenizer and tiny models with random weights, made once a session, and job folders around them."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from training import a2c, critique, dpo, grpo, ppo, rejection, reward, rlaif, rloo, sample, sft
from training.config import (
    A2CConfig,
    BaseConfig,
    CritiqueConfig,
    DPOConfig,
    GRPOConfig,
    PPOConfig,
    RejectionConfig,
    RewardConfig,
    RLAIFConfig,
    RLOOConfig,
    SampleConfig,
    SFTConfig,
)
from training.job import run_program

WORDS = [
    "the",
    "a",
    "cat",
    "dog",
    "sat",
    "ran",
    "on",
    "mat",
    "red",
    "blue",
    "big",
    "small",
    "hello",
    "please",
    "thank",
    "you",
    "kindly",
    "bird",
    "tree",
    "sings",
]
ROOT = Path(__file__).parents[2]
PROGRAMS: dict[str, tuple[type[BaseConfig], Any]] = {
    "sft": (SFTConfig, sft.sft),
    "reward": (RewardConfig, reward.reward),
    "sample": (SampleConfig, sample.sample),
    "ppo": (PPOConfig, ppo.ppo),
    "dpo": (DPOConfig, dpo.dpo),
    "rejection": (RejectionConfig, rejection.rejection),
    "a2c": (A2CConfig, a2c.a2c),
    "rloo": (RLOOConfig, rloo.rloo),
    "grpo": (GRPOConfig, grpo.grpo),
    "rlaif": (RLAIFConfig, rlaif.rlaif),
    "critique": (CritiqueConfig, critique.critique),
}


def words(rng: random.Random, low: int, high: int) -> str:
    """A few random words."""
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(low, high)))


def make_tokenizer() -> Any:
    """Byte-level BPE of about 300 tokens with separate end and pad tokens, and no chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|end|>", "<|pad|>", "<|im_start|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    rng = random.Random(0)
    tokenizer.train_from_iterator([words(rng, 5, 15) for _ in range(300)], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>")


def make_model(kind: str, vocabulary: int) -> Any:
    """A two-layer causal LM with random weights; llama, gpt2 or qwen2 (grouped keys)."""
    import transformers

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    common = {"vocab_size": vocabulary, "eos_token_id": 0, "pad_token_id": 1, "bos_token_id": None}
    if kind == "gpt2":
        config: Any = transformers.GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=256, **common)
        model: Any = transformers.GPT2LMHeadModel(config)
    elif kind == "qwen2":
        config = transformers.Qwen2Config(num_key_value_heads=2, max_position_embeddings=256, **sizes, **common)
        model = transformers.Qwen2ForCausalLM(config)
    else:
        config = transformers.LlamaConfig(num_key_value_heads=4, max_position_embeddings=256, **sizes, **common)
        model = transformers.LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)  # sharper than the usual start, so that logits differ by more than rounding
    return model.eval()


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return make_tokenizer()


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> dict[str, Path]:
    """Model folders by kind."""
    root = tmp_path_factory.mktemp("models")
    for kind in ("llama", "gpt2", "qwen2"):
        make_model(kind, len(tokenizer)).save_pretrained(root / kind)
        tokenizer.save_pretrained(root / kind)
    return {kind: root / kind for kind in ("llama", "gpt2", "qwen2")}


def user(text: str) -> list[dict[str, str]]:
    """A conversation of one turn."""
    return [{"role": "user", "content": text}]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """A JSONL file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def demonstrations(count: int) -> list[dict[str, Any]]:
    """Rows of demonstrations.jsonl, one in eight for validation, some with several turns."""
    rng = random.Random(1)
    rows = []
    for at in range(count):
        messages = user(words(rng, 2, 8))
        if at % 3 == 0:
            messages = [*messages, {"role": "assistant", "content": "hello"}, *user("the dog")]
        split = "validation" if at % 8 == 7 else "train"
        rows.append({"id": f"d{at}", "prompt_id": f"p{at}", "messages": messages, "response": words(rng, 1, 9),
                     "split": split})  # fmt: skip
    return rows


def rankings(count: int, prefer: str = "kindly") -> list[dict[str, Any]]:
    """Rows of rankings.jsonl, K = 2 to 5: responses with more of `prefer` rank higher, equal ones tie."""
    rng = random.Random(2)
    rows = []
    for at in range(count):
        texts = [words(rng, 3, 8) + (f" {prefer}" * rng.randint(0, 2)) for _ in range(2 + at % 4)]
        counts = [text.count(prefer) for text in texts]
        ranks = [1 + sum(other > own for other in counts) for own in counts]
        responses = [{"id": f"r{at}-{n}", "text": text, "checkpoint": "c", "sampling": {}, "seed": n}
                     for n, text in enumerate(texts)]  # fmt: skip
        split = "validation" if at % 5 == 4 else "train"
        rows.append({"id": f"k{at}", "prompt_id": f"p{at}", "messages": user(words(rng, 2, 8)),
                     "responses": responses, "ranks": ranks, "ratings": {}, "split": split})  # fmt: skip
    return rows


def prompts(count: int) -> list[dict[str, Any]]:
    """Rows of prompts.jsonl."""
    rng = random.Random(3)
    return [{"id": f"p{at}", "messages": user(words(rng, 1, 12)), "split": "train"} for at in range(count)]


@pytest.fixture
def make_job(tmp_path: Path) -> Callable[..., Path]:
    """A job folder from a config and named data rows."""

    def make(config: dict[str, Any], name: str = "job", **data: list[dict[str, Any]]) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        for key, rows in data.items():
            write_rows(folder / "data" / f"{key}.jsonl", rows)
        return folder

    return make


def start(program: str, folder: Path) -> subprocess.Popen[str]:
    """A program as a process of its own, as a worker starts it: no DATABASE_URL, both outputs in log.txt."""
    with (folder / "log.txt").open("a", encoding="utf-8") as log:
        return subprocess.Popen(
            [sys.executable, "-m", f"training.{program}", str(folder)],
            cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, text=True,
            env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        )  # fmt: skip


class Child:
    """The same in a fork of this process, which has torch imported already: seconds sooner."""

    def __init__(self, work: Callable[[], int], folder: Path) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                with (folder / "log.txt").open("a", encoding="utf-8") as log:
                    os.dup2(log.fileno(), 1)
                    os.dup2(log.fileno(), 2)
                sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 (pytest replaced the old ones)
                sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
                code = work()
                sys.stdout.flush()
            finally:
                os._exit(code)

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def poll(self) -> bool:
        """True once it has ended; it stays to be waited for."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait(self) -> int:
        """Its exit code, negative for a signal."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def run_ranks(program: str, folder: Path, count: int = 2) -> int:
    """The program on several ranks, each a fork of this process with the environment that `accelerate launch` gives."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1])}
    sizes = {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}

    def rank(index: int) -> int:
        os.environ.update(meeting, **sizes, RANK=str(index), LOCAL_RANK=str(index))
        return run(program, folder)

    ranks = [Child(lambda index=index: rank(index), folder) for index in range(count)]  # type: ignore[misc]
    return max(child.wait() for child in ranks)


def lines(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def run(program: str, folder: Path) -> int:
    """The program in this process; SIGTERM's handler is put back."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        return run_program(*PROGRAMS[program], [str(folder)])
    finally:
        signal.signal(signal.SIGTERM, before)


def wait_for_step(folder: Path, step: int) -> None:
    """Until progress.jsonl shows the step, for three minutes at most (a busy machine takes one to start a process)."""
    for _ in range(18000):
        if any((folder / "state").glob("step-*")) and lines(folder / "progress.jsonl")[-1]["step"] >= step:
            return
        time.sleep(0.01)
    raise AssertionError((folder / "log.txt").read_text())


def result(folder: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((folder / "run.json").read_text())["metrics"]
    return metrics


def kill_while_drawing(folder: Path) -> None:
    """Run the sampling job twice, and end it each time after its next row: by SIGKILL, then by SIGTERM."""
    path = folder / "completions.jsonl"
    for stop in (signal.SIGKILL, signal.SIGTERM):
        before = len(path.read_bytes().splitlines()) if path.exists() else 0
        child = Child(lambda: run("sample", folder), folder)
        while not child.poll() and not (path.exists() and len(path.read_bytes().splitlines()) > before):
            time.sleep(0.005)
        child.send_signal(stop)
        assert child.wait() in (-9, 75)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {
        f"{path.parent.name}/{name}": tensor
        for path in sorted((folder / "checkpoint").rglob("*.safetensors"))
        for name, tensor in load_file(path).items()
    }


@pytest.fixture(scope="session")
def taught(tmp_path_factory: pytest.TempPathFactory, folders: dict[str, Path]) -> Path:
    """A policy that has learned to answer in words."""
    folder = tmp_path_factory.mktemp("taught") / "job"
    folder.mkdir()
    config = {
        "model": str(folders["llama"]), "epochs": 20, "lr": 1e-2, "max_length": 128, "max_prompt_tokens": 100,
        "threads": 1,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    write_rows(folder / "data" / "demonstrations.jsonl", demonstrations(96))
    assert run("sft", folder) == 0
    return folder / "checkpoint"


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory, taught: Path) -> Path:
    """A reward model that prefers responses with "kindly" in them."""
    folder = tmp_path_factory.mktemp("planted") / "job"
    folder.mkdir()
    config = {"model": str(taught), "max_length": 128, "epochs": 2, "lr": 1e-2, "threads": 1}
    (folder / "config.json").write_text(json.dumps(config))
    write_rows(folder / "data" / "rankings.jsonl", rankings(120))
    write_rows(folder / "data" / "demonstrations.jsonl", demonstrations(24))
    assert run("reward", folder) == 0
    return folder
