"""Labels out, as JSONL downloads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from sqlalchemy.orm import Session
from starlette.responses import StreamingResponse

from app.database import transaction
from app.errors import NotFound
from app.models import Project, User
from app.routes.api.router import api_router
from app.routes.api.shapes import BIGGEST, Slug
from app.security import SessionDep, TokenReader
from app.services import audit, exports, projects, snapshots

router = api_router("exports")

CHUNK = 64 * 1024  # characters sent at once
NDJSON = "application/x-ndjson"
DOWNLOAD: dict[int | str, dict[str, Any]] = {
    200: {"content": {NDJSON: {"schema": {"type": "string"}}}, "description": "One JSON object a line."}
}

Kind = Literal["demonstrations", "comparisons"]
Format = Literal["native", "trl"]


def download_name(project: Project, kind: str, format: str, now: datetime) -> str:
    """Made of our own words only: a slug has none but letters, digits and hyphens."""
    return f"{project.slug}-{kind}-{format}-{now:%Y%m%d-%H%M%S}.jsonl"


def export_chunks(
    project: Project, kind: str, format: str, simulated: bool, ai: bool, snapshot_id: int | None
) -> Iterator[str]:
    """The export in pieces, read in one transaction of its own while it is sent."""
    with transaction() as session:
        yield from in_chunks(
            exports.stream_export(session, project, kind, format, simulated=simulated, ai=ai, snapshot_id=snapshot_id)
        )


def in_chunks(found: Iterable[str]) -> Iterator[str]:
    """Lines joined to what is sent at once."""
    lines, size = [], 0
    for line in found:
        lines.append(line)
        size += len(line)
        if size >= CHUNK:
            yield "".join(lines)
            lines, size = [], 0
    yield "".join(lines)


@router.get("/projects/{project}/exports/{kind}.jsonl", response_class=StreamingResponse, responses=DOWNLOAD)
def export_labels(
    session: SessionDep,
    user: TokenReader,
    project: Slug,
    kind: Kind,
    format: Annotated[Format, Query(description="Our own rows, or the ones that TRL reads.")] = "native",
    simulated: Annotated[bool, Query(description="Whether simulated labels are among them.")] = True,
    ai: Annotated[bool, Query(description="Whether a model's labels come too, each marked `ai`.")] = False,
    snapshot: Annotated[int | None, Query(ge=1, le=BIGGEST, description="Only the labels of this snapshot.")] = None,
) -> StreamingResponse:
    """Download demonstrations or comparisons. The same labels give the same bytes every time."""
    return send_export(session, user, projects.get_project(session, project), kind, format, simulated, ai, snapshot)


def send_export(
    session: Session,
    user: User,
    project: Project,
    kind: Kind,
    format: Format,
    simulated: bool,
    ai: bool,
    snapshot_id: int | None,
) -> StreamingResponse:
    """The download, noted in the audit log. Raises NotFound for another project's snapshot."""
    if snapshot_id is not None and snapshots.get_snapshot(session, snapshot_id).project_id != project.id:
        raise NotFound(f"This project has no snapshot {snapshot_id}.")
    choice = {"kind": kind, "format": format, "simulated": simulated, "ai": ai, "snapshot": snapshot_id}
    audit.record(session, user, "export", f"project:{project.id}", **choice)
    name = download_name(project, kind, format, datetime.now(UTC))
    return attachment(name, export_chunks(project, kind, format, simulated, ai, snapshot_id))


def attachment(name: str, chunks: Iterator[str]) -> StreamingResponse:
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(chunks, media_type=NDJSON, headers=disposition)
