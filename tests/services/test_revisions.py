"""Labels after they were sent: what may be changed until a snapshot has frozen them, and what a freeze takes."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.database import transaction
from app.errors import Conflict, NotFound, Overtaken
from app.models import (
    Assignment,
    AuditEvent,
    Comparison,
    Demonstration,
    Project,
    Prompt,
    Ranking,
    Revision,
    Snapshot,
    SnapshotItem,
    User,
)
from app.services import (
    assignments,
    browsing,
    demonstrations,
    desk,
    exports,
    history,
    overview,
    rankings,
    revisions,
    rounds,
    snapshots,
)
from app.services.rankings import RankingDraft

MakeProject = Callable[..., Project]
MakeUser = Callable[..., User]


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    return make_project(prompt_count=2)


@pytest.fixture
def ada(make_user: MakeUser) -> User:
    return make_user("ada")


def write(session: Session, project: Project, user: User, words: str = "First thought.") -> Demonstration:
    task = assignments.claim_task(session, project, user, "demonstration")
    assert task is not None
    label = demonstrations.submit_demonstration(session, task.assignment.id, user, uuid4(), words)
    session.commit()
    return label


def rank(session: Session, project: Project, user: User) -> Ranking:
    task = assignments.claim_task(session, project, user, "ranking")
    assert task is not None
    draft = ranking_draft(task.assignment.order_shown)
    label = rankings.submit_ranking(session, task.assignment.id, user, uuid4(), draft)
    session.commit()
    return label


def ranking_draft(order: list[str], *, best_last: bool = False) -> RankingDraft:
    ratings = {key: {"overall": 4, "flags": []} for key in order}
    tiers = [[key] for key in order]
    return RankingDraft(tiers[::-1] if best_last else tiers, ratings, "Because.")


def withdraw(session: Session, label: Any, user: User, *, anybodys: bool = False) -> None:
    kind = revisions.kind_of(label)
    revisions.withdraw_label(session, revisions.lock_label(session, kind, label.id, user, anybodys=anybodys), user)
    session.commit()


def restore(session: Session, label: Any, user: User, *, anybodys: bool = False) -> None:
    kind = revisions.kind_of(label)
    revisions.restore_label(session, revisions.lock_label(session, kind, label.id, user, anybodys=anybodys), user)
    session.commit()


def freeze(session: Session, project: Project, kind: str = "demonstration") -> Snapshot:
    snapshot = snapshots.freeze_snapshot(session, project, rounds.current_round(session, project.id), kind)
    session.commit()
    return snapshot


def exported(session: Session, project: Project, kind: str = "demonstrations", **choice: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in exports.stream_export(session, project, kind, **choice)]


def kept(session: Session) -> list[tuple[int, str]]:
    return [(r.number, r.kind) for r in session.scalars(select(Revision).order_by(Revision.id))]


def test_edit_keeps_what_the_label_said_before(session: Session, project: Project, ada: User) -> None:
    label = write(session, project, ada)
    sent_at = label.created_at
    demonstrations.edit_demonstration(session, label.id, ada, "Second thought.", 0.0)
    session.commit()
    session.expire_all()
    assert (label.text, label.revision, label.created_at) == ("Second thought.", 2, sent_at)
    revision = session.scalars(select(Revision)).one()
    assert (revision.number, revision.kind, revision.user_id) == (1, "edited", ada.id)
    assert revision.content["text"] == "First thought."
    assert [(row["response"], row["revision"]) for row in exported(session, project)] == [("Second thought.", 2)]


def test_the_same_content_again_is_no_revision(session: Session, project: Project, ada: User) -> None:
    label = write(session, project, ada)
    demonstrations.edit_demonstration(session, label.id, ada, " First thought. ")
    assert (label.revision, kept(session)) == (1, [])


def test_edit_of_a_ranking_is_held_to_the_rules_of_a_submission(
    session: Session, project: Project, ada: User, compare: Callable[..., Comparison]
) -> None:
    compare(project, session.scalars(select(Prompt)).first(), ["one", "two", "three"])
    label = rank(session, project, ada)
    with pytest.raises(Exception, match="Not ranked yet"):
        rankings.edit_ranking(session, label.id, ada, RankingDraft(label.tiers[:2], label.ratings))
    session.rollback()
    rankings.edit_ranking(session, label.id, ada, ranking_draft(label.order_shown, best_last=True))
    session.commit()
    [row] = exported(session, project, "comparisons")
    by_id = dict(zip([response["id"] for response in row["responses"]], row["ranks"], strict=True))
    assert [by_id[key] for key in label.order_shown] == [3, 2, 1]
    [sent, edited] = history.list_steps(session, label)
    assert (sent.what, edited.what) == ("sent", "edited")
    assert edited.changes == ["order A › B › C became C › B › A"]


def test_nobody_else_edits_or_withdraws(session: Session, project: Project, ada: User, make_user: MakeUser) -> None:
    label, bo = write(session, project, ada), make_user("bo")
    for call in (
        lambda: demonstrations.edit_demonstration(session, label.id, bo, "Mine now."),
        lambda: revisions.lock_label(session, "demonstration", label.id, bo),
        lambda: revisions.undo_submission(session, label.assignment_id or 0, bo),
        lambda: history.get_entry(session, bo, "demonstration", label.id),
    ):
        with pytest.raises(NotFound):
            call()


def test_withdrawn_label_is_neither_exported_nor_counted_nor_frozen(
    session: Session, project: Project, ada: User, compare: Callable[..., Comparison]
) -> None:
    compare(project, session.scalars(select(Prompt)).first(), ["one", "two"])
    labels = [write(session, project, ada), rank(session, project, ada)]
    round_ = rounds.current_round(session, project.id)
    assert round_ is not None

    def counts() -> tuple[Any, ...]:
        facts, days = rounds.gather_facts(session, project, round_), overview.labeler_days(session, project.id)
        found = browsing.count_labels(session, project)
        return (
            facts.new_demonstrations, facts.demonstrations, facts.new_rankings, facts.rankings,
            found.demonstrations, found.rankings, desk.count_done_today(session, ada),
            len(exported(session, project)), len(exported(session, project, "comparisons")),
            [(day.demonstrations, day.rankings) for day in days],
        )  # fmt: skip

    assert counts() == (1, 1, 1, 1, 1, 1, 2, 1, 1, [(1, 1)])
    for label in labels:
        withdraw(session, label, ada)
    assert counts() == (0, 0, 0, 0, 0, 0, 0, 0, 0, [])
    for kind in ("demonstration", "ranking"):
        snapshot = freeze(session, project, kind)
        assert (snapshot.rows, snapshot.counted) == (0, 0)
    assert session.scalar(select(func.count()).select_from(SnapshotItem)) == 0
    assert kept(session) == [(1, "withdrawn"), (1, "withdrawn")]


def test_withdrawing_frees_the_slot_for_somebody_else_but_not_for_her(
    session: Session, make_project: MakeProject, ada: User, make_user: MakeUser
) -> None:
    project = make_project(prompt_count=1)
    label, bo = write(session, project, ada), make_user("bo")
    withdraw(session, label, ada)
    withdraw(session, label, ada)  # twice is the same as once
    assert label.text == "First thought."
    assert assignments.claim_task(session, project, ada, "demonstration") is None
    assert desk.find_work(session, project, ada, "demonstration").open == 0
    write(session, project, bo, "Better.")
    with pytest.raises(Conflict, match="Somebody else"):
        restore(session, label, ada)
    session.rollback()
    assert [row["response"] for row in exported(session, project)] == ["Better."]
    assert kept(session) == [(1, "withdrawn")]


def test_restoring_fills_the_slot_again(
    session: Session, make_project: MakeProject, ada: User, make_user: MakeUser
) -> None:
    project = make_project(prompt_count=1)
    label, bo = write(session, project, ada), make_user("bo")
    withdraw(session, label, ada)
    restore(session, label, ada)
    assert assignments.claim_task(session, project, bo, "demonstration") is None
    assert [(row["response"], row["revision"]) for row in exported(session, project)] == [("First thought.", 1)]
    assert [step.what for step in history.list_steps(session, label)] == ["sent", "withdrawn", "restored"]


def test_what_an_admin_withdrew_only_an_admin_restores(
    session: Session, project: Project, ada: User, make_user: MakeUser
) -> None:
    label, admin = write(session, project, ada), make_user("olga", "admin")
    withdraw(session, label, admin, anybodys=True)
    with pytest.raises(Conflict, match="only an admin"):
        restore(session, label, ada)
    session.rollback()
    restore(session, label, admin, anybodys=True)
    assert label.withdrawn_at is None
    events = session.execute(select(AuditEvent.action, AuditEvent.user_id).order_by(AuditEvent.id)).all()
    assert [tuple(event) for event in events][-2:] == [("label.withdraw", admin.id), ("label.restore", admin.id)]


def test_withdrawn_import_gives_its_slot_to_a_labeler_and_comes_back_beside_her(
    session: Session, make_project: MakeProject, ada: User, make_user: MakeUser
) -> None:
    project, admin = make_project(prompt_count=0), make_user("olga", "admin")
    demonstrations.import_demonstrations(session, project, [b'{"prompt": "Why?", "response": "So."}'])
    session.commit()
    label = session.scalars(select(Demonstration)).one()
    assert assignments.claim_task(session, project, ada, "demonstration") is None
    withdraw(session, label, admin, anybodys=True)
    write(session, project, ada)
    restore(session, label, admin, anybodys=True)
    assert len(exported(session, project)) == 2


def test_label_of_a_past_round_frees_no_place_for_anybody(
    session: Session, project: Project, ada: User, make_user: MakeUser, compare: Callable[..., Comparison]
) -> None:
    """A newer policy's samples are there: nobody is asked about earlier ones."""
    compare(project, session.scalars(select(Prompt)).first(), ["one", "two"])
    label = rank(session, project, ada)
    first = rounds.current_round(session, project.id)
    assert first is not None
    first.finished_at = func.now()
    session.flush()
    rounds.open_round(session, project, 2)
    newer = compare(project, session.scalars(select(Prompt)).all()[1], ["three", "four"])
    withdraw(session, label, ada)
    task = assignments.claim_task(session, project, make_user("bo"), "ranking")
    assert task is not None
    assert task.assignment.comparison_id == newer.id
    restore(session, label, ada)
    assert label.withdrawn_at is None


