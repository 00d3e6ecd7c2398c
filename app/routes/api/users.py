"""People, for admins; and who a token acts as."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from app.models.columns import LabelerGroup, Role
from app.routes.api.router import api_router
from app.routes.api.shapes import ItemId, Request, Stored
from app.security import AnyToken, SessionDep, TokenAdmin
from app.services import users

router = api_router("people")


class UserIn(Request):
    """Somebody new."""

    username: str = Field(max_length=64, examples=["marta"])
    name: str = Field("", max_length=120, description="Empty takes the username.", examples=["Marta Weber"])
    role: Role = Role.LABELER
    group: LabelerGroup = Field(LabelerGroup.TRAINING, description="Labels of held-out labelers never train.")
    simulated: bool = Field(False, description="A program that plays a labeler; its labels are marked.")


class UserOut(Stored):
    """A person."""

    id: int = Field(examples=[3])
    username: str = Field(examples=["marta"])
    name: str = Field(examples=["Marta Weber"])
    role: Role
    group: LabelerGroup = Field(validation_alias="labeler_group")
    simulated: bool
    languages: list[str] = Field(description="In which she labels. Empty: in every one.", examples=[["de", "en"]])
    skills: list[str] = Field(description="Prompts that need skills are for those who have them.", examples=[["maths"]])
    disabled_at: datetime | None
    created_at: datetime


class InvitedOut(UserOut):
    """A person, with the link by which to set a password. The link works once and is shown only now."""

    link: str | None = Field(examples=["https://tutelage.example.org/invitations/..."])


class LinkOut(Stored):
    """A link by which to set a password; it works once and is shown only now."""

    link: str


class GroupIn(Request):
    """Whose labels train, and whose test."""

    group: LabelerGroup = Field(examples=["held_out"])


class AbilitiesIn(Request):
    """What she may label; what is not given stays."""

    languages: list[str] | None = Field(None, max_length=50, examples=[["de", "en"]])
    skills: list[str] | None = Field(None, max_length=50, examples=[["maths"]])


@router.get("/me")
def show_me(session: SessionDep, user: AnyToken) -> UserOut:
    """Who this token acts as."""
    return UserOut.model_validate(user)


@router.get("/users")
def list_users(session: SessionDep, user: TokenAdmin) -> list[UserOut]:
    """Everybody, by username."""
    return [UserOut.model_validate(person) for person in users.list_users(session)]


@router.post("/users", status_code=201)
def create_user(session: SessionDep, user: TokenAdmin, body: UserIn) -> InvitedOut:
    """Make a person and an invitation link; a simulated one gets none, since it signs in by token."""
    person = users.create_user(session, body.username, body.name, body.role, body.group, body.simulated, by=user)
    link = None if body.simulated else users.invite_user(session, person, user)
    return InvitedOut(
        **UserOut.model_validate(person).model_dump(exclude={"group"}), labeler_group=person.labeler_group, link=link
    )


@router.patch("/users/{user_id}")
def set_abilities(session: SessionDep, user: TokenAdmin, user_id: ItemId, body: AbilitiesIn) -> UserOut:
    """Set languages and skills. Her next task follows them; what she holds or has sent stays."""
    person = users.get_user(session, user_id)
    languages = person.languages if body.languages is None else body.languages
    skills = person.skills if body.skills is None else body.skills
    return UserOut.model_validate(users.set_abilities(session, person, languages, skills, user))


@router.post("/users/{user_id}/link", status_code=201)
def renew_link(session: SessionDep, user: TokenAdmin, user_id: ItemId) -> LinkOut:
    """A new link for somebody who lost the link or the password; earlier links end."""
    return LinkOut(link=users.invite_user(session, users.get_user(session, user_id), user))


@router.post("/users/{user_id}/disable")
def disable_user(session: SessionDep, user: TokenAdmin, user_id: ItemId) -> UserOut:
    """Shut an account: sign-ins and tokens end at once, labels stay."""
    return UserOut.model_validate(users.disable_user(session, users.get_user(session, user_id), user))


@router.post("/users/{user_id}/enable")
def enable_user(session: SessionDep, user: TokenAdmin, user_id: ItemId) -> UserOut:
    """Open a disabled account again; its tokens work again, its sign-ins do not."""
    return UserOut.model_validate(users.enable_user(session, users.get_user(session, user_id), user))


@router.post("/users/{user_id}/group")
def change_group(session: SessionDep, user: TokenAdmin, user_id: ItemId, body: GroupIn) -> UserOut:
    """Training or held out; 409 once a snapshot holds labels of theirs."""
    return UserOut.model_validate(users.change_group(session, users.get_user(session, user_id), body.group, user))
