"""Signing in: the password check, its throttle, and the server-side sessions of browsers. Called through users.py.

Ten failures in a quarter of an hour, for one account or from one address, and nobody gets further tries there until the
oldest of them is a quarter of an hour old. Words and work are the same whether the account exists or not.
"""

from __future__ import annotations

import math
from datetime import timedelta

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.orm import Session, contains_eager

from app.errors import NotSignedIn, TooMany
from app.models import SignInAttempt, User, UserSession
from app.services import audit
from app.services.passwords import (
    address_network,
    hash_password,
    hash_token,
    keyed_hash,
    needs_rehash,
    new_token,
    verify_password,
)
from app.settings import get_settings
from app.translation import gettext as _
from app.translation import mark, ngettext

FAILURES = 10
WINDOW = timedelta(minutes=15)
_ACCOUNT_LOCK = 7302  # namespace of the advisory locks that put tries at one account in a row


class SignInRefused(NotSignedIn):
    """The failure is counted, so its transaction is committed."""

    title = mark("Not signed in")
    keeps_work = True


def sign_in(session: Session, username: str, password: str, address: str) -> tuple[User, str]:
    """The person and a new session token, for the cookie. Raises SignInRefused, TooMany."""
    username = username.strip().lower()[:64]
    account = keyed_hash("account", username)
    keys = [account, keyed_hash("address", address_network(address))]
    _throttle(session, keys)
    user = session.scalar(select(User).where(User.username == username))
    fits = verify_password(password[:1000], None if user is None else user.password_hash)
    if user is None or not fits or user.disabled_at is not None:
        session.add_all([SignInAttempt(key=key) for key in keys])
        audit.record(session, None, "sign_in.failed", "unknown" if user is None else f"user:{user.id}")
        raise SignInRefused(_("The username or the password is not right."))
    session.execute(delete(SignInAttempt).where(SignInAttempt.key == account))
    if user.password_hash is not None and needs_rehash(user.password_hash):
        user.password_hash = hash_password(password)
    token = start_session(session, user)
    audit.record(session, user, "sign_in", f"user:{user.id}")
    return user, token


def _throttle(session: Session, keys: list[str]) -> None:
    """Raises TooMany when one of the keys has had its failures."""
    # Tries at one account in a row: many at once would all pass a count that none of them has raised yet.
    if not session.scalar(select(func.pg_try_advisory_xact_lock(_ACCOUNT_LOCK, func.hashtext(keys[0])))):
        raise TooMany(_("Another sign-in to this account is being checked. Try again in a few seconds."), retry_after=3)
    session.execute(delete(SignInAttempt).where(SignInAttempt.key.in_(keys), SignInAttempt.at <= func.now() - WINDOW))
    for key in keys:
        tenth = (
            select(SignInAttempt.at)
            .where(SignInAttempt.key == key)
            .order_by(SignInAttempt.at.desc())
            .offset(FAILURES - 1)
            .limit(1)
            .scalar_subquery()
        )
        left = session.scalar(select(func.extract("epoch", tenth + WINDOW - func.now())))
        if left is not None and left > 0:
            minutes = math.ceil(float(left) / 60)
            sentence = ngettext(
                "Too many failed sign-ins. Try again in a minute.",
                "Too many failed sign-ins. Try again in %(minutes)s minutes.",
                minutes,
            )
            raise TooMany(sentence % {"minutes": minutes}, retry_after=math.ceil(float(left)))


def start_session(session: Session, user: User) -> str:
    """A new session of a browser; returns the token for its cookie. Ended sessions of this person are cleared away."""
    session.execute(delete(UserSession).where(UserSession.user_id == user.id, UserSession.expires_at <= func.now()))
    token = new_token()
    lifetime = timedelta(days=get_settings().session_days)
    session.add(UserSession(token_hash=hash_token(token), user_id=user.id, expires_at=func.now() + lifetime))
    session.flush()
    return token


# Built once: it runs at every request of a browser.
_LIVE_SESSION = (
    select(UserSession)
    .join(UserSession.user)
    .options(contains_eager(UserSession.user))
    .where(
        UserSession.token_hash == bindparam("token_hash"),
        UserSession.expires_at > func.now(),
        User.disabled_at.is_(None),
    )
)


def find_session_user(session: Session, token: str) -> User | None:
    """Whose live session this is; None when it has ended or its person is disabled."""
    row = session.scalar(_LIVE_SESSION, {"token_hash": hash_token(token)})
    return None if row is None else row.user


def sign_out(session: Session, token: str) -> None:
    """End the session; an unknown one is no error."""
    session.execute(delete(UserSession).where(UserSession.token_hash == hash_token(token)))
