"""What the programs share around their algorithm: start, stop, resume, and the record at the end.

Exit codes (docs/job-folder.md): 0 the result is complete; 75 SIGTERM came and the state is saved; else failed,
and the last line printed is one sentence for a person.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from training import checkpoints, launch
from training.config import BaseConfig, ConfigError
from training.launch import EXIT_DRAINED
from training.progress import Progress

if TYPE_CHECKING:
    from training.ranks import Ranks

VERSION = "0.1.0"
C = TypeVar("C", bound=BaseConfig)


class JobError(Exception):
    """A failure that a person can do something about; its text is one sentence and becomes the last line."""


class Drained(Exception):
    """SIGTERM was received and the state is saved."""


class Job(Generic[C]):
    """One folder, its config, its progress, its resume states and its end."""

    def __init__(self, folder: Path, config: C) -> None:
        self.folder = folder
        self.config = config
        self.progress = Progress(folder)
        self.stopping = False
        self.ranks: Ranks | None = None  # set_up
        self.started = time.time()
        self._saved = time.monotonic()

    @property
    def checkpoint(self) -> Path:
        """Where the result goes."""
        return self.folder / "checkpoint"

    def data(self, name: str) -> Path:
        """The path of `data/<name>.jsonl`."""
        return self.folder / "data" / f"{name}.jsonl"

    def load_state(self) -> dict[str, Any] | None:
        """The newest resume state that verifies, with the progress lines beyond it taken back."""
        first = self.ranks is None or self.ranks.first
        state = checkpoints.load_state(self.folder / "state") if first else None
        if first:
            self.progress.rewind(int(state["step"]) if state else -1)
        if self.ranks is not None and self.ranks.size > 1:
            self.ranks.wait()  # torn states are gone, so all read the same one
            state = state or checkpoints.load_state(self.folder / "state")
            self.ranks.wait()
        return state

    def save_state_when_due(self, step: int, state: Callable[[], dict[str, Any]]) -> None:
        """Save after `save_every_seconds`, and at once when SIGTERM came (then raises Drained)."""
        due = time.monotonic() - self._saved >= self.config.save_every_seconds
        stop = self.should_stop()
        if self.ranks is not None:
            due = self.ranks.any(due)
        if not (due or stop):
            return
        values = {"step": step, **state()}
        if self.ranks is None or self.ranks.first:
            checkpoints.save_state(self.folder / "state", step, values)
        self._saved = time.monotonic()
        if stop:
            raise Drained

    def should_stop(self) -> bool:
        """True once SIGTERM came to any rank; asked by all ranks at the same place."""
        stop = self.stopping or launch.was_stopped()
        return stop if self.ranks is None else self.ranks.any(stop)

    def write_checkpoint(self, write: Callable[[Path], None]) -> None:
        """The result, written by the first rank."""
        if self.ranks is None or self.ranks.first:
            checkpoints.write_folder(self.checkpoint, write)
        if self.ranks is not None:
            self.ranks.wait()

    def finished(self) -> bool:
        """True when the folder already holds its whole result."""
        if not (self.folder / "run.json").is_file():
            return False
        return not self.config.makes_checkpoint or checkpoints.verify(self.checkpoint)

    def finish(self, parents: dict[str, str], metrics: dict[str, Any]) -> None:
        """Write `run.json`: config, data hashes, parents, code version, seed, metrics."""
        if self.ranks is not None and not self.ranks.first:
            return
        data = {path.name: checkpoints.sha256(path) for path in sorted((self.folder / "data").glob("*.jsonl"))}
        identities = {name: {"path": path, "sha256": _identity(path)} for name, path in parents.items()}
        run = {
            "program": self.config.kind,
            "config": self.config.to_dict(),
            "data": data,
            "parent": identities,
            "code": code_version(),
            "seed": self.config.seed,
            "seconds": round(time.time() - self.started, 3),
            "metrics": metrics,
        }
        temporary = self.folder / ".run.json.tmp"
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(run, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self.folder / "run.json")


def _identity(path: str) -> str:
    folder = Path(path)
    return checkpoints.identity(folder) if folder.is_dir() else path


def code_version() -> str:
    """Version and a digest of this package's sources, so that a result names the code that made it."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.relative_to(Path(__file__).parent).as_posix().encode() + path.read_bytes())
    return f"{VERSION}+{digest.hexdigest()[:12]}"


def choose_device(config: BaseConfig) -> Any:
    """The torch.device that `config.device` stands for. Raises JobError when there is none."""
    import torch

    name = config.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise JobError("device is 'cuda', but this machine has no GPU that torch can use; set device to 'auto'.")
    return torch.device(name)


def set_up(job: Job[C]) -> Ranks:
    """Seed, threads and precision; the ranks that share this job, and with them the device."""
    import torch

    from training.ranks import Ranks

    torch.manual_seed(job.config.seed)
    torch.set_float32_matmul_precision(job.config.matmul_precision)
    if job.config.threads:
        torch.set_num_threads(job.config.threads)
    job.ranks = Ranks(job.config)
    job.progress.silent = not job.ranks.first
    return job.ranks


def run_program(config_class: type[C], work: Callable[[Job[C]], None], arguments: list[str] | None = None) -> int:
    """Run one program on the job folder named on the command line; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(f"usage: python -m training.{config_class.kind} JOB_FOLDER", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    try:
        if not folder.is_dir():
            raise JobError(f"{folder} is not a folder; give the path of a job folder.")
        config = config_class.load(folder)
        job = Job(folder, config)
        if job.finished():
            print(f"{folder} already holds its result; nothing to do.")
            return 0
        if launch.needed(config):
            return launch.launch(config, folder)
        signal.signal(signal.SIGTERM, _on_term(job))
        work(job)
        if job.ranks is not None:
            job.ranks.leave()
        print(f"Done in {time.time() - job.started:.1f} s.", flush=True)
        if "WORLD_SIZE" in os.environ:
            os._exit(0)  # all is written; gloo's threads may abort a rank that tears itself down in the usual way
        return 0
    except Drained:
        launch.tell("drained")
        print("Stopped by SIGTERM; the state is saved, and the same command goes on from there.", flush=True)
        return EXIT_DRAINED
    except ConfigError as error:
        _fail(f"config.json cannot be used: {error}")
    except JobError as error:
        _fail(str(error))
    except MemoryError:
        _fail("The machine ran out of memory; lower micro_batch_tokens or batch_rows.")
    except Exception as error:
        traceback.print_exc()
        _fail(f"The program failed unexpectedly: {type(error).__name__}: {' '.join(str(error).split())[:300]}")
    return 1


def _on_term(job: Job[C]) -> Callable[[int, FrameType | None], None]:
    def handle(_signal: int, _frame: FrameType | None) -> None:
        job.stopping = True

    return handle


def _fail(sentence: str) -> None:
    sys.stdout.flush()
    launch.tell("error", sentence)
    print(sentence, file=sys.stderr, flush=True)
