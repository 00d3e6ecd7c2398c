"""Start a program on several processes with `accelerate launch`, and end as a program on one process does.

The launcher prints much when a rank fails, and turns SIGTERM into the ranks' death. A job has to end as
docs/job-folder.md says, so this process stays their parent: it hands SIGTERM on as a file that the ranks look for
between steps, and its last line is the sentence that the failing rank left for it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from training.config import BaseConfig

EXIT_DRAINED = 75
CONTROL = "TUTELAGE_CONTROL"  # the folder through which parent and ranks speak


def needed(config: BaseConfig) -> bool:
    """True when the config wants more processes, and this is not already one of them."""
    return "WORLD_SIZE" not in os.environ and (config.processes > 1 or bool(config.accelerate_config))


def launch(config: BaseConfig, folder: Path) -> int:
    """Run the program's ranks; returns the exit code."""
    command = [sys.executable, "-m", "accelerate.commands.launch", *_options(config)]
    command += ["-m", f"training.{config.kind}", str(folder)]
    with tempfile.TemporaryDirectory(prefix="tutelage-ranks-") as control:
        environment = {**os.environ, CONTROL: control}
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // config.processes)))
        ranks = subprocess.Popen(command, env=environment)
        signal.signal(signal.SIGTERM, lambda *_: (Path(control) / "stop").touch())
        code = ranks.wait()
        stopped, error = Path(control) / "drained", Path(control) / "error"
        if code and stopped.exists():
            print("Stopped by SIGTERM; the state is saved, and the same command goes on from there.", flush=True)
            return EXIT_DRAINED
        if code:
            said = error.read_text(encoding="utf-8") if error.exists() else "A process of the training died."
            print(said.strip(), file=sys.stderr, flush=True)
        return 1 if code else 0


def _options(config: BaseConfig) -> list[str]:
    if config.accelerate_config:
        return ["--config_file", config.accelerate_config]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return [
        "--multi_gpu", "--num_processes", str(config.processes), "--num_machines", "1", "--mixed_precision", "no",
        "--dynamo_backend", "no", "--main_process_port", str(port),
    ]  # fmt: skip


def was_stopped() -> bool:
    """In a rank: has the parent been asked to stop?"""
    return CONTROL in os.environ and (Path(os.environ[CONTROL]) / "stop").exists()


def tell(name: str, sentence: str = "") -> None:
    """In a rank: leave word for the parent: "drained", or "error" with a sentence."""
    if CONTROL in os.environ:
        (Path(os.environ[CONTROL]) / name).write_text(sentence, encoding="utf-8")
