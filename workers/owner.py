"""Who holds a job: a name that says whether its worker still lives. Called by workers/supervisor.py and guard.py.

`HOST:PID:START`, where HOST stands for one space of process ids since one boot (a container restarted under the same
name is another host), and START tells the process from a later one with the same id. Standard library only.
"""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import suppress
from pathlib import Path


def host_name() -> str:
    """This host since its boot, and the process namespace that we see of it."""
    boot = namespace = ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    with suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    return f"{socket.gethostname()[:60].replace(':', '-')}/{boot}/{namespace}"


def process_start(pid: int) -> str | None:
    """When a process started, in whatever unit the system counts; None when it is gone or a zombie."""
    if not Path("/proc/self/stat").exists():
        asked = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True)
        state, _, start = asked.stdout.strip().partition(" ")
        return None if not state or state.startswith("Z") else "-".join(start.replace(":", "").split())
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def own_name() -> str:
    return f"{host_name()}:{os.getpid()}:{process_start(os.getpid())}"


def is_dead(owner: str) -> bool:
    """Whether this host knows that the owner's process has ended. Of other hosts it knows nothing."""
    host, pid, start = owner.rsplit(":", 2)
    return host == host_name() and process_start(int(pid)) != start
