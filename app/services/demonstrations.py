"""Demonstrations: submitted by labelers, or imported with their prompts. Called by routes, starter and command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from app.errors import Invalid, NotFound
from app.models import Assignment, Demonstration, Project, Prompt, Slot, User
from app.rules.prompts import content_hash, row_messages
from app.services import prompts, revisions
from app.services.answers import Details, answer_columns, check_answer
from app.services.labels import make_anew, seconds_spent, store_once
from app.translation import gettext as _

NO_DETAILS = Details()


def submit_demonstration(
    session: Session,
    assignment_id: int,
    user: User,
    key: UUID,
    text: str,
    seconds: float | None = None,
    details: Details = NO_DETAILS,
) -> Demonstration:
    """Store her answer once; the same key gives the same row. Raises Invalid, Conflict, Overtaken, NotFound."""
    make = _maker(session, user, key, text, seconds, details)
    more = {"turns": details.turns, "sources": details.sources}
    draft = {"text": text, **{name: value for name, value in more.items() if value}}
    return store_once(session, Demonstration, "demonstration", assignment_id, user, key, draft, make)


def edit_demonstration(
    session: Session,
    demonstration_id: int,
    user: User,
    text: str,
    seconds: float | None = None,
    details: Details = NO_DETAILS,
) -> Demonstration:
    """Let her own answer say something else. Raises Invalid, NotFound, and Conflict once it is frozen or withdrawn."""
    demonstration = revisions.lock_label(session, "demonstration", demonstration_id, user)
    assert isinstance(demonstration, Demonstration)
    told = demonstration.seconds if seconds is None else seconds
    details = replace(details, presentation=details.presentation or demonstration.presentation)
    make = _maker(session, user, demonstration.idempotency_key, text, told, details)
    return revisions.revise_label(session, demonstration, user, make_anew(session, demonstration, make))


def _maker(
    session: Session, user: User, key: UUID | None, text: str, seconds: float | None, details: Details
) -> Callable[[Assignment, datetime], Demonstration]:
    def make(assignment: Assignment, now: datetime) -> Demonstration:
        project = session.get_one(Project, assignment.project_id)
        prompt = session.get_one(Prompt, assignment.prompt_id)
        check_answer(project, text, details)
        return Demonstration(
            project_id=assignment.project_id,
            prompt_id=assignment.prompt_id,
            assignment_id=assignment.id,
            user_id=user.id,
            idempotency_key=key,
            **answer_columns(session, project, prompt, text, details),
            guideline_version=assignment.guideline_version,
            seconds=seconds_spent(assignment, now, seconds),
            simulated=user.simulated,
        )

    return make


def get_demonstration(session: Session, demonstration_id: int) -> Demonstration:
    demonstration = session.get(Demonstration, demonstration_id)
    if demonstration is None:
        raise NotFound(_("There is no such demonstration."))
    return demonstration


def count_demonstrations(session: Session, project_id: int, source: str | None = None) -> int:
    query = (
        select(func.count())
        .select_from(Demonstration)
        .where(Demonstration.project_id == project_id, Demonstration.withdrawn_at.is_(None))
    )
    if source is not None:
        query = query.where(Demonstration.source == source)
    return session.scalar(query) or 0


def import_demonstrations(
    session: Session, project: Project, lines: Iterable[bytes], source: str = "import", simulated: bool = False
) -> int:
    """Store answers that were written elsewhere, with their prompts; each fills a slot of its prompt.

    A row is a prompt row with `response`. Raises Invalid with `errors` [{"line", "message"}]; nothing is then kept.
    """
    rows, errors = [], []
    for number, row, problem in prompts.read_rows(lines):
        response = row.get("response")
        if problem is None and not (isinstance(response, str) and response.strip()):
            problem = _("`response` must be the text of the answer.")
        if problem is not None:
            errors.append({"line": number, "message": problem})
        rows.append(row)
    if errors:
        sentence = _("Nothing was imported: %(count)s rows are not valid.") % {"count": len(errors)}
        raise Invalid(sentence, errors=errors[: prompts.ERRORS_SHOWN])
    for start in range(0, len(rows), prompts.BATCH):
        _store_demonstrations(session, project, rows[start : start + prompts.BATCH], source, simulated)
    return len(rows)


def _store_demonstrations(
    session: Session, project: Project, rows: list[dict[str, Any]], source: str, simulated: bool
) -> None:
    lines = (_prompt_line(row) for row in rows)
    prompts.import_prompts(session, project, lines, source)
    hashes = [content_hash(row_messages(row)) for row in rows]
    found = session.execute(
        select(Prompt.content_hash, Prompt.id).where(Prompt.project_id == project.id, Prompt.content_hash.in_(hashes))
    )
    prompt_ids: dict[str, int] = {row.content_hash: row.id for row in found}
    values = [
        {
            "project_id": project.id,
            "prompt_id": prompt_ids[digest],
            "text": row["response"].strip(),
            "source": source,
            "simulated": simulated,
        }
        for digest, row in zip(hashes, rows, strict=True)
    ]
    session.execute(insert(Demonstration), values)
    session.execute(
        update(Slot)
        .where(
            Slot.kind == "demonstration",
            Slot.prompt_id.in_(prompt_ids.values()),
            Slot.ordinal == 1,
            Slot.submitted_at.is_(None),
        )
        .values(submitted_at=func.now())
    )


def _prompt_line(row: dict[str, Any]) -> bytes:
    return json.dumps({name: value for name, value in row.items() if name != "response"}).encode()
