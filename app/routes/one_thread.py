"""A route that does all of its work in the thread that its endpoint runs in: the busiest routes are of this class.

FastAPI takes a thread to run an endpoint, another one to check what it returns, and we one to commit. Each change of
threads costs about as much as a statement; together they were a third of what a claim cost.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.responses import Response


class OneThread(APIRoute):
    """For routes that answer a model of ours, which needs no second check, or a Response."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, _to_its_end(endpoint, options.get("status_code") or 200), **options)


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
