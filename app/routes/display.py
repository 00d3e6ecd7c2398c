"""How this browser shows pages: the language, which the server has to know; the rest is kept by static/js/base.js."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from app.security import LANGUAGE_COOKIE, local_path
from app.settings import get_settings
from app.translation import languages

router = APIRouter(prefix="/display")

YEAR = 365 * 86_400


@router.post("/language")
def choose_language(language: Annotated[str, Form()] = "", next: Annotated[str, Form()] = "/") -> Response:
    """Speak `language` to this browser from now on; an unknown one means as the browser asks."""
    response = RedirectResponse(local_path(next), status_code=303)
    if language in languages():
        secure = get_settings().secure_cookies
        response.set_cookie(LANGUAGE_COOKIE, language, max_age=YEAR, secure=secure, httponly=True, samesite="lax")
    else:
        response.delete_cookie(LANGUAGE_COOKIE)
    return response
