"""What workers decide without doing: what an exit means, what a child may see, who is dead, what they import."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from app.settings import ROOT
from workers.environment import child_environment, visible_gpus
from workers.guard import BUSY, DRAINED, SILENT
from workers.owner import host_name, is_dead, own_name
from workers.run import judge


@pytest.mark.parametrize(
    ("code", "asked", "how"),
    [
        (0, None, "succeeded"),
        (0, "drained", "succeeded"),
        (0, "stalled", "succeeded"),
        (0, "cancelled", "cancelled"),
        (0, "lost", "lost"),
        (1, None, "failed"),
        (2, None, "failed"),
        (1, "drained", "released"),
        (128 + signal.SIGKILL, "drained", "released"),
        (128 + signal.SIGKILL, "cancelled", "cancelled"),
        (128 + signal.SIGKILL, "stalled", "crashed"),
        (128 + signal.SIGKILL, None, "crashed"),
        (128 + signal.SIGSEGV, None, "crashed"),
        (-signal.SIGKILL, None, "crashed"),
        (DRAINED, None, "released"),
        (DRAINED, "drained", "released"),
        (SILENT, None, "released"),
        (BUSY, None, "released"),
    ],
)
def test_how_a_run_ended(code: int, asked: str | None, how: str) -> None:
    assert judge(code, asked, True, "words", 30).how == how


def test_a_program_that_always_stops_at_once_does_not_go_round_for_ever() -> None:
    assert judge(DRAINED, None, False, "", 30).how == "crashed"


def test_reasons_are_sentences_for_people() -> None:
    assert judge(1, None, True, "The file is gone.", 30).reason == "The file is gone."
    assert judge(3, None, True, "", 30).reason == "It ended with exit code 3 and said nothing."
    assert "killed by SIGKILL (this happens when a machine runs out of memory)" in judge(137, None, True, "", 30).reason
    assert judge(137, "stalled", True, "", 30).reason == "It made no progress for 30 minutes and was stopped"


HIDDEN = str.split("""DATABASE_URL REDIS_URL TUTELAGE_SECRET_KEY TUTELAGE_HOME PGPASSWORD PGPASSFILE HF_TOKEN HF_API_KEY
    AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN OPENAI_API_KEY GITHUB_TOKEN SSH_AUTH_SOCK TORCH_API_TOKEN NVIDIA_API_KEY
    http_proxy CELERY_BROKER_URL ANYTHING_ELSE PATH_TO_NOTHING""")
PASSED = str.split("""PATH HOME LANG LC_ALL CUDA_VISIBLE_DEVICES OMP_NUM_THREADS HF_HOME PYTHONPATH
    TOKENIZERS_PARALLELISM NCCL_DEBUG PYTORCH_CUDA_ALLOC_CONF TORCH_HOME""")


def test_a_child_sees_what_it_needs_and_no_secret() -> None:
    seen = child_environment(dict.fromkeys(HIDDEN + PASSED, "value"), hub_models=True)
    assert seen == dict.fromkeys(PASSED, "value") | {"PYTHONUNBUFFERED": "1"}


def test_the_hub_is_out_of_reach_unless_allowed() -> None:
    assert child_environment({}, hub_models=False)["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in child_environment({}, hub_models=True)


def test_the_gpus_of_a_worker() -> None:
    assert visible_gpus({}) == ["0"]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "3, 1"}) == ["1", "3"]


def test_an_owner_is_dead_once_its_process_has_ended_and_only_as_far_as_we_can_tell() -> None:
    script = "import time; from workers.owner import own_name; print(own_name(), flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    owner = process.stdout.readline().strip()
    assert not is_dead(owner)
    process.send_signal(signal.SIGSTOP)
    assert not is_dead(owner)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_dead(owner), "a zombie works no more"
    process.wait()
    assert is_dead(owner)
    assert is_dead(f"{host_name()}:{os.getpid()}:1"), "its process id has been given to another process"
    assert not is_dead(own_name())
    assert not is_dead(f"elsewhere/x/1:{process.pid}:1"), "of other hosts nothing is known"


def test_workers_and_guards_never_import_torch() -> None:
    """A process that has touched CUDA cannot fork; and a worker has no use for half a gigabyte."""
    script = "import sys, workers.tasks; print(*({'torch', 'transformers'} & set(sys.modules)))"
    environment = os.environ | {"REDIS_URL": "redis://localhost", "DATABASE_URL": "postgresql://localhost/none"}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")
    script = "import sys, workers.guard; print(*(set(sys.modules) & {'sqlalchemy', 'celery', 'psutil', 'app'}))"
    done = subprocess.run([sys.executable, "-S", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
