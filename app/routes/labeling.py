"""A labeler's pages: home, the next task, ranking and writing, drafts and leases, skip and send.

GET changes nothing: a task is claimed by POST, and the page that it leads to only shows what is held. The scripts of
static/js/labeling/ speak JSON to /draft, /lease and /submission; without scripts the same page posts a form to /send.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Body, Depends, Form, Header, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from app.errors import Invalid, NotQualified
from app.models import Project, User
from app.models.columns import SlotKind, TaskKind
from app.pages import markdown, render
from app.problems import wants_json
from app.routes.answer_forms import DetailsIn, answer_from_form, form_details
from app.routes.one_thread import OneThread
from app.routes.task_pages import Shared, TaskPage, edition_of, rank_page, ranking_from_form, write_page
from app.rules.label_schemas import Fields
from app.rules.revisions import LETTERS
from app.security import CurrentUser, SessionDep
from app.services import (
    ahead,
    assignments,
    demonstrations,
    desk,
    guidelines,
    history,
    label_schemas,
    members,
    projects,
    prompt_reports,
    qualifications,
    rankings,
    reviews,
    revisions,
)
from app.services.answers import Answer
from app.services.assignments import Task
from app.services.rankings import RankingDraft
from app.translation import gettext as _

router = APIRouter(route_class=OneThread)
KINDS = {"rank": TaskKind.RANKING, "write": TaskKind.DEMONSTRATION}
WAYS = {kind: way for way, kind in KINDS.items()}


def see_other(url: str) -> RedirectResponse:
    return RedirectResponse(url, status_code=303)


@router.get("/")
def home(request: Request, session: SessionDep, user: CurrentUser) -> HTMLResponse:
    desks = desk.list_desks(session, user)
    done_today, to_review = desk.count_done_today(session, user), reviews.list_desks(session, user)
    shut_out = not desks and bool(projects.list_projects(session))
    to_ask = members.list_to_ask(session) if shut_out or not all(one.in_pool for one in desks) else []
    return render(
        request,
        "labeling/home.html",
        desks=desks,
        done_today=done_today,
        to_review=to_review,
        shut_out=shut_out,
        to_ask=to_ask,
    )


@router.get("/projects/{slug}/label")
def label(request: Request, session: SessionDep, user: CurrentUser, slug: str) -> HTMLResponse:
    return _start_page(request, session, user, projects.get_project(session, slug))


@router.get("/projects/{slug}/rank")
def start_ranking(request: Request, session: SessionDep, user: CurrentUser, slug: str) -> Response:
    """The ranking that she holds, or else what there is to do."""
    return _start(request, session, user, slug, "rank")


@router.get("/projects/{slug}/write")
def start_writing(request: Request, session: SessionDep, user: CurrentUser, slug: str) -> Response:
    return _start(request, session, user, slug, "write")


@router.post("/projects/{slug}/rank")
def claim_ranking(session: SessionDep, user: CurrentUser, slug: str) -> Response:
    return see_other(next_url(session, user, projects.get_project(session, slug), TaskKind.RANKING))


@router.post("/projects/{slug}/write")
def claim_writing(session: SessionDep, user: CurrentUser, slug: str) -> Response:
    return see_other(next_url(session, user, projects.get_project(session, slug), TaskKind.DEMONSTRATION))


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
    return render_task(request, task_page(session, user, task), reported=reported)


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


class RatingIn(BaseModel):
    overall: int | None = None
    flags: list[str] = Field(default_factory=list)


class SubmissionIn(DetailsIn):
    """A label as the pages' scripts send it: `text` with its details, or `tiers` with what belongs to them."""

    text: str | None = None
    tiers: list[list[str]] | None = None
    ratings: dict[str, RatingIn] = Field(default_factory=dict)
    comment: str | None = None
    prompt_flags: list[str] = Field(default_factory=list)
    confidence: int | None = None
    seconds: float | None = None


@router.post("/assignments/{assignment_id}/submission", status_code=201)
def submit(
    session: SessionDep,
    user: CurrentUser,
    assignment_id: int,
    label: SubmissionIn,
    idempotency_key: Annotated[UUID, Header()],
) -> dict[str, Any]:
    """Store the label, claim the next task, and say where it is."""
    return _store(session, user, assignment_id, idempotency_key, content_sent(label), label.seconds)


