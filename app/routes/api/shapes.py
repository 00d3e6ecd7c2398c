"""Parameters and shapes that several nouns of the API share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from app.models.columns import CheckpointKind, JobKind

BIGGEST = 2**63 - 1  # what a bigint holds
ItemId = Annotated[int, Path(ge=1, le=BIGGEST, examples=[7])]
Slug = Annotated[str, Path(description="The short name of the project.", max_length=64, examples=["village"])]


class Stored(BaseModel):
    """Read from a row."""

    model_config = ConfigDict(from_attributes=True)


class Request(BaseModel):
    """What a client sends; an unknown field is an error, so that a slip of the pen is not silently ignored."""

    model_config = ConfigDict(extra="forbid")


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    role: Literal["system", "user", "assistant"] = Field(examples=["user"])
    content: str = Field(examples=["Who bakes the bread in the village?"])


class JobOut(Stored):
    """A job: work for a worker."""

    id: int = Field(examples=[12])
    kind: JobKind = Field(examples=["sampling"])
    state: str = Field(description="queued, running, succeeded, failed or cancelled.", examples=["running"])
    round_id: int | None = Field(None, examples=[3])
    progress: dict[str, Any] = Field(description="The latest report.", examples=[{"step": 40, "of": 100}])
    result: Any = Field(None, description="What it made, once it has succeeded.", examples=[{"checkpoint": 5}])
    error: str | None = Field(None, description="Why it failed, in a sentence.")
    cancel_requested: bool = False
    attempts: int = Field(description="Times that a worker has started it.", examples=[1])
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None


class CheckpointOut(Stored):
    """A checkpoint: a model, and what it came from."""

    id: int = Field(examples=[5])
    kind: CheckpointKind = Field(examples=["sft"])
    parent_id: int | None = None
    reward_model_id: int | None = Field(None, description="The reward model that it was optimised against.")
    snapshot_id: int | None = Field(None, description="The frozen labels that it was trained on.")
    pretraining_set_id: int | None = Field(None, description="The pretraining text that was mixed in (PPO-ptx).")
    round_id: int | None = None
    job_id: int | None = None
    config: dict[str, Any]
    metrics: dict[str, Any]
    files: dict[str, Any] = Field(description="Name -> SHA-256 and size.")
    created_at: datetime


class SnapshotOut(Stored):
    """A snapshot: the exact labels that a training read."""

    id: int
    kind: str = Field(description="demonstration or ranking.")
    rows: int
    ai_rows: int = Field(0, description="Of these, labels by a model.")
    sha256: str = Field(description="Of the native JSONL export of these rows.")
    round_id: int | None = None
    created_at: datetime


class PretrainingSetOut(Stored):
    """A version of a project's pretraining text. It never changes."""

    id: int = Field(examples=[2])
    version: int = Field(examples=[1])
    texts: int = Field(examples=[400])
    characters: int
    sha256: str = Field(description="Of `pretraining.jsonl`, as a job folder and the download hold it.")
    created_at: datetime
    frozen_at: datetime | None = Field(None, description="When a training was first given it; its texts stay for good.")
    retired_at: datetime | None = Field(None, description="When it was replaced or deleted; null: the present one.")
