"""Labels by a model: its constitution in versions, starting it, what it said, and what training makes of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import Query
from pydantic import Field, model_validator
from starlette.responses import Response

from app.models.columns import TaskKind
from app.routes.api.router import api_router
from app.routes.api.shapes import BIGGEST, CheckpointOut, ItemId, JobOut, Request, Slug, SnapshotOut, Stored
from app.security import SessionDep, TokenAdmin, TokenReader
from app.services import ai_labels, constitutions, projects

router = api_router("AI labels")


class ConstitutionIn(Request):
    """A new version of the constitution."""

    text: str = Field(
        max_length=200_000,
        description="Markdown, one principle a line; bullets fall away, headings are no principles.",
        examples=["- Choose the response that is more honest about what it does not know."],
    )


class ConstitutionOut(Stored):
    """A version of the principles by which a model labels."""

    version: int = Field(examples=[2])
    text: str
    created_at: datetime


class AIJobIn(Request):
    """What a model is to label."""

    kind: TaskKind = Field(description="ranking: it ranks responses. demonstration: it criticises and revises.")
    judge_id: int | None = Field(None, ge=1, le=BIGGEST, description="A checkpoint of the project.", examples=[5])
    judge_path: str | None = Field(None, max_length=1000, description="Or the folder, or hub id, of another model.")
    most: int = Field(400, ge=1, le=ai_labels.MOST, description="Comparisons or prompts at most, newest first.")

    @model_validator(mode="after")
    def _one_judge(self) -> Self:
        if (self.judge_id is None) == (self.judge_path is None):
            raise ValueError("Give either judge_id or judge_path.")
        return self


class AIUseOut(Stored):
    """What the next training would read of a model's labels."""

    rankings: int = Field(examples=[400])
    demonstrations: int = Field(examples=[0])
    weight: float = Field(description="Beside a person's label, which weighs 1; 0: they are not used.", examples=[0.5])


class AILabelOut(Stored):
    """A label by a model. It counts as nobody's."""

    id: int = Field(examples=[31])
    kind: str = Field(description="ranking or demonstration.", examples=["ranking"])
    job_id: int
    judge_id: int = Field(description="The checkpoint that judged.")
    constitution: ConstitutionOut
    prompt_id: int
    comparison_id: int | None = None
    tiers: list[Any] | None = Field(None, description="Completion ids, best tier first.")
    text: str | None = Field(None, description="The revised answer.")
    details: dict[str, Any] = Field(description="Principles, and probabilities of winning or steps of the revision.")
    created_at: datetime


class AILabelReach(Stored):
    """A label by a model, and where it went."""

    label: AILabelOut
    snapshots: list[SnapshotOut]
    checkpoints: list[CheckpointOut]


@router.get("/projects/{project}/constitutions")
def list_constitutions(session: SessionDep, user: TokenReader, project: Slug) -> list[ConstitutionOut]:
    """Every version, newest first; the first one is in force."""
    found = projects.get_project(session, project)
    return [ConstitutionOut.model_validate(row) for row in constitutions.list_constitutions(session, found.id)]


@router.post("/projects/{project}/constitutions", status_code=201)
def publish_constitution(session: SessionDep, user: TokenAdmin, project: Slug, body: ConstitutionIn) -> ConstitutionOut:
    """Publish the next version; what a model labels from now on follows it."""
    found = projects.get_project(session, project)
    return ConstitutionOut.model_validate(constitutions.publish_constitution(session, found, body.text, user))


@router.post("/projects/{project}/ai-labels", status_code=201)
def start_labeling(response: Response, session: SessionDep, user: TokenAdmin, project: Slug, body: AIJobIn) -> JobOut:
    """Let a model label what it has not labeled by this version of the constitution."""
    found = projects.get_project(session, project)
    judge = body.judge_id
    if judge is None:
        judge = ai_labels.find_judge(session, found, body.judge_path or "").id
    job = ai_labels.start_labeling(session, found, body.kind, judge, body.most, user)
    response.headers["Location"] = f"/api/v1/jobs/{job.id}"
    return JobOut.model_validate(job)


@router.get("/projects/{project}/ai-labels")
def list_labels(
    session: SessionDep,
    user: TokenReader,
    project: Slug,
    kind: Annotated[TaskKind, Query()] = TaskKind.RANKING,
    before: Annotated[int | None, Query(ge=1, le=BIGGEST, description="Only those with a smaller id.")] = None,
    snapshot: Annotated[int | None, Query(ge=1, le=BIGGEST, description="Only those that it holds.")] = None,
) -> list[AILabelOut]:
    """A page of them, newest first."""
    found = projects.get_project(session, project)
    listed = ai_labels.list_labels(session, found.id, kind, before, snapshot)
    return [AILabelOut.model_validate(row) for row in listed]


@router.get("/projects/{project}/ai-use")
def show_use(session: SessionDep, user: TokenReader, project: Slug) -> AIUseOut:
    """How many the next training would read, and at which weight (`ai_weight` of the settings)."""
    return AIUseOut.model_validate(ai_labels.use_of(session, projects.get_project(session, project)))


@router.get("/ai-labels/{ai_label_id}")
def show_label(session: SessionDep, user: TokenReader, ai_label_id: ItemId) -> AILabelReach:
    """What it says, and the snapshots and checkpoints that it reached."""
    return AILabelReach.model_validate(ai_labels.describe_label(session, ai_label_id))
