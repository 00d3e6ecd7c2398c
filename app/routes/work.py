"""A labeler's own page: what she did, and what is known of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from app.pages import render
from app.plots import day_bars
from app.rules.work import LONGEST_ZONE
from app.security import CurrentUser, SessionDep, zone_of
from app.services import work
from app.services.reliability import ENOUGH_PAIRS

router = APIRouter()


@router.get("/me/work")
def show_work(
    request: Request,
    session: SessionDep,
    user: CurrentUser,
    zone: Annotated[str, Query(max_length=LONGEST_ZONE)] = "",
) -> HTMLResponse:
    """By the days of the zone that the address names, else of that of her browser."""
    own = work.own_work(session, user, zone or zone_of(request))
    return render(request, "work/show.html", own=own, bars=day_bars(own.days), enough=ENOUGH_PAIRS)
