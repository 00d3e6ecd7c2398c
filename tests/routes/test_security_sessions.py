"""RELIABILITY, security 5 and 6: sessions and what ends them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.main import create_app
from app.models import User, UserSession
from app.services import users
from app.settings import get_settings
from tests.routes.conftest import PASSWORD


@pytest.fixture
def user(session: Session) -> User:
    return users.create_user(session, "marta", "Marta", "labeler")


def test_security_5_sessions_have_256_bits_and_are_stored_hashed(
    session: Session, user: User, sign_in: Callable[[User], str]
) -> None:
    token = sign_in(user)
    assert len(base64.urlsafe_b64decode(token + "=")) == 32
    assert session.scalars(select(UserSession.token_hash)).one() == hashlib.sha256(token.encode()).hexdigest()


def test_security_5_cookie_is_http_only_and_lax(client: TestClient, user: User, sign_in: Callable[[User], str]) -> None:
    sign_in(user)
    answer = client.post("/sign-in", data={"username": "marta", "password": PASSWORD})
    parts = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/"} <= parts
    assert "secure" not in parts  # plain http on a laptop


def test_security_5_cookie_is_secure_and_bound_to_the_host_on_https(
    database: str, session: Session, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = users.invite_user(session, user, None)
    users.accept_invitation(session, link.rsplit("/", 1)[1], PASSWORD)
    session.commit()
    monkeypatch.setenv("TUTELAGE_PUBLIC_URL", "https://Tutelage.example.org:443/")
    get_settings.cache_clear()
    with TestClient(create_app(), base_url="https://tutelage.example.org", follow_redirects=False) as client:
        answer = client.post(
            "/sign-in",
            data={"username": "marta", "password": PASSWORD},
            headers={"Origin": "https://tutelage.example.org"},
        )
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-tutelage=")
        assert "; secure" in cookie.lower()
        assert "domain" not in cookie.lower()
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert client.get("/account").status_code == 200


def test_security_5_sessions_end(
    client: TestClient, session: Session, user: User, sign_in: Callable[[User], str]
) -> None:
    sign_in(user)
    assert client.get("/account").status_code == 200
    session.execute(update(UserSession).values(expires_at=func.now()))
    session.commit()
    assert client.get("/account").headers["location"] == "/sign-in?next=%2Faccount"
    assert client.post("/account/password").status_code == 401


def test_security_6_sign_in_makes_a_new_session_and_ends_the_one_before(
    client: TestClient, session: Session, user: User, sign_in: Callable[[User], str]
) -> None:
    first = sign_in(user)
    client.post("/sign-in", data={"username": "marta", "password": PASSWORD})
    second = client.cookies["tutelage"]
    assert first != second
    assert session.scalar(select(func.count()).select_from(UserSession)) == 1


def test_security_6_a_planted_cookie_is_never_taken_over(
    client: TestClient, user: User, sign_in: Callable[[User], str]
) -> None:
    sign_in(user)
    form = {"username": "marta", "password": PASSWORD}
    answer = client.post("/sign-in", data=form, headers={"Cookie": "tutelage=planted"})
    assert answer.status_code == 303
    assert "planted" not in answer.headers["set-cookie"]
    assert client.get("/account", headers={"Cookie": "tutelage=planted"}).status_code == 303


def test_security_6_sign_out_ends_the_session_on_the_server(
    client: TestClient, user: User, sign_in: Callable[[User], str]
) -> None:
    token = sign_in(user)
    assert client.post("/sign-out").status_code == 303
    assert "tutelage" not in client.cookies
    assert client.get("/account", headers={"Cookie": f"tutelage={token}"}).status_code == 303


def test_security_6_disabling_ends_sessions_tokens_and_links(
    client: TestClient, session: Session, sign_in: Callable[[User], str], labeler: Any, admin: Any
) -> None:
    sign_in(labeler.user)
    link = users.invite_user(session, labeler.user, None)
    session.commit()
    assert labeler.api.get("/me").status_code == 200
    admin.api.post(f"/users/{labeler.user.id}/disable")
    assert client.get("/account").status_code == 303
    assert labeler.api.get("/me").status_code == 401
    assert client.get(link.removeprefix(get_settings().url)).status_code == 404
    answer = client.post("/sign-in", data={"username": "lena", "password": PASSWORD})
    assert answer.status_code == 422
    admin.api.post(f"/users/{labeler.user.id}/enable")
    assert client.get("/account").status_code == 303  # the old session stays ended
    assert client.post("/sign-in", data={"username": "lena", "password": PASSWORD}).status_code == 303


def test_security_6_changing_the_password_ends_other_sessions(
    client: TestClient, session: Session, user: User, sign_in: Callable[[User], str]
) -> None:
    old = sign_in(user)
    elsewhere = users.start_session(session, user)
    session.commit()
    new = {"old_password": PASSWORD, "password": "nine small loud rivers", "repeated": "nine small loud rivers"}
    assert client.post("/account/password", data=new | {"old_password": "wrong"}).status_code == 422
    assert client.post("/account/password", data=new | {"repeated": "other"}).status_code == 422
    assert client.post("/account/password", data=new).status_code == 200
    assert client.get("/account").status_code == 200
    assert client.cookies["tutelage"] not in (old, elsewhere)
    for ended in (old, elsewhere):
        assert client.get("/account", headers={"Cookie": f"tutelage={ended}"}).status_code == 303
    client.post("/sign-out")
    assert client.post("/sign-in", data={"username": "marta", "password": PASSWORD}).status_code == 422
    assert client.post("/sign-in", data={"username": "marta", "password": new["password"]}).status_code == 303


@pytest.mark.parametrize(
    ("asked", "led"),
    [
        ("/account", "/account"), ("/users?a=b", "/users?a=b"), ("//evil.example", "/"), ("https://evil.example", "/"),
        ("/\\evil.example", "/"), ("javascript:alert(1)", "/"), ("/a\r\nSet-Cookie: x=y", "/"), ("/sign-out", "/"),
        ("/\t/evil.example", "/"), ("", "/"),
    ],
)  # fmt: skip
def test_sign_in_leads_nowhere_else(client: TestClient, user: User, sign_in: Any, asked: str, led: str) -> None:
    sign_in(user)
    answer = client.post("/sign-in", data={"username": "marta", "password": PASSWORD, "next": asked})
    assert answer.headers["location"] == led
