"""A route that does all of its work in the thread that its endpoint runs in: the busiest routes are of this class.

FastAPI takes a thread to run an endpoint, another one to check what it returns, and we one to commit. Each change of
threads costs about as much as a statement; together they were a third of what a claim cost.

Few of them are worked on at once, the others wait their turn: Python runs one thread at a time, and when ten of them
want the processor, a quarter of it goes into their changing places.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

AT_ONCE = 3  # one runs, the others wait for the database
_turns: RunVar[CapacityLimiter] = RunVar("turns of the busiest routes")


class OneThread(APIRoute):
    """For routes that answer a model of ours, which needs no second check, or a Response."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, _to_its_end(endpoint, options.get("status_code") or 200), **options)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with _turn():
            await super().handle(scope, receive, send)


def _turn() -> CapacityLimiter:
    """The limiter of this event loop."""
    limiter = _turns.get(None)
    if limiter is None:
        limiter = CapacityLimiter(AT_ONCE)
        _turns.set(limiter)
    return limiter


def _to_its_end(endpoint: Callable[..., Any], status: int) -> Callable[..., Any]:
    @wraps(endpoint)
    def run(**values: Any) -> Any:
        result = endpoint(**values)
        if isinstance(session := values.get("session"), Session):
            session.commit()  # what raises is dealt with by the dependency that opened the session
        if isinstance(result, BaseModel):
            return Response(result.model_dump_json(), status, media_type="application/json")
        return result

    return run
