"""Qualifications are built here: versions, settings, preview, publishing. For admins; researchers may look.

Items are routes/qualification_items.py, what labelers made of them routes/qualification_reviews.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from app import figures
from app.errors import AppError, Conflict, Invalid
from app.models import Project, Qualification, QualificationItem
from app.pages import render
from app.routes.forms import read_form
from app.routes.qualification_pages import ItemPage, Step
from app.routes.qualification_sheets import answer_from_form, make_feedback, make_sheet, shown_answer
from app.rules import qualification_items as item_rules
from app.rules import qualifications as rules
from app.rules.label_schemas import flags_to_lines, parse_flags
from app.security import Admin, Researcher, SessionDep
from app.services import (
    label_schemas,
    projects,
    qualification_attempts,
    qualification_items,
    qualifications,
)
from app.services.qualification_attempts import Question
from app.translation import gettext as _

router = APIRouter()

TEXTS = (
    "title",
    "introduction",
    "topics",
    "flags",
    *(f"{part}_cutoff" for part in rules.PARTS),
    "ratings_needed",
    "attempts_allowed",
)
SWITCHES = ("exempts_held_out", "accepts_earlier")
Values = dict[str, Any]


@dataclass
class BuildPage:
    project: Project
    qualification: Qualification
    begun: bool  # somebody has: it stays as it is
    in_force: bool
    typed: Values
    errors: dict[str, str]
    problem: str | None
    import_problem: dict[str, Any] | None
    careless: dict[str, float]
    saved: bool
    imported: int | None


@router.post("/projects/{slug}/qualifications")
def draft_version(session: SessionDep, user: Admin, slug: str) -> Response:
    """The draft that there is, or a new one: a copy of the newest version."""
    draft = qualifications.draft_version(session, projects.get_project(session, slug), user)
    return _see(f"/qualifications/{draft.id}")


@router.get("/qualifications/{qualification_id}")
def show_version(
    request: Request,
    session: SessionDep,
    user: Researcher,
    qualification_id: int,
    saved: bool = False,
    imported: Annotated[int | None, Query(ge=0)] = None,
) -> HTMLResponse:
    qualification = qualifications.get_qualification(session, qualification_id)
    return build_page(request, session, qualification, saved=saved, imported=imported)


@router.post("/qualifications/{qualification_id}")
def change_settings(
    request: Request,
    session: SessionDep,
    user: Admin,
    qualification_id: int,
    form: Annotated[FormData, Depends(read_form)],
) -> Response:
    qualification = qualifications.get_qualification(session, qualification_id)
    typed = _typed(form)
    try:
        with session.begin_nested():
            qualifications.change_settings(session, qualification_id, _parsed(session, qualification, typed))
    except (Invalid, Conflict) as error:
        return build_page(request, session, qualification, typed=typed, error=error)
    return _see(f"/qualifications/{qualification_id}?saved=true")


@router.post("/qualifications/{qualification_id}/publish")
def publish(request: Request, session: SessionDep, user: Admin, qualification_id: int) -> Response:
    try:
        with session.begin_nested():
            qualification = qualifications.publish_version(session, qualification_id, user)
    except (Invalid, Conflict) as error:
        qualification = qualifications.get_qualification(session, qualification_id)
        return build_page(request, session, qualification, error=error)
    return _see_overview(session, qualification)


@router.post("/qualifications/{qualification_id}/end")
def end(session: SessionDep, user: Admin, qualification_id: int) -> Response:
    """Labelers need none from now on."""
    return _see_overview(session, qualifications.end_qualification(session, qualification_id, user))


@router.post("/qualifications/{qualification_id}/discard")
def discard(session: SessionDep, user: Admin, qualification_id: int) -> Response:
    qualification = qualifications.get_qualification(session, qualification_id)
    qualifications.discard_draft(session, qualification_id, user)
    return _see_overview(session, qualification)


@router.get("/qualifications/{qualification_id}/preview/{number}")
def preview(
    request: Request, session: SessionDep, user: Researcher, qualification_id: int, number: int
) -> HTMLResponse:
    """The page of one item as a labeler sees it. Answers go into the address and are stored nowhere."""
    qualification = qualifications.get_qualification(session, qualification_id)
    items = [item for item in qualification.items if item.ordinal == number] or qualification.items[:1]
    if not items:
        return build_page(request, session, qualification, error=Invalid(_("There is no item to look at yet.")))
    return render(request, "qualifications/item.html", _preview_page(request, session, qualification, items[0]))


def _preview_page(
    request: Request, session: Session, qualification: Qualification, item: QualificationItem
) -> ItemPage:
    question = Question(item.ordinal, item, rules.shown_order(len(item.responses), 0, item.id), None)
    form = FormData([*request.query_params.multi_items()])
    said = answer_from_form(item, form) if "answered" in form else {}
    sheet, problem = make_sheet(question, qualification.flags, said), None
    if "answered" in form:
        keys = qualification_items.flag_keys(qualification)
        answer = qualification_attempts.in_item_order(question, said)
        problem = item_rules.answer_problem(item.kind, answer, keys, len(item.responses))
        if problem is None:
            answer = item_rules.normal_answer(item.kind, answer, keys)
            sheet = make_sheet(question, qualification.flags, shown_answer(question, answer))
            sheet.feedback = make_feedback(question, qualification.flags, answer)
    at = f"/qualifications/{qualification.id}"
    stage = [one for one in qualification.items if one.stage == item.stage]
    last = item.ordinal == len(qualification.items)
    return ItemPage(
        project=session.get_one(Project, qualification.project_id),
        qualification=qualification,
        sheet=sheet,
        at=f"{at}/preview/{item.ordinal}",
        attempt_at=at,
        stage_number=1 + stage.index(item),
        steps=[Step(one.ordinal, f"{at}/preview/{one.ordinal}", False, one is item) for one in stage],
        next=at if last else f"{at}/preview/{item.ordinal + 1}",
        last=last,
        saved_at="",
        problem=problem,
        preview=True,
    )


def _see(url: str) -> RedirectResponse:
    return RedirectResponse(url, status_code=303)


def _see_overview(session: Session, qualification: Qualification) -> RedirectResponse:
    return _see(f"/projects/{session.get_one(Project, qualification.project_id).slug}/qualifications")


def _typed(form: FormData) -> Values:
    """The form as it was filled in, so that a refused one comes back whole."""
    typed: Values = {name: str(form.get(name, "")).replace("\r\n", "\n") for name in TEXTS}
    return typed | {name: name in form for name in SWITCHES}


def _stored(qualification: Qualification) -> Values:
    cutoffs = {
        "flags_cutoff": _percent(qualification.flags_cutoff),
        "ranking_cutoff": _percent(qualification.ranking_cutoff),
        "demonstration_cutoff": _plain(qualification.demonstration_cutoff),
    }
    return cutoffs | {
        "title": qualification.title,
        "introduction": qualification.introduction,
        "topics": "\n".join(qualification.topics),
        "flags": flags_to_lines(qualification.flags),
        "ratings_needed": str(qualification.ratings_needed),
        "attempts_allowed": _plain(qualification.attempts_allowed),
        **{name: getattr(qualification, name) for name in SWITCHES},
    }


def _percent(share: float | None) -> str:
    return "" if share is None else figures.shortest(round(100 * share, 6))


def _plain(number: float | None) -> str:
    return "" if number is None else figures.shortest(number)


def _parsed(session: Session, qualification: Qualification, typed: Values) -> Values:
    """The settings that a form states. Raises Invalid for what is no number."""
    values: Values = {name: typed[name] for name in ("title", "introduction", *SWITCHES)}
    values["topics"] = [line.strip() for line in typed["topics"].splitlines() if line.strip()]
    known = label_schemas.known_flags(session, qualification.project_id, "response_flags")
    values["flags"] = parse_flags(typed["flags"], [*known, *qualification.flags])
    errors = []
    numbers = {"flags_cutoff": 100, "ranking_cutoff": 100, "demonstration_cutoff": 1}
    for name in (*numbers, "ratings_needed", "attempts_allowed"):
        try:
            text = typed[name].strip().rstrip("%").strip().replace(",", ".")
            number = float(text) / numbers.get(name, 1) if text else None
            if name == "ratings_needed" and number is None:
                raise ValueError
            values[name] = number if name in numbers or number is None else _whole(number)
        except ValueError:
            errors.append({"field": name, "message": _("Give a number.")})
    if errors:
        raise Invalid(_("Some fields cannot be read."), errors=errors)
    return values


def _whole(number: float) -> int:
    """Raises ValueError, also for what is not finite."""
    if not number.is_integer():
        raise ValueError
    return int(number)


def build_page(
    request: Request,
    session: Session,
    qualification: Qualification,
    *,
    typed: Values | None = None,
    error: AppError | None = None,
    import_problem: dict[str, Any] | None = None,
    saved: bool = False,
    imported: int | None = None,
) -> HTMLResponse:
    errors: dict[str, str] = {}
    for each in error.extra.get("errors", []) if error else []:
        if name := each.get("field"):
            errors[name] = f"{errors.get(name, '')} {each['message']}".strip()
    project = session.get_one(Project, qualification.project_id)
    page = BuildPage(
        project=project,
        qualification=qualification,
        begun=qualifications.is_begun(session, qualification.id),
        in_force=project.qualification_id == qualification.id,
        typed=typed or _stored(qualification),
        errors=errors,
        problem=error.detail if error else None,
        import_problem=import_problem,
        careless=qualification_items.careless_shares(qualification),
        saved=saved,
        imported=imported,
    )
    status = error.status if error else 422 if import_problem else 200
    return render(request, "qualifications/build.html", page, status=status)
