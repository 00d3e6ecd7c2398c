"""All routes of the application, for the tests that walk them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fastapi.routing import iter_route_contexts


def all_routes(app: Any) -> Iterator[tuple[str, str]]:
    """(method, path) of every route but static files and the description itself."""
    for route in iter_route_contexts(app.routes):
        path = route.path or ""
        if path in ("", "/static", "/api/v1/openapi.json"):
            continue
        for method in sorted(route.methods or ()):
            yield method, path


def fill(path: str, values: dict[str, Any]) -> str:
    """The path with its parameters; a KeyError names one that the tests do not know yet."""
    if "/labels/{kind}" in path or "/history/{kind}" in path:
        values = values | {"kind": "demonstration", "label_id": values["demonstration_id"]}
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: str(values[found[1]]), path)
