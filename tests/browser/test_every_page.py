"""Every page there is, by everybody who may see it, in both themes, on a desktop and on a phone: no violation that axe
finds, none of the content policy, no error in the console, nothing wider than the window.

The pages are those of the router. A new one fails here until `ADDRESSES` says how to open it with something on it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page
from sqlalchemy.orm import Session

from app.models import User
from tests.browser.axe import OF_COLOURS, overflow, violations
from tests.browser.conftest import OpenContext
from tests.browser.world import EVERYBODY, World, world
from tests.routes.walk import all_routes

__all__ = ["world"]

SignIn = Callable[[Page, User], None]
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
TELL_WIDTH = """{
  const ask = window.matchMedia;
  window.matchMedia = (query) => { window.scriptsAskedForWidth ||= /width/.test(query); return ask(query); };
}"""
NO_PAGES = {"/health", "/projects/{slug}/exports/{kind}.jsonl", "/pretraining-sets/{set_id}/texts.jsonl"}
NOBODY = "nobody"
STAFF = ("researcher", "admin")

# Route -> who may see it, and the addresses at which it has something to show; {names} are those of `World.names`.
ADDRESSES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "/": (EVERYBODY, ("/",)),
    "/sign-in": ((NOBODY,), ("/sign-in", "/sign-in?next=%2Fhistory")),
    "/invitations/{token}": ((NOBODY,), ("/invitations/{token}", "/invitations/nonsense")),
    "/account": (EVERYBODY, ("/account",)),
    "/users": (("admin",), ("/users",)),
    "/assignments/{assignment_id}": (
        ("labeler",),
        ("/assignments/{rank}", "/assignments/{write}", "/assignments/{sent}", "/assignments/{skipped}"),
    ),
    "/completions/{completion_id}/edit": (("labeler",), ("/completions/{completion}/edit",)),
    "/history": (EVERYBODY, ("/history", "/history?kind=ranking")),
    "/history/{kind}/{label_id}": (("labeler",), ("/history/ranking/{ranking}", "/history/demonstration/{answer}")),
    "/history/{kind}/{label_id}/edit": (
        ("labeler",),
        ("/history/ranking/{ranking}/edit", "/history/demonstration/{answer}/edit"),
    ),
    "/me/work": (("labeler",), ("/me/work",)),
    "/users/{user_id}/abilities": (("admin",), ("/users/1/abilities",)),
    "/projects/{slug}/members": (("admin",), ("/projects/house/members", "/projects/court/members")),
    "/projects/{slug}/labelers": (STAFF, ("/projects/house/labelers", "/projects/empty/labelers")),
    "/projects/{slug}/positions": (STAFF, ("/projects/house/positions", "/projects/empty/positions")),
    "/projects/{slug}/gold-items/new": (STAFF, ("/projects/house/gold-items/new",)),
    "/comparisons/{comparison_id}/gold": (STAFF, ("/comparisons/{comparison}/gold",)),
    "/projects/{slug}/reports": (("admin",), ("/projects/house/reports", "/projects/empty/reports")),
    "/projects/{slug}/review": (("researcher",), ("/projects/court/review", "/projects/empty/review")),
    "/projects/{slug}/reviews": (STAFF, ("/projects/court/reviews", "/projects/empty/reviews")),
    "/reviews/{review_id}": (("researcher",), ("/reviews/{review}",)),
    "/reviews/{review_id}/order": (("researcher",), ("/reviews/{review}/order",)),
    "/projects/{slug}/qualification": (("labeler",), ("/projects/school/qualification",)),
    "/projects/{slug}/qualifications": (STAFF, ("/projects/school/qualifications", "/projects/empty/qualifications")),
    "/projects/{slug}/qualifications/ratings": (STAFF, ("/projects/school/qualifications/ratings",)),
    "/qualification-attempts/{attempt_id}": (("labeler",), ("/qualification-attempts/{attempt}",)),
    "/qualification-attempts/{attempt_id}/topics": (("labeler",), ("/qualification-attempts/{attempt}/topics",)),
    "/qualification-attempts/{attempt_id}/items/{number}": (
        ("labeler",),
        tuple(f"/qualification-attempts/{{attempt}}/items/{number}" for number in (1, 2, 3, 6)),
    ),
    "/qualification-attempts/{attempt_id}/review": (STAFF, ("/qualification-attempts/{waiting}/review",)),
    "/qualifications/{qualification_id}": (STAFF, ("/qualifications/{qualification}", "/qualifications/{draft}")),
    "/qualifications/{qualification_id}/items/new": (
        ("admin",),
        tuple(f"/qualifications/{{draft}}/items/new?kind={kind}" for kind in ("flags", "ranking", "demonstration")),
    ),
    "/qualification-items/{item_id}": (("admin",), ("/qualification-items/{item}",)),
    "/qualifications/{qualification_id}/preview/{number}": (
        STAFF,
        tuple(f"/qualifications/{{qualification}}/preview/{number}" for number in (1, 2, 6)),
    ),
    "/projects/new": (("admin",), ("/projects/new",)),
    "/projects/{slug}": (STAFF, ("/projects/house", "/projects/empty")),
    "/projects/{slug}/label": (EVERYBODY, ("/projects/house/label", "/projects/empty/label")),
    "/projects/{slug}/rank": (EVERYBODY, ("/projects/empty/rank",)),
    "/projects/{slug}/write": (EVERYBODY, ("/projects/empty/write",)),
    "/projects/{slug}/guidelines": (EVERYBODY, ("/projects/house/guidelines", "/projects/house/guidelines?version=1")),
    "/projects/{slug}/prompts/write": (
        EVERYBODY,
        tuple(f"/projects/house/prompts/write?kind={kind}" for kind in ("plain", "few_shot", "user_based")),
    ),
    "/projects/{slug}/prompts": (STAFF, ("/projects/house/prompts", "/projects/empty/prompts")),
    "/projects/{slug}/pretraining": (STAFF, ("/projects/house/pretraining", "/projects/empty/pretraining")),
    "/pretraining-sets/{set_id}": (STAFF, ("/pretraining-sets/{text}",)),
    "/projects/{slug}/data": (STAFF, ("/projects/house/data", "/projects/empty/data")),
    "/projects/{slug}/labels/{kind}": (
        STAFF,
        ("/projects/house/labels/ranking", "/projects/house/labels/demonstration", "/projects/empty/labels/ranking"),
    ),
    "/projects/{slug}/checkpoints": (STAFF, ("/projects/house/checkpoints",)),
    "/projects/{slug}/rounds": (STAFF, ("/projects/house/rounds",)),
    "/projects/{slug}/rounds/new": (("admin",), ("/projects/house/rounds/new",)),
    "/projects/{slug}/settings": (("admin",), ("/projects/house/settings",)),
    "/projects/{slug}/label-schema": (("admin",), ("/projects/house/label-schema",)),
    "/checkpoints/{checkpoint_id}": (STAFF, ("/checkpoints/{checkpoint}", "/checkpoints/{policy}")),
    "/labels/{kind}/{label_id}": (STAFF, ("/labels/ranking/{ranking}", "/labels/demonstration/{answer}")),
    "/projects/{slug}/ai": (STAFF, ("/projects/house/ai", "/projects/empty/ai")),
    "/projects/{slug}/ai-labels": (
        STAFF,
        ("/projects/house/ai-labels", "/projects/house/ai-labels?kind=demonstration", "/projects/empty/ai-labels"),
    ),
    "/ai-labels/{ai_label_id}": (STAFF, ("/ai-labels/{ai_ranking}", "/ai-labels/{ai_answer}")),
    "/snapshots/{snapshot_id}": (STAFF, ("/snapshots/{snapshot}",)),
    "/jobs/{job_id}": (STAFF, ("/jobs/{running}", "/jobs/{failed}")),
}


def pages_of(app: object) -> set[str]:
    return {path for method, path in all_routes(app) if method == "GET" and not path.startswith("/api/")} - NO_PAGES


def test_every_page_of_the_router_is_looked_at() -> None:
    from app.main import create_app

    unknown = pages_of(create_app()) - set(ADDRESSES)
    assert not unknown, f"say in ADDRESSES who sees {sorted(unknown)}, and add to the world what it shows"


def look(page: Page, address: str) -> list[str]:
    """What is wrong with one page in each window, in light and in dark."""
    found: list[str] = []
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        if size == "desktop" or page.evaluate("window.scriptsAskedForWidth"):  # else its styles alone see to the size
            page.emulate_media(color_scheme="light", reduced_motion="reduce")
            answer = page.goto(address)
            assert answer is not None
            assert answer.status == (404 if "nonsense" in address else 200), f"{address} answers {answer.status}"
            page.wait_for_load_state("load")
        found += [f"{size}: {each}" for each in in_both_themes(page)]
    return [f"{address}, {each}" for each in found]


def in_both_themes(page: Page) -> list[str]:
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    found = violations(page) + overflow(page)
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    return found + [f"dark, {each}" for each in violations(page, OF_COLOURS)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("role", [NOBODY, *EVERYBODY])
def test_no_page_has_a_violation(
    open_context: OpenContext, session: Session, sign_in: SignIn, world: World, role: str
) -> None:
    page, watch = open_context(*SIZES["desktop"])
    page.add_init_script(TELL_WIDTH)
    watch.allow("404 (Not Found)")  # of the link that is no invitation; any other 404 fails in look()
    if role != NOBODY:
        sign_in(page, world.people[role])
    addresses = [
        address.format(**world.names) for roles, listed in ADDRESSES.values() if role in roles for address in listed
    ]
    found = [each for address in addresses for each in look(page, address)]
    assert not found, "\n".join(found)
    assert not watch.problems()
