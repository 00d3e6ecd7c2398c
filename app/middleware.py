"""What stands before every route, as pure ASGI: headers, body limit, CSRF, and the last catch. Installed by app.main.

Nothing here touches the response's body, so that event streams and downloads flow.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request, cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import figures
from app.access_log import without_secrets
from app.security import LANGUAGE_COOKIE, SAFE_METHODS, cookie_name
from app.settings import get_settings
from app.translation import choose_language, speaking
from app.translation import gettext as _

log = logging.getLogger(__name__)

Refusal = Callable[[Request, int, str], Awaitable[Response]]

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Same-origin, since under no-referrer browsers send `Origin: null` with our own forms.
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
IMPORTS = re.compile(r"(?:/api/v1)?/projects/[^/]+/(?:prompts|demonstrations|pretraining)(?:/import)?")


class SecurityHeaders:
    """The same headers on every response; nothing is stored by browsers or proxies but our versioned static files."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        static = scope["path"].startswith("/static/")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.raw.extend(header for header in RAW_HEADERS if header not in headers.raw)
                if get_settings().secure_cookies:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
                if not (static and message["status"] == 200 and "immutable" in headers.get("Cache-Control", "")):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self.app(scope, receive, send_with_headers)


class Language:
    """A request is answered in the language that its sender picked, or that the browser asks for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        chosen = cookie_parser(headers.get("cookie", "")).get(LANGUAGE_COOKIE)
        with speaking(choose_language(chosen, headers.get("accept-language", ""))):
            await self.app(scope, receive, send)


class LastCatch:
    """An error that nobody expected: logged here once, answered without its internals."""

    def __init__(self, app: ASGIApp, refusal: Refusal) -> None:
        self.app = app
        self.refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except ClientDisconnect:
            log.info("%s %s was given up by its sender", scope["method"], without_secrets(scope["path"]))
        except Exception:
            if started:
                raise  # the server cuts the connection, so that nobody takes half an answer for a whole one
            log.exception("%s %s failed", scope["method"], without_secrets(scope["path"]))
            sentence = _("Something went wrong on our side. It has been logged; nothing of this request was stored.")
            response = await self.refusal(Request(scope, receive), 500, sentence)
            await response(scope, receive, send)


class BodyLimit:
    """No request body above its limit, whether its length is announced or it comes in chunks."""

    def __init__(self, app: ASGIApp, refusal: Refusal) -> None:
        self.app = app
        self.refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        settings = get_settings()
        limit = settings.import_limit if IMPORTS.fullmatch(scope["path"]) else settings.body_limit
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced) > limit:
            response = await self.refusal(Request(scope, receive), 413, too_large(limit))
            return await response(scope, receive, send)
        seen = 0

        async def receive_within_limit() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise HTTPException(413, too_large(limit))
            return message

        await self.app(scope, receive_within_limit, send)


def too_large(limit: int) -> str:
    """Why a body is refused."""
    sentence = _("The request is larger than %(limit)s bytes, which is the most that is taken here.")
    return sentence % {"limit": figures.number(limit)}


class CrossSiteGuard:
    """Refuses what another site makes a browser send (OWASP: fetch metadata first, the origin where there is none).

    A request that carries neither header comes from a program; it passes unless it brings our cookie. A bearer token
    is never sent by a browser unasked, so that requests with one and no cookie are no concern here.
    """

    def __init__(self, app: ASGIApp, refusal: Refusal) -> None:
        self.app = app
        self.refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS or allows_write(Headers(scope=scope)):
            return await self.app(scope, receive, send)
        sentence = _(
            "This request did not come from our own pages, so nothing was done. Open the page again and retry."
        )
        response = await self.refusal(Request(scope, receive), 403, sentence)
        await response(scope, receive, send)


def allows_write(headers: Headers) -> bool:
    """Whether a request of an unsafe method may go on."""
    cookies = {name for header in headers.getlist("cookie") for name in cookie_parser(header)}
    has_cookie = cookie_name() in cookies
    if not has_cookie and "authorization" in headers:
        return True
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    if origin is not None:
        return origin == own_origin(headers)
    return not has_cookie


def own_origin(headers: Headers) -> str:
    """Scheme, host and port that people see: of the public URL, or without one, of the address they typed."""
    settings = get_settings()
    if settings.public_url is None:
        return f"http://{headers.get('host', '')}"
    url = urlsplit(settings.url)
    port = "" if url.port in (None, {"http": 80, "https": 443}.get(url.scheme)) else f":{url.port}"
    return f"{url.scheme}://{url.hostname}{port}"
