"""Writing prompts: plain, few-shot, or from a stated use-case. Not leased: a labeler writes as many as she likes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from app.errors import Invalid
from app.models import Draft, Project, Prompt, User
from app.models.columns import PromptKind
from app.pages import render
from app.routes.forms import read_form, see_other
from app.routes.writing import form_key
from app.rules.prompts import FEWEST_PAIRS, MOST_PAIRS, USE_CASES
from app.security import CurrentUser, SessionDep
from app.services import drafts, projects, written_prompts
from app.services.written_prompts import PromptDraft

router = APIRouter()


@dataclass
class WritePromptPage:
    """`pairs` holds as many rows as there may be; a script shows the next one when it is wanted."""

    project: Project
    kind: str
    use_cases: tuple[str, ...]
    draft: PromptDraft
    pairs: list[tuple[str, str]]
    fewest_pairs: int
    key: UUID
    errors: dict[str, str]
    problem: str | None
    stored: int | None  # how many the last sending stored
    written: int
    latest: list[Prompt]
    kept: Draft | None  # what she had begun of this kind


@router.get("/projects/{slug}/prompts/write")
def show_form(
    request: Request,
    session: SessionDep,
    user: CurrentUser,
    slug: str,
    kind: PromptKind = PromptKind.PLAIN,
    stored: Annotated[int | None, Query(ge=1, le=MOST_PAIRS)] = None,
) -> HTMLResponse:
    project = projects.get_project(session, slug)
    written_prompts.check_allowed(session, project, user)
    return _page(request, session, user, project, PromptDraft(kind, ""), uuid4(), stored=stored)


@router.put("/projects/{slug}/prompts/write/{kind}/draft")
def put_draft(
    session: SessionDep, user: CurrentUser, slug: str, kind: PromptKind, draft: Annotated[Any, Body()]
) -> dict[str, Any]:
    project = projects.get_project(session, slug)
    written_prompts.check_allowed(session, project, user)
    return {"saved_at": drafts.save_draft(session, project, user, drafts.prompt_place(kind), draft)}


@router.post("/projects/{slug}/prompts/write")
def write_prompt(
    request: Request, session: SessionDep, user: CurrentUser, slug: str, form: Annotated[FormData, Depends(read_form)]
) -> Response:
    """Store them, or show the form again with every word and a sentence at each fault."""
    project = projects.get_project(session, slug)
    draft, key = _draft(form), form_key(form)
    try:
        with session.begin_nested():
            stored = written_prompts.write_prompt(session, project, user, key, draft)
    except Invalid as error:
        return _page(request, session, user, project, draft, key, error)
    return see_other(f"/projects/{slug}/prompts/write?kind={draft.kind}&stored={len(stored)}")


def _draft(form: FormData) -> PromptDraft:
    def text(name: str) -> str:
        return str(form.get(name, "")).replace("\r\n", "\n")

    pairs = [(text(f"pair.{number}.query"), text(f"pair.{number}.response")) for number in range(1, MOST_PAIRS + 1)]
    return PromptDraft(
        kind=text("kind"),
        use_case=text("use_case"),
        text=text("text"),
        use_case_text=text("use_case_text"),
        instruction=text("instruction"),
        pairs=[pair for pair in pairs if any(part.strip() for part in pair)],
    )


def _page(
    request: Request,
    session: Session,
    user: User,
    project: Project,
    draft: PromptDraft,
    key: UUID,
    error: Invalid | None = None,
    stored: int | None = None,
) -> HTMLResponse:
    errors: dict[str, str] = {}
    for entry in error.extra.get("errors", []) if error else []:
        errors.setdefault(entry["field"], entry["message"])
    page = WritePromptPage(
        project=project,
        kind=draft.kind if draft.kind in list(PromptKind) else PromptKind.PLAIN,
        use_cases=USE_CASES,
        draft=draft,
        pairs=[*draft.pairs, *[("", "")] * (MOST_PAIRS - len(draft.pairs))],
        fewest_pairs=FEWEST_PAIRS,
        key=key,
        errors=errors,
        problem=error.detail if error else None,
        stored=stored,
        written=written_prompts.count_written(session, project, user),
        kept=drafts.find_draft(session, project, user, drafts.prompt_place(draft.kind)),
        latest=list(written_prompts.list_written(session, project, user)),
    )
    return render(request, "prompts/write.html", page, status=422 if error else 200)
