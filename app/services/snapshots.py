"""Snapshots: the labels that a training reads, frozen as rows and as a file with its hash.

Called by services/rounds.py before it creates a job, and by the pages that show what a checkpoint was trained on.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from sqlalchemy import Select, func, insert, literal, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.errors import NotFound
from app.models import AILabel, Demonstration, Project, Ranking, Round, Snapshot, SnapshotItem
from app.services import ai_exports, exports
from app.settings import get_settings
from app.translation import gettext as _

FILES = {"demonstration": "demonstrations.jsonl", "ranking": "rankings.jsonl"}
EXPORTS = {"demonstration": "demonstrations", "ranking": "comparisons"}


def freeze_snapshot(session: Session, project: Project, round_: Round | None, kind: str) -> Snapshot:
    """Freeze every label of `kind` that the project has now, and write them under the artifacts folder.

    A model's labels are among them only where the project gives these a weight.

    The first statement decides which labels these are and locks each; from then on none of them can change
    (services/revisions.py), so that rows, file, hash and count speak of the same labels.
    """
    snapshot = Snapshot(
        project_id=project.id, round_id=round_.id if round_ else None, kind=kind, rows=0, counted=0, sha256="", files={}
    )
    session.add(snapshot)
    session.flush()
    session.execute(_freeze_items(snapshot))
    if project.ai_weight:
        frozen = session.scalars(_freeze_ai_items(snapshot))
        snapshot.ai_rows = len(frozen.all())
    folder = snapshot_folder(snapshot)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILES[kind]
    snapshot.rows, snapshot.sha256 = _write_lines(session, project, snapshot.id, kind, path)
    snapshot.counted = count_labels(session, project.id, kind, snapshot.id)
    snapshot.files = {path.name: {"sha256": snapshot.sha256, "rows": snapshot.rows, "bytes": path.stat().st_size}}
    session.flush()
    return snapshot


def snapshot_folder(snapshot: Snapshot) -> Path:
    return get_settings().artifacts_folder / "snapshots" / str(snapshot.id)


def snapshot_file(snapshot: Snapshot) -> Path:
    return snapshot_folder(snapshot) / FILES[snapshot.kind]


def get_snapshot(session: Session, snapshot_id: int) -> Snapshot:
    snapshot = session.get(Snapshot, snapshot_id)
    if snapshot is None:
        raise NotFound(_("There is no snapshot %(id)s.") % {"id": snapshot_id})
    return snapshot


def list_snapshots(session: Session, project_id: int) -> list[Snapshot]:
    return list(session.scalars(select(Snapshot).where(Snapshot.project_id == project_id).order_by(Snapshot.id.desc())))


def last_snapshot(session: Session, project_id: int, kind: str) -> Snapshot | None:
    return session.scalar(
        select(Snapshot)
        .where(Snapshot.project_id == project_id, Snapshot.kind == kind)
        .order_by(Snapshot.id.desc())
        .limit(1)
    )


def count_labels(session: Session, project_id: int, kind: str, snapshot_id: int | None = None) -> int:
    """Labels that count towards a threshold: all that may train, but for the demonstrations that the starter ships.

    Of a snapshot only, where one is named: labels that come in while it is written are not among these.
    """
    table, item = _tables(kind)
    query = select(func.count()).select_from(table).where(table.project_id == project_id, *exports.which_count(table))
    if table is Demonstration:
        query = query.where(Demonstration.source != "starter")
    if snapshot_id is not None:
        query = query.where(table.id.in_(select(item).where(SnapshotItem.snapshot_id == snapshot_id)))
    return session.scalar(query) or 0


def _tables(kind: str) -> tuple[type[Demonstration | Ranking], InstrumentedAttribute[int | None]]:
    return (
        (Demonstration, SnapshotItem.demonstration_id)
        if kind == "demonstration"
        else (Ranking, SnapshotItem.ranking_id)
    )


def _freeze_items(snapshot: Snapshot):  # type: ignore[no-untyped-def]  # an INSERT ... SELECT has no narrower public type
    """FOR KEY SHARE waits for whoever is changing a label, looks again whether it stands, and keeps it as it is."""
    table, column = _tables(snapshot.kind)
    labels: Select[int, int] = (
        select(literal(snapshot.id), table.id)
        .where(table.project_id == snapshot.project_id, *exports.which_train(table))
        .with_for_update(read=True, key_share=True, of=table)
    )
    return insert(SnapshotItem).from_select([SnapshotItem.snapshot_id, column], labels)


def _freeze_ai_items(snapshot: Snapshot):  # type: ignore[no-untyped-def]  # as above
    labels = select(literal(snapshot.id), AILabel.id).where(
        AILabel.project_id == snapshot.project_id, *ai_exports.which_ai_train(snapshot.kind)
    )
    into = insert(SnapshotItem).from_select([SnapshotItem.snapshot_id, SnapshotItem.ai_label_id], labels)
    return into.returning(SnapshotItem.id)


def _write_lines(session: Session, project: Project, snapshot_id: int, kind: str, path: Path) -> tuple[int, str]:
    """Write the export beside its final name, sync, rename; returns (rows, SHA-256)."""
    digest, rows = hashlib.sha256(), 0
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        for line in exports.stream_export(session, project, EXPORTS[kind], snapshot_id=snapshot_id):
            encoded = line.encode()
            file.write(encoded)
            digest.update(encoded)
            rows += 1
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    return rows, digest.hexdigest()
