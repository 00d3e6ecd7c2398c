"""The two labels of one act: a better response is an answer and a ranking above its original (decision 0006).

Whatever takes one of them out, or brings it back, does so with both. Called by services/revisions.py and history.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from app.models import Completion, Demonstration, Ranking

EDIT = "edit"  # the source of both
Label = Demonstration | Ranking


def both_of(session: Session, label: Label) -> list[Label]:
    """The label with its twin, the ranking first, since it has the task; alone where it has none."""
    pairs = list_pairs(session, [label])
    if not pairs:
        return [label]
    demonstration_id, ranking_id = pairs[0]
    return [session.get_one(Ranking, ranking_id), session.get_one(Demonstration, demonstration_id)]


def list_pairs(session: Session, labels: Iterable[Label]) -> list[tuple[int, int]]:
    """(demonstration id, ranking id) of those labels that are half of an act."""
    edits = [label for label in labels if label.source == EDIT]
    if not edits:
        return []
    answers = [label.id for label in edits if isinstance(label, Demonstration)]
    orders = [label.id for label in edits if isinstance(label, Ranking)]
    her_text = and_(
        Completion.original_id == Demonstration.edited_completion_id, Completion.author_id == Demonstration.user_id
    )
    found = session.execute(
        select(Demonstration.id, Ranking.id)
        .join(Completion, her_text)
        .join(Ranking, and_(Ranking.comparison_id == Completion.comparison_id, Ranking.source == EDIT))
        .where(Demonstration.source == EDIT, or_(Demonstration.id.in_(answers), Ranking.id.in_(orders)))
    )
    return [(demonstration_id, ranking_id) for demonstration_id, ranking_id in found]
