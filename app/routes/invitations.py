"""Taking up an invitation: the link shows a form, sending the form uses the link up."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from app.errors import Invalid
from app.pages import render
from app.security import SessionDep, session_token, set_session_cookie
from app.services import users
from app.translation import gettext as _

router = APIRouter()


@router.get("/invitations/{token}")
def show_invitation(request: Request, session: SessionDep, token: str) -> Response:
    invited = users.find_invited(session, token)
    return render(request, "invitations/accept.html", invited=invited, token=token, problem=None)


@router.post("/invitations/{token}")
def accept_invitation(
    request: Request,
    session: SessionDep,
    token: str,
    password: Annotated[str, Form()] = "",
    repeated: Annotated[str, Form()] = "",
) -> Response:
    """Sets the password and signs in."""
    invited = users.find_invited(session, token)
    try:
        if password != repeated:
            raise Invalid(_("The two passwords are not the same. Type them again."))
        user = users.accept_invitation(session, token, password)
    except Invalid as error:
        return render(
            request, "invitations/accept.html", status=422, invited=invited, token=token, problem=error.detail
        )
    if old := session_token(request):
        users.sign_out(session, old)
    response = RedirectResponse("/", status_code=303)
    set_session_cookie(response, users.start_session(session, user))
    return response
