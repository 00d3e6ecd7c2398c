"""What every router of the API has in common."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute

from app.problems import Problem

ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "Refused, with the reason in `detail`."},
    "5XX": {"model": Problem, "description": "Failed on our side; nothing was stored."},
}


def api_router(tag: str, route_class: type[APIRoute] = APIRoute) -> APIRouter:
    """A router for one noun, under the tag by which the description of the API groups it."""
    return APIRouter(prefix="/api/v1", responses=ERRORS, tags=[tag], route_class=route_class)
