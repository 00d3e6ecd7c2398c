"""The guard ends training when its worker dies, is paused or says so, and lets nobody in where somebody still works."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.settings import ROOT, Settings, get_settings
from tests.workers.conftest import eventually
from workers import clock, locks
from workers.child import Child
from workers.guard import BUSY, DRAINED, SILENT

PROGRAM = "tests.workers.programs.stand_in"
FOREVER: dict[str, Any] = {"steps": 10_000, "seconds": 0.05}


@pytest.fixture
def start(tmp_path: Path, settings: Settings) -> Iterator[Callable[..., Child]]:
    """Start a program in a folder; the lease is given in seconds, and nobody beats unless the test does."""
    children: list[Child] = []

    def start(spec: dict[str, Any], lease: float = 600, epoch: int = 1, stamp: float | None = None) -> Child:
        (tmp_path / "config.json").write_text(json.dumps(spec))
        own = settings.model_copy(update={"job_lease_seconds": lease})
        children.append(Child(own, PROGRAM, tmp_path, epoch, clock.now() if stamp is None else stamp))
        return children[-1]

    yield start
    for child in children:
        child.guard.send_signal(signal.SIGCONT)
        child.close()
        child.guard.wait(10)


def training(folder: Path) -> psutil.Process:
    """The training process, once it has begun."""
    eventually(lambda: (folder / "state" / "step").exists())
    return psutil.Process(int((folder / "starts.txt").read_text().split()[-1]))


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("act", "code"), [("", 0), ("fail:no", 1), ("kill", 128 + signal.SIGKILL)], ids=["result", "error", "killed"]
)
def test_the_exit_code_says_how_training_ended(start: Callable[..., Child], act: str, code: int) -> None:
    assert start({"steps": 1, "at": {"1": act}}).wait(20) == code


def test_stop_lets_training_save_its_state(start: Callable[..., Child], tmp_path: Path) -> None:
    child = start(FOREVER)
    training(tmp_path)
    child.stop(20)
    assert child.wait(20) == DRAINED


def test_a_training_that_does_not_stop_in_time_is_killed(start: Callable[..., Child], tmp_path: Path) -> None:
    child = start(FOREVER | {"deaf": True})
    process = training(tmp_path)
    child.stop(0.3)
    assert child.wait(20) == 128 + signal.SIGKILL
    assert gone(process)


def test_kill_ends_it_at_once_even_when_the_guard_hangs(start: Callable[..., Child], tmp_path: Path) -> None:
    child = start(FOREVER)
    process = training(tmp_path)
    child.guard.send_signal(signal.SIGSTOP)
    child.kill()
    assert child.kill_since is not None
    child.kill_since -= 10  # as if we had asked ten seconds ago
    child.kill()
    assert child.wait(20) == -signal.SIGKILL
    eventually(lambda: gone(process))


def test_training_dies_with_its_worker(tmp_path: Path, settings: Settings) -> None:
    """A worker killed by SIGKILL closes the guard's standard input, whatever else it could not do."""
    (tmp_path / "config.json").write_text(json.dumps(FOREVER | {"at": {"1": "offspring"}}))
    script = (
        "import sys, time; from pathlib import Path; from app.settings import Settings; from workers import clock;"
        "from workers.child import Child;"
        f"Child(Settings(), {PROGRAM!r}, Path(sys.argv[1]), 1, clock.now()); time.sleep(600)"
    )
    worker = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT)
    process = training(tmp_path)
    family = [process, *process.children(recursive=True), *process.parents()[:1]]
    assert len(family) == 3
    worker.kill()
    worker.wait()
    killed = time.monotonic()
    eventually(lambda: all(gone(member) for member in family))
    assert time.monotonic() - killed < 3


def test_training_dies_with_its_guard(start: Callable[..., Child], tmp_path: Path) -> None:
    child = start(FOREVER)
    process = training(tmp_path)
    child.guard.kill()
    eventually(lambda: gone(process))


def test_silence_first_asks_and_then_kills(start: Callable[..., Child], tmp_path: Path) -> None:
    child = start(FOREVER, lease=4)
    training(tmp_path)
    assert child.wait(20) == DRAINED
    deaf = start(FOREVER | {"deaf": True}, lease=3)
    began = time.monotonic()
    assert deaf.wait(20) == SILENT
    assert time.monotonic() - began < 3


