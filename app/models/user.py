"""People, how they sign in, and the tokens of their programs. Secrets are stored as hashes only."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base
from app.models.columns import Created, Id, JsonList, LabelerGroup, Moment, Role, one_of


class User(Base):
    __tablename__ = "users"
    __table_args__ = (one_of("role", Role), one_of("labeler_group", LabelerGroup))

    id: Mapped[Id]
    username: Mapped[str] = mapped_column(String(64), unique=True)  # lower case
    name: Mapped[str] = mapped_column(String(120))
    role: Mapped[str] = mapped_column(String(16))
    labeler_group: Mapped[str] = mapped_column(String(16), server_default="training")
    password_hash: Mapped[str | None]  # argon2id; None until an invitation is taken up
    simulated: Mapped[bool] = mapped_column(server_default=false())
    languages: Mapped[JsonList] = mapped_column(server_default=text("'[]'::jsonb"))  # codes; none: every language
    skills: Mapped[JsonList] = mapped_column(server_default=text("'[]'::jsonb"))  # what she may label of what needs one
    disabled_at: Mapped[Moment | None]
    created_at: Mapped[Created]


class UserSession(Base):
    """A sign-in of a browser. `token_hash` is SHA-256 of the 256-bit cookie."""

    __tablename__ = "user_sessions"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[Created]
    expires_at: Mapped[Moment]

    user: Mapped[User] = relationship(lazy="raise")


class Invitation(Base):
    """A single-use link by which a user sets a password: the first time, or again."""

    __tablename__ = "invitations"

    id: Mapped[Id]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Created]
    expires_at: Mapped[Moment]
    used_at: Mapped[Moment | None]

    user: Mapped[User] = relationship(lazy="raise", foreign_keys=[user_id])


class ApiToken(Base):
    """A bearer token of a program. `scopes` is a subset of security.SCOPES."""

    __tablename__ = "api_tokens"

    id: Mapped[Id]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    scopes: Mapped[JsonList]
    created_at: Mapped[Created]
    expires_at: Mapped[Moment]
    revoked_at: Mapped[Moment | None]
    last_used_at: Mapped[Moment | None]

    user: Mapped[User] = relationship(lazy="raise")


class SignInAttempt(Base):
    """A failed sign-in, counted by account and by address to throttle guessing."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (Index("ix_sign_in_attempts_key_at", "key", "at"),)

    id: Mapped[Id]
    key: Mapped[str] = mapped_column(String(80))  # keyed hash of the account or of the address
    at: Mapped[Created]
