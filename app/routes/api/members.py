"""The labelers of a project, where it is not open to everybody."""

from __future__ import annotations

from pydantic import Field

from app.routes.api.router import api_router
from app.routes.api.shapes import ItemId, Slug, Stored
from app.security import SessionDep, TokenAdmin
from app.services import members, projects, users

router = api_router("projects")


class MemberOut(Stored):
    """Somebody who gets tasks of the project though it is not open to everybody."""

    id: int = Field(examples=[3])
    username: str = Field(examples=["marta"])
    name: str = Field(examples=["Marta Weber"])
    languages: list[str] = Field(description="Empty: every language.", examples=[["de", "en"]])
    skills: list[str] = Field(examples=[["maths"]])


@router.get("/projects/{project}/members")
def list_members(session: SessionDep, user: TokenAdmin, project: Slug) -> list[MemberOut]:
    """By name. The list decides only where `open_to_all` is false."""
    found = projects.get_project(session, project)
    return [MemberOut.model_validate(person) for person in members.list_members(session, found)]


@router.put("/projects/{project}/members/{user_id}", status_code=204)
def add_member(session: SessionDep, user: TokenAdmin, project: Slug, user_id: ItemId) -> None:
    """Let somebody label in the project. Twice is the same as once."""
    found = projects.get_project(session, project)
    members.add_member(session, found, users.get_user(session, user_id), user)


@router.delete("/projects/{project}/members/{user_id}", status_code=204)
def remove_member(session: SessionDep, user: TokenAdmin, project: Slug, user_id: ItemId) -> None:
    """No new task for her here; what she holds she may finish."""
    members.remove_member(session, projects.get_project(session, project), user_id, user)
