"""The form of one item of a qualification, and more of them from a JSONL file. For admins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import FormData, UploadFile

from app.errors import Invalid
from app.models import Comparison, Project, Prompt, Qualification, QualificationItem
from app.pages import render
from app.routes.forms import read_form
from app.routes.prompts import file_lines, read_upload
from app.routes.qualifications import build_page
from app.rules.qualification_items import FEWEST, MOST, ItemDraft, conversation_text, parse_conversation
from app.rules.qualifications import DEMONSTRATION, FLAGS, RANKING
from app.rules.revisions import LETTERS
from app.security import Admin, SessionDep
from app.services import qualification_items, qualifications
from app.translation import gettext as _

router = APIRouter()

Part = Annotated[str, Query(pattern="^(flags|ranking|demonstration)$")]


@dataclass
class ItemForm:
    """The fields as they stand. `responses` are (letter, text, place), blank ones to be filled among them."""

    kind: str
    stage: str
    conversation: str
    responses: list[tuple[str, str, str]]
    flagged: list[str]
    explanation: str


@dataclass
class ItemFormPage:
    project: Project
    qualification: Qualification
    item: QualificationItem | None  # none: a new one
    form: ItemForm
    prompts: Sequence[Prompt]  # of the project, to begin with
    comparisons: Sequence[Comparison]
    errors: dict[str, str]
    problem: str | None


@router.get("/qualifications/{qualification_id}/items/new")
def new_item(
    request: Request,
    session: SessionDep,
    user: Admin,
    qualification_id: int,
    kind: Part = FLAGS,
    prompt: Annotated[int | None, Query(ge=1)] = None,
    comparison: Annotated[int | None, Query(ge=1)] = None,
    response: Annotated[int, Query(ge=1, le=9)] = 1,
) -> HTMLResponse:
    """An empty form, or one that begins with a prompt or a comparison of the project."""
    qualification = qualifications.get_qualification(session, qualification_id)
    project = session.get_one(Project, qualification.project_id)
    messages: list[dict[str, str]] = []
    responses: list[str] = []
    if comparison is not None:
        messages, responses = qualification_items.from_comparison(session, project, comparison)
    elif prompt is not None:
        messages, responses = qualification_items.from_prompt(session, project, prompt)
    if kind == FLAGS:
        responses = responses[response - 1 : response]
    form = ItemForm(
        kind, "test", conversation_text(messages) if messages else "", _rows(kind, responses, [], project), [], ""
    )
    return _form_page(request, session, qualification, None, form)


@router.post("/qualifications/{qualification_id}/items")
def add_item(
    request: Request,
    session: SessionDep,
    user: Admin,
    qualification_id: int,
    form: Annotated[FormData, Depends(read_form)],
) -> Response:
    qualification = qualifications.get_qualification(session, qualification_id)
    try:
        with session.begin_nested():
            qualification_items.add_item(session, qualification_id, _draft(form))
    except Invalid as error:
        return _form_page(request, session, qualification, None, _typed(session, qualification, form), error)
    if "another" in form:
        return _see(f"/qualifications/{qualification_id}/items/new?kind={form.get('kind')}")
    return _see(f"/qualifications/{qualification_id}#items")


@router.post("/qualifications/{qualification_id}/items/import")
def import_items(
    request: Request,
    session: SessionDep,
    user: Admin,
    qualification_id: int,
    file: Annotated[UploadFile, Depends(read_upload, scope="function")],
) -> Response:
    """All rows of the file, or none; what is wrong is told line by line."""
    qualification = qualifications.get_qualification(session, qualification_id)
    try:
        with session.begin_nested():
            count = qualification_items.import_items(session, qualification_id, file_lines(file.file))
    except Invalid as error:
        errors, name = error.extra.get("errors", []), file.filename or _("the file")
        problem = {"detail": error.detail, "errors": errors, "file": name}
        return build_page(request, session, qualification, import_problem=problem)
    return _see(f"/qualifications/{qualification_id}?imported={count}#items")


@router.get("/qualification-items/{item_id}")
def show_item(request: Request, session: SessionDep, user: Admin, item_id: int) -> Response:
    """The form of an item that may be changed; else the version with all that it holds."""
    item = qualification_items.get_item(session, item_id)
    qualification = qualifications.get_qualification(session, item.qualification_id)
    if qualifications.is_begun(session, qualification.id):
        return _see(f"/qualifications/{qualification.id}#items")
    places = [str(place) for place in item.gold or []] if item.kind == RANKING else []
    form = ItemForm(
        item.kind,
        item.stage,
        conversation_text(item.messages),
        _rows(item.kind, item.responses, places, session.get_one(Project, qualification.project_id)),
        item.gold or [] if item.kind == FLAGS else [],
        item.explanation,
    )
    return _form_page(request, session, qualification, item, form)


@router.post("/qualification-items/{item_id}")
def change_item(
    request: Request, session: SessionDep, user: Admin, item_id: int, form: Annotated[FormData, Depends(read_form)]
) -> Response:
    item = qualification_items.get_item(session, item_id)
    qualification = qualifications.get_qualification(session, item.qualification_id)
    try:
        with session.begin_nested():
            qualification_items.change_item(session, item_id, _draft(form))
    except Invalid as error:
        return _form_page(request, session, qualification, item, _typed(session, qualification, form), error)
    return _see(f"/qualifications/{qualification.id}#items")


@router.post("/qualification-items/{item_id}/move")
def move_item(
    session: SessionDep, user: Admin, item_id: int, form: Annotated[FormData, Depends(read_form)]
) -> Response:
    """One place up or down within its stage."""
    item = qualification_items.get_item(session, item_id)
    qualification_items.move_item(session, item_id, -1 if form.get("way") == "up" else 1)
    return _see(f"/qualifications/{item.qualification_id}#items")


@router.post("/qualification-items/{item_id}/remove")
def remove_item(session: SessionDep, user: Admin, item_id: int) -> Response:
    qualification_id = qualification_items.get_item(session, item_id).qualification_id
    qualification_items.remove_item(session, item_id)
    return _see(f"/qualifications/{qualification_id}#items")


def _see(url: str) -> RedirectResponse:
    return RedirectResponse(url, status_code=303)


def _text(form: FormData, name: str) -> str:
    return str(form.get(name, "")).replace("\r\n", "\n")


def _filled(form: FormData) -> list[tuple[str, str]]:
    """(text, place) of the responses that are not blank."""
    rows = [(_text(form, f"response.{letter}"), _text(form, f"place.{letter}").strip()) for letter in LETTERS[:9]]
    return [(text, place) for text, place in rows if text.strip()]


def _draft(form: FormData) -> ItemDraft:
    kind, rows = _text(form, "kind"), _filled(form)
    gold: list[Any] | None = None
    if kind == FLAGS:
        gold = [str(flag) for flag in form.getlist("flag")]
    elif kind == RANKING:
        gold = [int(place) if place.isdecimal() and len(place) < 3 else None for _, place in rows]
    return ItemDraft(
        kind=kind,
        stage=_text(form, "stage"),
        messages=parse_conversation(_text(form, "conversation")),
        responses=[] if kind == DEMONSTRATION else [text for text, _ in rows],
        gold=gold,
        explanation=_text(form, "explanation"),
    )


def _typed(session: Session, qualification: Qualification, form: FormData) -> ItemForm:
    """The form as it was filled in."""
    kind = _text(form, "kind") if _text(form, "kind") in MOST else FLAGS
    rows, project = _filled(form), session.get_one(Project, qualification.project_id)
    return ItemForm(
        kind,
        _text(form, "stage"),
        _text(form, "conversation"),
        _rows(kind, [text for text, _ in rows], [place for _, place in rows], project),
        [str(flag) for flag in form.getlist("flag")],
        _text(form, "explanation"),
    )


def _rows(kind: str, responses: Sequence[str], places: Sequence[str], project: Project) -> list[tuple[str, str, str]]:
    """What there is, and as many blank ones as the project shows together."""
    wanted = max(FEWEST[kind], project.responses_per_prompt if kind == RANKING else 0, len(responses))
    count = min(MOST[kind], wanted + (kind == RANKING))
    texts = [*responses, *[""] * count][:count]
    given = [*places, *[""] * count][:count]
    return list(zip(LETTERS, texts, given, strict=False))


def _form_page(
    request: Request,
    session: Session,
    qualification: Qualification,
    item: QualificationItem | None,
    form: ItemForm,
    error: Invalid | None = None,
) -> HTMLResponse:
    errors: dict[str, str] = {}
    for each in error.extra.get("errors", []) if error else []:
        errors.setdefault(each["field"], each["message"])
    project = session.get_one(Project, qualification.project_id)
    takes_responses = form.kind != DEMONSTRATION
    page = ItemFormPage(
        project=project,
        qualification=qualification,
        item=item,
        form=form,
        prompts=[] if item or takes_responses else qualification_items.offered_prompts(session, project),
        comparisons=qualification_items.offered_comparisons(session, project) if takes_responses and not item else [],
        errors=errors,
        problem=error.detail if error else None,
    )
    return render(request, "qualifications/item_form.html", page, status=422 if error else 200)
