"""Gold items: comparisons whose right answer is known, by which labelers are measured.

Reading takes the scope `read`; marking and removing take `label` as well, so that a token that only reads changes
nothing. Both are for researchers and admins.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response
from fastapi import Request as HttpRequest
from pydantic import Field, model_validator

from app.errors import Forbidden, Invalid, NotFound
from app.models import GoldItem, User
from app.routes.api.router import api_router
from app.routes.api.shapes import BIGGEST, ItemId, Request, Slug, Stored
from app.security import SessionDep, TokenReader
from app.services import gold_items, projects
from app.services.gold_items import GoldDraft
from app.translation import gettext as _

router = api_router("reliability")


def marker(request: HttpRequest, user: TokenReader) -> User:
    if "label" not in request.state.scopes:
        raise Forbidden(_("Marking gold items takes the scopes “read” and “label”."))
    return user


Marker = Annotated[User, Depends(marker, scope="function")]


class Range(Request):
    """The overall ratings that are accepted."""

    at_least: int = Field(ge=1, le=7, examples=[5])
    at_most: int = Field(ge=1, le=7, examples=[7])


class WantedFlags(Request):
    """Keys of flags of a response."""

    must: list[str] = Field(default=[], description="Have to be set.", examples=[["hallucination"]])
    must_not: list[str] = Field(default=[], description="Must not be set.")


class GoldItemIn(Request):
    """A comparison and its right answer, or a ranking whose answer is right."""

    comparison_id: int | None = Field(None, ge=1, le=BIGGEST, examples=[12])
    ranking_id: int | None = Field(
        None, ge=1, le=BIGGEST, description="Take comparison, order, ratings (one more or less) and flags from it."
    )
    tiers: list[list[UUID]] | None = Field(None, description="Best first; a tie says that either order is right.")
    ratings: dict[UUID, Range] | None = None
    flags: dict[UUID, WantedFlags] | None = None
    explanation: str | None = Field(None, description="Markdown, for labelers afterwards.", examples=["A is made up."])

    @model_validator(mode="after")
    def _one_origin(self) -> GoldItemIn:
        if self.ranking_id is None and (self.comparison_id is None or self.tiers is None):
            raise ValueError("Give a comparison_id with tiers, or a ranking_id.")
        return self


class GoldItemOut(Stored):
    """A gold item."""

    id: int
    comparison_id: int
    tiers: list[list[str]]
    ratings: dict[str, list[int]] = Field(description="Completion id -> lowest and highest accepted rating.")
    flags: dict[str, dict[str, list[str]]]
    explanation: str
    created_by_id: int
    created_at: datetime


def _draft(session: SessionDep, project_id: int, body: GoldItemIn) -> tuple[int, GoldDraft]:
    if body.ranking_id is not None:
        comparison_id, draft = gold_items.draft_from_ranking(session, project_id, body.ranking_id)
        if body.comparison_id not in (None, comparison_id):
            message = "The ranking is of another comparison."
            raise Invalid(message, errors=[{"field": "comparison_id", "message": message}])
    else:
        assert body.comparison_id is not None, "the model refuses it"
        comparison_id, draft = body.comparison_id, GoldDraft([])
    if body.tiers is not None:
        draft.tiers = [[str(key) for key in tier] for tier in body.tiers]
    if body.ratings is not None:
        draft.ratings = {str(key): [each.at_least, each.at_most] for key, each in body.ratings.items()}
    if body.flags is not None:
        draft.flags = {str(key): wanted.model_dump() for key, wanted in body.flags.items()}
    if body.explanation is not None:
        draft.explanation = body.explanation
    return comparison_id, draft


def _out(item: GoldItem) -> GoldItemOut:
    return GoldItemOut.model_validate(item)


@router.post("/projects/{project}/gold-items", status_code=201)
def mark_gold_item(
    session: SessionDep, user: Marker, project: Slug, body: GoldItemIn, response: Response
) -> GoldItemOut:
    """Say the right answer of a comparison; 200 where it had one, which this one replaces."""
    found = projects.get_project(session, project)
    comparison_id, draft = _draft(session, found.id, body)
    comparison = gold_items.get_comparison(session, comparison_id)
    if comparison.project_id != found.id:
        raise NotFound(_("There is no such comparison."))
    item, new = gold_items.set_gold_item(session, comparison, user, draft)
    response.status_code = 201 if new else 200
    return _out(item)


@router.get("/projects/{project}/gold-items")
def list_gold_items(session: SessionDep, user: TokenReader, project: Slug) -> list[GoldItemOut]:
    """All of a project, newest first."""
    found = projects.get_project(session, project)
    return [_out(item) for item in gold_items.list_gold_items(session, found)]


@router.delete("/projects/{project}/gold-items/{gold_item_id}", status_code=204)
def remove_gold_item(session: SessionDep, user: Marker, project: Slug, gold_item_id: ItemId) -> None:
    """Give it to nobody any more; answers to it stay and measure nothing."""
    item = gold_items.get_gold_item(session, projects.get_project(session, project), gold_item_id)
    gold_items.remove_gold_item(session, item, user)
