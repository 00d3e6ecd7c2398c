"""A labeler's history: what she has sent, what became of it, and the pages that edit it.

The page that edits a label is the page of its task (routes/labeling.py), with /history/KIND/ID for /assignments/ID.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import uuid4

from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from app.errors import Invalid
from app.models import Demonstration, Project, Ranking, User
from app.pages import render
from app.routes.checkpoints import LabelKind
from app.routes.forms import read_form, see_other
from app.routes.labeling import asked_of, render_task, task_page
from app.routes.submissions import SubmissionIn, content_of_form, content_sent
from app.rules.label_schemas import FLAG_KINDS
from app.rules.revisions import letters_of
from app.security import CurrentUser, SessionDep
from app.services import assignments, demonstrations, history, label_schemas, projects, rankings, revisions
from app.services.answers import Answer
from app.services.assignments import Task
from app.services.history import Entry, Step
from app.services.rankings import RankingDraft
from app.translation import gettext as _

router = APIRouter()


@dataclass
class HistoryPage:
    entries: list[Entry]
    projects: list[Project]
    slug: str
    kind: str
    newest: bool  # the first page
    more: str  # address of the next page, if there is one


@dataclass
class SentPage:
    project: Project
    entry: Entry
    steps: list[Step]
    letters: dict[str, str]
    texts: dict[str, str]  # completion id -> what was ranked
    flag_labels: dict[str, str]
    review_order: str  # what a reviewer's own order says, in her letters


@router.get("/history")
def list_history(
    request: Request,
    session: SessionDep,
    user: CurrentUser,
    project: Annotated[str, Query(max_length=64)] = "",
    kind: Literal["", "demonstration", "ranking"] = "",
    before: Annotated[int | None, Query(ge=1)] = None,
) -> HTMLResponse:
    chosen = projects.get_project(session, project) if project else None
    entries = history.list_history(session, user, chosen, kind or None, before)
    full = len(entries) == history.PAGE
    last = entries[-1].assignment.id if entries else None
    query = {"project": project, "kind": kind, "before": last}
    page = HistoryPage(
        entries=entries,
        projects=history.list_projects(session, user),
        slug=project,
        kind=kind,
        newest=before is None,
        more="/history?" + urlencode({name: value for name, value in query.items() if value}) if full else "",
    )
    return render(request, "history/list.html", page)


@router.get("/history/{kind}/{label_id}")
def show_sent(request: Request, session: SessionDep, user: CurrentUser, kind: LabelKind, label_id: int) -> HTMLResponse:
    """One label as she sent it, with all that happened to it. Blind: nothing tells who wrote a response."""
    entry = history.get_entry(session, user, kind, label_id)
    ranking = entry.label if isinstance(entry.label, Ranking) else None
    page = SentPage(
        project=entry.project,
        entry=entry,
        steps=history.list_steps(session, entry.label),
        letters=letters_of(ranking.order_shown) if ranking else {},
        texts=history.texts_of(session, ranking) if ranking else {},
        flag_labels=_flag_labels(session, entry),
        review_order=history.order_of_review(session, entry),
    )
    return render(request, "history/label.html", page)


def _flag_labels(session: Session, entry: Entry) -> dict[str, str]:
    """Key -> label, of all flags that this label was asked about."""
    if not isinstance(entry.label, Ranking):
        return {}
    fields = label_schemas.fields_of(label_schemas.get_schema(session, entry.project.id, entry.label.schema_version))
    return {flag["key"]: flag["label"] for kind in FLAG_KINDS for flag in fields[kind]}


@router.get("/history/{kind}/{label_id}/edit")
def edit_sent(request: Request, session: SessionDep, user: CurrentUser, kind: LabelKind, label_id: int) -> Response:
    entry = history.get_entry(session, user, kind, label_id)
    if entry.state != "sent":
        return see_other(_address(kind, label_id))
    return render_task(request, task_page(request, session, user, _task_of(session, user, entry)))


@router.put("/history/{kind}/{label_id}/draft")
def put_edit(
    session: SessionDep, user: CurrentUser, kind: LabelKind, label_id: int, draft: Annotated[Any, Body()]
) -> dict[str, Any]:
    """Keep an edit that is not sent yet. No lease runs: the slot is hers."""
    label = revisions.lock_label(session, kind, label_id, user)
    return {"saved_at": revisions.save_edit(session, label, draft), "expires_at": None}


@router.post("/history/{kind}/{label_id}/discard")
def discard_edit(session: SessionDep, user: CurrentUser, kind: LabelKind, label_id: int) -> Response:
    revisions.discard_edit(session, revisions.lock_label(session, kind, label_id, user))
    return see_other(_address(kind, label_id))


@router.post("/history/{kind}/{label_id}/submission")
def submit_edit(
    session: SessionDep, user: CurrentUser, kind: LabelKind, label_id: int, label: SubmissionIn
) -> dict[str, Any]:
    """Store the edit as a revision, and say where the label is."""
    _store_edit(session, user, kind, label_id, content_sent(label), label.seconds)
    return {"id": label_id, "next": _address(kind, label_id)}


@router.post("/history/{kind}/{label_id}/send")
def send_edit(
    request: Request,
    session: SessionDep,
    user: CurrentUser,
    kind: LabelKind,
    label_id: int,
    form: Annotated[FormData, Depends(read_form)],
) -> Response:
    """The same without scripts; a refused form comes back with its sentence and with everything that was in it."""
    task = _task_of(session, user, history.get_entry(session, user, kind, label_id))
    try:
        _store_edit(session, user, kind, label_id, content_of_form(task, asked_of(session, task), form), None)
    except Invalid as error:
        page = task_page(request, session, user, task, form=form, key=uuid4(), problem=error.detail)
        return render_task(request, page, status=422)
    return see_other(_address(kind, label_id))


@router.post("/history/{kind}/{label_id}/withdraw")
def withdraw(session: SessionDep, user: CurrentUser, kind: LabelKind, label_id: int) -> Response:
    revisions.withdraw_label(session, revisions.lock_label(session, kind, label_id, user), user)
    return see_other(_address(kind, label_id))


@router.post("/history/{kind}/{label_id}/restore")
def restore(session: SessionDep, user: CurrentUser, kind: LabelKind, label_id: int) -> Response:
    revisions.restore_label(session, revisions.lock_label(session, kind, label_id, user), user)
    return see_other(_address(kind, label_id))


def _address(kind: LabelKind, label_id: int) -> str:
    return f"/history/{kind.value}/{label_id}"


def _task_of(session: Session, user: User, entry: Entry) -> Task:
    return replace(assignments.load_task(session, entry.assignment.id, user), label=entry.label)


def _store_edit(
    session: Session, user: User, kind: LabelKind, label_id: int, content: RankingDraft | Answer, seconds: float | None
) -> Demonstration | Ranking:
    if kind is LabelKind.ranking and isinstance(content, RankingDraft):
        return rankings.edit_ranking(session, label_id, user, content, seconds)
    if kind is LabelKind.demonstration and isinstance(content, Answer):
        return demonstrations.edit_demonstration(session, label_id, user, content.text, seconds, content.details)
    ranking = kind is LabelKind.ranking
    raise Invalid(_("This label is a ranking.") if ranking else _("This label is a demonstration."))
