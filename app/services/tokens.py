"""API tokens of programs: made by an admin, shown once, stored as a hash. Called by the API and the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.orm import Session, contains_eager, joinedload

from app.errors import Conflict, Invalid, NotFound, NotSignedIn
from app.models import ApiToken, User
from app.models.columns import Role
from app.services import audit
from app.services.passwords import hash_token, new_token
from app.translation import gettext as _

SCOPES = ("label", "read", "admin")
ROLE_SCOPES: dict[str, tuple[str, ...]] = {
    Role.LABELER: ("label",),
    Role.RESEARCHER: ("label", "read"),
    Role.ADMIN: SCOPES,
}
PREFIX = "tutelage_"  # so that people and secret scanners recognise one
LONGEST_DAYS = 366
_FRESH = timedelta(minutes=1)  # `last_used_at` is written once a minute at most


# Built once: it runs at every request of a program.
_LIVE_TOKEN = (
    select(ApiToken)
    .join(ApiToken.user)
    .options(contains_eager(ApiToken.user))
    .where(
        ApiToken.token_hash == bindparam("token_hash"),
        ApiToken.revoked_at.is_(None),
        ApiToken.expires_at > func.now(),
        User.disabled_at.is_(None),
    )
)


def create_token(
    session: Session, user: User, name: str, scopes: list[str] | None = None, days: int = 90, by: User | None = None
) -> tuple[ApiToken, str]:
    """A token that acts as `user`, and its plain text, which is nowhere kept. Raises Invalid, Conflict."""
    if user.disabled_at is not None:
        raise Conflict(_("%(name)s is disabled and can have no tokens.") % {"name": user.name})
    allowed = ROLE_SCOPES[user.role]
    wanted = list(allowed) if scopes is None else sorted(set(scopes))
    errors = []
    if not 0 < len(name.strip()) <= 120:
        errors.append({"field": "name", "message": _("Say in at most 120 characters what the token is for.")})
    if not wanted or not set(wanted) <= set(allowed):
        sentence = _("The scopes of a %(role)s are %(scopes)s.") % {"role": user.role, "scopes": ", ".join(allowed)}
        errors.append({"field": "scopes", "message": sentence})
    if not 1 <= days <= LONGEST_DAYS:
        sentence = _("A token lives from 1 to %(most)s days.") % {"most": LONGEST_DAYS}
        errors.append({"field": "days", "message": sentence})
    if errors:
        raise Invalid(" ".join(error["message"] for error in errors), errors=errors)
    plain = new_token(PREFIX)
    token = ApiToken(
        token_hash=hash_token(plain),
        name=name.strip(),
        user_id=user.id,
        scopes=wanted,
        expires_at=func.now() + timedelta(days=days),
    )
    session.add(token)
    session.flush()
    audit.record(session, by, "token.created", f"token:{token.id}", owner=user.id, scopes=wanted, days=days)
    return token, plain


def list_tokens(session: Session) -> list[ApiToken]:
    return list(session.scalars(select(ApiToken).options(joinedload(ApiToken.user)).order_by(ApiToken.id)))


def revoke_token(session: Session, token_id: int, by: User | None = None) -> ApiToken:
    """End a token for good. Raises NotFound."""
    token = session.get(ApiToken, token_id)
    if token is None:
        raise NotFound(_("There is no such token."))
    if token.revoked_at is None:
        token.revoked_at = session.scalar(select(func.now()))
        audit.record(session, by, "token.revoked", f"token:{token.id}")
    session.flush()
    return token


def find_token(session: Session, plain: str) -> ApiToken:
    """The live token with its user. Raises NotSignedIn with one sentence for every way of being no good."""
    token = session.scalar(_LIVE_TOKEN, {"token_hash": hash_token(plain)})
    if token is None:
        raise NotSignedIn("This token is unknown, revoked or expired. Ask an admin for a new one.")
    return token


def note_use(session: Session, token: ApiToken) -> None:
    """Keep when it was last used, to the minute; never waits for another request that does the same."""
    if token.last_used_at is not None and datetime.now(UTC) - token.last_used_at < _FRESH:
        return
    stale = or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at < func.now() - _FRESH)
    free = select(ApiToken.id).where(ApiToken.id == token.id, stale).with_for_update(skip_locked=True)
    session.execute(
        update(ApiToken)
        .where(ApiToken.id.in_(free.scalar_subquery()))
        .values(last_used_at=func.now())
        .execution_options(synchronize_session=False)
    )


def authenticate_token(session: Session, plain: str) -> User:
    """The person a token acts as. Raises NotSignedIn."""
    token = find_token(session, plain)
    note_use(session, token)
    return token.user
