"""RELIABILITY, security 7 to 14 and 22: what requests may carry, and what every answer says to browsers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.main import create_app
from app.models import Project, User
from app.models.columns import TaskKind
from app.services import assignments, users
from app.settings import ROOT, get_settings
from app.static_files import static_url
from tests.routes.walk import all_routes, fill


@pytest.fixture
def user(session: Session, sign_in: Callable[[User], str]) -> User:
    """Somebody whose cookie the client holds."""
    made = users.create_user(session, "marta", "Marta", "admin")
    sign_in(made)
    return made


def send(client: TestClient, headers: dict[str, str], method: str = "POST", path: str = "/sign-out") -> int:
    request = client.build_request(method, path, headers=headers)
    if "Sec-Fetch-Site" not in headers:
        del request.headers["Sec-Fetch-Site"]
    return client.send(request).status_code


OWN = "http://127.0.0.1:8400"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"}, 303),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": OWN}, 403),
        ({"Origin": OWN}, 303),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:8401"}, 403),
        ({"Origin": "https://127.0.0.1:8400"}, 403),
        ({"Origin": OWN + ".evil.example"}, 403),
        ({"Referer": OWN + "/"}, 403),
        ({}, 403),
    ],
)
def test_security_7_unsafe_methods_with_a_cookie_come_from_our_own_pages(
    client: TestClient, user: User, headers: dict[str, str], status: int
) -> None:
    assert send(client, headers) == status


def test_security_7_holds_for_every_unsafe_route(client: TestClient, user: User, world: dict[str, Any]) -> None:
    values = world | {"assignment_id": 1, "ranking_id": 1}
    unsafe = [(method, path) for method, path in all_routes(client.app) if method not in ("GET", "HEAD")]
    assert len(unsafe) > 20
    for method, path in unsafe:
        for headers in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
            assert send(client, headers, method, fill(path, values)) == 403, (method, path, headers)


def test_security_7_sign_in_from_elsewhere_is_refused_without_a_cookie_too(client: TestClient) -> None:
    assert send(client, {"Sec-Fetch-Site": "cross-site"}, path="/sign-in") == 403
    assert send(client, {"Origin": "https://evil.example"}, path="/sign-in") == 403
    assert send(client, {}, path="/sign-in") == 422  # a program, not a browser


def test_security_7_tokens_need_no_origin(client: TestClient, labeler: Any, project: Project) -> None:
    headers = {"Authorization": f"Bearer {labeler.token}"}
    answer = client.build_request(
        "POST", "/api/v1/projects/village/assignments", headers=headers, json={"kind": "ranking"}
    )
    del answer.headers["Sec-Fetch-Site"]
    assert client.send(answer).status_code == 204


def test_security_7_a_token_beside_a_cookie_frees_nobody(client: TestClient, user: User) -> None:
    assert send(client, {"Authorization": "Bearer x", "Sec-Fetch-Site": "cross-site"}) == 403


def test_security_7_origin_is_the_public_one_behind_a_proxy(
    client: TestClient, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUTELAGE_PUBLIC_URL", "http://Tutelage.example.org:80/")
    get_settings.cache_clear()
    assert send(client, {"Origin": OWN}) == 403
    assert send(client, {"Origin": "http://tutelage.example.org"}) == 303


def state(session: Session) -> dict[str, str]:
    """A hash of every table, but for the log of what was done and when a token was last used."""
    session.rollback()
    tables = session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
    found = {}
    for table in sorted(set(tables) - {"audit_events"}):
        row = "to_jsonb(t) - 'last_used_at'"
        found[table] = session.scalar(
            text(f"SELECT md5(coalesce(string_agg(({row})::text, '|' ORDER BY ({row})::text), '')) FROM {table} t")
        )
    return found


def test_security_8_no_get_mutates(
    client: TestClient, session: Session, user: User, admin: Any, world: dict[str, Any], project: Project
) -> None:
    """Walk all routes; each answer must leave every table as it was."""
    tasks = {
        path: assignments.claim_task(session, project, owner, TaskKind.DEMONSTRATION)
        for path, owner in (("api", admin.user), ("page", user))
    }
    session.commit()
    before = state(session)
    gets = [path for method, path in all_routes(client.app) if method == "GET"]
    assert len(gets) > 20
    for path in gets:
        task = tasks["api" if path.startswith("/api") else "page"]
        assert task is not None
        address = fill(path, world | {"ranking_id": 999_999, "assignment_id": task.assignment.id})
        asker = admin.api if path.startswith("/api") else client
        asker.get(address.removeprefix("/api/v1") if path.startswith("/api") else address)
        assert state(session) == before, path


PAGES = (
    "/sign-in",
    "/nowhere",
    "/account",
    "/users",
    "/",
    "/api/v1/me",
    "/api/v1/nowhere",
    "/health",
    "/static/nothing",
)


@pytest.mark.parametrize("path", PAGES)
def test_security_9_and_10_every_answer_has_the_headers(client: TestClient, user: User, path: str) -> None:
    headers = client.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    for name in ("script-src", "style-src", "connect-src", "font-src", "form-action"):
        assert policy[name] == "'self'"
    assert policy["img-src"] == "'self' data:"
    assert policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in headers  # plain http on a laptop


def test_security_10_errors_have_the_headers_too(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    @client.app.get("/probe/fail")  # type: ignore[attr-defined]
    def fail() -> None:
        raise RuntimeError("a secret of the house")

    answer = client.get("/probe/fail")
    assert answer.status_code == 500
    assert "content-security-policy" in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert "content-security-policy" in client.post("/sign-in", headers={"Sec-Fetch-Site": "cross-site"}).headers


def test_security_10_hsts_on_https(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUTELAGE_PUBLIC_URL", "https://tutelage.example.org")
    get_settings.cache_clear()
    with TestClient(create_app()) as client:
        assert client.get("/health").headers["strict-transport-security"] == "max-age=31536000"


def test_security_10_versioned_static_files_alone_may_be_kept(client: TestClient) -> None:
    answer = client.get(static_url("css/tutelage.css"))
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/static/old/css/tutelage.css").headers["cache-control"] == "no-store"


def test_security_9_no_inline_script_or_style_in_templates() -> None:
    for path in (ROOT / "templates").rglob("*.html"):
        source = path.read_text()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", source, re.IGNORECASE), path
        for tag in re.findall(r"<script[^>]*>", source):
            assert "src=" in tag or 'type="application/json"' in tag, path


def test_security_11_autoescape_has_no_way_around() -> None:
    """No template switches escaping off, and no route makes Markup."""
    for path in (ROOT / "templates").rglob("*.html"):
        assert not re.search(r"\|\s*safe\b|autoescape", path.read_text()), path
    marked = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "app").rglob("*.py") if "Markup(" in path.read_text()
    }
    assert marked <= {"app/pages.py"}


XSS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "{{ 7 * 7 }}",
    "</textarea><iframe src=javascript:alert(1)>",
)


@pytest.mark.parametrize("attack", XSS)
def test_security_12_names_are_escaped_on_every_page_of_people(
    client: TestClient, session: Session, user: User, attack: str
) -> None:
    answers = [
        client.post("/users", data={"username": "eve", "name": attack}),
        client.get("/users"),
        client.post("/users", data={"username": attack, "name": attack}),
        client.post("/sign-in", data={"username": attack, "password": "x", "next": "/" + attack}),
        client.get("/sign-in", params={"next": "/" + attack}, headers={"Cookie": "tutelage=none"}),
        client.get("/" + attack),
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 422, 422, 200, 404]
    for answer in answers:
        assert attack not in answer.text.replace("{{ 7 * 7 }}", "" if "{{" in attack else "{{ 7 * 7 }}")
        assert ">49<" not in answer.text


def test_security_13_downloads_are_attachments_with_names_of_ours(
    client: TestClient, project: Project, researcher: Any
) -> None:
    for kind in ("demonstrations", "comparisons"):
        for format in ("native", "trl"):
            answer = researcher.api.get(f"/projects/village/exports/{kind}.jsonl", params={"format": format})
            disposition = answer.headers["content-disposition"]
            assert re.fullmatch(rf'attachment; filename="village-{kind}-{format}-\d{{8}}-\d{{6}}\.jsonl"', disposition)


def test_security_14_filters_are_closed_sets(project: Project, researcher: Any, labeler: Any) -> None:
    """No query parameter or body field takes a name of a column, an order or an operator."""
    document = researcher.api.get("/openapi.json").json()
    known = {"limit", "after", "before", "format", "simulated", "ai", "snapshot", "project", "kind", "zone", "state"}
    parameters = {
        parameter["name"]
        for path in document["paths"].values()
        for operation in path.values()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    }
    assert parameters <= known
    for kind in ("users", "__class__", "demonstration' OR 1=1"):
        assert labeler.api.post("/projects/village/assignments", json={"kind": kind}).status_code == 422


def chunks(size: int) -> Iterator[bytes]:
    """A body whose length is not announced."""
    for _ in range(size // 1000):
        yield b"x" * 1000


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUTELAGE_BODY_LIMIT", "5000")
    monkeypatch.setenv("TUTELAGE_IMPORT_LIMIT", "20000")
    get_settings.cache_clear()


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/assignments/1/draft"), ("POST", "/users"), ("POST", "/checkpoints/1/completions")]
)
def test_security_22_a_body_limit_on_every_request(
    admin: Any, small_limits: None, announced: bool, method: str, path: str
) -> None:
    body: Any = b"x" * 6000 if announced else chunks(6000)
    answer = admin.api.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert "5,000 bytes" in answer.json()["detail"]


def test_security_22_forms_and_requests_without_a_route_too(client: TestClient, small_limits: None) -> None:
    for path in ("/sign-in", "/nowhere"):
        assert client.post(path, content=b"username=" + b"x" * 6000).status_code == 413
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/sign-in", content=chunks(6000), headers=form).status_code == 413
    assert client.get("/health", headers={"Content-Length": "6000"}).status_code == 413


@pytest.mark.parametrize("announced", [True, False])
def test_security_22_imports_have_a_limit_of_their_own(
    admin: Any, project: Project, session: Session, small_limits: None, announced: bool
) -> None:
    row = b'{"prompt": "%s"}\n'
    rows = [row % (b"%04d" % number + b"x" * 982) for number in range(25)]
    fits, over = rows[:18], rows

    def body(given: list[bytes]) -> Any:
        return b"".join(given) if announced else iter(given)

    before = state(session)
    assert admin.api.post("/projects/village/prompts", content=body(over)).status_code == 413
    assert state(session) == before
    assert admin.api.post("/projects/village/prompts", content=body(fits)).status_code == 201
