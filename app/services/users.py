"""People: made by an admin, let in by a single-use link, signed in with a password. Called by routes and command line.

There is no registration. Links, session cookies and passwords are stored as hashes only. Signing in is in sign_ins.py.
"""

from __future__ import annotations

import re
from datetime import timedelta

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.orm import Session, joinedload

from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.models import Demonstration, Invitation, Ranking, SnapshotItem, User, UserSession
from app.models.columns import LabelerGroup, Role
from app.names import named
from app.rules.abilities import MOST, language_problem, skill_problem, tidy, tidy_languages
from app.services import audit, claims
from app.services.passwords import check_password, hash_password, hash_token, new_token, verify_password
from app.services.sign_ins import find_session_user, sign_in, sign_out, start_session
from app.settings import get_settings
from app.translation import gettext as _

__all__ = [
    "accept_invitation",
    "change_group",
    "change_password",
    "create_user",
    "disable_user",
    "enable_user",
    "ensure_admin",
    "find_invited",
    "find_session_user",
    "get_user",
    "invite_user",
    "list_users",
    "set_abilities",
    "sign_in",
    "sign_out",
    "start_session",
]

USERNAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")


def list_users(session: Session) -> list[User]:
    return list(session.scalars(select(User).order_by(User.username)))


def get_user(session: Session, user_id: int) -> User:
    user = session.get(User, user_id)
    if user is None:
        raise NotFound(_("There is no such person."))
    return user


def find_user(session: Session, username: str) -> User:
    user = session.scalar(select(User).where(User.username == username.strip().lower()))
    if user is None:
        raise NotFound(_("There is nobody with the username “%(username)s”.") % {"username": username})
    return user


def create_user(
    session: Session,
    username: str,
    name: str,
    role: str,
    group: str = "training",
    simulated: bool = False,
    by: User | None = None,
) -> User:
    """A person without a password yet; `invite_user` gives the link to set one. Raises Invalid, Conflict."""
    username, name = username.strip().lower(), name.strip() or username.strip()
    _check_person(username, name, role, group)
    if session.scalar(select(User.id).where(User.username == username)) is not None:
        problem = _("The username “%(username)s” is taken.") % {"username": username}
        raise Conflict(problem, errors=[{"field": "username", "message": problem}])
    user = User(username=username, name=name, role=role, labeler_group=group, simulated=simulated)
    session.add(user)
    session.flush()
    audit.record(session, by, "user.created", f"user:{user.id}", username=username, role=role, group=group)
    return user


def _check_person(username: str, name: str, role: str, group: str) -> None:
    errors = []
    if USERNAME.fullmatch(username) is None:
        message = _("Use 1 to 64 letters, digits or . _ @ + - for the username, beginning with a letter or digit.")
        errors.append({"field": "username", "message": message})
    if not 0 < len(name) <= 120 or not name.isprintable():
        errors.append({"field": "name", "message": _("Give a name of at most 120 characters on one line.")})
    if role not in list(Role):
        message = _("The role must be one of %(roles)s.") % {"roles": ", ".join(Role)}
        errors.append({"field": "role", "message": message})
    if group not in list(LabelerGroup):
        errors.append({"field": "group", "message": _no_group()})
    if errors:
        raise Invalid(" ".join(error["message"] for error in errors), errors=errors)


def _no_group() -> str:
    return _("The group must be one of %(groups)s.") % {"groups": ", ".join(LabelerGroup)}


def ensure_admin(session: Session) -> str | None:
    """At the first start: make the user `admin` and return the link to sign in with. None when an admin exists.

    An admin who never took up the link gets a new one, since the first was printed once and may be lost.
    """
    admins = session.scalars(
        select(User).where(User.role == Role.ADMIN, User.disabled_at.is_(None)).order_by(User.id)
    ).all()
    if any(admin.password_hash is not None for admin in admins):
        return None
    admin = admins[0] if admins else create_user(session, "admin", "Admin", Role.ADMIN)
    return invite_user(session, admin, None)


def invite_user(session: Session, user: User, by: User | None) -> str:
    """A single-use link by which `user` sets a password. Earlier unused links end. Raises Conflict when disabled."""
    if user.disabled_at is not None:
        raise Conflict(_("%(name)s is disabled. Enable the account first.") % {"name": user.name})
    _end_invitations(session, user)
    token = new_token()
    session.add(
        Invitation(
            token_hash=hash_token(token),
            user_id=user.id,
            created_by_id=None if by is None else by.id,
            expires_at=func.now() + timedelta(days=get_settings().invitation_days),
        )
    )
    audit.record(session, by, "user.invited", f"user:{user.id}")
    return f"{get_settings().url}/invitations/{token}"


def find_invited(session: Session, token: str) -> User:
    """Whom an open invitation is for. Looking changes nothing. Raises NotFound."""
    return _open_invitation(session, token).user