def test_beats_keep_training_alive(start: Callable[..., Child], tmp_path: Path) -> None:
    child = start(FOREVER, lease=2)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        child.beat(clock.now())
        assert child.wait(0.1) is None


def test_a_beat_counts_from_when_it_was_sent(start: Callable[..., Child]) -> None:
    """A worker that was paused between the database's answer and telling us does not prolong anything."""
    began = clock.now()
    child = start(FOREVER | {"deaf": True}, lease=30, stamp=began - 15)
    child.beat(began - 14)
    assert child.wait(20) == SILENT
    assert 5 < clock.now() - began < 15, "20 s after the beat was sent, not after it was heard"


def test_nothing_starts_under_a_lease_that_has_run_out(start: Callable[..., Child], tmp_path: Path) -> None:
    assert start({}, lease=4, stamp=clock.now() - 3).wait(20) == SILENT
    assert not (tmp_path / "starts.txt").exists()


def test_what_training_left_behind_is_ended_with_it(start: Callable[..., Child], tmp_path: Path) -> None:
    child = start({"steps": 20, "at": {"1": "offspring"}})
    (left,) = eventually(lambda: training(tmp_path).children())
    assert child.wait(20) == 0
    eventually(lambda: gone(left))


def test_a_folder_is_worked_in_by_one_at_a_time(
    start: Callable[..., Child], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.child.LOCK_WAIT", 0.5)
    first = start(FOREVER, epoch=2)
    process = training(tmp_path)
    assert start(FOREVER, epoch=2).wait(20) == BUSY
    assert start(FOREVER, epoch=1).wait(20) == BUSY
    assert not gone(process)
    assert first.wait(0) is None


def test_a_newer_epoch_ends_an_older_one_that_was_paused(start: Callable[..., Child], tmp_path: Path) -> None:
    older = start(FOREVER, epoch=1)
    process = training(tmp_path)
    older.guard.send_signal(signal.SIGSTOP)
    process.suspend()
    assert start({"steps": 1}, epoch=2).wait(20) == 0
    assert gone(process)
    assert not (tmp_path / "overlap.txt").exists()


def test_the_lock_lives_as_long_as_the_training_process(start: Callable[..., Child], tmp_path: Path) -> None:
    """Even where the kernel does not end training together with its guard."""
    child = start({"steps": 1, "at": {"1": "spin"}})
    eventually(lambda: (tmp_path / "starts.txt").exists())
    held = [file.path for file in psutil.Process(int((tmp_path / "starts.txt").read_text())).open_files()]
    assert str(tmp_path / "lock") in held
    assert locks.try_lock(tmp_path / "lock") is None
    child.kill()
    assert child.wait(20) == 128 + signal.SIGKILL
    assert locks.all_free([tmp_path / "lock"])


def test_a_gpu_has_one_training(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two jobs for one GPU the second does not start; one for another GPU does."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("workers.child.LOCK_WAIT", 0.5)
    gpu = get_settings().model_copy(update={"device": "gpu"})

    def train(name: str, gpus: str) -> Child:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(FOREVER))
        return Child(gpu, PROGRAM, folder, 1, clock.now())

    first, other = train("first", "0,1"), train("other", "2")
    training(tmp_path / "first"), training(tmp_path / "other")
    assert train("second", "1").wait(20) == BUSY
    assert not locks.all_free(locks.gpu_locks(["1"]))
    for child in (first, other):
        child.kill()
        child.wait(20)
    assert locks.all_free(locks.gpu_locks(["0", "1", "2"]))


def test_a_signal_to_all_processes_leaves_the_guard_to_see_the_end(start: Callable[..., Child], tmp_path: Path) -> None:
    child = start(FOREVER)
    process = training(tmp_path)
    os.kill(child.guard.pid, signal.SIGTERM)
    process.terminate()
    assert child.wait(20) == DRAINED


def test_last_words_are_those_of_this_attempt(start: Callable[..., Child], tmp_path: Path) -> None:
    first = start({"steps": 1, "at": {"1": "fail:The config is wrong\x07; mend it."}})
    assert first.wait(20) == 1
    assert first.last_words() == "The config is wrong ; mend it."
    second = start({"steps": 1, "at": {"1": "kill"}})
    second.wait(20)
    assert second.last_words() == ""