def test_frozen_label_is_refused_by_name_of_its_snapshot(session: Session, project: Project, ada: User) -> None:
    label = write(session, project, ada)
    snapshot = freeze(session, project)
    freeze(session, project)  # the first one that froze it is named
    for call in (
        lambda: demonstrations.edit_demonstration(session, label.id, ada, "Too late."),
        lambda: withdraw(session, label, ada),
        lambda: revisions.undo_submission(session, label.assignment_id or 0, ada),
        lambda: revisions.save_edit(session, label, {"text": "Too late."}),
    ):
        with pytest.raises(Conflict, match=f"Snapshot {snapshot.id} has frozen this label on"):
            call()
        session.rollback()
    assert (history.get_entry(session, ada, "demonstration", label.id).state, kept(session)) == ("frozen", [])


def test_undo_gives_the_task_back_filled_and_sending_again_revives_the_row(
    session: Session, project: Project, ada: User, make_user: MakeUser
) -> None:
    label = write(session, project, ada)
    first_key, sent_at = label.idempotency_key, label.created_at
    assert first_key is not None
    task = revisions.undo_submission(session, label.assignment_id or 0, ada)
    again = revisions.undo_submission(session, label.assignment_id or 0, ada)  # twice is the same as once
    session.commit()
    assert task is again
    assert task.draft["text"] == "First thought."
    assert (exported(session, project), desk.held_assignment_id(session, project.id, ada, "demonstration")) == (
        [],
        task.id,
    )
    claimed = assignments.claim_task(session, project, ada, "demonstration")
    assert claimed is not None
    assert claimed.assignment.id == task.id
    with pytest.raises(Conflict, match="new one"):
        demonstrations.submit_demonstration(session, task.id, ada, first_key, "Second thought.")
    session.rollback()
    key = uuid4()
    for _ in range(2):
        stored = demonstrations.submit_demonstration(session, task.id, ada, key, "Second thought.")
        session.commit()
        assert (stored.id, stored.revision, stored.created_at) == (label.id, 2, sent_at)
    assert [row["response"] for row in exported(session, project)] == ["Second thought."]
    assert kept(session) == [(1, "withdrawn"), (1, "restored")]
    steps = history.list_steps(session, label)
    assert [step.what for step in steps] == ["sent", "withdrawn", "sent again"]
    assert steps[2].before is not None
    assert session.scalar(select(func.count()).select_from(Demonstration)) == 1


