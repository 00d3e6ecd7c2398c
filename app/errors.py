"""The errors that people see. Services raise them; app.main turns them into a page or into problem+json (RFC 9457)."""

from __future__ import annotations

from typing import Any

from app.translation import mark


class AppError(Exception):
    """A refusal with a sentence for the person and a status code for the protocol. Titles are translated when shown."""

    status = 500
    title = mark("Something went wrong")
    keeps_work = False  # the transaction is committed all the same: the error itself kept something

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra  # further members of the problem document, such as `errors` with line numbers


class NotFound(AppError):
    status, title = 404, mark("Not found")


class Forbidden(AppError):
    status, title = 403, mark("Not allowed")


class NotQualified(Forbidden):
    """A labeler has to pass the project's qualification first; `extra["qualification"]` says where."""

    title = "Qualify first"


class NotSignedIn(AppError):
    status, title = 401, mark("Sign in first")


class Conflict(AppError):
    """The request is well formed, but what it speaks of has moved on."""

    status, title = 409, mark("Not possible now")


class Invalid(AppError):
    """The content is refused; `extra["errors"]` may list the places."""

    status, title = 422, mark("Not valid")


class TooLarge(AppError):
    status, title = 413, mark("Too large")


class TooMany(AppError):
    status, title = 429, mark("Too many attempts")


class Overtaken(Conflict):
    """Somebody else has taken the task meanwhile. What was kept before the error is committed, not rolled back."""

    keeps_work = True
