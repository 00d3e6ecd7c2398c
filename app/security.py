"""Who is asking, and may they: the dependencies of every route. Routes import the Annotated names; app.main the rest.

Pages know people by the session cookie. The API takes a bearer token, or the same cookie from our own pages. In both,
what somebody may do follows from role and scope:

    labeler     label         own assignments
    researcher  label read    + rounds, checkpoints, exports, jobs, lineage
    admin       all           + whatever changes a project, launches training, or concerns people

Somebody without the right gets 404 when reading (it is not for them to know what exists) and 403 when acting.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from sqlalchemy.orm import Session
from starlette.responses import Response

from app.database import session_factory
from app.errors import AppError, Forbidden, NotFound, NotSignedIn
from app.models import User
from app.models.columns import Role
from app.services import prompt_reports, sign_ins, tokens
from app.settings import get_settings
from app.translation import gettext as _

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
RANK: dict[str, int] = {Role.LABELER: 0, Role.RESEARCHER: 1, Role.ADMIN: 2}

_connections: RunVar[CapacityLimiter] = RunVar("tutelage_connections")


def _connection_limiter() -> CapacityLimiter:
    """No more requests hold a session at once than the pool keeps connections.

    Without it, requests that hold a connection and wait for a thread can starve behind requests that hold a thread and
    wait for a connection.
    """
    try:
        return _connections.get()
    except LookupError:
        limiter = CapacityLimiter(get_settings().database_pool)
        _connections.set(limiter)
        return limiter


async def open_session() -> AsyncIterator[Session]:
    """One transaction a request. It ends before the response leaves: a failed commit is a 500, never a false 201."""
    async with _connection_limiter():
        session = session_factory()()
        # A limiter of its own: ending a transaction never waits for a thread that waits for a connection.
        ending = CapacityLimiter(1)
        try:
            yield session
        except BaseException as error:
            keep = isinstance(error, AppError) and error.keeps_work
            await to_thread.run_sync(_finish, session, keep, limiter=ending)
            raise
        if session.in_transaction():  # else a route of routes/one_thread.py has ended it
            await to_thread.run_sync(_finish, session, True, limiter=ending)


def _finish(session: Session, keep: bool) -> None:
    try:
        if keep:
            session.commit()
    finally:
        session.close()


SessionDep = Annotated[Session, Depends(open_session, scope="function")]


ZONE_COOKIE = "tutelage-zone"  # no secret: the time zone that static/js/boot.js finds, by whose days she works
LANGUAGE_COOKIE = "tutelage-language"  # no secret: which of our languages this browser reads


def cookie_name() -> str:
    """`__Host-` makes browsers refuse the cookie from a sibling domain or without https."""
    return "__Host-tutelage" if get_settings().secure_cookies else "tutelage"


def session_token(request: Request) -> str | None:
    return request.cookies.get(cookie_name())


def zone_of(request: Request) -> str:
    """The time zone of the browser as it says it, which nobody has checked; empty where no script ran."""
    return request.cookies.get(ZONE_COOKIE, "")


def set_session_cookie(response: Response, token: str) -> None:
    settings = get_settings()
    response.set_cookie(
        cookie_name(),
        token,
        max_age=settings.session_days * 86_400,
        path="/",
        secure=settings.secure_cookies,
        httponly=True,
        samesite="lax",
    )


def clear_session_cookie(response: Response) -> None:
    secure = get_settings().secure_cookies
    response.delete_cookie(cookie_name(), path="/", secure=secure, httponly=True, samesite="lax")


def local_path(target: str) -> str:
    """`target` when it is a path of ours, else the front page: never an address that leads away."""
    fits = (
        target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable() and "\\" not in target
    )
    return target if fits and not target.startswith(("/sign-in", "/sign-out")) else "/"


def client_address(request: Request) -> str:
    """The peer; behind a proxy uvicorn has put the forwarded address here, for proxies that it is told to trust."""
    return request.client.host if request.client else "unknown"


def visitor(request: Request, session: SessionDep) -> User | None:
    """Who is signed in, if anybody: for pages that are open to all. Templates find it as `user`."""
    token = session_token(request)
    user = sign_ins.find_session_user(session, token) if token else None
    request.state.user = user
    if user is not None and user.role == Role.ADMIN:
        request.state.open_reports = prompt_reports.count_open(session)  # every page of theirs shows it
    return user


Visitor = Annotated[User | None, Depends(visitor, scope="function")]


def refuse(request: Request, what: str) -> AppError:
    """404 for looking, 403 for acting."""
    if request.method in SAFE_METHODS:
        return NotFound(_("There is nothing here, or it is not for your role."))
    return Forbidden(what)


def reserved_for(least: Role | str) -> str:
    """Who may do it, in words: a stored role is a key, not a name."""
    if least == Role.ADMIN:
        return _("Only an admin may do this.")
    return _("Only researchers and admins may do this.")


def require_role(least: Role | str) -> Callable[..., Awaitable[User]]:
    """For pages: the signed-in person, whose role is `least` or above it. Others go to the sign-in page, or get 404."""

    async def check(request: Request, user: Visitor) -> User:
        if user is None:
            raise NotSignedIn(_("Sign in to go on."))
        if RANK[user.role] < RANK[least]:
            raise refuse(request, reserved_for(least))
        return user

    return check


CurrentUser = Annotated[User, Depends(require_role(Role.LABELER), scope="function")]
Researcher = Annotated[User, Depends(require_role(Role.RESEARCHER), scope="function")]
Admin = Annotated[User, Depends(require_role(Role.ADMIN), scope="function")]

bearer = HTTPBearer(
    auto_error=False, scheme_name="token", description="`Authorization: Bearer <token>`, from `POST /tokens`."
)


def _api_identity(request: Request, session: Session) -> tuple[User, tuple[str, ...]]:
    """The person and the scopes of this request. A token may never do more than its person's role."""
    header = request.headers.get("authorization")
    if header is not None:
        scheme, __, plain = header.partition(" ")
        if scheme.lower() != "bearer" or not plain.strip():
            raise NotSignedIn("Send the token as `Authorization: Bearer <token>`.")
        token = tokens.find_token(session, plain.strip())
        tokens.note_use(session, token)
        return token.user, tuple(scope for scope in tokens.ROLE_SCOPES[token.user.role] if scope in token.scopes)
    user = visitor(request, session)
    if user is None:
        raise NotSignedIn(
            "Send a token as `Authorization: Bearer <token>`; an admin makes one with POST /api/v1/tokens."
        )
    return user, tokens.ROLE_SCOPES[user.role]