def test_undo_is_for_the_last_label_only(session: Session, project: Project, ada: User) -> None:
    first, second = write(session, project, ada), write(session, project, ada, "Another.")
    offered = history.find_undoable(session, project.id, ada)
    assert offered is not None
    assert offered.id == second.assignment_id
    with pytest.raises(Conflict, match="sent another"):
        revisions.undo_submission(session, first.assignment_id or 0, ada)


def test_undo_needs_something_sent(session: Session, project: Project, ada: User) -> None:
    task = assignments.claim_task(session, project, ada, "demonstration")
    assert task is not None
    with pytest.raises(Conflict, match="not sent"):
        revisions.undo_submission(session, task.assignment.id, ada)
    assert history.find_undoable(session, project.id, ada) is None


def test_undo_of_a_withdrawn_label_points_to_the_history(session: Session, project: Project, ada: User) -> None:
    label = write(session, project, ada)
    withdraw(session, label, ada)
    assert history.find_undoable(session, project.id, ada) is None
    with pytest.raises(Conflict, match="history"):
        revisions.undo_submission(session, label.assignment_id or 0, ada)


def test_label_taken_back_loses_to_somebody_who_fills_the_slot_but_not_its_text(
    session: Session, make_project: MakeProject, ada: User, make_user: MakeUser
) -> None:
    project = make_project(prompt_count=1)
    label, bo = write(session, project, ada), make_user("bo")
    revisions.undo_submission(session, label.assignment_id or 0, ada)
    assignments.release_task(session, label.assignment_id or 0, ada)
    session.commit()
    write(session, project, bo, "Quicker.")
    with pytest.raises(Overtaken):
        demonstrations.submit_demonstration(session, label.assignment_id or 0, ada, uuid4(), "Slower.")
    session.commit()
    task = session.get_one(Assignment, label.assignment_id)
    assert (task.draft, label.text) == ({"text": "Slower."}, "First thought.")
    with pytest.raises(Conflict, match="Somebody else"):
        restore(session, label, ada)


