"""Pretraining text: imported as a version, read by the jobs whose settings mix some in (PPO-ptx), kept for lineage.

Called by routes, the command line, the starter, and by what starts a round's training. A version is immutable. An
import makes the next one; a version that no training was given loses its texts then, one that was keeps them for good.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from app import figures
from app.errors import Conflict, Invalid, NotFound
from app.models import Checkpoint, PretrainingSet, PretrainingText, Project, User
from app.names import kind_name
from app.rules import pretraining as rules
from app.rules.exports import to_line
from app.rules.programs import PROGRAMS
from app.services import audit, jobs
from app.services.prompts import ERRORS_SHOWN, read_rows, refusal
from app.settings import get_settings
from app.translation import gettext as _

FORMATS = ("jsonl", "text")
BATCH = 500  # texts stored at once, of
BATCH_CHARACTERS = 2_000_000  # at most, but for the last one
READ = 20  # texts held while they are read: each may be as long as an import's line


def current_set(session: Session, project_id: int) -> PretrainingSet | None:
    """The version that the next training reads; None where there is none."""
    query = select(PretrainingSet).where(PretrainingSet.project_id == project_id, PretrainingSet.retired_at.is_(None))
    return session.scalar(query)


def get_set(session: Session, set_id: int) -> PretrainingSet:
    found = session.get(PretrainingSet, set_id)
    if found is None:
        raise NotFound(_("There is no such pretraining text."))
    return found


def list_sets(session: Session, project_id: int) -> list[PretrainingSet]:
    """Every version, newest first."""
    query = select(PretrainingSet).where(PretrainingSet.project_id == project_id)
    return list(session.scalars(query.order_by(PretrainingSet.version.desc())))


def has_texts(found: PretrainingSet) -> bool:
    """Whether its texts are still there."""
    return found.retired_at is None or found.frozen_at is not None


def check_texts(found: PretrainingSet) -> None:
    """Raises NotFound where the texts are gone."""
    if not has_texts(found):
        raise NotFound(_("Version %(version)s was deleted before any training read it.") % {"version": found.version})


# --- importing -----------------------------------------------------------------------------------------------------


def import_texts(
    session: Session, project: Project, lines: Iterable[bytes], user: User | None, *, format: str, add: bool = False
) -> PretrainingSet:
    """Store the next version: the texts of a file, behind those of the present version where they `add` to it.

    Raises Invalid with `errors` [{"line", "message"}] when any row is refused; the caller's transaction then keeps
    nothing. Texts come and go in small batches, whatever their number.
    """
    if format not in FORMATS:
        raise Invalid(_("Choose one of: %(known)s.") % {"known": ", ".join(FORMATS)})
    _lock(session, project)
    earlier = current_set(session, project.id)
    made = PretrainingSet(
        project_id=project.id,
        version=1 + (session.scalar(_newest_version(project.id)) or 0),
        texts=0,
        characters=0,
        sha256="",
        created_by_id=user.id if user else None,
        retired_at=func.now(),  # until its texts are there: no training waits for an import
    )
    session.add(made)
    session.flush()
    kept = ((0, text, None) for text in _texts(session, earlier)) if add and earlier else ()
    _store(session, made, chain(kept, _read(lines, format)))
    if earlier is not None:
        _retire(session, earlier)
    made.retired_at = None
    session.flush()
    details = {"version": made.version, "texts": made.texts, "sha256": made.sha256}
    audit.record(session, user, "pretraining.imported", f"project:{project.id}", **details)
    jobs.wake_workers(session)  # a round may wait for it
    return made


def _read(lines: Iterable[bytes], format: str) -> Iterator[rules.Read]:
    if format == "text":
        return rules.split_plain(lines, get_settings().import_line)
    return ((number, row.get("text", ""), problem) for number, row, problem in read_rows(lines, rules.row_problem))


def _store(session: Session, made: PretrainingSet, read: Iterable[rules.Read]) -> None:
    digest, most = hashlib.sha256(), get_settings().import_rows
    errors: list[dict[str, Any]] = []
    batch: list[dict[str, Any]] = []
    held = 0
    for line, text, problem in read:
        if problem is None and made.texts == most:
            problem = _("More than %(most)s texts: no training wants so many.") % {"most": figures.number(most)}
        if problem is not None:
            errors.append({"line": line, "message": problem})
            if made.texts == most or len(errors) == ERRORS_SHOWN:
                break
        if errors:
            continue
        made.texts += 1
        made.characters += len(text)
        held += len(text)
        digest.update(to_line({"text": text}).encode())
        batch.append({"set_id": made.id, "number": made.texts, "text": text})
        if len(batch) == BATCH or held >= BATCH_CHARACTERS:
            session.execute(insert(PretrainingText), batch)
            batch, held = [], 0
    if errors:
        raise refusal(errors)
    if not made.texts:
        raise Invalid(_("There is no text in it."))
    if batch:
        session.execute(insert(PretrainingText), batch)
    made.sha256 = digest.hexdigest()
    session.flush()


def delete_set(session: Session, project: Project, user: User) -> None:
    """Let the project have no pretraining text. Raises Conflict while its settings ask for some, or where none is."""
    if asking := asking_kinds(project.recipe):
        names = ", ".join(kind_name(kind) for kind in asking)
        sentence = _("The settings of %(names)s ask for it. Set the weight of pretraining text to 0 there first.")
        raise Conflict(sentence % {"names": names})
    _lock(session, project)
    earlier = current_set(session, project.id)
    if earlier is None:
        raise Conflict(_("There is no pretraining text to delete."))
    _retire(session, earlier)
    audit.record(session, user, "pretraining.deleted", f"project:{project.id}", version=earlier.version)


def _lock(session: Session, project: Project) -> None:
    """Put imports and deletions in a row; labels, which name the project too, do not wait for them."""
    session.execute(select(Project.id).where(Project.id == project.id).with_for_update(key_share=True))


def _retire(session: Session, earlier: PretrainingSet) -> None:
    """End a version, and delete its texts where no training was given them; one that is starting is waited for."""
    session.refresh(earlier, with_for_update=True)
    earlier.retired_at = session.scalar(select(func.now()))
    if earlier.frozen_at is None:
        session.execute(delete(PretrainingText).where(PretrainingText.set_id == earlier.id))
    session.flush()


def _newest_version(project_id: int) -> Any:
    return select(func.max(PretrainingSet.version)).where(PretrainingSet.project_id == project_id)


# --- reading -------------------------------------------------------------------------------------------------------


def stream_lines(session: Session, found: PretrainingSet) -> Iterator[str]:
    """The lines of `pretraining.jsonl`, whose SHA-256 is the version's. Raises NotFound where the texts are gone."""
    check_texts(found)
    return (to_line({"text": text}) for text in _texts(session, found))


