"""Qualifications: which version is in force, and how versions come and go. Called by pages and the API.

Who may work is services/qualification_standings.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session, selectinload

from app.errors import Conflict, Invalid, NotFound
from app.models import Project, Qualification, QualificationAttempt, QualificationItem, User
from app.models.columns import AttemptState
from app.rules import qualifications as rules
from app.rules.label_schemas import Flag, flag_problems
from app.rules.qualification_items import SENSITIVE
from app.services import audit
from app.services.label_schemas import current_schema, fields_of
from app.services.qualification_standings import OPEN
from app.translation import gettext as _

SETTINGS = (
    "title",
    "introduction",
    "topics",
    "flags",
    *(f"{part}_cutoff" for part in rules.PARTS),
    "ratings_needed",
    "attempts_allowed",
    "exempts_held_out",
    "accepts_earlier",
)
DEFAULT_INTRODUCTION = """\
Welcome. Before your first task we would like to see that we judge alike.

First come a few practice items. After each one you see at once what the researchers say, and why. You may answer them
as often as you like; they count for nothing.

Then comes the test, without feedback. Take your time: everything is kept, and you may stop and go on later.
"""


@dataclass(frozen=True)
class Version:
    """One version in the list of all."""

    qualification: Qualification
    items: int
    attempts: int


def qualification_in_force(session: Session, project: Project) -> Qualification | None:
    """With its items."""
    return None if project.qualification_id is None else get_qualification(session, project.qualification_id)


def get_qualification(session: Session, qualification_id: int) -> Qualification:
    """With its items. Raises NotFound."""
    found = session.scalar(
        select(Qualification)
        .options(selectinload(Qualification.items))
        .where(Qualification.id == qualification_id)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound(_("There is no such qualification."))
    return found


def list_versions(session: Session, project_id: int) -> list[Version]:
    """Newest first."""
    items = select(func.count()).where(QualificationItem.qualification_id == Qualification.id).scalar_subquery()
    attempts = select(func.count()).where(QualificationAttempt.qualification_id == Qualification.id).scalar_subquery()
    rows = session.execute(
        select(Qualification, items, attempts)
        .where(Qualification.project_id == project_id)
        .order_by(Qualification.version.desc())
    )
    return [Version(*row) for row in rows]


def is_begun(session: Session, qualification_id: int) -> bool:
    """Whether somebody has begun an attempt at it: its items then stay as they are."""
    return bool(session.scalar(select(exists().where(QualificationAttempt.qualification_id == qualification_id))))


def lock_to_edit(session: Session, qualification_id: int) -> Qualification:
    """The version for a change of its items or settings. Raises Conflict once somebody has begun an attempt at it.

    An attempt that begins at this moment waits for the lock, or is seen here.
    """
    session.execute(select(Qualification.id).where(Qualification.id == qualification_id).with_for_update())
    qualification = get_qualification(session, qualification_id)
    if is_begun(session, qualification_id):
        told = _(
            "Somebody has begun an attempt at version %(version)s, so it stays as it is. "
            "Make a new version to change it."
        )
        raise Conflict(told % {"version": qualification.version})
    return qualification


def draft_version(session: Session, project: Project, user: User) -> Qualification:
    """The draft of the next version: the one there is, or else a copy of the newest, or the first one."""
    session.execute(select(Project.id).where(Project.id == project.id).with_for_update())
    newest = session.scalar(
        select(Qualification)
        .options(selectinload(Qualification.items))
        .where(Qualification.project_id == project.id)
        .order_by(Qualification.version.desc())
        .limit(1)
    )
    if newest is not None and newest.published_at is None:
        return newest
    draft = Qualification(project_id=project.id, version=1, created_by_id=user.id, **_first_settings(session, project))
    if newest is not None:
        draft = Qualification(
            project_id=project.id,
            version=newest.version + 1,
            created_by_id=user.id,
            **{name: getattr(newest, name) for name in SETTINGS},
        )
    session.add(draft)
    session.flush()
    for item in newest.items if newest else ():
        names = ("ordinal", "kind", "stage", "messages", "responses", "gold", "explanation")
        session.add(QualificationItem(qualification_id=draft.id, **{name: getattr(item, name) for name in names}))
    session.flush()
    return draft


def _first_settings(session: Session, project: Project) -> dict[str, Any]:
    asked = fields_of(current_schema(session, project.id))["response_flags"]
    sensitive = [flag for flag in asked if flag["key"] in SENSITIVE]
    return {
        "title": f"Qualification for {project.name}"[:120],
        "introduction": DEFAULT_INTRODUCTION,
        "topics": [],
        "flags": sensitive or asked,
        **{f"{part}_cutoff": cutoff for part, cutoff in rules.DEFAULT_CUTOFFS.items()},
        "ratings_needed": 1,
        "attempts_allowed": 2,
        "exempts_held_out": True,
        "accepts_earlier": True,
    }


def change_settings(session: Session, qualification_id: int, changes: Mapping[str, Any]) -> Qualification:
    """Raises Invalid with `errors`, and Conflict once somebody has begun an attempt."""
    qualification = lock_to_edit(session, qualification_id)
    values = {name: getattr(qualification, name) for name in SETTINGS} | dict(changes)
    problems = rules.settings_problems(values)
    problems += [{"field": "flags", "message": message} for message in _flags_problems(qualification, values["flags"])]
    if problems:
        told = " ".join(each["message"] for each in problems)
        raise Invalid(_("Not stored: %(problems)s") % {"problems": told}, errors=problems)
    for name, value in changes.items():
        setattr(qualification, name, value)
    if qualification.published_at is not None:
        qualification.least_version = _least_version(session, qualification)
    session.flush()
    return qualification


def _flags_problems(qualification: Qualification, flags: Sequence[Flag]) -> list[str]:
    problems = flag_problems(flags)
    known = {flag["key"] for flag in flags}
    used = {key for item in qualification.items if item.kind == rules.FLAGS for key in item.gold or ()}
    if missing := sorted(used - known):
        told = _("Gold answers use these flags: %(flags)s. Change the items first.")
        problems.append(told % {"flags": ", ".join(missing)})
    return problems


def publish_version(session: Session, qualification_id: int, user: User) -> Qualification:
    """Labelers need it from now on. Raises Conflict where it is in force, Invalid for one that cannot be taken."""
    project_id = get_qualification(session, qualification_id).project_id
    project = session.get_one(Project, project_id, with_for_update=True)
    qualification = get_qualification(session, qualification_id)
    if qualification.published_at is not None and project.qualification_id == qualification.id:
        raise Conflict(_("Version %(version)s is in force already.") % {"version": qualification.version})
    if problems := rules.publish_problems([(item.kind, item.stage) for item in qualification.items]):
        told = _("Not published: %(problems)s") % {"problems": " ".join(problems)}
        raise Invalid(told, errors=[{"message": each} for each in problems])
    if qualification.published_at is None:
        qualification.published_at = session.scalar(select(func.now()))
        qualification.least_version = _least_version(session, qualification)
    if qualification.least_version == qualification.version:
        _withdraw_open(session, qualification)
    project.qualification_id = qualification.id
    audit.record(session, user, "qualification.published", f"project:{project_id}", version=qualification.version)
    session.flush()
    return qualification


def _least_version(session: Session, qualification: Qualification) -> int:
    """How far back passes count: as far as the version before them said, or not at all."""
    before = session.scalar(
        select(Qualification)
        .where(Qualification.project_id == qualification.project_id, Qualification.version < qualification.version)
        .order_by(Qualification.version.desc())
        .limit(1)
    )
    if before is None or not qualification.accepts_earlier:
        return qualification.version
    return before.least_version or before.version


def _withdraw_open(session: Session, qualification: Qualification) -> None:
    """Attempts under way at versions that count no longer lead nowhere."""
    session.execute(
        update(QualificationAttempt)
        .where(
            QualificationAttempt.project_id == qualification.project_id,
            QualificationAttempt.qualification_id != qualification.id,
            QualificationAttempt.state.in_(OPEN),
        )
        .values(
            state=AttemptState.WITHDRAWN,
            decided_at=func.now(),
            reason=rules.REPLACED % {"version": qualification.version},
        )
        .execution_options(synchronize_session=False)
    )


def end_qualification(session: Session, qualification_id: int, user: User) -> Qualification:
    """Labelers of the project need none from now on. Raises Conflict where it is not in force."""
    qualification = get_qualification(session, qualification_id)
    project = session.get_one(Project, qualification.project_id, with_for_update=True)
    if project.qualification_id != qualification.id:
        raise Conflict(_("Version %(version)s is not in force.") % {"version": qualification.version})
    project.qualification_id = None
    audit.record(session, user, "qualification.ended", f"project:{project.id}", version=qualification.version)
    session.flush()
    return qualification


def discard_draft(session: Session, qualification_id: int, user: User) -> None:
    """Raises Conflict for a version that was published."""
    qualification = lock_to_edit(session, qualification_id)
    if qualification.published_at is not None:
        raise Conflict(_("Version %(version)s was published and stays.") % {"version": qualification.version})
    audit.record(
        session, user, "qualification.discarded", f"project:{qualification.project_id}", version=qualification.version
    )
    session.delete(qualification)
    session.flush()
