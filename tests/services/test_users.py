"""People, links, sign-ins and tokens, below HTTP."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.database import transaction
from app.errors import AppError, Conflict, Forbidden, Invalid, NotFound, NotSignedIn, TooMany
from app.models import ApiToken, AuditEvent, SignInAttempt, User, UserSession
from app.services import audit, tokens, users
from app.services.passwords import address_network, keyed_hash, password_problem
from app.services.sign_ins import FAILURES, SignInRefused

PASSWORD = "four tall quiet horses"


def enter(session: Session, username: str = "marta", role: str = "labeler") -> User:
    user = users.create_user(session, username, "Marta", role)
    token = users.invite_user(session, user, None).rsplit("/", 1)[1]
    users.accept_invitation(session, token, PASSWORD)
    session.commit()
    return user


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": "two words"}, "username"),
        ({"username": "x" * 65}, "username"),
        ({"name": "n" * 121}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"role": "owner"}, "role"),
        ({"group": "other"}, "group"),
    ],
)
def test_create_user_names_what_is_wrong(session: Session, values: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        users.create_user(session, **({"username": "marta", "name": "Marta", "role": "labeler"} | values))
    assert [error["field"] for error in caught.value.extra["errors"]] == [field]


def test_usernames_are_one_whatever_their_case(session: Session) -> None:
    assert users.create_user(session, " Marta ", "", "labeler").username == "marta"
    with pytest.raises(Conflict):
        users.create_user(session, "MARTA", "Other", "labeler")


def test_ensure_admin_gives_a_link_until_it_is_taken_up(session: Session) -> None:
    first, second = users.ensure_admin(session), users.ensure_admin(session)
    assert first is not None
    assert second is not None
    assert first != second
    with pytest.raises(NotFound):
        users.accept_invitation(session, first.rsplit("/", 1)[1], PASSWORD)
    users.accept_invitation(session, second.rsplit("/", 1)[1], PASSWORD)
    assert users.ensure_admin(session) is None
    assert [user.role for user in users.list_users(session)] == ["admin"]


def test_two_at_once_use_a_link_up_once(session: Session) -> None:
    user = users.create_user(session, "marta", "Marta", "labeler")
    token = users.invite_user(session, user, None).rsplit("/", 1)[1]
    session.commit()
    outcomes: list[str] = []
    start = threading.Barrier(4)

    def accept() -> None:
        start.wait()
        try:
            with transaction() as own:
                users.accept_invitation(own, token, PASSWORD)
            outcomes.append("accepted")
        except NotFound:
            outcomes.append("refused")

    threads = [threading.Thread(target=accept) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["accepted", "refused", "refused", "refused"]


def test_many_guesses_at_once_get_no_more_than_their_tries(session: Session) -> None:
    enter(session)
    refused: list[type[AppError]] = []
    start = threading.Barrier(20)

    def guess() -> None:
        start.wait()
        for number in range(3):
            with transaction() as own:
                try:
                    users.sign_in(own, "marta", f"guess {number}", "192.0.2.1")
                except (SignInRefused, TooMany) as error:
                    refused.append(type(error))

    threads = [threading.Thread(target=guess) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 60
    assert refused.count(SignInRefused) <= FAILURES


def test_addresses_are_counted_by_network() -> None:
    assert address_network("2001:db8::1") == address_network("2001:db8::ffff:1") == "2001:db8::/64"
    assert address_network("::ffff:192.0.2.1") == "192.0.2.1"
    assert address_network("unknown") == "unknown"


def test_keyed_hashes_tell_kinds_apart(settings: Any) -> None:
    assert keyed_hash("account", "x") != keyed_hash("address", "x")
    assert len(keyed_hash("account", "x")) <= 80


@pytest.mark.parametrize("password", ["correct horse battery", "Tr0ub4dor&3 und mehr", "ünïcödé wörter hier"])
def test_good_passwords_pass(password: str) -> None:
    assert password_problem(password, "marta") is None


def test_a_wrong_sign_in_is_kept_though_it_fails(session: Session) -> None:
    enter(session)
    assert SignInRefused("x").keeps_work
    with pytest.raises(SignInRefused):
        users.sign_in(session, "marta", "wrong", "192.0.2.1")
    session.commit()
    assert session.scalar(select(func.count()).select_from(SignInAttempt)) == 2


def test_a_good_sign_in_clears_the_account_and_not_the_address(session: Session) -> None:
    enter(session)
    with pytest.raises(SignInRefused):
        users.sign_in(session, "marta", "wrong", "192.0.2.1")
    session.commit()
    user, token = users.sign_in(session, "marta", PASSWORD, "192.0.2.1")
    assert users.find_session_user(session, token) is user
    assert session.scalar(select(func.count()).select_from(SignInAttempt)) == 1
    users.sign_out(session, token)
    assert users.find_session_user(session, token) is None


def test_sign_in_clears_the_person_s_ended_sessions(session: Session) -> None:
    enter(session)
    users.sign_in(session, "marta", PASSWORD, "192.0.2.1")
    session.execute(text("UPDATE user_sessions SET expires_at = now() - interval '1 second'"))
    session.commit()
    users.sign_in(session, "marta", PASSWORD, "192.0.2.1")
    assert session.scalar(select(func.count()).select_from(UserSession)) == 1


def test_nobody_disables_herself(session: Session) -> None:
    admin = enter(session, "ada", "admin")
    with pytest.raises(Forbidden):
        users.disable_user(session, admin, admin)


@pytest.mark.parametrize(
    ("role", "scopes"), [("labeler", ["read"]), ("researcher", ["admin"]), ("labeler", []), ("admin", ["all"])]
)
def test_a_token_never_has_more_than_its_person(session: Session, role: str, scopes: list[str]) -> None:
    user = enter(session, "marta", role)
    with pytest.raises(Invalid, match="scopes"):
        tokens.create_token(session, user, "nightly", scopes)


def test_tokens_by_default_have_the_scopes_of_the_role(session: Session) -> None:
    token, plain = tokens.create_token(session, enter(session, "rosa", "researcher"), "nightly")
    assert token.scopes == ["label", "read"]
    assert tokens.authenticate_token(session, plain).username == "rosa"
    tokens.revoke_token(session, token.id)
    with pytest.raises(NotSignedIn):
        tokens.authenticate_token(session, plain)


def test_use_of_a_token_is_noted_to_the_minute(session: Session) -> None:
    token, plain = tokens.create_token(session, enter(session), "nightly")
    session.commit()
    tokens.authenticate_token(session, plain)
    session.commit()
    first = session.scalar(select(ApiToken.last_used_at))
    assert first is not None
    session.refresh(token)
    tokens.authenticate_token(session, plain)
    session.commit()
    assert session.scalar(select(ApiToken.last_used_at)) == first


@pytest.mark.parametrize("statement", ["UPDATE audit_events SET action = 'x'", "DELETE FROM audit_events"])
def test_the_audit_log_only_grows(session: Session, statement: str) -> None:
    audit.record(session, None, "probe", "probe", note="kept")
    session.commit()
    with pytest.raises(DBAPIError):
        session.execute(text(statement))
    session.rollback()
    assert session.scalars(select(AuditEvent.action)).all() == ["probe"]
