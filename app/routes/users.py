"""People: the list for admins, who may invite, disable and enable; and one's own password."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import RedirectResponse, Response

from app.errors import AppError, Conflict, Forbidden, Invalid
from app.models import User
from app.models.columns import LabelerGroup, Role
from app.pages import render
from app.rules.abilities import parse_list
from app.security import Admin, CurrentUser, SessionDep, set_session_cookie
from app.services import users
from app.settings import get_settings
from app.translation import gettext as _

router = APIRouter()

EMPTY = {"username": "", "name": "", "role": Role.LABELER.value, "group": LabelerGroup.TRAINING.value}


def _people_page(
    request: Request,
    session: Session,
    *,
    status: int = 200,
    typed: dict[str, str] | None = None,
    problem: str | None = None,
    link: str | None = None,
    linked: User | None = None,
) -> Response:
    return render(
        request,
        "users/list.html",
        status=status,
        people=users.list_users(session),
        roles=list(Role),
        groups=list(LabelerGroup),
        typed=typed or EMPTY,
        problem=problem,
        link=link,
        linked=linked,
        days=get_settings().invitation_days,
    )


@router.get("/users")
def list_users(request: Request, session: SessionDep, admin: Admin) -> Response:
    return _people_page(request, session)


@router.post("/users")
def invite_user(
    request: Request,
    session: SessionDep,
    admin: Admin,
    username: Annotated[str, Form()] = "",
    name: Annotated[str, Form()] = "",
    role: Annotated[str, Form()] = "labeler",
    group: Annotated[str, Form()] = "training",
) -> Response:
    """Makes the person and shows the link, this once: it is stored as a hash, so no later page can show it."""
    typed = {"username": username, "name": name, "role": role, "group": group}
    try:
        user = users.create_user(session, username, name, role, group, by=admin)
    except (Invalid, Conflict) as error:
        return _people_page(request, session, status=422, typed=typed, problem=error.detail)
    link = users.invite_user(session, user, admin)
    return _people_page(request, session, status=201, link=link, linked=user)


@router.post("/users/{user_id}/link")
def renew_link(request: Request, session: SessionDep, admin: Admin, user_id: int) -> Response:
    user = users.get_user(session, user_id)
    try:
        link = users.invite_user(session, user, admin)
    except Conflict as error:
        return _people_page(request, session, status=422, problem=error.detail)
    return _people_page(request, session, status=201, link=link, linked=user)


@router.post("/users/{user_id}/disable")
def disable_user(request: Request, session: SessionDep, admin: Admin, user_id: int) -> Response:
    try:
        users.disable_user(session, users.get_user(session, user_id), admin)
    except Forbidden as error:
        return _people_page(request, session, status=422, problem=error.detail)
    return RedirectResponse("/users", status_code=303)


@router.post("/users/{user_id}/enable")
def enable_user(session: SessionDep, admin: Admin, user_id: int) -> Response:
    users.enable_user(session, users.get_user(session, user_id), admin)
    return RedirectResponse("/users", status_code=303)


@router.post("/users/{user_id}/group")
def change_group(
    request: Request, session: SessionDep, admin: Admin, user_id: int, group: Annotated[str, Form()] = ""
) -> Response:
    try:
        users.change_group(session, users.get_user(session, user_id), group, admin)
    except (Conflict, Invalid) as error:
        return _people_page(request, session, status=422, problem=error.detail)
    return RedirectResponse("/users", status_code=303)


@router.get("/users/{user_id}/abilities")
def show_abilities(request: Request, session: SessionDep, admin: Admin, user_id: int, saved: bool = False) -> Response:
    return _abilities_page(request, users.get_user(session, user_id), saved=saved)


@router.post("/users/{user_id}/abilities")
def set_abilities(
    request: Request,
    session: SessionDep,
    admin: Admin,
    user_id: int,
    languages: Annotated[str, Form(max_length=1000)] = "",
    skills: Annotated[str, Form(max_length=2200)] = "",
) -> Response:
    """What she may label from now on."""
    person = users.get_user(session, user_id)
    try:
        users.set_abilities(session, person, parse_list(languages), parse_list(skills), admin)
    except Invalid as error:
        return _abilities_page(request, person, typed={"languages": languages, "skills": skills}, error=error)
    return RedirectResponse(f"/users/{user_id}/abilities?saved=true", status_code=303)


def _abilities_page(
    request: Request,
    person: User,
    *,
    typed: dict[str, str] | None = None,
    error: Invalid | None = None,
    saved: bool = False,
) -> Response:
    stored = {"languages": ", ".join(person.languages), "skills": ", ".join(person.skills)}
    errors: dict[str, str] = {}
    for entry in error.extra.get("errors", []) if error else []:
        errors[entry["field"]] = f"{errors.get(entry['field'], '')} {entry['message']}".strip()
    return render(
        request,
        "users/abilities.html",
        status=422 if error else 200,
        person=person,
        typed=typed or stored,
        errors=errors,
        problem=_("Not saved.") if error else None,
        saved=saved,
    )


@router.get("/account")
def show_account(request: Request, user: CurrentUser) -> Response:
    return render(request, "users/account.html", problem=None, changed=False)


@router.post("/account/password")
def change_password(
    request: Request,
    session: SessionDep,
    user: CurrentUser,
    old_password: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    repeated: Annotated[str, Form()] = "",
) -> Response:
    """Every sign-in ends, on other machines too; this browser gets a new one."""
    try:
        if password != repeated:
            raise Invalid(_("The two new passwords are not the same. Type them again."))
        users.change_password(session, user, old_password, password)
    except AppError as error:
        return render(request, "users/account.html", status=422, problem=error.detail, changed=False)
    response = render(request, "users/account.html", problem=None, changed=True)
    set_session_cookie(response, users.start_session(session, user))
    return response