def _texts(session: Session, found: PretrainingSet) -> Iterator[str]:
    query = select(PretrainingText.text).where(PretrainingText.set_id == found.id).order_by(PretrainingText.number)
    yield from session.scalars(query.execution_options(yield_per=READ))


def trained_with(session: Session, found: PretrainingSet) -> list[Checkpoint]:
    """The checkpoints that learned from this version, newest first."""
    query = select(Checkpoint).where(Checkpoint.pretraining_set_id == found.id)
    return list(session.scalars(query.order_by(Checkpoint.id.desc())))


# --- before and at the start of a training -------------------------------------------------------------------------


def asking_kinds(recipe: Mapping[str, Any]) -> list[str]:
    """The kinds of job that mix in pretraining text by these settings."""
    return [kind for kind in PROGRAMS if rules.asked_for_by(recipe, kind)]


def is_missing(session: Session, project: Project, kind: str) -> bool:
    """Whether a job of this kind asks for pretraining text while there is none."""
    return rules.asked_for_by(project.recipe, kind) and current_set(session, project.id) is None


def missing_sentence(kind: str) -> str:
    """What is wrong then, and what to do."""
    sentence = _(
        "The settings of %(name)s ask for pretraining text, and this project has none. Import some (Data, Pretraining "
        "text), or set its weight to 0."
    )
    return sentence % {"name": kind_name(kind)}


def freeze_set(session: Session, project: Project, kind: str) -> PretrainingSet:
    """The version that a job of this kind is given, kept from now on. Raises Conflict where there is none."""
    query = select(PretrainingSet).where(PretrainingSet.project_id == project.id, PretrainingSet.retired_at.is_(None))
    found = session.scalar(query.with_for_update(), execution_options={"populate_existing": True})
    if found is None:
        raise Conflict(missing_sentence(kind))
    found.frozen_at = found.frozen_at or session.scalar(select(func.now()))
    session.flush()
    return found
