"""What the people who run a project do about attempts: look, withdraw, grant. Called by pages and the API."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, joinedload

from app.errors import Conflict, Invalid, NotFound
from app.models import Project, QualificationAttempt, QualificationGrant, User
from app.models.columns import AttemptState, GrantKind, Role
from app.rules.qualifications import WITHDRAWN
from app.services import audit
from app.services.qualification_attempts import load_sitting
from app.translation import gettext as _

PAGE = 50


def list_attempts(
    session: Session, project_id: int, before: int | None = None, state: AttemptState | None = None
) -> Sequence[QualificationAttempt]:
    """A page of attempts with their labelers and versions, newest first."""
    query = (
        select(QualificationAttempt)
        .options(
            joinedload(QualificationAttempt.user, innerjoin=True),
            joinedload(QualificationAttempt.qualification, innerjoin=True),
        )
        .where(QualificationAttempt.project_id == project_id)
        .order_by(QualificationAttempt.id.desc())
        .limit(PAGE)
    )
    if before is not None:
        query = query.where(QualificationAttempt.id < before)
    return session.scalars(query.where(QualificationAttempt.state == state) if state else query).all()


def count_attempts(session: Session, project_id: int) -> dict[str, int]:
    """State -> how many."""
    rows = session.execute(
        select(QualificationAttempt.state, func.count())
        .where(QualificationAttempt.project_id == project_id)
        .group_by(QualificationAttempt.state)
    )
    return {row[0]: row[1] for row in rows}


def withdraw_attempt(session: Session, attempt_id: int, by: User, reason: str) -> QualificationAttempt:
    """It counts for nothing from now on, a pass too; she may begin another one in its place."""
    reason = _checked_reason(reason)
    attempt = load_sitting(session, attempt_id, None, lock=True).attempt
    if attempt.state == AttemptState.WITHDRAWN:
        raise Conflict(_("This attempt is withdrawn already."))
    before, attempt.state = attempt.state, AttemptState.WITHDRAWN
    attempt.reason, attempt.withdrawn_by_id = WITHDRAWN % {"reason": reason}, by.id
    attempt.decided_at = session.scalar(select(func.now()))
    audit.record(
        session, by, "qualification.attempt_withdrawn", f"attempt:{attempt_id}", labeler=attempt.user_id, was=before
    )
    session.flush()
    return attempt


def list_grants(session: Session, project_id: int) -> Sequence[QualificationGrant]:
    """Newest first, revoked ones among them."""
    return session.scalars(
        select(QualificationGrant)
        .options(
            joinedload(QualificationGrant.user, innerjoin=True),
            joinedload(QualificationGrant.granted_by, innerjoin=True),
        )
        .where(QualificationGrant.project_id == project_id)
        .order_by(QualificationGrant.id.desc())
    ).all()


def grant(session: Session, project: Project, user: User, kind: str, reason: str, by: User) -> QualificationGrant:
    """An exemption, or one more attempt. Raises Invalid without a reason, Conflict for a second exemption."""
    reason = _checked_reason(reason)
    if kind not in list(GrantKind):
        raise Invalid(_("Grant an exemption or an attempt."), errors=[{"field": "kind", "message": _("Choose one.")}])
    session.execute(select(User.id).where(User.id == user.id).with_for_update())
    live = exists().where(
        QualificationGrant.project_id == project.id,
        QualificationGrant.user_id == user.id,
        QualificationGrant.kind == GrantKind.EXEMPTION,
        QualificationGrant.revoked_at.is_(None),
    )
    if kind == GrantKind.EXEMPTION and session.scalar(select(live)):
        raise Conflict(_("%(name)s is exempt already.") % {"name": user.name})
    made = QualificationGrant(project_id=project.id, user=user, kind=kind, reason=reason, granted_by=by)
    session.add(made)
    session.flush()
    details = {"labeler": user.id, "kind": kind, "reason": reason}
    audit.record(session, by, "qualification.granted", f"project:{project.id}", **details)
    return made


def revoke_grant(session: Session, grant_id: int, by: User, reason: str) -> QualificationGrant:
    """Raises NotFound, Invalid without a reason, Conflict the second time."""
    reason = _checked_reason(reason)
    found = session.scalar(
        select(QualificationGrant)
        .options(joinedload(QualificationGrant.user, innerjoin=True))
        .options(joinedload(QualificationGrant.granted_by, innerjoin=True))
        .where(QualificationGrant.id == grant_id)
        .with_for_update(of=QualificationGrant)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound(_("There is no such grant."))
    if found.revoked_at is not None:
        raise Conflict(_("This was revoked already."))
    found.revoked_at = session.scalar(select(func.now()))
    found.revoked_by_id, found.revoke_reason = by.id, reason
    details = {"labeler": found.user_id, "kind": found.kind, "reason": reason}
    audit.record(session, by, "qualification.revoked", f"project:{found.project_id}", **details)
    session.flush()
    return found


def list_labelers(session: Session) -> Sequence[User]:
    """Whom a grant can be for: labelers whose account is open."""
    query = select(User).where(User.role == Role.LABELER, User.disabled_at.is_(None), User.simulated.is_(False))
    return session.scalars(query.order_by(User.name, User.id)).all()


def _checked_reason(reason: str) -> str:
    reason = reason.strip()
    if not 0 < len(reason) <= 500 or not reason.isprintable():
        message = _("Give the reason in one line of at most 500 characters.")
        raise Invalid(message, errors=[{"field": "reason", "message": message}])
    return reason
