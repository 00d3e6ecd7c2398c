"""Labels leave as JSONL, streamed: for researchers, for snapshots and for job folders alike.

The same labels give the same bytes every time. Called by routes, services/snapshots.py and the command line.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import Session, joinedload, selectinload

from app.errors import Invalid
from app.models import Comparison, Demonstration, Project, Prompt, Ranking, SnapshotItem, User
from app.models.columns import LabelerGroup, Purpose, TaskKind
from app.rules import exports as rules
from app.rules.rankings import tiers_to_ranks
from app.services import ai_exports
from app.services.export_rows import response_row
from app.settings import get_settings
from app.translation import gettext as _

KINDS = ("demonstrations", "comparisons")
TASKS = {"demonstrations": TaskKind.DEMONSTRATION, "comparisons": TaskKind.RANKING}
FORMATS = ("native", "trl")
BATCH = 500


def stream_export(
    session: Session,
    project: Project,
    kind: str,
    format: str = "native",
    *,
    simulated: bool = True,
    ai: bool = False,
    snapshot_id: int | None = None,
) -> Iterator[str]:
    """Yield the lines of an export in the order in which the labels came. Raises Invalid for an unknown choice.

    A model's labels come last, where they are asked for, or where the snapshot that is named holds some.
    """
    if kind not in KINDS or format not in FORMATS:
        known = {"kinds": ", ".join(KINDS), "formats": ", ".join(FORMATS)}
        raise Invalid(_("Choose one of %(kinds)s and one of %(formats)s.") % known)
    rows = demonstration_rows if kind == "demonstrations" else ranking_rows
    found = rows(session, project, simulated=simulated, snapshot_id=snapshot_id)
    if ai or snapshot_id is not None:
        found = chain(found, ai_exports.ai_rows(session, project, TASKS[kind], snapshot_id=snapshot_id))
    for row in found:
        if format == "native":
            yield rules.to_line(row)
        elif kind == "demonstrations":
            yield from (rules.to_line(pair) for pair in rules.demonstration_to_trl(row))
        else:
            yield from (rules.to_line(pair) for pair in rules.ranking_to_trl(row))


def demonstration_rows(
    session: Session, project: Project, *, simulated: bool = True, snapshot_id: int | None = None
) -> Iterator[dict[str, Any]]:
    """Native demonstration rows (docs/job-folder.md)."""
    query = (
        select(Demonstration)
        .options(joinedload(Demonstration.prompt, innerjoin=True), joinedload(Demonstration.user))
        .where(*_chosen(Demonstration, project, simulated, snapshot_id))
        .order_by(Demonstration.id)
    )
    key = get_settings().key()
    for demonstration in _stream(session, query):
        prompt = demonstration.prompt
        yield {
            "id": demonstration.id,
            "prompt_id": prompt.external_id or str(prompt.id),
            "messages": prompt.messages,
            "response": demonstration.text,
            **_labeler(demonstration.user, key),
            "revision": demonstration.revision,
            "guideline_version": demonstration.guideline_version,
            "seconds": demonstration.seconds,
            "source": demonstration.source,
            "simulated": demonstration.simulated,
            "use_case": prompt.use_case,
            "split": rules.label_split(prompt.split, _group(demonstration.user)),
            "created_at": demonstration.created_at.isoformat(),
            **rules.said(
                turns=demonstration.turns,
                sources=demonstration.sources,
                pasted_share=demonstration.pasted_share,
                warnings=demonstration.warnings,
                edited_completion=_text_of(demonstration.edited_completion_id),
                prompt_kind=prompt.kind if prompt.author_id is not None else None,
                use_case_text=prompt.use_case_text,
                prompt_author=rules.pseudonym(prompt.author_id, key),
                presentation=demonstration.presentation,
            ),
        }


def ranking_rows(
    session: Session, project: Project, *, simulated: bool = True, snapshot_id: int | None = None
) -> Iterator[dict[str, Any]]:
    """Native ranking rows (docs/job-folder.md)."""
    query = (
        select(Ranking)
        .options(
            joinedload(Ranking.comparison, innerjoin=True).options(
                joinedload(Comparison.prompt, innerjoin=True), selectinload(Comparison.completions)
            ),
            joinedload(Ranking.user, innerjoin=True),
        )
        .where(*_chosen(Ranking, project, simulated, snapshot_id))
        .order_by(Ranking.id)
    )
    key = get_settings().key()
    for ranking in _stream(session, query):
        yield _ranking_row(ranking, key)


def _ranking_row(ranking: Ranking, key: bytes) -> dict[str, Any]:
    prompt, completions = ranking.comparison.prompt, ranking.comparison.completions
    return {
        "id": ranking.id,
        "prompt_id": prompt.external_id or str(prompt.id),
        "messages": prompt.messages,
        "responses": [response_row(completion, key) for completion in completions],
        "ranks": tiers_to_ranks(ranking.tiers, [str(completion.id) for completion in completions]),
        "ratings": ranking.ratings,
        "prompt_flags": ranking.prompt_flags,
        "confidence": ranking.confidence,
        "comment": ranking.comment,
        **_labeler(ranking.user, key),
        "revision": ranking.revision,
        "guideline_version": ranking.guideline_version,
        "schema_version": ranking.schema_version,
        "order_shown": ranking.order_shown,
        "seconds": ranking.seconds,
        "simulated": ranking.simulated,
        "use_case": prompt.use_case,
        "split": rules.label_split(prompt.split, _group(ranking.user)),
        "created_at": ranking.created_at.isoformat(),
        **rules.said(
            source=ranking.source if ranking.source != "labeler" else None,
            purpose=ranking.purpose if ranking.purpose != Purpose.LABEL else None,
            presentation=ranking.presentation,
        ),
    }


def which_train(label: type[Demonstration | Ranking]) -> list[ColumnElement[bool]]:
    """The labels that train, count towards thresholds and are exported: the one place that says so.

    Nobody has withdrawn them and their prompt is not retired. Of rankings: they were given as labels, not to measure
    somebody, and no review has put them aside; or they are the order of a reviewer, in place of both that she saw.
    """
    if label is Demonstration:
        retired = select(Prompt.id).where(Prompt.retired_at.is_not(None), Prompt.id == Demonstration.prompt_id)
        return [Demonstration.withdrawn_at.is_(None), ~retired.exists()]
    retired = (
        select(Prompt.id).join(Comparison).where(Prompt.retired_at.is_not(None), Comparison.id == Ranking.comparison_id)
    )
    return [
        Ranking.withdrawn_at.is_(None),
        Ranking.superseded_at.is_(None),
        Ranking.purpose.in_((Purpose.LABEL, Purpose.REVIEW)),
        ~retired.exists(),
    ]


def which_count(label: type[Demonstration | Ranking]) -> list[ColumnElement[bool]]:
    """Those that bring a training nearer: what held-out labelers say is never trained on."""
    held_out = select(User.id).where(User.labeler_group == LabelerGroup.HELD_OUT)
    return [*which_train(label), or_(label.user_id.is_(None), label.user_id.not_in(held_out))]


def _chosen(
    label: type[Demonstration | Ranking], project: Project, simulated: bool, snapshot_id: int | None
) -> list[ColumnElement[bool]]:
    """The project's labels that nobody has withdrawn; those of a snapshot only where one is named."""
    conditions = [label.project_id == project.id]
    if snapshot_id is None:
        conditions += which_train(label)
    else:  # a frozen label cannot be withdrawn
        item = SnapshotItem.demonstration_id if label is Demonstration else SnapshotItem.ranking_id
        conditions.append(label.id.in_(select(item).where(SnapshotItem.snapshot_id == snapshot_id)))
    if not simulated:
        conditions.append(label.simulated.is_(False))
    return conditions


def _labeler(user: User | None, key: bytes) -> dict[str, Any]:
    return {"labeler": rules.pseudonym(user.id if user else None, key), "labeler_group": _group(user)}


def _text_of(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _group(user: User | None) -> str | None:
    return user.labeler_group if user else None


def _stream(session: Session, query: Select[Any]) -> Iterator[Any]:
    """Rows in batches through a server-side cursor, as they stand now, whatever the session has read before.

    The session forgets a row as soon as nobody holds it.
    """
    yield from session.scalars(query.execution_options(yield_per=BATCH, populate_existing=True))
