"""API tokens, for admins. The plain token is in the answer to its making and nowhere else."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from app.models import ApiToken
from app.routes.api.router import api_router
from app.routes.api.shapes import ItemId, Request, Stored
from app.security import SessionDep, TokenAdmin
from app.services import tokens, users

router = api_router("tokens")

Scope = Literal["label", "read", "admin"]


class TokenIn(Request):
    """A new token."""

    username: str | None = Field(
        None, max_length=64, description="Whom it acts as; unset: yourself.", examples=["marta"]
    )
    name: str = Field(min_length=1, max_length=120, description="What it is for.", examples=["nightly export"])
    scopes: list[Scope] | None = Field(None, description="Unset: all that the role allows.", examples=[["read"]])
    days: int = Field(90, ge=1, le=tokens.LONGEST_DAYS, description="Days until it ends.")


class TokenOut(Stored):
    """A token, without its secret."""

    id: int = Field(examples=[4])
    name: str = Field(examples=["nightly export"])
    username: str = Field(examples=["marta"])
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class NewTokenOut(TokenOut):
    """A token with its secret, shown this once."""

    token: str = Field(description="Send it as `Authorization: Bearer <token>`; never put it into an address.")


def _token_out(token: ApiToken, username: str) -> dict[str, object]:
    fields = ("id", "name", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at")
    return {"username": username, **{name: getattr(token, name) for name in fields}}


@router.get("/tokens")
def list_tokens(session: SessionDep, user: TokenAdmin) -> list[TokenOut]:
    """All tokens, without their secrets."""
    return [TokenOut.model_validate(_token_out(token, token.user.username)) for token in tokens.list_tokens(session)]


@router.post("/tokens", status_code=201)
def create_token(session: SessionDep, user: TokenAdmin, body: TokenIn) -> NewTokenOut:
    """Make a token. Its secret is in this answer only."""
    owner = user if body.username is None else users.find_user(session, body.username)
    scopes: list[str] | None = None if body.scopes is None else list(body.scopes)
    token, plain = tokens.create_token(session, owner, body.name, scopes, body.days, by=user)
    return NewTokenOut.model_validate({**_token_out(token, owner.username), "token": plain})


@router.delete("/tokens/{token_id}", status_code=204)
def revoke_token(session: SessionDep, user: TokenAdmin, token_id: ItemId) -> None:
    """End a token for good."""
    tokens.revoke_token(session, token_id, by=user)
