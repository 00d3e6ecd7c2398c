"""What every page with a form needs: to read it, and to lead on after it."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData


def see_other(url: str) -> RedirectResponse:
    return RedirectResponse(url, status_code=303)


async def read_form(request: Request) -> FormData:
    return await request.form(max_files=0, max_fields=400, max_part_size=1_000_000)
