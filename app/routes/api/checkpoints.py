"""Checkpoints: the models of a project, where they came from, and sampling from one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from app.routes.api.router import api_router
from app.routes.api.shapes import (
    CheckpointOut,
    ItemId,
    JobOut,
    Message,
    PretrainingSetOut,
    Request,
    Slug,
    SnapshotOut,
    Stored,
)
from app.security import SessionDep, TokenAdmin, TokenReader
from app.services import checkpoints, projects, samplings

router = api_router("checkpoints")


class LineageOut(Stored):
    """All that a checkpoint came from, and what came of it."""

    checkpoint: CheckpointOut
    ancestors: list[CheckpointOut] = Field(description="Parent first.")
    children: list[CheckpointOut]
    snapshots: list[SnapshotOut] = Field(description="Its own first, then those of its ancestors.")
    labels: int = Field(description="Labels by people in these snapshots, each once.", examples=[412])
    labelers: int = Field(examples=[8])
    ai_labels: int = Field(description="Labels by a model in these snapshots.", examples=[0])
    pretraining_sets: list[PretrainingSetOut] = Field(description="Pretraining text mixed in, its own first.")
    job: JobOut | None


class SamplingSettings(Request):
    """How to sample; what is unset follows the standard of the training programs."""

    temperature: float | None = Field(None, gt=0, le=10, examples=[0.7])
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0, le=1_000_000)
    greedy: bool | None = None
    max_new_tokens: int | None = Field(None, ge=1, le=4096, examples=[96])
    seed: int | None = Field(None, ge=0, le=2**53)


class SamplingIn(Request):
    """Conversations to be answered."""

    prompts: Annotated[list[list[Message]], Field(min_length=1, max_length=1000)] = Field(
        description="Each one a conversation whose last turn is the user's.",
        examples=[[[{"role": "user", "content": "Who bakes the bread?"}]]],
    )
    settings: SamplingSettings = SamplingSettings()
    n: int = Field(1, ge=1, le=64, description="Completions of each prompt.")


@router.get("/projects/{project}/checkpoints")
def list_checkpoints(session: SessionDep, user: TokenReader, project: Slug) -> list[CheckpointOut]:
    """The checkpoints of a project, newest first."""
    found = projects.get_project(session, project)
    return [CheckpointOut.model_validate(row) for row in checkpoints.list_checkpoints(session, found.id)]


@router.get("/checkpoints/{checkpoint_id}")
def show_checkpoint(session: SessionDep, user: TokenReader, checkpoint_id: ItemId) -> CheckpointOut:
    """One checkpoint: settings, metrics, files."""
    return CheckpointOut.model_validate(checkpoints.get_checkpoint(session, checkpoint_id))


@router.get("/checkpoints/{checkpoint_id}/lineage")
def show_lineage(session: SessionDep, user: TokenReader, checkpoint_id: ItemId) -> LineageOut:
    """The checkpoints, snapshots and labels that made it."""
    checkpoint = checkpoints.get_checkpoint(session, checkpoint_id)
    return LineageOut.model_validate(checkpoints.checkpoint_lineage(session, checkpoint))


@router.post("/checkpoints/{checkpoint_id}/completions", status_code=201)
def sample(
    response: Response, session: SessionDep, user: TokenAdmin, checkpoint_id: ItemId, body: SamplingIn
) -> JobOut:
    """Have the checkpoint answer prompts of yours. The job's `result` holds the completions; nobody is shown them."""
    checkpoint = checkpoints.get_checkpoint(session, checkpoint_id)
    conversations: list[list[dict[str, Any]]] = [
        [message.model_dump() for message in prompt] for prompt in body.prompts
    ]
    settings = body.settings.model_dump(exclude_none=True)
    job = samplings.request_sampling(session, checkpoint, conversations, settings, body.n, user)
    response.headers["Location"] = f"/api/v1/jobs/{job.id}"
    return JobOut.model_validate(job)