def accept_invitation(session: Session, token: str, password: str) -> User:
    """Use the link up and set the password; earlier sign-ins of this person end. Raises NotFound, Invalid."""
    invitation = _open_invitation(session, token, lock=True)
    user = invitation.user
    check_password(password, user.username, user.name)
    invitation.used_at = func.now()
    user.password_hash = hash_password(password)
    revoke_sessions(session, user)
    _end_invitations(session, user)
    audit.record(session, user, "invitation.accepted", f"user:{user.id}")
    return user


def _open_invitation(session: Session, token: str, lock: bool = False) -> Invitation:
    query = (
        select(Invitation)
        .join(Invitation.user)
        .options(joinedload(Invitation.user, innerjoin=True))
        .where(
            Invitation.token_hash == hash_token(token),
            Invitation.used_at.is_(None),
            Invitation.expires_at > func.now(),
            User.disabled_at.is_(None),
        )
    )
    if lock:
        query = query.with_for_update(of=Invitation)
    invitation = session.scalar(query)
    if invitation is None:
        raise NotFound(_("This link has been used or has ended. Ask an admin for a new one."))
    return invitation


def _end_invitations(session: Session, user: User) -> None:
    session.execute(
        update(Invitation)
        .where(Invitation.user_id == user.id, Invitation.used_at.is_(None))
        .values(expires_at=func.least(Invitation.expires_at, func.now()))
        .execution_options(synchronize_session=False)
    )


def disable_user(session: Session, user: User, by: User) -> User:
    """Shut the account: sign-ins, links and tokens stop at once; labels stay. Raises Forbidden for oneself."""
    if user.id == by.id:
        raise Forbidden(_("You cannot disable your own account. Ask another admin."))
    if user.disabled_at is None:
        user.disabled_at = session.scalar(select(func.now()))
        revoke_sessions(session, user)
        _end_invitations(session, user)
        audit.record(session, by, "user.disabled", f"user:{user.id}")
    session.flush()
    return user


def enable_user(session: Session, user: User, by: User) -> User:
    if user.disabled_at is not None:
        user.disabled_at = None
        audit.record(session, by, "user.enabled", f"user:{user.id}")
    session.flush()
    return user


def change_group(session: Session, user: User, group: str, by: User) -> User:
    """Training or held out, for labels that no training has read yet. Raises Invalid, Conflict.

    Snapshots say of each label whose group it came from, and stay byte for byte: so the group stays with them.
    """
    if group not in list(LabelerGroup):
        raise Invalid(_no_group())
    if user.labeler_group == group:
        return user
    for table, item in ((Demonstration, SnapshotItem.demonstration_id), (Ranking, SnapshotItem.ranking_id)):
        # A freeze that is under way waits for these locks or is waited for (services/revisions.py).
        session.execute(select(table.id).where(table.user_id == user.id).order_by(table.id).with_for_update())
        if session.scalar(select(exists().where(item == table.id, table.user_id == user.id))):
            message = _(
                "A snapshot holds labels of %(name)s as those of the group %(group)s. "
                "The group stays; make another account for work in the other one."
            )
            raise Conflict(message % {"name": user.name, "group": named(user.labeler_group)})
    before, user.labeler_group = user.labeler_group, group
    audit.record(session, by, "user.group_changed", f"user:{user.id}", before=before, group=group)
    session.flush()
    return user


def set_abilities(session: Session, user: User, languages: list[str], skills: list[str], by: User) -> User:
    """What she may label: prompts in these languages (none: in every one), and those that need these skills.

    Raises Invalid.
    """
    languages, skills = tidy_languages(languages), tidy(skills)
    errors = [{"field": "languages", "message": problem} for each in languages if (problem := language_problem(each))]
    errors += [{"field": "skills", "message": problem} for each in skills if (problem := skill_problem(each))]
    if len(languages) > MOST or len(skills) > MOST:
        errors.append({"field": "skills", "message": _("At most %(most)s of each.") % {"most": MOST}})
    if errors:
        raise Invalid(" ".join(error["message"] for error in errors), errors=errors)
    if (languages, skills) != (user.languages, user.skills):
        user.languages, user.skills = languages, skills
        claims.forget_places(session, user)
        audit.record(session, by, "user.abilities", f"user:{user.id}", languages=languages, skills=skills)
    session.flush()
    return user


def change_password(session: Session, user: User, old: str, new: str) -> User:
    """Set another password; all sign-ins end, this one too, and the caller starts a new one. Raises Invalid."""
    if not verify_password(old, user.password_hash):
        problem = _("The present password is not right.")
        raise Invalid(problem, errors=[{"field": "old_password", "message": problem}])
    check_password(new, user.username, user.name)
    user.password_hash = hash_password(new)
    revoke_sessions(session, user)
    audit.record(session, user, "user.password_changed", f"user:{user.id}")
    return user


def revoke_sessions(session: Session, user: User) -> None:
    session.flush()
    session.execute(delete(UserSession).where(UserSession.user_id == user.id))
