"""What comes out: exports as downloads, snapshots with their hashes, the labels themselves."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from starlette.responses import StreamingResponse

from app.models import Project
from app.pages import render
from app.routes.api.exports import Format, Kind, send_export
from app.routes.checkpoints import LabelKind
from app.security import Researcher, SessionDep
from app.services import ai_labels, browsing, checkpoints, pretraining, projects, snapshots

router = APIRouter()


@router.get("/projects/{slug}/data")
def show_data(request: Request, session: SessionDep, user: Researcher, slug: str) -> HTMLResponse:
    project = projects.get_project(session, slug)
    return render(
        request,
        "data/show.html",
        project=project,
        counts=browsing.count_labels(session, project),
        ai=ai_labels.use_of(session, project),
        prompts=browsing.count_prompts(session, project),
        pretraining=pretraining.current_set(session, project.id),
        snapshots=snapshots.list_snapshots(session, project.id),
    )


@router.get("/projects/{slug}/exports/{kind}.jsonl")
def download(
    session: SessionDep,
    user: Researcher,
    slug: str,
    kind: Kind,
    format: Format = "native",
    simulated: bool = True,
    ai: bool = False,
    snapshot: Annotated[int | None, Query(ge=1)] = None,
) -> StreamingResponse:
    """The same file as the API gives, for somebody who is signed in."""
    return send_export(session, user, projects.get_project(session, slug), kind, format, simulated, ai, snapshot)


@router.get("/projects/{slug}/labels/{kind}")
def list_labels(
    request: Request,
    session: SessionDep,
    user: Researcher,
    slug: str,
    kind: LabelKind,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> HTMLResponse:
    project = projects.get_project(session, slug)
    labels = browsing.list_recent(session, project, kind, before)
    return render(
        request,
        "data/labels.html",
        project=project,
        kind=kind.value,
        labels=labels,
        snapshot=None,
        more=f"?before={labels[-1].id}" if len(labels) == browsing.PAGE else "",
    )


@router.get("/snapshots/{snapshot_id}")
def show_snapshot(
    request: Request,
    session: SessionDep,
    user: Researcher,
    snapshot_id: int,
    after: Annotated[int, Query(ge=0)] = 0,
) -> HTMLResponse:
    """The labels that a training read."""
    snapshot = snapshots.get_snapshot(session, snapshot_id)
    labels = checkpoints.snapshot_labels(session, snapshot, limit=browsing.PAGE, after=after)
    return render(
        request,
        "data/labels.html",
        project=session.get_one(Project, snapshot.project_id),
        kind=snapshot.kind,
        labels=labels,
        snapshot=snapshot,
        more=f"?after={labels[-1].id}" if len(labels) == browsing.PAGE else "",
    )
