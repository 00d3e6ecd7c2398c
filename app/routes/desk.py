"""Where a labeler's work begins: home, what there is to do in a project, the next task.

GET changes nothing: a task is claimed by POST, and the page that it leads to (routes/labeling.py) only shows what is
held.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from app.errors import NotQualified
from app.models import Project, User
from app.models.columns import TaskKind
from app.pages import render
from app.routes.forms import see_other
from app.routes.one_thread import OneThread
from app.routes.task_pages import edition_of
from app.security import CurrentUser, SessionDep, zone_of
from app.services import assignments, desk, guidelines, history, members, projects, qualification_standings, reviews

router = APIRouter(route_class=OneThread)
KINDS = {"rank": TaskKind.RANKING, "write": TaskKind.DEMONSTRATION}
WAYS = {kind: way for way, kind in KINDS.items()}


@router.get("/")
def home(request: Request, session: SessionDep, user: CurrentUser) -> HTMLResponse:
    desks = desk.list_desks(session, user)
    done_today = desk.count_done_today(session, user, zone_of(request))
    to_review = reviews.list_desks(session, user)
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
    done_today = desk.count_done_today(session, user, zone_of(request))
    undoable = history.find_undoable(session, project.id, user)
    in_pool = members.may_label_in(session, project, user)
    qualified = qualification_standings.is_free_to_work(session, project, user)
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
