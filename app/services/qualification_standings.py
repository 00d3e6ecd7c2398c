"""Where a labeler stands with the qualification of a project: whether she may work, or try.

`require_pass` is the gate: services/assignments.py asks it before a task is handed out. A project that asks for nothing
says so in its own row, so that the gate then costs no statement.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, exists, func, select
from sqlalchemy.orm import Session

from app.errors import NotQualified
from app.models import Project, Qualification, QualificationAttempt, QualificationGrant, User
from app.models.columns import AttemptState, GrantKind, LabelerGroup, Role
from app.rules import qualifications as rules
from app.rules.qualifications import Standing
from app.translation import gettext as _

OPEN = (AttemptState.IN_PROGRESS, AttemptState.WAITING)


def require_pass(session: Session, project: Project, user: User) -> None:
    """Raises NotQualified where the project asks for a qualification that this labeler neither has nor is free of."""
    if not is_free_to_work(session, project, user):
        told = _("%(name)s asks its labelers to qualify before they work. Take the qualification first.")
        raise NotQualified(
            told % {"name": project.name},
            qualification=f"/projects/{project.slug}/qualification",
        )


def is_free_to_work(session: Session, project: Project, user: User) -> bool:
    return project.qualification_id is None or rules.may_work(find_standing(session, project, user))


def find_standing(session: Session, project: Project, user: User) -> Standing:
    """All that decides whether she may work or try, in one statement."""
    free = {"sees_answers": user.role != Role.LABELER, "simulated": user.simulated}
    if project.qualification_id is None:
        return Standing(screened=False, held_out=False, exempt=False, passed=False, open=False, **free)
    mine = (QualificationAttempt.user_id == user.id, QualificationAttempt.project_id == project.id)
    grants = (
        QualificationGrant.user_id == user.id,
        QualificationGrant.project_id == project.id,
        QualificationGrant.revoked_at.is_(None),
    )
    least = Qualification.least_version
    row = session.execute(
        select(
            Qualification.exempts_held_out,
            Qualification.attempts_allowed,
            exists().where(*grants, QualificationGrant.kind == GrantKind.EXEMPTION),
            _attempts(*mine, QualificationAttempt.state == AttemptState.PASSED, least=least),
            exists().where(*mine, QualificationAttempt.state.in_(OPEN)),
            _attempts(*mine, QualificationAttempt.state == AttemptState.FAILED, least=least),
            select(func.count())
            .select_from(QualificationGrant)
            .where(*grants, QualificationGrant.kind == GrantKind.ATTEMPT)
            .scalar_subquery(),
        ).where(Qualification.id == project.qualification_id)
    ).one()
    return Standing(
        screened=True,
        held_out=bool(row[0]) and user.labeler_group == LabelerGroup.HELD_OUT,
        allowed=row[1],
        exempt=bool(row[2]),
        passed=row[3] > 0,
        open=bool(row[4]),
        failed=row[5],
        granted=row[6],
        **free,
    )


def _attempts(*conditions: ColumnElement[bool], least: Any) -> ScalarSelect[int]:
    """How many of these attempts were at a version that counts."""
    tried = select(Qualification.version).where(Qualification.id == QualificationAttempt.qualification_id)
    counted = tried.correlate(QualificationAttempt).scalar_subquery() >= least
    query = select(func.count()).select_from(QualificationAttempt).where(*conditions, counted)
    return query.correlate(Qualification).scalar_subquery()
