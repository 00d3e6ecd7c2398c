"""Prompts come in as JSONL, all or nothing, and each one to be labeled gets its slots. Called by routes and starter."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.orm import Session

from app import figures
from app.errors import Invalid, NotFound
from app.models import Project, Prompt, Slot
from app.rules import prompts as rules
from app.rules.abilities import tidy
from app.rules.assignment import slots_in_queue_order
from app.settings import get_settings
from app.translation import gettext as _

BATCH = 1000
ERRORS_SHOWN = 50


def get_prompt(session: Session, project: Project, prompt_id: int) -> Prompt:
    prompt = session.get(Prompt, prompt_id)
    if prompt is None or prompt.project_id != project.id:
        raise NotFound(_("There is no such prompt in this project."))
    return prompt


def count_prompts(session: Session, project_id: int) -> int:
    return session.scalar(select(func.count()).select_from(Prompt).where(Prompt.project_id == project_id)) or 0


def import_prompts(session: Session, project: Project, lines: Iterable[bytes], source: str = "api") -> int:
    """Store the prompts of a JSONL stream with their slots and return how many were new.

    A prompt that the project already has is passed over. Raises Invalid with `errors` [{"line", "message"}] when any
    row is refused; the caller's transaction then keeps none of them.
    """
    stored, errors, seen_ids = 0, [], set()
    batch: list[dict[str, Any]] = []
    for number, row, problem in read_rows(lines):
        if problem is None and row.get("id") is not None and str(row["id"]) in seen_ids:
            problem = _("The id %(id)s stands on an earlier line too.") % {"id": repr(row["id"])}
        if problem is not None:
            errors.append({"line": number, "message": problem})
            if len(errors) >= ERRORS_SHOWN:
                break
            continue
        seen_ids.add(str(row.get("id", object())))
        if not errors:
            batch.append(_prompt_values(project, row, source))
        if len(batch) >= BATCH:
            stored += store_prompts(session, project, batch)
            batch = []
    if errors:
        raise refusal(errors)
    return stored + store_prompts(session, project, batch)


def refusal(errors: list[dict[str, Any]]) -> Invalid:
    """The error that lists the rows at fault, of which nobody reads more than ERRORS_SHOWN."""
    sentence = (
        _("Nothing was imported: %(count)s rows are not valid.")
        if len(errors) < ERRORS_SHOWN
        else _("Nothing was imported: %(count)s rows are not valid (only the first are listed).")
    )
    return Invalid(sentence % {"count": len(errors)}, errors=errors)


def read_rows(
    lines: Iterable[bytes], row_problem: Callable[[Any], str | None] = rules.row_problem
) -> Iterator[tuple[int, dict[str, Any], str | None]]:
    """Yield (line number, row, problem) of a JSONL stream; blank lines are passed over."""
    limit_rows, limit_line = get_settings().import_rows, get_settings().import_line
    for number, line in enumerate(lines, start=1):
        if number > limit_rows:
            sentence = _("More than %(most)s lines: import in several parts.")
            yield number, {}, sentence % {"most": figures.number(limit_rows)}
            return
        if not line.strip():
            continue
        if len(line) > limit_line:
            yield number, {}, _("The line is longer than %(most)s bytes.") % {"most": figures.number(limit_line)}
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            yield number, {}, _("The line is no valid JSON in UTF-8.")
            continue
        yield number, row if isinstance(row, dict) else {}, row_problem(row)


def _prompt_values(project: Project, row: dict[str, Any], source: str) -> dict[str, Any]:
    messages = rules.row_messages(row)
    return {
        "project_id": project.id,
        "external_id": None if row.get("id") is None else str(row["id"]),
        "content_hash": rules.content_hash(messages),
        "messages": messages,
        "use_case": None if row.get("use_case") is None else str(row["use_case"])[:40],
        "source": source,
        "split": row.get("split", "train"),
        "language": rules.row_language(row, messages),
        "skills": tidy(row.get("skills", [])),
    }


def store_prompts(session: Session, project: Project, batch: list[dict[str, Any]]) -> int:
    """Store those that the project does not have, each with its slots; returns how many these were."""
    if not batch:
        return 0
    statement = postgres_insert(Prompt).values(batch).on_conflict_do_nothing().returning(Prompt.id, Prompt.split)
    new = session.execute(statement).all()
    # An evaluation prompt is never labeled: the models are measured on it.
    labeled = sorted(prompt_id for prompt_id, split in new if split != "evaluation")
    slots = [
        {"project_id": project.id, "kind": "demonstration", "prompt_id": prompt_id, "ordinal": ordinal}
        for prompt_id, ordinal in slots_in_queue_order(labeled, range(1, project.overlap + 1))
    ]
    if slots:
        session.execute(insert(Slot), slots)
    return len(new)