def require_scope(scope: str | None) -> Callable[..., User]:
    """For the API: the person whose token or session holds `scope`; None takes any token that is good."""

    def check(request: Request, session: SessionDep, credentials: Annotated[object, Depends(bearer)]) -> User:
        user, scopes = _api_identity(request, session)
        request.state.user, request.state.scopes = user, scopes
        if scope is not None and scope not in scopes:
            if scope in tokens.ROLE_SCOPES[user.role]:
                raise Forbidden(_("This token lacks the scope “%(scope)s”.") % {"scope": scope})
            least = next(role for role in RANK if scope in tokens.ROLE_SCOPES[role])  # the lowest comes first
            takes = _("It takes the scope “%(scope)s”.") % {"scope": scope}
            raise refuse(request, f"{reserved_for(least)} {takes}")
        return user

    return check


def may_administer(request: Request) -> bool:
    """Whether this request to the API may act on what belongs to others, where its route takes labelers too."""
    return "admin" in request.state.scopes


AnyToken = Annotated[User, Depends(require_scope(None), scope="function")]
TokenUser = Annotated[User, Depends(require_scope("label"), scope="function")]
TokenReader = Annotated[User, Depends(require_scope("read"), scope="function")]
TokenAdmin = Annotated[User, Depends(require_scope("admin"), scope="function")]
