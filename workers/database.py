"""How workers live with a database that goes away for a while. For workers/{supervisor,run,heartbeat}.py."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from app.database import transaction

log = logging.getLogger(__name__)
AWAY = (OperationalError, InterfaceError, PoolTimeout)
LONGEST_PAUSE = 5.0
T = TypeVar("T")


def describe(error: BaseException) -> str:
    """One line that names the trouble; of a database's error neither the statement nor its values."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    first = next(iter(str(cause).splitlines()), "").strip()
    return f"{type(cause).__name__}: {first[:200]}" if first else type(cause).__name__


def insist(what: str, work: Callable[[Session], T], give_up: Callable[[float], bool]) -> T | None:
    """Do `work` in a transaction, again and again while the database is away.

    `give_up(seconds)` is asked before each new try; then the answer is None. Other errors are raised.
    """
    began = time.monotonic()
    pause = 0.1
    while True:
        try:
            with transaction() as session:
                return work(session)
        except AWAY as error:
            if pause == 0.1:
                log.warning("%s has to wait: %s", what, describe(error))
            if give_up(time.monotonic() - began):
                log.warning("%s is given up.", what)
                return None
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
