"""Rounds: the numbered turns of the loop."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy.orm import Session

from app.models import Round
from app.models.columns import Algorithm, JobKind, Phase
from app.routes.api.router import api_router
from app.routes.api.shapes import Request, Slug, Stored
from app.security import SessionDep, TokenAdmin, TokenReader
from app.services import estimates, projects, rounds
from app.services.round_plans import Plan

router = api_router("rounds")


class RoundOut(Stored):
    """One turn of the loop."""

    id: int = Field(examples=[3])
    number: int = Field(examples=[1])
    phase: Phase = Field(examples=["collecting_rankings"])
    phase_times: dict[str, Any] = Field(description="Phase -> when it began.")
    job_id: int | None = Field(None, description="The latest job of the phase, while one trains or samples.")
    algorithm: Algorithm | None = Field(
        None, description="What improves its policy; null: the project's, as long as nobody has chosen."
    )
    extra_reward_model: bool | None = Field(None, description="As the project's; null with `algorithm`.")
    launch_requested_at: datetime | None = None
    sft_checkpoint_id: int | None = None
    reward_checkpoint_id: int | None = None
    policy_checkpoint_id: int | None = None
    error: str | None = Field(None, description="Why the phase is stuck, in a sentence.")
    created_at: datetime
    finished_at: datetime | None = None


class MemoryOut(Stored):
    """Bytes of one process at its peak; `total` is their sum."""

    weights: float
    gradients: float
    optimiser: float
    copies: float = Field(description="Models beside it, such as a reference and a reward model.")
    activations: float
    runtime: float
    total: float


class EstimateOut(Stored):
    """What a job would take, were it started now."""

    kind: JobKind
    name: str = Field(examples=["SFT"])
    rows: int | None = Field(description="Demonstrations, ranked comparisons or prompts that it reads.")
    memory: MemoryOut | None = Field(description="null: not known.")
    seconds: float | None = Field(description="null: not known.")
    basis: str = Field(description="How the time is known, or why not.", examples=["at the rate of job 12"])
    job_id: int | None = Field(description="The job by whose rate the time was taken.")


class LaunchIn(Request):
    """How this round learns from its rankings; without a body as the project says."""

    algorithm: Algorithm = Field(examples=["dpo"])
    extra_reward_model: bool = Field(False, description="Train a reward model also where none is needed (DPO).")


def _round_out(session: Session, round_: Round) -> RoundOut:
    out = RoundOut.model_validate(round_)
    if round_.finished_at is None and (job := rounds.phase_job(session, round_)) is not None:
        out.job_id = job.id
    return out


@router.get("/projects/{project}/rounds")
def list_rounds(session: SessionDep, user: TokenReader, project: Slug) -> list[RoundOut]:
    """The rounds of a project, newest first."""
    found = projects.get_project(session, project)
    return [_round_out(session, round_) for round_ in rounds.list_rounds(session, found.id)]


@router.get("/projects/{project}/estimates")
def list_estimates(session: SessionDep, user: TokenReader, project: Slug) -> list[EstimateOut]:
    """Memory and time of every part of a round, and of each algorithm that it may go by."""
    found = projects.get_project(session, project)
    return [EstimateOut.model_validate(part) for part in estimates.estimate_round(session, found)]


@router.post("/projects/{project}/rounds", status_code=201)
def launch_round(session: SessionDep, user: TokenAdmin, project: Slug, body: LaunchIn | None = None) -> RoundOut:
    """Train now on the labels that there are, without waiting for the threshold."""
    found = projects.get_project(session, project)
    plan = Plan(body.algorithm, body.extra_reward_model) if body is not None else None
    return _round_out(session, rounds.request_launch(session, found, user, plan))
