"""One clock for all processes of a host that also runs while the machine sleeps. For heartbeat.py and guard.py."""

from __future__ import annotations

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Seconds since some moment in the past, the same moment for every process of this host."""
    return time.clock_gettime(_CLOCK)
