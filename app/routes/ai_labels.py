"""Labels by a model: the constitution, their weight, starting them, and what they say. Admins act, researchers look."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from app.errors import AppError, Conflict, Invalid, NotFound
from app.models import Project
from app.models.columns import TaskKind
from app.pages import render
from app.plots import headline
from app.rules.constitutions import principles_of
from app.security import Admin, Researcher, SessionDep
from app.services import ai_labels, audit, constitutions, projects, snapshots
from app.translation import gettext as _

router = APIRouter()


@router.get("/projects/{slug}/ai")
def show_ai(request: Request, session: SessionDep, user: Researcher, slug: str) -> HTMLResponse:
    return _page(request, session, projects.get_project(session, slug))


@router.post("/projects/{slug}/ai/constitution")
def publish_constitution(
    request: Request, session: SessionDep, user: Admin, slug: str, text: Annotated[str, Form(max_length=200_000)] = ""
) -> Response:
    project = projects.get_project(session, slug)
    try:
        constitutions.publish_constitution(session, project, text.replace("\r\n", "\n"), user)
    except Invalid as error:
        return _page(request, session, project, typed=text, problem=error)
    return RedirectResponse(f"/projects/{slug}/ai", status_code=303)


@router.post("/projects/{slug}/ai/weight")
def change_weight(
    request: Request, session: SessionDep, user: Admin, slug: str, weight: Annotated[str, Form(max_length=20)] = ""
) -> Response:
    """At which weight the next training reads a model's labels; 0 leaves them out."""
    project = projects.get_project(session, slug)
    plain = weight.strip().replace(",", ".")
    try:
        if not re.fullmatch(r"\d(\.\d{1,6})?", plain):
            raise Invalid(_("Give a weight from 0 to 1."))
        with session.begin_nested():
            projects.update_project(session, project, {"ai_weight": float(plain)})
    except Invalid as error:
        return _page(request, session, project, weight=weight, problem=error)
    audit.record(session, user, "project.changed", f"project:{project.id}", changed=["ai_weight"], weight=float(plain))
    return RedirectResponse(f"/projects/{slug}/ai", status_code=303)


@router.post("/projects/{slug}/ai/jobs")
def start_labeling(
    request: Request,
    session: SessionDep,
    user: Admin,
    slug: str,
    kind: Annotated[TaskKind, Form()],
    judge: Annotated[int, Form(ge=0, le=2**63 - 1)] = 0,
    path: Annotated[str, Form(max_length=1000)] = "",
    most: Annotated[int, Form(ge=0, le=2**31 - 1)] = 0,
) -> Response:
    """Queue the job; a folder that is typed is the judge, else the checkpoint that was chosen."""
    project = projects.get_project(session, slug)
    try:
        with session.begin_nested():
            chosen = ai_labels.find_judge(session, project, path.strip()).id if path.strip() else judge
            job = ai_labels.start_labeling(session, project, kind, chosen, most, user)
    except (Invalid, Conflict, NotFound) as error:
        return _page(request, session, project, problem=error)
    return RedirectResponse(f"/jobs/{job.id}", status_code=303)


@router.get("/projects/{slug}/ai-labels")
def list_labels(
    request: Request,
    session: SessionDep,
    user: Researcher,
    slug: str,
    kind: TaskKind = TaskKind.RANKING,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    snapshot: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> HTMLResponse:
    project = projects.get_project(session, slug)
    frozen = snapshots.get_snapshot(session, snapshot) if snapshot else None
    labels = ai_labels.list_labels(session, project.id, kind, before, snapshot)
    more = f"?kind={kind.value}&before={labels[-1].id}" if len(labels) == ai_labels.PAGE else ""
    return render(
        request,
        "ai_labels/list.html",
        project=project,
        kind=kind.value,
        labels=labels,
        snapshot=frozen,
        more=more + (f"&snapshot={snapshot}" if more and snapshot else ""),
    )


@router.get("/ai-labels/{ai_label_id}")
def show_label(request: Request, session: SessionDep, user: Researcher, ai_label_id: int) -> HTMLResponse:
    """What it says, by which principles, and the snapshots and checkpoints that it reached."""
    found = ai_labels.describe_label(session, ai_label_id)
    return render(
        request,
        "ai_labels/label.html",
        project=session.get_one(Project, found.label.project_id),
        found=found,
        headlines={c.id: headline(c.kind, c.metrics) for c in found.checkpoints},
    )


def _page(
    request: Request,
    session: Session,
    project: Project,
    *,
    typed: str | None = None,
    weight: str | None = None,
    problem: AppError | None = None,
) -> HTMLResponse:
    versions = constitutions.list_constitutions(session, project.id)
    current = versions[0] if versions else None
    return render(
        request,
        "ai_labels/show.html",
        project=project,
        use=ai_labels.use_of(session, project),
        versions=versions,
        current=current,
        principles=principles_of(current.text) if current else [],
        judges=ai_labels.list_judges(session, project.id),
        jobs=ai_labels.list_ai_jobs(session, project.id),
        typed=typed if typed is not None else current.text if current else "",
        weight=weight if weight is not None else f"{project.ai_weight:g}",
        problem=problem.detail if problem else None,
        status=problem.status if problem else 200,
    )
