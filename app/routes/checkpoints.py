"""Checkpoints and their lineage, both ways: what made a checkpoint, and which checkpoints a label reached."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from app.models import Project, Ranking
from app.pages import render
from app.plots import Curve, curves, headline
from app.routes.loop import EVENTS
from app.rules.revisions import letters_of
from app.security import Admin, Researcher, SessionDep
from app.services import browsing, checkpoints, history, jobs, projects, revisions
from app.services.browsing import LabelContent
from app.services.checkpoints import LabelReach, Lineage
from app.services.history import Step

router = APIRouter()


class LabelKind(StrEnum):
    demonstration = "demonstration"
    ranking = "ranking"


@dataclass
class LineagePage:
    project: Project
    lineage: Lineage
    curves: list[Curve]
    headlines: dict[int, str]


@dataclass
class LabelPage:
    project: Project
    kind: str
    reach: LabelReach
    content: LabelContent
    headlines: dict[int, str]
    steps: list[Step]
    letters: dict[str, str]  # completion id -> the letter under which the labeler knew it


@router.get("/projects/{slug}/checkpoints")
def list_checkpoints(request: Request, session: SessionDep, user: Researcher, slug: str) -> HTMLResponse:
    project = projects.get_project(session, slug)
    found = checkpoints.list_checkpoints(session, project.id)
    headlines = {checkpoint.id: headline(checkpoint.kind, checkpoint.metrics) for checkpoint in found}
    return render(request, "checkpoints/list.html", project=project, checkpoints=found, headlines=headlines)


@router.get("/checkpoints/{checkpoint_id}")
def show_checkpoint(request: Request, session: SessionDep, user: Researcher, checkpoint_id: int) -> HTMLResponse:
    """The lineage page."""
    checkpoint = checkpoints.get_checkpoint(session, checkpoint_id)
    lineage = checkpoints.checkpoint_lineage(session, checkpoint)
    job = lineage.job
    events = jobs.list_events(session, job.id, limit=EVENTS) if job is not None else []
    page = LineagePage(
        project=session.get_one(Project, checkpoint.project_id),
        lineage=lineage,
        curves=curves(checkpoint.kind, (event.payload for event in events)),
        headlines={c.id: headline(c.kind, c.metrics) for c in [checkpoint, *lineage.ancestors, *lineage.children]},
    )
    return render(request, "checkpoints/lineage.html", page)


@router.get("/labels/{kind}/{label_id}")
def show_label(request: Request, session: SessionDep, user: Researcher, kind: LabelKind, label_id: int) -> HTMLResponse:
    """From a label, the snapshots and checkpoints that it reached."""
    reach = checkpoints.label_reach(session, kind, label_id)
    page = LabelPage(
        project=session.get_one(Project, reach.label.project_id),
        kind=kind.value,
        reach=reach,
        content=browsing.describe_label(session, reach.label),
        headlines={c.id: headline(c.kind, c.metrics) for c in reach.checkpoints},
        steps=history.list_steps(session, reach.label),
        letters=letters_of(reach.label.order_shown) if isinstance(reach.label, Ranking) else {},
    )
    return render(request, "checkpoints/label.html", page)


@router.post("/labels/{kind}/{label_id}/withdraw")
def withdraw_label(session: SessionDep, user: Admin, kind: LabelKind, label_id: int) -> RedirectResponse:
    label = revisions.lock_label(session, kind, label_id, user, anybodys=True)
    revisions.withdraw_label(session, label, user)
    return RedirectResponse(f"/labels/{kind}/{label_id}", status_code=303)


@router.post("/labels/{kind}/{label_id}/restore")
def restore_label(session: SessionDep, user: Admin, kind: LabelKind, label_id: int) -> RedirectResponse:
    label = revisions.lock_label(session, kind, label_id, user, anybodys=True)
    revisions.restore_label(session, label, user)
    return RedirectResponse(f"/labels/{kind}/{label_id}", status_code=303)
