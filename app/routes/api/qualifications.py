"""Qualifications: what labelers pass before they work, version by version, with gold answers. For those who run it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, cast

from fastapi import Request as HttpRequest
from pydantic import Field

from app.models import Qualification
from app.models.columns import QualificationPart, QualificationStage
from app.routes.api.label_schemas import Flag, FlagOut
from app.routes.api.prompts import ImportOut, jsonl_body, request_lines
from app.routes.api.router import api_router
from app.routes.api.shapes import ItemId, Message, Request, Slug, Stored
from app.rules.label_schemas import MOST_FLAGS
from app.rules.qualification_items import LONGEST, ItemDraft
from app.security import SessionDep, TokenAdmin, TokenReader
from app.services import projects, qualification_items, qualifications

router = api_router("qualifications")

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Mean = Annotated[float, Field(ge=1, le=7, allow_inf_nan=False)]


class QualificationChanges(Request):
    """The settings to change; the others stay. Null is a value of cut-offs and of the number of attempts."""

    title: str | None = Field(None, max_length=120, examples=["Qualification for the village"])
    introduction: str | None = Field(None, max_length=20_000, description="Markdown.")
    topics: list[str] | None = Field(None, max_length=50, examples=[["Cooking", "Law"]])
    flags: list[Flag] | None = Field(None, max_length=MOST_FLAGS, description="The boxes of every flags item.")
    flags_cutoff: Share | None = Field(None, description="Share of boxes set as in the gold answer; null: none.")
    ranking_cutoff: Share | None = Field(None, description="Share of pairs ordered as in the gold answer; null: none.")
    demonstration_cutoff: Mean | None = Field(None, description="Mean rating, 1 to 7; null: none.")
    ratings_needed: Annotated[int, Field(ge=1, le=5)] | None = Field(None, description="Of each demonstration.")
    attempts_allowed: Annotated[int, Field(ge=1, le=20)] | None = Field(None, description="Null: any number.")
    exempts_held_out: bool | None = Field(None, description="Held-out labelers work without it.")
    accepts_earlier: bool | None = Field(None, description="Passes of the version before still count.")


NULLABLE = {"flags_cutoff", "ranking_cutoff", "demonstration_cutoff", "attempts_allowed"}


class ItemIn(Request):
    """One question."""

    kind: QualificationPart = Field(examples=["flags"])
    stage: QualificationStage = Field(QualificationStage.TEST, description="Practice is answered with feedback.")
    messages: list[Message] = Field(description="The conversation; the last message is the user's.")
    responses: list[str] = Field(default=[], description="One to flag, two to nine to rank, none to demonstrate.")
    gold: list[str] | list[int] | None = Field(
        None,
        description="Keys of flags, or the place of each response (1 is best, equal places are ties).",
        examples=[[]],
    )
    explanation: str = Field("", max_length=LONGEST, description="Markdown, shown in practice and needed there.")

    def draft(self) -> ItemDraft:
        return cast(ItemDraft, self.model_dump(mode="json"))


class ItemOut(Stored):
    """One question with its answer. Once somebody has begun an attempt it stays as it is."""

    id: int = Field(examples=[11])
    ordinal: int = Field(description="Its number; practice first.", examples=[1])
    kind: QualificationPart
    stage: QualificationStage
    messages: list[Message]
    responses: list[str]
    gold: list[Any] | None
    explanation: str


class VersionOut(Stored):
    """One version."""

    id: int = Field(examples=[3])
    version: int = Field(examples=[1])
    title: str
    introduction: str
    topics: list[str]
    flags: list[FlagOut]
    flags_cutoff: float | None = Field(examples=[0.75])
    ranking_cutoff: float | None = Field(examples=[0.75])
    demonstration_cutoff: float | None = Field(examples=[6])
    ratings_needed: int
    attempts_allowed: int | None
    exempts_held_out: bool
    accepts_earlier: bool
    least_version: int | None = Field(description="The oldest version whose passes count; null for a draft.")
    published_at: datetime | None
    created_at: datetime


class QualificationOut(VersionOut):
    """One version with its items."""

    items: list[ItemOut]


class ListedVersion(Stored):
    in_force: bool
    items: int
    attempts: int
    qualification: VersionOut


class VersionList(Stored):
    versions: list[ListedVersion] = Field(description="Newest first.")


class MoveIn(Request):
    """Where to."""

    step: int = Field(ge=-1, le=1, description="-1 one place up, 1 one place down, within its stage.", examples=[1])


def _out(session: SessionDep, qualification: Qualification) -> QualificationOut:
    return QualificationOut.model_validate(qualifications.get_qualification(session, qualification.id))


@router.get("/projects/{project}/qualifications")
def list_versions(session: SessionDep, user: TokenReader, project: Slug) -> VersionList:
    """All versions of a project, and which one is in force."""
    found = projects.get_project(session, project)
    listed = qualifications.list_versions(session, found.id)
    return VersionList(
        versions=[
            ListedVersion(
                in_force=one.qualification.id == found.qualification_id,
                items=one.items,
                attempts=one.attempts,
                qualification=VersionOut.model_validate(one.qualification),
            )
            for one in listed
        ]
    )


@router.post("/projects/{project}/qualifications", status_code=201)
def draft_version(session: SessionDep, user: TokenAdmin, project: Slug) -> QualificationOut:
    """The draft of the next version: the one there is, or else a copy of the newest."""
    draft = qualifications.draft_version(session, projects.get_project(session, project), user)
    return _out(session, draft)


@router.get("/qualifications/{qualification_id}")
def show_version(session: SessionDep, user: TokenReader, qualification_id: ItemId) -> QualificationOut:
    """One version with its items and gold answers."""
    return QualificationOut.model_validate(qualifications.get_qualification(session, qualification_id))


@router.patch("/qualifications/{qualification_id}")
def change_settings(
    session: SessionDep, user: TokenAdmin, qualification_id: ItemId, body: QualificationChanges
) -> QualificationOut:
    """Change its settings; 409 once somebody has begun an attempt."""
    sent: Mapping[str, Any] = body.model_dump(exclude_unset=True)
    changes = {name: value for name, value in sent.items() if value is not None or name in NULLABLE}
    return _out(session, qualifications.change_settings(session, qualification_id, changes))


@router.delete("/qualifications/{qualification_id}", status_code=204)
def discard_draft(session: SessionDep, user: TokenAdmin, qualification_id: ItemId) -> None:
    """Discard a draft. What was published stays: 409."""
    qualifications.discard_draft(session, qualification_id, user)


@router.post("/qualifications/{qualification_id}/publish")
def publish(session: SessionDep, user: TokenAdmin, qualification_id: ItemId) -> QualificationOut:
    """From now on labelers of the project pass this version before they are given tasks."""
    return _out(session, qualifications.publish_version(session, qualification_id, user))


@router.post("/qualifications/{qualification_id}/end")
def end(session: SessionDep, user: TokenAdmin, qualification_id: ItemId) -> QualificationOut:
    """Labelers of the project need none from now on."""
    return _out(session, qualifications.end_qualification(session, qualification_id, user))


ITEMS_BODY = jsonl_body(
    '{"kind": "flags", "stage": "test", "prompt": "Who bakes?", "response": "Go away.", "gold": ["inappropriate"]}\n',
    "One JSON object a line: `kind`, `stage`, `messages` or `prompt`, `response` or `responses`, `gold`, "
    "`explanation`.",
)


@router.post("/qualifications/{qualification_id}/items", status_code=201)
def add_item(session: SessionDep, user: TokenAdmin, qualification_id: ItemId, body: ItemIn) -> ItemOut:
    """Add one item, the last of its stage."""
    return ItemOut.model_validate(qualification_items.add_item(session, qualification_id, body.draft()))


@router.post("/qualifications/{qualification_id}/items/import", status_code=201, openapi_extra=ITEMS_BODY)
def import_items(request: HttpRequest, session: SessionDep, user: TokenAdmin, qualification_id: ItemId) -> ImportOut:
    """Add items as JSONL. When a row is refused nothing is stored, and `errors` lists the lines."""
    with request_lines(request) as lines:
        return ImportOut(imported=qualification_items.import_items(session, qualification_id, lines))


@router.put("/qualification-items/{item_id}")
def change_item(session: SessionDep, user: TokenAdmin, item_id: ItemId, body: ItemIn) -> ItemOut:
    """Change an item; 409 once somebody has begun an attempt."""
    return ItemOut.model_validate(qualification_items.change_item(session, item_id, body.draft()))


@router.delete("/qualification-items/{item_id}", status_code=204)
def remove_item(session: SessionDep, user: TokenAdmin, item_id: ItemId) -> None:
    """Take an item out."""
    qualification_items.remove_item(session, item_id)


@router.post("/qualification-items/{item_id}/move")
def move_item(session: SessionDep, user: TokenAdmin, item_id: ItemId, body: MoveIn) -> ItemOut:
    """Move an item within its stage."""
    qualification_items.move_item(session, item_id, body.step)
    return ItemOut.model_validate(qualification_items.get_item(session, item_id))