def test_what_was_taken_back_can_be_restored_as_it_was(session: Session, project: Project, ada: User) -> None:
    label = write(session, project, ada)
    revisions.undo_submission(session, label.assignment_id or 0, ada)
    assignments.skip_task(session, label.assignment_id or 0, ada, "Changed my mind")
    session.commit()
    restore(session, label, ada)
    entry = history.get_entry(session, ada, "demonstration", label.id)
    assert (entry.state, entry.assignment.skipped_at, entry.assignment.draft) == ("sent", None, None)


def test_unsent_edit_is_kept_and_changes_nothing(session: Session, project: Project, ada: User) -> None:
    label = write(session, project, ada)
    locked = revisions.lock_label(session, "demonstration", label.id, ada)
    revisions.save_edit(session, locked, {"text": "Half a"})
    session.commit()
    assert history.get_entry(session, ada, "demonstration", label.id).assignment.draft == {"text": "Half a"}
    assert exported(session, project)[0]["response"] == "First thought."
    demonstrations.edit_demonstration(session, label.id, ada, "Half a loaf.")
    assert history.get_entry(session, ada, "demonstration", label.id).assignment.draft is None


def test_history_is_newest_first_and_pages_by_assignment(
    session: Session, make_project: MakeProject, ada: User, compare: Callable[..., Comparison], make_user: MakeUser
) -> None:
    project = make_project(prompt_count=4)
    compare(project, session.scalars(select(Prompt)).first(), ["one", "two"])
    early = assignments.claim_task(session, project, ada, "demonstration")  # claimed first, sent last
    assert early is not None
    sent = [rank(session, project, ada)]
    label = demonstrations.submit_demonstration(session, early.assignment.id, ada, uuid4(), "Late.")
    session.commit()
    sent += [label, write(session, project, ada), write(session, project, ada)]
    write(session, project, make_user("bo"))
    expected = [(revisions.kind_of(label), label.id) for label in reversed(sent)]
    seen: list[tuple[str, int]] = []
    before = None
    while page := history.list_history(session, ada, project, before=before, limit=2):
        seen += [(entry.kind, entry.label.id) for entry in page]
        before = page[-1].assignment.id
    assert seen == expected
    assert [e.kind for e in history.list_history(session, ada, kind="ranking")] == ["ranking"]
    with pytest.raises(NotFound):
        history.list_history(session, ada, before=999_999)


