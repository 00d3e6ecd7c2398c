"""The guard: a small process between a worker and its training process that ends the training when it must end.

    python -S -m workers.guard ORDER      (JSON, see `Order`; started by workers/child.py)

The worker may be killed, paused or hung, so the clock that ends training cannot tick in the worker. It ticks here. The
worker tells us on standard input each beat that Postgres confirmed; `stop` and `kill` come the same way. Training is
- asked to stop (SIGTERM: it saves its state) when no beat was confirmed for half a lease, killed after two thirds,
- killed at once when the worker is gone (end of file) or says so, with every process of its group,
- killed by the kernel when the guard itself is killed (PR_SET_PDEATHSIG, Linux).
So no training outlives its lease, and nobody else can claim a job that is still being worked on.

The job folder and each GPU are locked by files (flock) whose descriptors the training process inherits: the locks live
as long as it does, whatever becomes of us. Standard library only; exit codes are those of docs/job-folder.md, 128 + N
for a training process killed by signal N, and BUSY or SILENT.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

from workers import clock, locks
from workers.owner import host_name, process_start

DRAINED = 75  # docs/job-folder.md
BUSY = 121  # the folder or the GPU is in use by somebody with an equal or better right to it
SILENT = 123  # no beat was confirmed in time
PR_SET_PDEATHSIG = 1


class Order(TypedDict):
    """What the worker wants run, and under which deadlines (seconds; stamps are of workers/clock.py)."""

    program: str
    folder: str
    epoch: int
    stamp: float  # just before the last confirmed beat was sent
    ask_after: float  # silence after which training is asked to stop
    kill_after: float  # silence after which it is killed
    gpus: list[str]  # lock files
    lock_wait: float


class Guard:
    def __init__(self, order: Order) -> None:
        self.order = order
        self.stamp = order["stamp"]
        self.child: subprocess.Popen[bytes] | None = None
        self.unread = b""
        self.asked = False  # SIGTERM was sent
        self.kill = False
        self.kill_at = float("inf")
        self.silenced = False

    def run(self) -> int:
        held = self.take_locks()
        if isinstance(held, int):
            return held
        self.child = start_training(self.order, held)
        mark_folder(held[0], self.order["epoch"], self.child.pid)
        for descriptor in held:  # from here on the training process alone holds the locks
            os.close(descriptor)
        while (code := self.child.poll()) is None:
            self.listen(0.1)
            self.enforce()
        kill_group(self.child.pid)  # whatever it started and left behind
        if self.silenced and code not in (0, DRAINED):
            return SILENT
        return 128 - code if code < 0 else code

    def take_locks(self) -> list[int] | int:
        """The descriptors of the folder's lock and the GPUs', or the code to exit with."""
        paths = [Path(self.order["folder"]) / "lock", *map(Path, self.order["gpus"])]
        held: list[int] = []
        until = clock.now() + self.order["lock_wait"]
        while len(held) < len(paths):
            self.listen(0)
            if self.silence() > self.order["kill_after"]:
                return SILENT
            if self.kill or self.asked:
                return DRAINED
            descriptor = locks.try_lock(paths[len(held)])
            if descriptor is not None:
                held.append(descriptor)
                if len(held) == 1:
                    mark_folder(descriptor, self.order["epoch"], os.getpid())
            elif clock.now() > until:
                return BUSY
            else:
                if not held:
                    end_predecessor(paths[0], self.order["epoch"])
                time.sleep(0.05)
        return held

    def listen(self, seconds: float) -> None:
        """Take in what the worker said, waiting for it up to `seconds`."""
        if not select.select([0], [], [], seconds)[0]:
            return
        heard = os.read(0, 65536)
        if not heard:  # the worker is gone
            self.kill = True
            time.sleep(min(seconds, 0.01))  # from now on standard input is always ready
        *lines, self.unread = (self.unread + heard).split(b"\n")
        for line in lines:
            word, _, number = line.partition(b" ")
            if word == b"beat":
                self.stamp = max(self.stamp, float(number))
            elif word == b"stop":
                self.ask()
                self.kill_at = min(self.kill_at, clock.now() + float(number))
            elif word == b"kill":
                self.kill = True

    def silence(self) -> float:
        return clock.now() - self.stamp

    def enforce(self) -> None:
        assert self.child is not None
        if self.silence() > self.order["ask_after"]:
            self.silenced = True
            self.ask()
        if self.kill or clock.now() > self.kill_at or self.silence() > self.order["kill_after"]:
            kill_group(self.child.pid)

    def ask(self) -> None:
        """Let training save its state and exit 75."""
        if self.child is not None and not self.asked:
            self.child.terminate()
        self.asked = True


def start_training(order: Order, held: list[int]) -> subprocess.Popen[bytes]:
    """The training process: leader of its own group, tied to our life, first in line when memory runs out."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    guard = os.getpid()

    def tie() -> None:  # runs in the child before exec; we have one thread, so that is safe
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != guard:  # we died before it asked
            os._exit(1)
        with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")

    return subprocess.Popen(
        [sys.executable, "-m", order["program"], order["folder"]],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=tie,
        pass_fds=held,
    )


def kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def mark_folder(descriptor: int, epoch: int, pid: int) -> None:
    """Write into the folder's lock who works there, for a successor that finds it held."""
    mark = {"epoch": epoch, "host": host_name(), "pid": pid, "start": process_start(pid)}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(mark).encode(), 0)


def end_predecessor(lock: Path, epoch: int) -> None:
    """Kill the training of an older epoch that still sits in our folder, such as one that was paused (SIGSTOP)."""
    try:
        mark = json.loads(lock.read_text())
        older = mark["epoch"] < epoch and mark["host"] == host_name()
        if older and mark["start"] is not None and process_start(mark["pid"]) == mark["start"]:
            kill_group(mark["pid"])
    except (OSError, ValueError, KeyError):
        return  # it is just being written


def main() -> int:
    # A signal to everything in the container is for the training process; we stay to see it end. (A handler, and not
    # SIG_IGN, because what is ignored stays ignored in the training process.)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    order: Order = json.loads(sys.argv[1])
    return Guard(order).run()


if __name__ == "__main__":
    sys.exit(main())
