"""Projects: a new one, and its settings. For admins."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from app import figures
from app.errors import Conflict, Invalid
from app.models import Project
from app.pages import render
from app.routes.forms import read_form
from app.routes.recipe_forms import FIELDS, algorithm_choices, field_at_fault, fields_of, parse_recipe, typed_recipe
from app.rules.label_schemas import DEFAULT_RESPONSE_FLAGS, parse_flags
from app.security import Admin, SessionDep
from app.services import audit, label_schemas, pretraining, projects
from app.services.projects import CREATION_ONLY, DEFAULT_GUIDELINES, ProjectDraft
from app.services.round_jobs import latest_checkpoint
from app.translation import gettext as _

router = APIRouter()

NUMBERS = ("responses_per_prompt", "overlap", "demonstration_threshold", "ranking_threshold", "comparisons_per_round")
SWITCHES = (
    "chat", "improves_responses", "labelers_write_prompts", "open_to_all", "gold_feedback", "leaderboard",
    "extra_reward_model",
)  # fmt: skip
SHARES = ("gold_rate", "repeat_rate", "second_label_rate", "review_rate", "review_above")  # typed in percent
EMPTY = dict.fromkeys(SHARES, 0.0) | {"review_above": None}  # no limit: labels that disagree are not reviewed
Values = dict[str, Any]


@router.get("/projects/new")
def new_project(request: Request, session: SessionDep, user: Admin) -> HTMLResponse:
    blank = asdict(ProjectDraft(name="", slug="", base_model="starter/model"))
    flags = "\n".join(flag["label"] for flag in DEFAULT_RESPONSE_FLAGS)
    typed = blank | {name: _percent(blank[name]) for name in SHARES}
    typed |= {**typed_recipe({}), "response_flags": flags, "guidelines": DEFAULT_GUIDELINES, "use_case_texts": ""}
    return render(request, "projects/new.html", typed=typed, errors={}, problem=None, **_choices())


@router.post("/projects")
def create_project(
    request: Request, session: SessionDep, user: Admin, form: Annotated[FormData, Depends(read_form)]
) -> Response:
    typed = _typed(form)
    try:
        if typed["slug"] == "new":
            taken = {"field": "slug", "message": _("“new” is taken.")}
            raise Invalid(_("Choose another short name."), errors=[taken])
        with session.begin_nested():
            project = projects.create_project(session, ProjectDraft(**_parsed(typed)))
    except (Invalid, Conflict) as error:
        return _refused(request, "projects/new.html", typed, error)
    audit.record(session, user, "project.created", f"project:{project.id}", slug=project.slug)
    return RedirectResponse(f"/projects/{project.slug}", status_code=303)


@router.get("/projects/{slug}/settings")
def show_settings(request: Request, session: SessionDep, user: Admin, slug: str, saved: bool = False) -> HTMLResponse:
    project = projects.get_project(session, slug)
    return _settings_page(request, session, project, saved=saved)


@router.post("/projects/{slug}/settings")
def change_settings(
    request: Request, session: SessionDep, user: Admin, slug: str, form: Annotated[FormData, Depends(read_form)]
) -> Response:
    project = projects.get_project(session, slug)
    typed = _typed(form)
    try:
        changes = {name: value for name, value in _parsed(typed).items() if name not in CREATION_ONLY}
        with session.begin_nested():
            projects.update_project(session, project, changes)
    except Invalid as error:
        return _settings_page(request, session, project, typed=typed, error=error)
    audit.record(session, user, "project.changed", f"project:{project.id}", changed=sorted(changes))
    return RedirectResponse(f"/projects/{slug}/settings?saved=true", status_code=303)


def _typed(form: FormData) -> Values:
    """The form as it was filled in, so that a refused one comes back whole."""
    texts = ("name", "slug", "base_model", "algorithm", "recipe", "response_flags", "guidelines", "use_case_texts")
    names = (*texts, *FIELDS, *NUMBERS, *SHARES)
    typed: Values = {name: str(form.get(name, "")).replace("\r\n", "\n") for name in names}
    return typed | {name: name in form for name in ("asks_ratings", *SWITCHES)}


def _parsed(typed: Values) -> Values:
    """The values of a ProjectDraft. Raises Invalid for what cannot be read at all."""
    values = {name: value for name, value in typed.items() if name not in FIELDS}
    values["recipe"], errors = parse_recipe(typed)
    for name in NUMBERS:
        text = typed[name].strip()
        if text.isdecimal() and len(text) < 9:
            values[name] = int(text)
        else:
            errors.append({"field": name, "message": _("Give a whole number.")})
    for name in SHARES:
        values[name] = _share(typed[name]) if typed[name].strip() else EMPTY[name]
        if values[name] is None and typed[name].strip():
            errors.append({"field": name, "message": _("Give a percentage, such as 5.")})
    if errors:
        raise Invalid(_("Some fields cannot be read."), errors=errors)
    values["response_flags"] = parse_flags(typed["response_flags"], DEFAULT_RESPONSE_FLAGS)
    values["use_case_texts"] = [line.strip() for line in typed["use_case_texts"].splitlines() if line.strip()]
    return values


def _share(text: str) -> float | None:
    """A percentage as typed."""
    plain = text.strip().removesuffix("%").strip().replace(",", ".")
    return round(float(plain) / 100, 6) if re.fullmatch(r"\d{1,3}(\.\d{1,4})?", plain) else None


def _percent(share: float | None) -> str:
    return "" if share is None else figures.shortest(100 * share)


def _by_field(error: Invalid | Conflict) -> dict[str, str]:
    listed = error.extra.get("errors", [])
    fields: dict[str, str] = {}
    for entry in listed:
        name = field_at_fault(str(entry.get("field", "")))
        fields[name] = f"{fields[name]} {entry['message']}" if name in fields else entry["message"]
    return fields


def _refused(request: Request, template: str, typed: Values, error: Invalid | Conflict) -> HTMLResponse:
    errors = _by_field(error)
    return render(
        request, template, typed=typed, errors=errors, problem=error.detail, status=error.status, **_choices()
    )


def _choices() -> Values:
    """What the form offers of algorithms and of sampling."""
    return {"algorithms": algorithm_choices(), "sampling": fields_of("sampling")}


def _settings_page(
    request: Request,
    session: Session,
    project: Project,
    *,
    typed: Values | None = None,
    error: Invalid | None = None,
    saved: bool = False,
) -> HTMLResponse:
    stored = {
        "name": project.name,
        "slug": project.slug,
        "base_model": project.base_model,
        "use_case_texts": "\n".join(project.use_case_texts),
        "algorithm": project.algorithm,
        **typed_recipe(project.recipe),
        **{name: _percent(getattr(project, name)) for name in SHARES},
        **{name: getattr(project, name) for name in (*NUMBERS, *SWITCHES)},
    }
    return render(
        request,
        "projects/settings.html",
        project=project,
        typed=stored | (typed or {}),
        errors=_by_field(error) if error else {},
        problem=error.detail if error else None,
        saved=saved,
        schema=label_schemas.current_schema(session, project.id),
        pretraining=pretraining.current_set(session, project.id),
        has_reward_model=latest_checkpoint(session, project.id, "reward") is not None,
        **_choices(),
        status=422 if error else 200,
    )
