"""The web application: `uvicorn --factory app.main:create_app`.

Order of a request: headers, body limit, the last catch, the cross-site guard, then the route. Routes are synchronous
and run in threads (`settings.web_threads`); their transaction ends before the response leaves (app/security.py).
"""

from __future__ import annotations

import gc
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.routing import Mount

from app.access_log import keep_secrets_out
from app.middleware import BodyLimit, CrossSiteGuard, Language, LastCatch, SecurityHeaders
from app.problems import add_error_handlers, refusal
from app.routes import api
from app.settings import get_settings
from app.static_files import static_files

PAGES = (
    "health",
    "display",
    "sign_in",
    "invitations",
    "users",
    "desk",
    "labeling",
    "submissions",
    "guidelines",
    "history",
    "work",
    "reviews",
    "writing",
    "written_prompts",
    "projects",
    "members",
    "label_schemas",
    "gold_items",
    "reliability",
    "qualification_attempts",
    "qualifications",
    "qualification_items",
    "qualification_reviews",
    "prompts",
    "pretraining",
    "prompt_reports",
    "data",
    "ai_labels",
    "positions",
    "checkpoints",
    "jobs",
    "rounds",
    "loop",
    "launches",
)


@lru_cache
def settle_memory() -> None:
    """What has come with the start stays: that no garbage is looked for in it saves a tenth of a request's time."""
    gc.collect()
    gc.freeze()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = get_settings()
    settings.key()  # refuse to start without one, rather than at the first sign-in
    settle_memory()
    to_thread.current_default_thread_limiter().total_tokens = settings.web_threads
    yield


class Application(FastAPI):
    """FastAPI, whose description of the API says that errors are problem+json."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        for operation in (each for path in document["paths"].values() for each in path.values()):
            for status in ("4XX", "5XX"):
                content = operation["responses"][status]["content"]
                operation["responses"][status]["content"] = {"application/problem+json": next(iter(content.values()))}
        return document


def create_app() -> FastAPI:
    keep_secrets_out()
    app = Application(
        title="Tutelage",
        version="1",
        summary="Demonstrations, rankings, training and back, for programs.",
        description=api.DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        routes=[Mount("/static", static_files)],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(Language),
            Middleware(LastCatch, refusal=refusal),
            Middleware(BodyLimit, refusal=refusal),
            Middleware(CrossSiteGuard, refusal=refusal),
        ],
    )
    add_error_handlers(app)
    for noun in api.NOUNS:
        add_routes(app, noun.router)
    for name in PAGES:
        add_routes(app, importlib.import_module(f"app.routes.{name}").router, in_schema=False)
    return app


def add_routes(app: FastAPI, router: APIRouter, in_schema: bool = True) -> None:
    """Put a router's routes straight into the application.

    `include_router` nests them instead, and looks for a request's route twice in every router on its way: of a claim
    and a submission that was a sixth.
    """
    for route in router.routes:
        assert isinstance(route, APIRoute)
        route.include_in_schema &= in_schema
        app.router.routes.append(route)