def content_sent(label: SubmissionIn) -> RankingDraft | Answer:
    if label.tiers is not None:
        ratings = {key: rating.model_dump(exclude_none=True) for key, rating in label.ratings.items()}
        return RankingDraft(
            label.tiers, ratings, label.comment, label.prompt_flags, label.confidence, label.presentation
        )
    if label.text is not None:
        return Answer(label.text, label.details())
    raise Invalid(_("The submission holds neither a ranking nor a text."))


async def read_form(request: Request) -> FormData:
    return await request.form(max_files=0, max_fields=400, max_part_size=1_000_000)


@router.post("/assignments/{assignment_id}/send")
def send_form(
    request: Request,
    session: SessionDep,
    user: CurrentUser,
    assignment_id: int,
    form: Annotated[FormData, Depends(read_form)],
) -> Response:
    """The same without scripts; a refused form comes back with its sentence and with everything that was in it."""
    task = assignments.load_task(session, assignment_id, user)
    try:
        key = UUID(str(form.get("key", "")))
    except ValueError:
        key = uuid4()
    try:
        content = content_of_form(task, asked_of(session, task), form)
        stored = _store(session, user, assignment_id, key, content, None)
    except Invalid as error:
        page = task_page(session, user, task, form=form, key=key, problem=error.detail)
        return render_task(request, page, status=422)
    return see_other(stored["next"])


def content_of_form(task: Task, asked: Fields, form: FormData) -> RankingDraft | Answer:
    if task.completions:
        return ranking_from_form(task, asked, form)
    answer = answer_from_form(form)
    return Answer(answer.text, form_details(answer))


@router.post("/preview")
def preview(user: CurrentUser, text: Annotated[str, Form(max_length=200_000)] = "") -> HTMLResponse:
    """An answer as it will be read."""
    return HTMLResponse(markdown(text))


def _store(
    session: Session,
    user: User,
    assignment_id: int,
    key: UUID,
    content: RankingDraft | Answer,
    seconds: float | None,
) -> dict[str, Any]:
    task = assignments.load_task(session, assignment_id, user)
    row = (
        demonstrations.submit_demonstration(session, assignment_id, user, key, content.text, seconds, content.details)
        if isinstance(content, Answer)
        else rankings.submit_ranking(session, assignment_id, user, key, content, seconds)
    )
    return {"id": row.id, **next_task(session, user, task.project, TaskKind(task.assignment.kind))}


def next_url(session: Session, user: User, project: Project, kind: TaskKind) -> str:
    return next_task(session, user, project, kind)["next"]


def next_task(session: Session, user: User, project: Project, kind: TaskKind) -> dict[str, str]:
    """Where her next task is, claimed here and now, and its edition; or what she has to read or to pass before it."""
    if not guidelines.has_read_current(session, project.id, user):
        return {"next": f"/projects/{project.slug}/guidelines?then={WAYS[kind]}"}
    try:
        assignment = assignments.claim_assignment(session, project, user, kind)
    except NotQualified:
        return {"next": f"/projects/{project.slug}/qualification"}
    if assignment is None:
        return {"next": f"/projects/{project.slug}/{WAYS[kind]}"}
    return {"next": f"/assignments/{assignment.id}", "edition": edition_of(assignment)}


def _start(request: Request, session: Session, user: User, slug: str, way: str) -> Response:
    project = projects.get_project(session, slug)
    held = desk.held_assignment_id(session, project.id, user, KINDS[way])
    return see_other(f"/assignments/{held}") if held else _start_page(request, session, user, project, way)


def _start_page(
    request: Request, session: Session, user: User, project: Project, way: str | None = None
) -> HTMLResponse:
    work = [desk.find_work(session, project, user, kind) for kind in (TaskKind.RANKING, TaskKind.DEMONSTRATION)]
    done_today = desk.count_done_today(session, user)
    undoable = history.find_undoable(session, project.id, user)
    in_pool = members.may_label_in(session, project, user)
    qualified = qualifications.is_free_to_work(session, project, user)
    return render(
        request,
        "labeling/start.html",
        project=project,
        work=work,
        way=way,
        done_today=done_today,
        undoable=undoable,
        in_pool=in_pool,
        to_ask=[] if in_pool else members.list_to_ask(session),
        qualified=qualified,
    )


def task_page(
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
        "done_today": desk.count_done_today(session, user),
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
    return render_task(request, task_page(session, user, task, problem=error.detail), status=422)


def render_task(request: Request, page: TaskPage, status: int = 200, reported: bool = False) -> HTMLResponse:
    return render(request, page.template, page, status=status, reported=reported)
