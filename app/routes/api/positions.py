"""Position bias: whether the place in which a response is shown decides over it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import Field

from app.routes.api.router import api_router
from app.routes.api.shapes import Slug, Stored
from app.security import SessionDep, TokenReader
from app.services import positions, projects

router = api_router("positions")


class PositionOut(Stored):
    """One place."""

    place: int = Field(description="1 is the first that the labeler saw.", examples=[1])
    on_top: int = Field(description="Rankings that put the response in this place alone on top.", examples=[31])
    share: float = Field(examples=[0.31])
    low: float = Field(description="Of the 95 % interval of the share (Wilson).", examples=[0.23])
    high: float = Field(examples=[0.41])
    seconds: float | None = Field(description="Mean time with the reader, where rankings say.", examples=[14.2])


class BiasOut(Stored):
    """All places of the rankings of `count` responses."""

    count: int = Field(examples=[4])
    rankings: int = Field(examples=[100])
    expected: float = Field(description="The fair share of each place.", examples=[0.25])
    positions: list[PositionOut]
    chi_square: float
    p_value: float = Field(description="Of the chi-square against equal shares.")


class PositionsOut(Stored):
    reports: list[BiasOut]
    tied: int = Field(description="Rankings left out because their top is a tie.")


@router.get("/projects/{project}/positions")
def show_positions(
    session: SessionDep,
    user: TokenReader,
    project: Slug,
    simulated: Annotated[bool, Query(description="Whether simulated labels are among them.")] = False,
) -> PositionsOut:
    """How often the response in each place was put on top."""
    found = projects.get_project(session, project)
    reports, tied = positions.find_bias(session, found, simulated=simulated)
    return PositionsOut(reports=[BiasOut.model_validate(report) for report in reports], tied=tied)
