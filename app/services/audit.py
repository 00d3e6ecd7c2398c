"""The audit log: who did what, appended and never changed. Called by services and routes that change something of note.

Nothing secret goes in: no password, no token, no text that somebody typed into a sign-in form.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from app.models import AuditEvent, User


def record(session: Session, user: User | None, action: str, subject: str, **details: Any) -> AuditEvent:
    """Append one event, such as `record(s, admin, "user.disabled", "user:7")`. `user` is None for the system itself."""
    event = AuditEvent(
        user_id=None if user is None else user.id, action=action[:60], subject=subject[:120], details=details
    )
    session.add(event)
    session.flush()
    return event
