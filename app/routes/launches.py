"""To start training now: with one button on the loop page, or after a look at what it takes and by which algorithm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from app.errors import Conflict, Invalid
from app.models import Project
from app.pages import render
from app.routes.forms import read_form
from app.routes.loop import loop_page
from app.routes.recipe_forms import AlgorithmChoice, algorithm_choices
from app.rules import rounds as rules
from app.rules.programs import ALGORITHMS
from app.security import Admin, SessionDep
from app.services import estimates, pretraining, projects, rounds
from app.services.estimates import PartEstimate
from app.services.round_plans import Plan, plan_of

router = APIRouter()


@dataclass
class LaunchPage:
    """What templates/rounds/launch.html prints."""

    project: Project
    number: int
    plan: Plan  # as it stands, or as it was typed
    algorithms: list[AlgorithmChoice]
    shared: list[PartEstimate]  # of every round
    choices: dict[str, PartEstimate]  # by algorithm
    lacking: list[str]  # algorithms whose settings ask for pretraining text that there is not
    launch_problem: str | None
    problem: str | None


@router.get("/projects/{slug}/rounds/new")
def show_launch(request: Request, session: SessionDep, user: Admin, slug: str) -> HTMLResponse:
    return _launch_page(request, session, projects.get_project(session, slug))


@router.post("/projects/{slug}/rounds")
def launch(
    request: Request, session: SessionDep, user: Admin, slug: str, form: Annotated[FormData, Depends(read_form)]
) -> Response:
    """Train now on the labels that there are; by another algorithm than the project's where the form names one."""
    project = projects.get_project(session, slug)
    plan = Plan(str(form["algorithm"]), "extra_reward_model" in form) if "algorithm" in form else None
    try:
        rounds.request_launch(session, project, user, plan)
    except Conflict as error:
        if plan is None:
            return loop_page(request, session, project, problem=error.detail)
        return _launch_page(request, session, project, plan, error)
    except Invalid as error:
        return _launch_page(request, session, project, plan, error)
    return RedirectResponse(f"/projects/{slug}", status_code=303)


def _launch_page(
    request: Request,
    session: Session,
    project: Project,
    typed: Plan | None = None,
    error: Conflict | Invalid | None = None,
) -> HTMLResponse:
    round_ = rounds.current_round(session, project.id)
    if round_ is None:  # the instant between two
        return loop_page(request, session, project)
    found = {part.kind: part for part in estimates.estimate_round(session, project)}
    page = LaunchPage(
        project=project,
        number=round_.number,
        plan=typed or plan_of(project, round_),
        algorithms=algorithm_choices(),
        shared=[part for part in found.values() if part.kind not in ALGORITHMS],
        choices={kind: part for kind, part in found.items() if kind in ALGORITHMS},
        lacking=[kind for kind in ALGORITHMS if pretraining.is_missing(session, project, kind)],
        launch_problem=rules.launch_problem(round_.phase, rounds.gather_facts(session, project, round_)),
        problem=error.detail if error else None,
    )
    return render(request, "rounds/launch.html", page, status=error.status if error else 200)
