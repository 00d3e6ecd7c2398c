"""Errors on their way out: problem+json (RFC 9457) under /api, a page elsewhere. Installed by app.main.

Every one carries a sentence for a person, and never the internals of a failure.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from app.access_log import without_secrets
from app.errors import AppError, NotSignedIn
from app.pages import render
from app.security import SAFE_METHODS
from app.translation import gettext as _
from app.translation import mark

log = logging.getLogger(__name__)

SENTENCES = {
    400: mark("The request could not be read."),
    404: mark("There is nothing at this address."),
    405: mark("This address does not take that kind of request."),
}
# What the framework calls an error, in words that a page can show.
TITLES = {
    400: mark("Bad Request"),
    403: mark("Forbidden"),
    404: mark("Not Found"),
    405: mark("Method Not Allowed"),
    413: mark("Request Entity Too Large"),
    500: mark("Internal Server Error"),
}
# Where the framework's own words would not help.
HINTS: dict[tuple[Any, ...], str] = {
    ("header", "Idempotency-Key"): mark(
        "Send a UUID that you make for this task, so that sending again stores nothing twice"
    ),
}


class FieldError(BaseModel):
    """One place of the request that was refused."""

    model_config = ConfigDict(extra="allow")

    field: str | None = Field(None, description="Where, as a dotted path.", examples=["ratings.overall"])
    line: int | None = Field(None, description="Line of an import, counted from 1.", examples=[3])
    message: str = Field(description="What is wrong, for a person.", examples=["Field required"])


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field("about:blank", examples=["about:blank"])
    title: str = Field(examples=["Not possible now"])
    status: int = Field(examples=[409])
    detail: str = Field(description="A sentence that a person understands.", examples=["You skipped this task."])
    errors: list[FieldError] | None = Field(None, description="The places that were refused, if any.")


def wants_json(request: Request) -> bool:
    """The API, and the scripts of our pages, which say so in `Accept`."""
    accepted = request.headers.get("accept", "")
    return request.url.path.startswith("/api/") or ("application/json" in accepted and "text/html" not in accepted)


def problem(status: int, title: str, detail: str, **extra: Any) -> JSONResponse:
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **extra}
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if "retry_after" in extra:
        headers["Retry-After"] = str(extra["retry_after"])
    return JSONResponse(body, status_code=status, headers=headers, media_type="application/problem+json")


async def answer_error(request: Request, status: int, title: str, detail: str, **extra: Any) -> Response:
    """The error in the form that its reader can use."""
    if wants_json(request):
        return problem(status, title, detail, **extra)
    headers = {"Retry-After": str(extra["retry_after"])} if "retry_after" in extra else None
    return await run_in_threadpool(
        render, request, "errors/error.html", status=status, headers=headers, title=title, detail=detail, code=status
    )


async def refusal(request: Request, status: int, detail: str) -> Response:
    """What the middleware answers with."""
    return await answer_error(request, status, _phrase(status), detail)


def _phrase(status: int) -> str:
    return _(TITLES.get(status, HTTPStatus(status).phrase))


async def app_error(request: Request, error: AppError) -> Response:
    if isinstance(error, NotSignedIn) and not wants_json(request) and request.method in SAFE_METHODS:
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?next={quote(wanted, safe='')}", status_code=303)
    return await answer_error(request, error.status, _(error.title), error.detail, **error.extra)


async def http_error(request: Request, error: HTTPException) -> Response:
    """Errors of the framework itself: unknown paths, wrong methods, unreadable or too large bodies."""
    sentence = _(SENTENCES[error.status_code]) if error.status_code in SENTENCES else error.detail
    response = await answer_error(request, error.status_code, _phrase(error.status_code), sentence)
    response.headers.update(error.headers or {})
    return response


async def validation_error(request: Request, error: RequestValidationError) -> Response:
    errors = [{"field": _place(entry["loc"]), "message": _message(entry)} for entry in error.errors()]
    listed = "; ".join(
        f"{entry['field']}: {entry['message']}" if entry["field"] else entry["message"] for entry in errors
    )
    sentence = _("The request is not valid. %(listed)s.") % {"listed": listed[:500]}
    return await answer_error(request, 422, _("Not valid"), sentence, errors=errors)


def _place(location: tuple[Any, ...]) -> str:
    """("body", "ratings", "7") -> ratings.7"""
    parts = location[1:] if location and location[0] in ("body", "query", "path", "header", "cookie") else location
    return ".".join(str(part) for part in parts)


def _message(entry: dict[str, Any]) -> str:
    if hint := HINTS.get(entry["loc"]):
        return _(hint)
    if entry["type"] == "json_invalid":
        return _("The body is no valid JSON: %(error)s") % {"error": entry["ctx"]["error"]}
    message = str(entry["msg"]).removeprefix("Value error, ")
    return message.encode("utf-8", "replace").decode().rstrip(".")


async def data_error(request: Request, error: Exception) -> Response:
    """Postgres, or UTF-8 before it, refused a value: a character or a number that it cannot hold."""
    sentence = _(
        "A text holds a character that cannot be stored (a zero byte, half a character), or a number is too large."
    )
    return await answer_error(request, 422, _("Not valid"), sentence)


async def database_error(request: Request, error: Exception) -> Response:
    """The database is away, or two transactions were in each other's way: trying again helps."""
    path = without_secrets(request.url.path)
    log.warning("%s %s: %s", request.method, path, type(error).__name__, exc_info=error)
    sentence = _("The database cannot answer just now. Nothing of this request was stored; try again in a moment.")
    return await answer_error(request, 503, _("Not available now"), sentence, retry_after=5)


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(AppError, app_error)  # type: ignore[arg-type]  # Starlette types only Exception
    app.add_exception_handler(HTTPException, http_error)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, validation_error)  # type: ignore[arg-type]
    app.add_exception_handler(DataError, data_error)
    app.add_exception_handler(UnicodeEncodeError, data_error)
    app.add_exception_handler(OperationalError, database_error)
    app.add_exception_handler(PoolTimeout, database_error)
