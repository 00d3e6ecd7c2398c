"""Imports: prompts and demonstrations as JSONL, streamed from the request, all or nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from anyio import from_thread
from fastapi import Request as HttpRequest
from pydantic import Field

from app.routes.api.router import api_router
from app.routes.api.shapes import Slug, Stored
from app.security import SessionDep, TokenAdmin
from app.services import audit, demonstrations, projects, prompts
from app.settings import get_settings

router = api_router("imports")


class ImportOut(Stored):
    """What came of an import."""

    imported: int = Field(description="New rows; prompts that were there already are passed over.", examples=[240])


def jsonl_body(example: str, description: str) -> dict[str, Any]:
    return {
        "requestBody": {
            "required": True,
            "description": description,
            "content": {"application/x-ndjson": {"schema": {"type": "string"}, "example": example}},
        }
    }


PROMPTS_BODY = jsonl_body(
    '{"prompt": "Who bakes the bread?", "id": "p1", "use_case": "open_qa"}\n',
    "One JSON object a line: `messages` or `prompt`; optionally `id`, `use_case`, `split`, "
    "`language` (a code such as de; else it is told from the text where that is clear) and `skills` (a list: only "
    "labelers who have all of them get the prompt).",
)
DEMONSTRATIONS_BODY = jsonl_body(
    '{"prompt": "Who bakes the bread?", "response": "Old Marta."}\n', "As for prompts, and `response`."
)


@contextmanager
def request_lines(request: HttpRequest) -> Iterator[Iterator[bytes]]:
    """The lines of the body as they arrive, for a route that runs in a thread. A too long line comes cut short.

    Read to its end even when its reader gives up, since a client that is still sending may not see our answer.
    """
    chunks = _chunks(request.stream())
    try:
        yield split_lines(chunks, get_settings().import_line)
    finally:
        for _ in chunks:
            pass


def _chunks(stream: AsyncIterator[bytes]) -> Iterator[bytes]:
    async def next_chunk() -> bytes | None:
        return await anext(stream, None)

    while (chunk := from_thread.run(next_chunk)) is not None:
        yield chunk


def split_lines(chunks: Iterator[bytes], longest: int) -> Iterator[bytes]:
    """Lines without their ends; of a line above `longest` bytes only the first `longest` + 1 are kept."""
    rest, cut = b"", False
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if not cut:
                yield line
            cut = False
        if len(rest) > longest and not cut:
            yield rest[: longest + 1]
            cut = True
        if cut:
            rest = b""
    if rest:
        yield rest


@router.post("/projects/{project}/prompts", status_code=201, openapi_extra=PROMPTS_BODY)
def import_prompts(request: HttpRequest, session: SessionDep, user: TokenAdmin, project: Slug) -> ImportOut:
    """Import prompts. When a row is refused nothing is stored, and `errors` lists the lines."""
    found = projects.get_project(session, project)
    with request_lines(request) as lines:
        count = prompts.import_prompts(session, found, lines, source="api")
    audit.record(session, user, "prompts.imported", f"project:{found.id}", rows=count)
    return ImportOut(imported=count)


@router.post("/projects/{project}/demonstrations", status_code=201, openapi_extra=DEMONSTRATIONS_BODY)
def import_demonstrations(request: HttpRequest, session: SessionDep, user: TokenAdmin, project: Slug) -> ImportOut:
    """Import answers that were written elsewhere, with their prompts."""
    found = projects.get_project(session, project)
    with request_lines(request) as lines:
        count = demonstrations.import_demonstrations(session, found, lines, source="import")
    audit.record(session, user, "demonstrations.imported", f"project:{found.id}", rows=count)
    return ImportOut(imported=count)
