"""Guidelines: what labelers are asked to do, in versions, and who has read them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import Field

from app.routes.api.router import api_router
from app.routes.api.shapes import BIGGEST, Request, Slug, Stored
from app.security import AnyToken, SessionDep, TokenAdmin, TokenUser
from app.services import audit, guidelines, projects

router = api_router("guidelines")

Version = Annotated[int, Path(ge=1, le=BIGGEST)]


class GuidelineIn(Request):
    """A new version of the guidelines."""

    text: str = Field(
        max_length=200_000, description="Markdown.", examples=["Helpful first, then true, then harmless."]
    )


class GuidelineOut(Stored):
    """A version of what labelers are asked to do."""

    version: int = Field(examples=[2])
    text: str
    created_at: datetime


@router.get("/projects/{project}/guidelines")
def show_guidelines(session: SessionDep, user: AnyToken, project: Slug) -> GuidelineOut:
    """The version in force."""
    found = projects.get_project(session, project)
    return GuidelineOut.model_validate(guidelines.current_guideline(session, found.id))


@router.get("/projects/{project}/guidelines/{version}")
def show_version(session: SessionDep, user: AnyToken, project: Slug, version: Version) -> GuidelineOut:
    """The version that a label says it followed."""
    found = projects.get_project(session, project)
    return GuidelineOut.model_validate(guidelines.get_guideline(session, found.id, version))


@router.post("/projects/{project}/guidelines", status_code=201)
def publish_guidelines(session: SessionDep, user: TokenAdmin, project: Slug, body: GuidelineIn) -> GuidelineOut:
    """Publish the next version; labels from now on carry its number, and labelers read it before they go on."""
    found = projects.get_project(session, project)
    guideline = guidelines.publish_guideline(session, found, body.text)
    audit.record(session, user, "guidelines.published", f"project:{found.id}", version=guideline.version)
    return GuidelineOut.model_validate(guideline)


@router.post("/projects/{project}/guidelines/{version}/reading", status_code=204)
def note_reading(session: SessionDep, user: TokenUser, project: Slug, version: Version) -> None:
    """Say that you have read this version; pages ask for it before the first task and after a change."""
    found = projects.get_project(session, project)
    guidelines.note_reading(session, guidelines.get_guideline(session, found.id, version), user)
