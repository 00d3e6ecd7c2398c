"""The label schema: what the ranking page of a project asks, version by version."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, cast

from fastapi import Path
from pydantic import Field

from app.routes.api.router import api_router
from app.routes.api.shapes import Request, Slug, Stored
from app.rules.label_schemas import MOST_FLAGS, Fields
from app.security import AnyToken, SessionDep, TokenAdmin, TokenReader
from app.services import audit, label_schemas, projects

router = api_router("label schemas")

Version = Annotated[int, Path(ge=1, le=2**31 - 1, examples=[1])]


class Flag(Request):
    """A box that labelers may tick."""

    key: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", examples=["hallucination"])
    label: str = Field(min_length=1, max_length=80, examples=["Hallucination"])


class SchemaFields(Request):
    """What the next version asks."""

    ratings: bool = Field(description="Each response from 1 to 7, before the order.")
    response_flags: list[Flag] = Field(max_length=MOST_FLAGS)
    prompt_flags: list[Flag] = Field(max_length=MOST_FLAGS)
    confidence: bool = Field(description="How sure the labeler is of the order, from 1 to 9.")


class FlagOut(Stored):
    key: str = Field(examples=["hallucination"])
    label: str = Field(examples=["Hallucination"])


class SchemaFieldsOut(Stored):
    """What a version asks."""

    ratings: bool
    response_flags: list[FlagOut]
    prompt_flags: list[FlagOut]
    confidence: bool


class SchemaOut(Stored):
    """One version. Tasks keep the version that they were claimed under, and labels name it."""

    version: int = Field(examples=[2])
    fields: SchemaFieldsOut
    created_at: datetime


class SchemaVersion(SchemaOut):
    """One version in the list of all."""

    changes: list[str] = Field(
        description="What it asks otherwise than the version before it.", examples=[["Asks how sure the labeler is."]]
    )


class SchemaList(Stored):
    versions: list[SchemaVersion] = Field(description="Newest first; the newest is in force.")


@router.get("/projects/{project}/label-schema")
def show_schema(session: SessionDep, user: AnyToken, project: Slug) -> SchemaOut:
    """The version in force."""
    found = projects.get_project(session, project)
    return SchemaOut.model_validate(label_schemas.current_schema(session, found.id))


@router.get("/projects/{project}/label-schemas")
def list_schemas(session: SessionDep, user: TokenReader, project: Slug) -> SchemaList:
    """All versions, and what changed from one to the next."""
    found = projects.get_project(session, project)
    listed = label_schemas.list_schemas(session, found.id)
    return SchemaList(
        versions=[
            SchemaVersion(**SchemaOut.model_validate(schema).model_dump(), changes=changes)
            for schema, changes in listed
        ]
    )


@router.get("/projects/{project}/label-schemas/{version}")
def show_schema_version(session: SessionDep, user: AnyToken, project: Slug, version: Version) -> SchemaOut:
    """The version that a task or a label names."""
    found = projects.get_project(session, project)
    return SchemaOut.model_validate(label_schemas.get_schema(session, found.id, version))


@router.post("/projects/{project}/label-schema", status_code=201)
def publish_schema(session: SessionDep, user: TokenAdmin, project: Slug, body: SchemaFields) -> SchemaOut:
    """Publish the next version; tasks claimed from now on follow it, those that are held keep theirs."""
    found = projects.get_project(session, project)
    schema = label_schemas.publish_schema(session, found, cast(Fields, body.model_dump()), user)
    audit.record(session, user, "label_schema.published", f"project:{found.id}", version=schema.version)
    return SchemaOut.model_validate(schema)
