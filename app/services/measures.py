"""Giving a labeler what measures her: gold items, and her own rankings again. Called by services/assignments.py.

What is given is a slot like any other, kept for her alone and handed out next. Nothing that she sees tells it apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Select, exists, func, select
from sqlalchemy.orm import Session

from app.models import Assignment, Comparison, GoldItem, Project, Prompt, Ranking, Slot, Snapshot, User
from app.rules import measures as rules
from app.services.claim_conditions import labeler_values, may_label
from app.settings import get_settings

PRIORITY = 1_000_000  # before whatever else is open to her
CONSIDERED = 200  # latest rankings of hers among which one is chosen to come again
MEASURES = (rules.GOLD, rules.REPEAT)


def give_measure(session: Session, project: Project, user: User, kind: str) -> None:
    """Put a measuring task before her next claim, where one is due. Her claims must be in a row, by their lock."""
    if kind != "ranking" or not (project.gold_rate or project.repeat_rate):
        return
    given = session.execute(_given(project, user)).all()
    facts = (project.id, user.id, given[0].id if given else 0)
    key = get_settings().key()
    purposes = [purpose for _, purpose in given]
    due = rules.draw_measure(purposes, project.gold_rate, project.repeat_rate, rules.luck(key, "whether", *facts))
    if due is None:
        return
    found = _gold(session, project, user) if due == rules.GOLD else _own(session, project, user, [i for i, _ in given])
    comparison_id = rules.choose(found, rules.luck(key, "which", *facts))
    if comparison_id is not None:
        _keep_for(session, user, comparison_id, due)


def close_measure(session: Session, slot: Slot) -> None:
    """She has skipped or withdrawn it: nobody else may have it, and she does not get it again."""
    if slot.purpose in MEASURES:
        slot.closed_at = session.scalar(select(func.clock_timestamp()))


def reopen_measure(slot: Slot) -> None:
    """She takes back what she sent: the task is hers again."""
    if slot.purpose in MEASURES:
        slot.closed_at = None


def closing_snapshots(session: Session, rankings: Iterable[Ranking]) -> dict[int, Snapshot]:
    """Ranking -> the snapshot with which it can no longer be changed, of those that only measure.

    No snapshot holds them. But if they could be changed when their neighbours cannot, that would tell what they are; so
    the first one that froze the rankings of their time closes them too.
    """
    measuring = [ranking for ranking in rankings if ranking.purpose in MEASURES]
    if not measuring:
        return {}
    snapshots = session.scalars(
        select(Snapshot)
        .where(
            Snapshot.project_id.in_({ranking.project_id for ranking in measuring}),
            Snapshot.kind == "ranking",
            Snapshot.created_at > min(ranking.created_at for ranking in measuring),
        )
        .order_by(Snapshot.id)
    ).all()
    closing = {}
    for ranking in measuring:
        for snapshot in snapshots:
            out = ranking.withdrawn_at is not None and ranking.withdrawn_at < snapshot.created_at
            if snapshot.project_id == ranking.project_id and snapshot.created_at > ranking.created_at and not out:
                closing[ranking.id] = snapshot
                break
    return closing


def _given(project: Project, user: User) -> Select[int, str]:
    """Her latest ranking tasks, newest first; ix_assignments_user_id_given answers it."""
    return (
        select(Assignment.id, Assignment.purpose)
        .where(Assignment.user_id == user.id, Assignment.project_id == project.id, Assignment.kind == "ranking")
        .order_by(Assignment.id.desc())
        .limit(rules.WINDOW)
    )


def _gold(session: Session, project: Project, user: User) -> Sequence[int]:
    """Comparisons of gold items that she has never been given, for whatever purpose, nor marked herself.

    Their prompts are such as the queue would give her too: one that is not for her measures nothing.
    """
    had = exists().where(Assignment.user_id == user.id, Assignment.comparison_id == GoldItem.comparison_id)
    query = (
        select(GoldItem.comparison_id)
        .join(Comparison, Comparison.id == GoldItem.comparison_id)
        .join(Comparison.prompt)
        .where(GoldItem.project_id == project.id, GoldItem.created_by_id != user.id, ~had)
        .where(Prompt.retired_at.is_(None), may_label())
        .order_by(GoldItem.id)
    )
    return session.scalars(query, labeler_values(user)).all()


def _own(session: Session, project: Project, user: User, given: Sequence[int]) -> Sequence[int]:
    """Comparisons that she ranked a while ago and has not changed nor been given again since; no retired prompts."""
    before = rules.old_enough(given)
    if before is None:
        return []
    again = exists().where(
        Slot.comparison_id == Ranking.comparison_id, Slot.reserved_for_id == user.id, Slot.purpose == rules.REPEAT
    )
    return session.scalars(
        select(Ranking.comparison_id)
        .join(Ranking.comparison)
        .join(Comparison.prompt)
        .where(
            Prompt.retired_at.is_(None),
            Ranking.user_id == user.id,
            Ranking.project_id == project.id,
            Ranking.purpose == "label",
            Ranking.source == "labeler",
            Ranking.withdrawn_at.is_(None),
            Ranking.revision == 1,
            Ranking.assignment_id < before,
            ~again,
        )
        .order_by(Ranking.created_at.desc())
        .limit(CONSIDERED)
    ).all()


def _keep_for(session: Session, user: User, comparison_id: int, purpose: str) -> None:
    # The lock gives two labelers' slots of one comparison different numbers, and keeps nobody from labeling it.
    locked = select(Comparison).where(Comparison.id == comparison_id).with_for_update(key_share=True)
    comparison = session.scalars(locked).one()
    last = session.scalar(select(func.max(Slot.ordinal)).where(Slot.comparison_id == comparison_id)) or 0
    session.add(
        Slot(
            project_id=comparison.project_id,
            kind="ranking",
            prompt_id=comparison.prompt_id,
            comparison_id=comparison_id,
            ordinal=last + 1,
            purpose=purpose,
            reserved_for_id=user.id,
            priority=PRIORITY,
        )
    )
    session.flush()
