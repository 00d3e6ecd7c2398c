"""Our scripts, styles and third-party assets under one path that changes with their content. Mounted by app.main.

`/static/<version>/js/rank.js`: the version is a hash over the whole folder, so that the relative imports of one module
by another stay inside it, every address may be cached for ever, and none is ever stale. Files are read and compressed
once.
"""

from __future__ import annotations

import hashlib
import mimetypes
from functools import lru_cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from app.compression import choose_encoding, pack
from app.settings import ROOT

FOLDER = ROOT / "static"
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
FOREVER = "public, max-age=31536000, immutable"


@lru_cache
def static_version() -> str:
    """A hash of every file's path and content, taken when the process first needs it."""
    digest = hashlib.sha256()
    for path in sorted(path for path in FOLDER.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(FOLDER).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def static_url(path: str) -> str:
    return f"/static/{static_version()}/{path}"


@lru_cache(maxsize=512)
def _content(path: Path, encoding: str | None) -> bytes:
    """A file's bytes, compressed if wanted."""
    return path.read_bytes() if encoding is None else pack(_content(path, None), encoding)


async def static_files(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application at /static."""
    assert scope["type"] == "http"
    request = Request(scope, receive)
    response = _answer(request) if request.method in ("GET", "HEAD") else PlainTextResponse("", status_code=405)
    await response(scope, receive, send)


def _answer(request: Request) -> Response:
    root = request.scope.get("root_path", "")
    version, _, name = request.scope["path"].removeprefix(root).lstrip("/").partition("/")
    path = FOLDER if "\0" in name else (FOLDER / name).resolve()
    if not path.is_relative_to(FOLDER) or not path.is_file():
        return PlainTextResponse("Not found.", status_code=404)
    kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    is_text = kind.startswith(("text/", "image/svg"))
    encoding = choose_encoding(request.headers.get("accept-encoding", "")) if is_text else None
    headers = {
        "Cache-Control": FOREVER if version == static_version() else "no-store",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
        "Content-Type": kind,
    }
    if encoding is not None:
        headers["Content-Encoding"] = encoding
    return Response(_content(path, encoding), headers=headers)
