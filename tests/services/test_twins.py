"""A better response is an answer and a ranking made by one act: they leave, come back and count together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import Conflict
from app.models import (
    Assignment,
    AuditEvent,
    Comparison,
    Completion,
    Demonstration,
    Project,
    Prompt,
    Ranking,
    Slot,
    User,
)
from app.services import (
    assignments,
    demonstrations,
    desk,
    edits,
    exports,
    history,
    projects,
    rankings,
    revisions,
    rounds,
    snapshots,
    work,
)
from app.services.answers import Details
from app.services.rankings import RankingDraft

MakeUser = Callable[..., User]


@dataclass
class Bettered:
    """A project in which ada has ranked two responses and written a better one than the first."""

    session: Session
    project: Project
    ada: User
    original: Completion
    answer: Demonstration
    ranking: Ranking

    def half(self, kind: str) -> Any:
        return self.answer if kind == "demonstration" else self.ranking

    def change(self, what: Callable[..., Any], kind: str, by: User) -> None:
        locked = revisions.lock_label(self.session, kind, self.half(kind).id, by, anybodys=by.role == "admin")
        what(self.session, locked, by)
        self.session.commit()

    def standing(self) -> list[str]:
        found = [label for label in (self.answer, self.ranking) if label.withdrawn_at is None]
        return [revisions.kind_of(label) for label in found]

    def exported(self) -> list[int]:
        kinds = ("demonstrations", "comparisons")
        return [len(list(exports.stream_export(self.session, self.project, kind))) for kind in kinds]


BOTH = ["demonstration", "ranking"]


@pytest.fixture
def bettered(
    session: Session,
    make_project: Callable[..., Project],
    make_user: MakeUser,
    compare: Callable[..., Comparison],
) -> Bettered:
    project, ada = make_project(improves_responses=True, prompt_count=1), make_user("ada")
    compare(project, session.scalars(select(Prompt)).one(), ["Marta.", "The miler."])
    task = assignments.claim_task(session, project, ada, "ranking")
    assert task is not None
    order = task.assignment.order_shown
    draft = RankingDraft([[key] for key in order], {key: {"overall": 4} for key in order})
    rankings.submit_ranking(session, task.assignment.id, ada, uuid4(), draft, 20.0)
    original = session.get_one(Completion, task.completions[0].id)
    answer = edits.submit_edit(session, original.id, ada, uuid4(), "Old Marta.", Details(), 30.0)
    session.commit()
    ranking = session.scalars(select(Ranking).where(Ranking.source == "edit")).one()
    return Bettered(session, project, ada, original, answer, ranking)


@pytest.mark.parametrize("taken", BOTH)
@pytest.mark.parametrize("restored", BOTH)
def test_withdrawing_one_half_withdraws_both_and_restoring_one_restores_both(
    bettered: Bettered, taken: str, restored: str
) -> None:
    assert (bettered.standing(), bettered.exported()) == (BOTH, [1, 2])
    for _ in range(2):  # twice is the same as once
        bettered.change(revisions.withdraw_label, taken, bettered.ada)
        assert (bettered.standing(), bettered.exported()) == ([], [0, 1])
    for _ in range(2):
        bettered.change(revisions.restore_label, restored, bettered.ada)
        assert (bettered.standing(), bettered.exported()) == (BOTH, [1, 2])
    for label in (bettered.answer, bettered.ranking):
        kinds = [revision.kind for revision in revisions.list_revisions(bettered.session, label)]
        assert kinds == ["withdrawn", "restored"]
    task = bettered.session.get_one(Assignment, bettered.ranking.assignment_id)
    slot = bettered.session.get_one(Slot, task.slot_id)
    assert slot.holder_id == bettered.ada.id
    assert None not in (slot.submitted_at, task.submitted_at)


@pytest.mark.parametrize("taken", BOTH)
def test_a_withdrawn_edit_is_nobody_elses_task(bettered: Bettered, taken: str, make_user: MakeUser) -> None:
    bettered.change(revisions.withdraw_label, taken, bettered.ada)
    projects.update_project(bettered.session, bettered.project, {"overlap": 3})
    assert assignments.claim_task(bettered.session, bettered.project, make_user("bea"), "ranking") is None
    assert assignments.claim_task(bettered.session, bettered.project, bettered.ada, "ranking") is None


def test_an_edit_neither_frees_nor_fills_the_place_of_an_answer(bettered: Bettered, make_user: MakeUser) -> None:
    """Its place is that of its ranking; whether the prompt still wants an answer is another matter."""
    session, bea = bettered.session, make_user("bea")
    place = session.scalars(select(Slot).where(Slot.kind == "demonstration")).one()
    for change in (revisions.withdraw_label, revisions.restore_label):
        bettered.change(change, "demonstration", bettered.ada)
        assert place.submitted_at is None
    demonstrations.import_demonstrations(session, bettered.project, [b'{"prompt": "Question 0?", "response": "So."}'])
    session.expire_all()
    assert place.submitted_at is not None
    bettered.change(revisions.withdraw_label, "demonstration", bettered.ada)
    assert place.submitted_at is not None
    assert assignments.claim_task(session, bettered.project, bea, "demonstration") is None


@pytest.mark.parametrize("taken", BOTH)
@pytest.mark.parametrize("frozen", BOTH)
def test_a_snapshot_of_one_half_holds_both(bettered: Bettered, taken: str, frozen: str) -> None:
    session, project = bettered.session, bettered.project
    snapshot = snapshots.freeze_snapshot(session, project, rounds.current_round(session, project.id), frozen)
    session.commit()
    with pytest.raises(Conflict, match=f"Snapshot {snapshot.id} has frozen"):
        bettered.change(revisions.withdraw_label, taken, bettered.ada)
    session.rollback()
    with pytest.raises(Conflict, match=f"Snapshot {snapshot.id} has frozen"):
        revisions.undo_submission(session, bettered.ranking.assignment_id, bettered.ada)
    session.rollback()
    assert bettered.standing() == BOTH
    entry = history.get_entry(session, bettered.ada, "ranking", bettered.ranking.id)
    assert (entry.state, entry.snapshot) == ("frozen", snapshot)


def test_her_history_shows_an_edit_once_and_among_the_answers(bettered: Bettered) -> None:
    def listed(kind: str | None) -> list[tuple[str, int, str | None]]:
        entries = history.list_history(bettered.session, bettered.ada, kind=kind)
        return [(entry.kind, entry.label.id, entry.answer.text if entry.answer else None) for entry in entries]

    edit = ("ranking", bettered.ranking.id, "Old Marta.")
    assert listed("demonstration") == [edit]
    (ranking,) = listed("ranking")
    assert ranking[2] is None
    assert listed(None) == [edit, ranking]
    bettered.change(revisions.withdraw_label, "ranking", bettered.ada)
    assert listed("demonstration") == [edit]


def test_undo_withdraws_the_edit_and_makes_no_task_of_it(bettered: Bettered) -> None:
    session, task_id = bettered.session, bettered.ranking.assignment_id
    offered = history.find_undoable(session, bettered.project.id, bettered.ada)
    assert offered is not None
    assert offered.id == task_id
    for _ in range(2):  # twice is the same as once
        revisions.undo_submission(session, task_id, bettered.ada)
        session.commit()
        assert bettered.standing() == []
    assert desk.held_assignment_id(session, bettered.project.id, bettered.ada, "ranking") is None
    assert history.get_entry(session, bettered.ada, "ranking", bettered.ranking.id).state == "withdrawn"
    bettered.change(revisions.restore_label, "ranking", bettered.ada)
    assert bettered.standing() == BOTH


def test_what_an_admin_withdrew_of_an_edit_only_an_admin_restores(bettered: Bettered, make_user: MakeUser) -> None:
    admin = make_user("olga", "admin")
    bettered.change(revisions.withdraw_label, "demonstration", admin)
    with pytest.raises(Conflict, match="only an admin"):
        bettered.change(revisions.restore_label, "ranking", bettered.ada)
    bettered.session.rollback()
    bettered.change(revisions.restore_label, "ranking", admin)
    assert bettered.standing() == BOTH
    noted = bettered.session.scalars(select(AuditEvent.action).where(AuditEvent.action.like("label.%"))).all()
    assert sorted(noted) == ["label.restore"] * 2 + ["label.withdraw"] * 2


def test_a_withdrawn_edit_is_restored_and_not_written_again(bettered: Bettered) -> None:
    bettered.change(revisions.withdraw_label, "ranking", bettered.ada)
    with pytest.raises(Conflict, match="withdrawn the better one"):
        edits.submit_edit(bettered.session, bettered.original.id, bettered.ada, uuid4(), "Marta herself.", Details())


def test_the_answer_of_an_edit_cannot_be_edited_by_itself(bettered: Bettered) -> None:
    """Its text stands in its comparison as well."""
    with pytest.raises(Conflict, match="not sent for a task"):
        demonstrations.edit_demonstration(bettered.session, bettered.answer.id, bettered.ada, "Young Marta.")


def test_an_edit_counts_once_today_this_week_and_on_the_leaderboard(bettered: Bettered) -> None:
    session, ada = bettered.session, bettered.ada
    projects.update_project(session, bettered.project, {"leaderboard": True})

    def counts() -> tuple[int, ...]:
        own = work.own_work(session, ada)
        day = own.today
        board = [place.labels for place in own.boards[0].places]
        return desk.count_done_today(session, ada), own.week.labels, day.rankings, day.answers, *board

    assert session.scalar(select(func.count()).select_from(Ranking)) == 2
    assert counts() == (2, 2, 1, 1, 2)
    assert work.own_work(session, ada).today.seconds == pytest.approx(30.0, abs=5.0)
    bettered.change(revisions.withdraw_label, "ranking", ada)
    assert counts() == (1, 1, 1, 0, 1)
    bettered.change(revisions.restore_label, "demonstration", ada)
    assert counts() == (2, 2, 1, 1, 2)