# ---- races with a freeze: two transactions at once, each way round ----


def waits_for_a_lock(session: Session) -> bool:
    """Whether some backend of this database waits for a lock now."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    found = bool(session.scalar(waiting))
    session.rollback()
    return found


def run_beside(session: Session, work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Start `work` in a thread and return once it waits for a lock."""
    results: list[Any] = []

    def catch() -> None:
        try:
            results.append(work())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=catch)
    thread.start()
    deadline = time.monotonic() + 30
    while not waits_for_a_lock(session):
        assert thread.is_alive() and time.monotonic() < deadline, f"it did not wait: {results}"  # noqa: PT018
        time.sleep(0.02)
    return thread, results


def freeze_beside(project_id: int) -> int:
    with transaction() as own:
        project = own.get_one(Project, project_id)
        return snapshots.freeze_snapshot(own, project, rounds.current_round(own, project_id), "demonstration").id


def check_snapshot(session: Session, project: Project, snapshot_id: int, texts: list[str]) -> None:
    """Rows, count, file, hash and a later export speak of the same labels."""
    session.expire_all()
    snapshot = session.get_one(Snapshot, snapshot_id)
    written = snapshots.snapshot_file(snapshot).read_bytes()
    rows = [json.loads(line) for line in written.splitlines()]
    items = select(func.count()).where(SnapshotItem.snapshot_id == snapshot_id)
    assert [row["response"] for row in rows] == texts
    assert (snapshot.rows, snapshot.counted, session.scalar(items)) == (len(texts), len(texts), len(texts))
    assert hashlib.sha256(written).hexdigest() == snapshot.sha256
    lines = "".join(exports.stream_export(session, project, "demonstrations", snapshot_id=snapshot_id))
    assert lines.encode() == written


@pytest.mark.parametrize(("change", "left"), [("withdraw", ["Stays."]), ("edit", ["Changed.", "Stays."])])
def test_a_freeze_waits_for_a_change_and_takes_what_it_left(
    session: Session, project: Project, ada: User, change: str, left: list[str]
) -> None:
    label = write(session, project, ada)
    write(session, project, ada, "Stays.")
    with transaction() as own:
        user = own.get_one(User, ada.id)
        if change == "withdraw":
            revisions.withdraw_label(own, revisions.lock_label(own, "demonstration", label.id, user), user)
        else:
            demonstrations.edit_demonstration(own, label.id, user, "Changed.")
        thread, results = run_beside(session, lambda: freeze_beside(project.id))
    thread.join(30)
    check_snapshot(session, project, results[0], left)


@pytest.mark.parametrize("change", ["withdraw", "edit", "undo"])
def test_a_change_waits_for_a_freeze_and_is_refused(session: Session, project: Project, ada: User, change: str) -> None:
    label = write(session, project, ada)

    def alter() -> None:
        with transaction() as own:
            user = own.get_one(User, ada.id)
            if change == "withdraw":
                revisions.withdraw_label(own, revisions.lock_label(own, "demonstration", label.id, user), user)
            elif change == "undo":
                revisions.undo_submission(own, label.assignment_id or 0, user)
            else:
                demonstrations.edit_demonstration(own, label.id, user, "Changed.")

    with transaction() as own:
        frozen = snapshots.freeze_snapshot(
            own, own.get_one(Project, project.id), rounds.current_round(own, project.id), "demonstration"
        ).id
        thread, results = run_beside(session, alter)
    thread.join(30)
    assert isinstance(results[0], Conflict)
    assert f"Snapshot {frozen}" in results[0].detail
    check_snapshot(session, project, frozen, ["First thought."])
    assert kept(session) == []
