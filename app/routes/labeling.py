"""A task in a labeler's hands: its page, drafts and leases, skip, release and undo.

GET changes nothing. The scripts of static/js/labeling/ speak JSON to /draft, /lease and /skip; without scripts the same
page posts forms. Claiming is routes/desk.py, sending routes/submissions.py.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Body, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from app.errors import Invalid
from app.models import User
from app.models.columns import SlotKind, TaskKind
from app.pages import markdown, render
from app.problems import wants_json
from app.routes.desk import WAYS, next_task
from app.routes.forms import see_other
from app.routes.one_thread import OneThread
from app.routes.task_pages import Shared, TaskPage, rank_page, write_page
from app.rules.label_schemas import Fields
from app.rules.revisions import LETTERS
from app.security import CurrentUser, SessionDep, zone_of
from app.services import (
    ahead,
    assignments,
    desk,
    guidelines,
    history,
    label_schemas,
    prompt_reports,
    reviews,
    revisions,
)
from app.services.assignments import Task

router = APIRouter(route_class=OneThread)


@router.get("/assignments/{assignment_id}")
def show_task(
    request: Request, session: SessionDep, user: CurrentUser, assignment_id: int, reported: bool = False
) -> Response:
    task = assignments.load_task(session, assignment_id, user)
    if task.assignment.kind == SlotKind.REVIEW:
        told = "?reported=true" if reported else ""
        return see_other(f"/reviews/{reviews.find_of_assignment(session, task.assignment).id}{told}")
    if task.assignment.submitted_at is not None or task.assignment.skipped_at is not None:
        label = revisions.label_of(session, task.assignment)
        way = WAYS[TaskKind(task.assignment.kind)]
        return render(
            request,
            "labeling/closed.html",
            project=task.project,
            task=task,
            label=label,
            way=way,
            letters=LETTERS,
            reported=reported,
        )
    return render_task(request, task_page(request, session, user, task), reported=reported)


@router.put("/assignments/{assignment_id}/draft")
def put_draft(
    session: SessionDep, user: CurrentUser, assignment_id: int, draft: Annotated[Any, Body()]
) -> dict[str, Any]:
    saved_at = assignments.save_draft(session, assignment_id, user, draft)
    expires_at = assignments.load_task(session, assignment_id, user).assignment.expires_at
    return {"saved_at": saved_at, "expires_at": expires_at}


@router.post("/assignments/{assignment_id}/lease")
def renew_lease(session: SessionDep, user: CurrentUser, assignment_id: int) -> dict[str, Any]:
    return {"expires_at": assignments.renew_lease(session, assignment_id, user)}


@router.post("/assignments/{assignment_id}/ahead")
def claim_ahead(session: SessionDep, user: CurrentUser, assignment_id: int) -> Response:
    """The page of the task after this one, claimed for her to be there in time; 204 when there is none."""
    assignment = ahead.claim_ahead(session, assignment_id, user)
    return see_other(f"/assignments/{assignment.id}") if assignment else Response(status_code=204)


@router.post("/assignments/{assignment_id}/leave", status_code=204)
def leave(session: SessionDep, user: CurrentUser, assignment_id: int) -> None:
    """Sent by the page as it goes; an idle page sends nothing and its hold ends by itself."""
    assignments.leave_task(session, assignment_id, user)


@router.post("/assignments/{assignment_id}/resume")
def resume(session: SessionDep, user: CurrentUser, assignment_id: int) -> Response:
    assignments.renew_lease(session, assignment_id, user)
    return see_other(f"/assignments/{assignment_id}")


@router.post("/assignments/{assignment_id}/release")
def release(session: SessionDep, user: CurrentUser, assignment_id: int) -> Response:
    assignments.release_task(session, assignment_id, user)
    return see_other("/")


@router.post("/assignments/{assignment_id}/skip")
def skip(
    request: Request,
    session: SessionDep,
    user: CurrentUser,
    assignment_id: int,
    reason: Annotated[str, Form(max_length=500)] = "No reason given",
    note: Annotated[str, Form(max_length=5000)] = "",
) -> Response:
    """By form; the page's script gets what a submission answers, so that the next task comes in place."""
    task, by_script = assignments.load_task(session, assignment_id, user), wants_json(request)
    try:
        prompt_reports.skip_task(session, assignment_id, user, reason, note)
    except Invalid as error:
        if by_script:
            raise
        return refused_page(request, session, user, task, error)
    following = (
        {"next": f"/projects/{task.project.slug}/review"}
        if task.assignment.kind == SlotKind.REVIEW
        else next_task(session, user, task.project, TaskKind(task.assignment.kind))
    )
    return JSONResponse(following) if by_script else see_other(following["next"])


@router.post("/assignments/{assignment_id}/undo")
def undo(session: SessionDep, user: CurrentUser, assignment_id: int) -> Response:
    """Take back what she sent last; its task is in her hands again, as she had sent it."""
    revisions.undo_submission(session, assignment_id, user)
    return see_other(f"/assignments/{assignment_id}")


@router.post("/preview")
def preview(user: CurrentUser, text: Annotated[str, Form(max_length=200_000)] = "") -> HTMLResponse:
    """An answer as it will be read."""
    return HTMLResponse(markdown(text))


def task_page(
    request: Request,
    session: Session,
    user: User,
    task: Task,
    *,
    form: FormData | None = None,
    key: UUID | None = None,
    problem: str | None = None,
) -> TaskPage:
    guideline = guidelines.get_guideline(session, task.project.id, task.assignment.guideline_version)
    earlier = None if task.label else revisions.label_of(session, task.assignment)
    undoable = None if task.label or earlier else history.find_undoable(session, task.project.id, user)
    shared: Shared = {
        "done_today": desk.count_done_today(session, user, zone_of(request)),
        "taken_back": earlier.withdrawn_at if earlier else None,
        "undoable": undoable,
        "key": key or uuid4(),
        "problem": problem,
    }
    if not task.completions:
        return write_page(task, guideline, form=form, **shared)
    return rank_page(task, guideline, asked_of(session, task), form=form, **shared)


def asked_of(session: Session, task: Task) -> Fields:
    """What the page of this task asks: the version that it was claimed under."""
    schema = label_schemas.get_schema(session, task.project.id, task.assignment.schema_version)
    return label_schemas.fields_of(schema)


def refused_page(request: Request, session: Session, user: User, task: Task, error: Invalid) -> HTMLResponse:
    """The page of a task in hand, with the sentence. Raises the error itself where the task is on another page."""
    done = task.assignment.submitted_at is not None or task.assignment.skipped_at is not None
    if done or task.assignment.kind == SlotKind.REVIEW:
        raise error
    return render_task(request, task_page(request, session, user, task, problem=error.detail), status=422)


def render_task(request: Request, page: TaskPage, status: int = 200, reported: bool = False) -> HTMLResponse:
    return render(request, page.template, page, status=status, reported=reported)
