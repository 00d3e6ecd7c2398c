"""RELIABILITY, security 1 to 4: the key, invitations, argon2id, the throttle."""

from __future__ import annotations

import stat
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from argon2 import extract_parameters
from fastapi.testclient import TestClient
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from app.main import create_app
from app.models import AuditEvent, Invitation, SignInAttempt, User, UserSession
from app.services import passwords, users
from app.settings import get_settings
from tests.routes.conftest import PASSWORD


def invite(session: Session, username: str = "marta", role: str = "labeler") -> str:
    user = users.create_user(session, username, "Marta", role)
    link = users.invite_user(session, user, None)
    session.commit()
    return link.removeprefix(get_settings().url)


def accept(client: TestClient, path: str, password: str = PASSWORD) -> int:
    return client.post(path, data={"password": password, "repeated": password}).status_code


def test_security_1_key_is_made_private_on_a_laptop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUTELAGE_HOME", str(tmp_path / "home"))
    get_settings.cache_clear()
    key = get_settings().key()
    assert len(key) == 64
    assert key == get_settings().key()
    assert stat.S_IMODE((tmp_path / "home" / "secret.key").stat().st_mode) == 0o600


def test_security_1_no_start_without_a_key_elsewhere(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUTELAGE_SECRET_KEY")
    get_settings.cache_clear()
    with pytest.raises(RuntimeError, match="TUTELAGE_SECRET_KEY is not set"), TestClient(create_app()):
        pass
    monkeypatch.setenv("TUTELAGE_SECRET_KEY", "short")
    get_settings.cache_clear()
    with pytest.raises(RuntimeError, match="too short"), TestClient(create_app()):
        pass


def test_security_2_nobody_registers(client: TestClient, session: Session) -> None:
    for path in ("/register", "/sign-up", "/users", "/api/v1/users"):
        assert client.post(path, data={"username": "eve", "password": PASSWORD}).status_code in (401, 404, 405)
    assert session.scalar(select(func.count()).select_from(User)) == 0


def test_security_2_invitation_works_once(client: TestClient, session: Session) -> None:
    path = invite(session)
    for _ in range(3):  # looking, also by a mail scanner, uses nothing up
        assert client.get(path).status_code == 200
    assert accept(client, path) == 303
    assert client.get("/account").status_code == 200
    assert client.get(path).status_code == 404
    assert accept(client, path) == 404


def test_security_2_invitation_is_stored_as_a_hash(session: Session, database: str) -> None:
    token = invite(session).rsplit("/", 1)[1]
    assert session.scalar(select(Invitation.token_hash)) == passwords.hash_token(token)
    assert token not in str(session.execute(text("SELECT * FROM invitations")).all())


def test_security_2_invitation_ends(client: TestClient, session: Session) -> None:
    path = invite(session)
    session.execute(update(Invitation).values(expires_at=func.now()))
    session.commit()
    assert client.get(path).status_code == 404
    assert accept(client, path) == 404


def test_security_2_new_link_ends_the_old_one(client: TestClient, session: Session) -> None:
    path = invite(session)
    user = session.scalars(select(User)).one()
    users.invite_user(session, user, None)
    session.commit()
    assert client.get(path).status_code == 404


def test_security_2_weak_passwords_are_refused_and_the_link_stays(client: TestClient, session: Session) -> None:
    path = invite(session)
    for weak in ("", "short", "aaaaaaaaaaaaaaaa", "password1234", "martamarta12", "x" * 300):
        assert accept(client, path, weak) == 422
    answer = client.post(path, data={"password": PASSWORD, "repeated": PASSWORD + "!"})
    assert answer.status_code == 422
    assert "not the same" in answer.text
    assert accept(client, path) == 303


def test_security_3_passwords_are_argon2id(client: TestClient, session: Session) -> None:
    assert accept(client, invite(session)) == 303
    stored = session.scalar(select(User.password_hash))
    assert stored is not None
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PASSWORD not in stored


def fail(client: TestClient, username: str, times: int = 1) -> Any:
    for _ in range(times):
        answer = client.post("/sign-in", data={"username": username, "password": "wrong"})
    return answer


def test_security_4_ten_failures_shut_an_account_for_a_while(client: TestClient, session: Session) -> None:
    assert accept(client, invite(session)) == 303
    assert fail(client, "marta", 10).status_code == 422
    session.execute(text("DELETE FROM sign_in_attempts WHERE key LIKE 'address:%'"))
    session.commit()
    answer = client.post("/sign-in", data={"username": "MARTA ", "password": PASSWORD})
    assert answer.status_code == 429
    assert "Try again in 15 minutes" in answer.text
    assert 0 < int(answer.headers["retry-after"]) <= 900
    session.execute(update(SignInAttempt).values(at=func.now() - text("interval '16 minutes'")))
    session.commit()
    assert client.post("/sign-in", data={"username": "marta", "password": PASSWORD}).status_code == 303
    assert session.scalar(select(func.count()).select_from(SignInAttempt)) == 0


def test_security_4_ten_failures_shut_an_address(client: TestClient, session: Session) -> None:
    assert accept(client, invite(session)) == 303
    for number in range(10):
        assert fail(client, f"guess-{number}").status_code == 422
    assert client.post("/sign-in", data={"username": "marta", "password": PASSWORD}).status_code == 429


def test_security_4_attempts_are_kept_as_keyed_hashes(client: TestClient, session: Session) -> None:
    fail(client, "my-password-by-mistake")
    rows = str(
        session.execute(text("SELECT key FROM sign_in_attempts UNION ALL SELECT subject FROM audit_events")).all()
    )
    assert "my-password-by-mistake" not in rows
    assert "testclient" not in rows


def test_security_4_same_words_for_every_failure(client: TestClient, session: Session, sign_in: Any) -> None:
    user = users.create_user(session, "marta", "Marta", "labeler")
    sign_in(user)
    invite(session, "invited")
    answers = {name: fail(client, name) for name in ("marta", "nobody", "invited")}
    texts = {answer.text.replace(name, "X") for name, answer in answers.items()}
    wrong = answers["marta"]
    assert len(texts) == 1
    assert "The username or the password is not right." in wrong.text
    assert 'value="marta"' in wrong.text  # what was typed stays, but for the password
    assert "wrong" not in wrong.text


def test_security_4_unknown_users_cost_the_same_work() -> None:
    """The same parameters, and the same processor time: a clock on the wall would measure the machine's other work."""
    stored = passwords.hash_password(PASSWORD)
    passwords.verify_password("warm up", None)
    assert extract_parameters(passwords._nobodys_hash()) == extract_parameters(stored)

    def cost(known: str | None) -> float:
        start = process_time()
        assert not passwords.verify_password("wrong", known)
        return process_time() - start

    pairs = [(cost(None), cost(stored)) for _ in range(15)]
    unknown, wrong = (min(times) for times in zip(*pairs, strict=True))
    assert 0.5 < unknown / wrong < 2


def test_security_4_an_unknown_user_is_never_let_in(session: Session) -> None:
    assert not passwords.verify_password("", None)


def test_sign_in_is_audited(client: TestClient, session: Session) -> None:
    assert accept(client, invite(session)) == 303
    fail(client, "marta")
    client.post("/sign-in", data={"username": "marta", "password": PASSWORD})
    actions = session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)).all()
    assert actions == ["user.created", "user.invited", "invitation.accepted", "sign_in.failed", "sign_in"]
    assert session.scalar(select(func.count()).select_from(UserSession)) == 1
