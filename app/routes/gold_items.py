"""Marking gold items: choose a comparison, say its right answer, take it back. For researchers and admins.

The page asks what the ranking page asks, without scripts, under letters and without the names of models: whoever says
what is right is as blind as those who are measured by it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from app.errors import Invalid
from app.models import Comparison, GoldItem, Project
from app.pages import render
from app.routes.forms import read_form
from app.routes.task_pages import Turn, prompt_turns
from app.rules.label_schemas import Flag
from app.rules.revisions import LETTERS
from app.security import Researcher, SessionDep
from app.services import gold_items, label_schemas, projects
from app.services.gold_items import GoldDraft
from app.translation import gettext as _

router = APIRouter()

RATINGS = range(1, 8)


@dataclass
class MarkedResponse:
    """One response and what is said of it, as typed."""

    id: str
    letter: str
    text: str
    place: str = ""
    low: str = ""
    high: str = ""
    must: list[str] = field(default_factory=list)
    must_not: list[str] = field(default_factory=list)
    problem: str = ""


@dataclass
class MarkPage:
    project: Project
    comparison: Comparison
    item: GoldItem | None
    turns: list[Turn]
    responses: list[MarkedResponse]
    flags: list[Flag]
    asks_ratings: bool
    explanation: str
    errors: dict[str, str]
    problem: str | None
    from_ranking: int | None


@router.get("/projects/{slug}/gold-items/new")
def choose_comparison(
    request: Request,
    session: SessionDep,
    user: Researcher,
    slug: str,
    before: Annotated[int | None, Query(ge=1)] = None,
) -> HTMLResponse:
    """The comparisons that could be one, newest first."""
    project = projects.get_project(session, slug)
    found = gold_items.list_candidates(session, project, before)
    more = f"?before={found[-1].comparison.id}" if len(found) == gold_items.PAGE else ""
    return render(
        request, "gold_items/choose.html", project=project, candidates=found, newest=before is None, more=more
    )


@router.get("/comparisons/{comparison_id}/gold")
def show_mark(
    request: Request,
    session: SessionDep,
    user: Researcher,
    comparison_id: int,
    ranking: Annotated[int | None, Query(ge=1, description="A label to begin with.")] = None,
) -> HTMLResponse:
    comparison = gold_items.get_comparison(session, comparison_id)
    item = gold_items.find_gold_item(session, comparison_id)
    draft = gold_items.draft_of(item) if item else None
    if ranking is not None:
        of_comparison, from_label = gold_items.draft_from_ranking(session, comparison.project_id, ranking)
        draft = from_label if of_comparison == comparison_id else draft
    responses = _responses(comparison)
    if draft is not None:
        _fill(responses, draft)
    return _page(request, session, comparison, item, responses, draft.explanation if draft else "", ranking=ranking)


@router.post("/comparisons/{comparison_id}/gold")
def mark(
    request: Request,
    session: SessionDep,
    user: Researcher,
    comparison_id: int,
    form: Annotated[FormData, Depends(read_form)],
) -> Response:
    comparison = gold_items.get_comparison(session, comparison_id)
    project = session.get_one(Project, comparison.project_id)
    responses, explanation = _responses(comparison), str(form.get("explanation", "")).replace("\r\n", "\n")
    for response in responses:
        _read(response, form)
    try:
        gold_items.set_gold_item(session, comparison, user, _draft(responses, explanation))
    except Invalid as error:
        item = gold_items.find_gold_item(session, comparison_id)
        return _page(request, session, comparison, item, responses, explanation, error=error)
    return RedirectResponse(f"/projects/{project.slug}/labelers?marked=true#gold", status_code=303)


@router.post("/comparisons/{comparison_id}/gold/remove")
def remove(session: SessionDep, user: Researcher, comparison_id: int) -> Response:
    comparison = gold_items.get_comparison(session, comparison_id)
    project = session.get_one(Project, comparison.project_id)
    if item := gold_items.find_gold_item(session, comparison_id):
        gold_items.remove_gold_item(session, item, user)
    return RedirectResponse(f"/projects/{project.slug}/labelers#gold", status_code=303)


def _responses(comparison: Comparison) -> list[MarkedResponse]:
    """By their ids, which are random and say nothing of who wrote them."""
    ordered = sorted(comparison.completions, key=lambda completion: str(completion.id))
    return [MarkedResponse(str(one.id), letter, one.text) for one, letter in zip(ordered, LETTERS, strict=False)]


def _fill(responses: list[MarkedResponse], draft: GoldDraft) -> None:
    for response in responses:
        places = [number for number, tier in enumerate(draft.tiers, start=1) if response.id in tier]
        response.place = str(places[0]) if places else ""
        low, high = draft.ratings.get(response.id, ["", ""])
        response.low, response.high = str(low), str(high)
        wanted = draft.flags.get(response.id, {})
        response.must, response.must_not = list(wanted.get("must", [])), list(wanted.get("must_not", []))


def _read(response: MarkedResponse, form: FormData) -> None:
    for name in ("place", "low", "high"):
        setattr(response, name, str(form.get(f"{name}.{response.id}", "")).strip())
    for name in ("must", "must_not"):
        setattr(response, name, [str(flag) for flag in form.getlist(f"{name}.{response.id}")])


def _draft(responses: list[MarkedResponse], explanation: str) -> GoldDraft:
    """What the form says. Raises Invalid for what cannot be read, each problem at its response."""
    errors = []
    for response in responses:
        if response.place not in {str(number) for number in range(1, len(responses) + 1)}:
            message = _("Give %(letter)s a place.") % {"letter": response.letter}
            errors.append({"field": f"place.{response.id}", "message": message})
        if bool(response.low) != bool(response.high) or not {response.low, response.high} <= {"", *map(str, RATINGS)}:
            errors.append({"field": f"ratings.{response.id}", "message": _("Give both ends of the range, or none.")})
    if errors:
        raise Invalid(" ".join(dict.fromkeys(each["message"] for each in errors)), errors=errors)
    places = sorted({int(response.place) for response in responses})
    return GoldDraft(
        tiers=[[r.id for r in responses if int(r.place) == place] for place in places],
        ratings={r.id: [int(r.low), int(r.high)] for r in responses if r.low},
        flags={r.id: {"must": r.must, "must_not": r.must_not} for r in responses},
        explanation=explanation,
    )


def _page(
    request: Request,
    session: Session,
    comparison: Comparison,
    item: GoldItem | None,
    responses: list[MarkedResponse],
    explanation: str,
    *,
    error: Invalid | None = None,
    ranking: int | None = None,
) -> HTMLResponse:
    errors: dict[str, str] = {}
    for each in error.extra.get("errors", []) if error else []:
        errors[each["field"]] = f"{errors.get(each['field'], '')} {each['message']}".strip()
    for response in responses:
        names = (f"{name}.{response.id}" for name in ("place", "ratings", "flags"))
        response.problem = " ".join(errors[name] for name in names if name in errors)
    fields = label_schemas.fields_of(label_schemas.current_schema(session, comparison.project_id))
    page = MarkPage(
        project=session.get_one(Project, comparison.project_id),
        comparison=comparison,
        item=item,
        turns=prompt_turns(comparison.prompt),
        responses=responses,
        flags=fields["response_flags"],
        asks_ratings=fields["ratings"] or any(response.low for response in responses),
        explanation=explanation,
        errors=errors,
        problem=error.detail if error else None,
        from_ranking=ranking,
    )
    return render(request, "gold_items/mark.html", page, status=422 if error else 200)
