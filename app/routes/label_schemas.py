"""What the ranking page asks: the page on which admins publish the next version."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from app.errors import Invalid
from app.models import Project
from app.pages import render
from app.routes.forms import read_form
from app.rules.label_schemas import FLAG_KINDS, Fields, FlagKind, flags_to_lines, parse_flags
from app.security import Admin, SessionDep
from app.services import audit, label_schemas, projects

router = APIRouter()


@router.get("/projects/{slug}/label-schema")
def show_schema(request: Request, session: SessionDep, user: Admin, slug: str, saved: bool = False) -> HTMLResponse:
    return _page(request, session, projects.get_project(session, slug), saved=saved)


@router.post("/projects/{slug}/label-schema")
def publish_schema(
    request: Request, session: SessionDep, user: Admin, slug: str, form: Annotated[FormData, Depends(read_form)]
) -> Response:
    project = projects.get_project(session, slug)
    try:
        schema = label_schemas.publish_schema(session, project, _fields(session, project, form), user)
    except Invalid as error:
        return _page(request, session, project, form=form, error=error)
    audit.record(session, user, "label_schema.published", f"project:{project.id}", version=schema.version)
    return RedirectResponse(f"/projects/{slug}/label-schema?saved=true", status_code=303)


def _fields(session: Session, project: Project, form: FormData) -> Fields:
    def flags(kind: FlagKind) -> Any:
        return parse_flags(str(form.get(kind, "")), label_schemas.known_flags(session, project.id, kind))

    return Fields(
        ratings="ratings" in form,
        response_flags=flags("response_flags"),
        prompt_flags=flags("prompt_flags"),
        confidence="confidence" in form,
    )


def _page(
    request: Request,
    session: Session,
    project: Project,
    *,
    form: FormData | None = None,
    error: Invalid | None = None,
    saved: bool = False,
) -> HTMLResponse:
    versions = label_schemas.list_schemas(session, project.id)
    current = versions[0][0]
    typed: dict[str, Any] = {kind: flags_to_lines(current.fields[kind]) for kind in FLAG_KINDS}
    typed |= {name: current.fields[name] for name in ("ratings", "confidence")}
    errors: dict[str, str] = {}
    if form is not None:
        typed = {kind: str(form.get(kind, "")).replace("\r\n", "\n") for kind in FLAG_KINDS}
        typed |= {name: name in form for name in ("ratings", "confidence")}
    for each in error.extra.get("errors", []) if error else []:
        errors[each["field"]] = f"{errors.get(each['field'], '')} {each['message']}".strip()
    return render(
        request,
        "label_schemas/show.html",
        project=project,
        current=current,
        versions=versions,
        typed=typed,
        errors=errors,
        problem=error.detail if error else None,
        saved=saved,
        status=422 if error else 200,
    )
