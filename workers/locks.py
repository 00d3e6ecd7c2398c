"""File locks that live as long as the processes that hold them. For workers/guard.py and supervisor.py.

Standard library only.
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from pathlib import Path


def try_lock(path: Path) -> int | None:
    """Lock the file and answer its descriptor, or None when somebody else holds it. Closing it lets go."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def gpu_locks(names: list[str]) -> list[Path]:
    """One lock file a GPU, the same for every installation that this user runs on the host."""
    folder = Path(tempfile.gettempdir()) / f"tutelage-locks-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return [folder / f"gpu-{re.sub(r'[^0-9A-Za-z-]', '_', name)}.lock" for name in names]


def all_free(paths: list[Path]) -> bool:
    """Whether nobody holds any of them just now."""
    for path in paths:
        descriptor = try_lock(path)
        if descriptor is None:
            return False
        os.close(descriptor)
    return True
