"""Signing in and out with the browser."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from app.errors import AppError, TooMany
from app.pages import render
from app.security import (
    SessionDep,
    Visitor,
    clear_session_cookie,
    client_address,
    local_path,
    session_token,
    set_session_cookie,
)
from app.services import users

router = APIRouter()


@router.get("/sign-in")
def show_sign_in(request: Request, user: Visitor, next: str = "/") -> Response:
    if user is not None:
        return RedirectResponse(local_path(next), status_code=303)
    return render(request, "sign_in/sign_in.html", next=local_path(next), username="", problem=None)


@router.post("/sign-in")
def sign_in(
    request: Request,
    session: SessionDep,
    username: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    """A new session at every sign-in; the one that the browser brought, whoever made it, ends."""
    try:
        _, token = users.sign_in(session, username, password, client_address(request))
    except AppError as error:
        return _refused(request, error, username, local_path(next))
    if old := session_token(request):
        users.sign_out(session, old)
    response = RedirectResponse(local_path(next), status_code=303)
    set_session_cookie(response, token)
    return response


def _refused(request: Request, error: AppError, username: str, target: str) -> Response:
    """The form again with what was typed, but for the password."""
    status = 429 if isinstance(error, TooMany) else 422
    headers = {"Retry-After": str(error.extra["retry_after"])} if "retry_after" in error.extra else None
    return render(
        request,
        "sign_in/sign_in.html",
        status=status,
        headers=headers,
        next=target,
        username=username,
        problem=error.detail,
    )


@router.post("/sign-out")
def sign_out(request: Request, session: SessionDep) -> Response:
    if token := session_token(request):
        users.sign_out(session, token)
    response = RedirectResponse("/sign-in", status_code=303)
    clear_session_cookie(response)
    return response
