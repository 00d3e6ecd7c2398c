"""Position bias of a project's rankings. Called by the researchers' page and the API."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Project, Ranking
from app.models.columns import Purpose
from app.rules.positions import Bias, position_bias
from app.rules.presentations import seconds_by_position


def find_bias(session: Session, project: Project, *, simulated: bool = False) -> tuple[list[Bias], int]:
    """One report for each number of responses, and how many rankings have a tie on top and so favour no place.

    All rankings that were asked for and stand, reviewed ones too: where an eye goes is not a matter of being right.
    """
    wanted = [
        Ranking.project_id == project.id,
        Ranking.withdrawn_at.is_(None),
        Ranking.purpose == Purpose.LABEL,
        Ranking.source == "labeler",
    ]
    if not simulated:
        wanted.append(Ranking.simulated.is_(False))
    best = Ranking.tiers[0]
    alone = func.jsonb_array_length(best) == 1
    shown = (
        func.jsonb_array_elements_text(Ranking.order_shown)
        .table_valued("key", with_ordinality="place")
        .render_derived()
    )
    query = (
        select(func.jsonb_array_length(Ranking.order_shown).label("count"), shown.c.place, func.count())
        .select_from(Ranking)
        .join(shown, shown.c.key == best[0].astext)
        .where(*wanted, alone)
        .group_by("count", shown.c.place)
    )
    on_top: dict[int, dict[int, int]] = defaultdict(dict)
    for count, place, times in session.execute(query):
        on_top[count][place] = times
    tied = session.scalar(select(func.count()).select_from(Ranking).where(*wanted, ~alone)) or 0
    seconds = _mean_seconds(session, wanted)
    reports = [
        position_bias([places.get(place, 0) for place in range(1, count + 1)], seconds.get(count, ()))
        for count, places in sorted(on_top.items())
    ]
    return reports, tied


def _mean_seconds(session: Session, wanted: list[Any]) -> dict[int, list[float | None]]:
    """Number of responses -> mean time of each place, of the latest rankings whose log has times."""
    query = (
        select(Ranking.order_shown, Ranking.presentation)
        .where(*wanted, Ranking.presentation["dwell"].is_not(None))
        .order_by(Ranking.id.desc())
        .limit(5000)
    )
    found: dict[int, list[list[float]]] = {}
    for order_shown, log in session.execute(query):
        places = found.setdefault(len(order_shown), [[] for _ in order_shown])
        for times, told in zip(places, seconds_by_position(log, order_shown), strict=True):
            if told is not None:
                times.append(told)
    return {count: [sum(times) / len(times) if times else None for times in places] for count, places in found.items()}
