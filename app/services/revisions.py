"""Labels after they were sent: edit, withdraw, restore, take back. Called by history pages, the label page and the API.

A label is in its labeler's hands until a snapshot has frozen it. Every change here locks the label FOR UPDATE and only
then looks for snapshot items, in a statement of its own; a freeze locks what it takes FOR KEY SHARE
(services/snapshots.py). So one of the two waits: a change that waited finds the label frozen and is refused, a freeze
that waited takes the label as the change has left it. Locks are taken in the order assignment, slot, label.

A better response is two labels (services/twins.py): what is said here of a label holds for both of them together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session, joinedload

from app.errors import Conflict, NotFound
from app.models import Assignment, Demonstration, Ranking, Revision, Snapshot, SnapshotItem, User
from app.models.columns import RevisionKind
from app.rules.revisions import same_content
from app.services import assignments, audit, label_slots, measures, review_tasks, slot_holds, twins
from app.services.twins import EDIT, Label
from app.translation import gettext as _
from app.translation import language

L = TypeVar("L", Demonstration, Ranking)


def kind_of(label: Label) -> str:
    return "ranking" if isinstance(label, Ranking) else "demonstration"


def content_of(label: Label) -> dict[str, Any]:
    """What the label says, as a revision keeps it."""
    return {name: getattr(label, name) for name in label.CONTENT}


def as_draft(label: Label) -> dict[str, Any]:
    """What the label says, as the page of its task reads a draft."""
    content = content_of(label)
    said = {name: content[name] for name in content if name not in ("seconds", "presentation")}
    return {**said, "page": {"seconds": label.seconds or 0, "presence": content["presentation"]}}


def get_label(session: Session, kind: str, label_id: int, user: User, *, anybodys: bool = False) -> Label:
    """Her own label, or with `anybodys` one of whoever. Raises NotFound."""
    label: Label | None
    label = session.get(Ranking, label_id) if kind == "ranking" else session.get(Demonstration, label_id)
    if label is None or not (anybodys or label.user_id == user.id):
        raise NotFound(none_of_yours(kind, label_id))
    return label


def none_of_yours(kind: str, label_id: int) -> str:
    sentence = _("There is no ranking %(id)s of yours.")
    if kind != "ranking":
        sentence = _("There is no demonstration %(id)s of yours.")
    return sentence % {"id": label_id}


def lock_label(session: Session, kind: str, label_id: int, user: User, *, anybodys: bool = False) -> Label:
    """The same for a change: the label as it stands now, which nobody else changes or freezes meanwhile."""
    label = get_label(session, kind, label_id, user, anybodys=anybodys)
    review_tasks.refuse_order_of_review(label)
    both = twins.both_of(session, label)
    for each in both:
        if each.assignment_id is not None:
            assignments.lock_assignment(session, each.assignment_id)
    for each in both:
        _lock_row(session, each)
    return label


def label_of(session: Session, assignment: Assignment) -> Label | None:
    """What was sent for a task, withdrawn or not."""
    if assignment.kind == "ranking":
        return session.scalar(select(Ranking).where(Ranking.assignment_id == assignment.id))
    return session.scalar(select(Demonstration).where(Demonstration.assignment_id == assignment.id))


def find_snapshots(session: Session, labels: Iterable[Label]) -> dict[tuple[str, int], Snapshot]:
    """(kind, id) -> the first snapshot that has frozen the label, or its twin; the others are in nobody's way.

    What only measures is closed by the snapshot of its neighbours (services/measures.py).
    """
    labels = list(labels)
    pairs = twins.list_pairs(session, labels)
    ids = {"demonstration": [pair[0] for pair in pairs], "ranking": [pair[1] for pair in pairs]}
    for label in labels:
        ids[kind_of(label)].append(label.id)
    frozen = (
        select(SnapshotItem.demonstration_id, SnapshotItem.ranking_id, Snapshot)
        .join(Snapshot, Snapshot.id == SnapshotItem.snapshot_id)
        .where(
            or_(SnapshotItem.demonstration_id.in_(ids["demonstration"]), SnapshotItem.ranking_id.in_(ids["ranking"]))
        )
        .order_by(Snapshot.id.desc())
    )
    closing = measures.closing_snapshots(session, [label for label in labels if isinstance(label, Ranking)])
    found: dict[tuple[str, int], Snapshot] = {("ranking", ranking_id): shot for ranking_id, shot in closing.items()}
    for demonstration_id, ranking_id, snapshot in session.execute(frozen):
        if ranking_id is not None:
            found["ranking", ranking_id] = snapshot
        elif demonstration_id is not None:
            found["demonstration", demonstration_id] = snapshot
    for one, other in pairs:
        keys = (("demonstration", one), ("ranking", other))
        if held := [found[key] for key in keys if key in found]:
            found |= dict.fromkeys(keys, min(held, key=lambda snapshot: snapshot.id))
    return found


def refuse_frozen(session: Session, label: Label) -> None:
    """Raises Conflict when a snapshot holds the label. The label must be locked, or the answer may be old."""
    if snapshot := find_snapshots(session, [label]).get((kind_of(label), label.id)):
        sentence = _(
            "Snapshot %(id)s has frozen this label on %(day)s: a training has read it. It can no longer be changed."
        )
        raise Conflict(sentence % {"id": snapshot.id, "day": _day(snapshot.created_at)})


def _day(moment: datetime) -> str:
    """21 Nov 2026, with the month in the reader's language."""
    from babel.dates import format_date  # reads much; wanted seldom

    return format_date(moment.astimezone(UTC), "d MMM y", locale=language())


def list_revisions(session: Session, label: Label) -> Sequence[Revision]:
    """Oldest first, each with who did it."""
    column = Revision.ranking_id if isinstance(label, Ranking) else Revision.demonstration_id
    query = select(Revision).options(joinedload(Revision.user, innerjoin=True)).where(column == label.id)
    return session.scalars(query.order_by(Revision.id)).all()


def revise_label(session: Session, label: L, user: User, fresh: L) -> L:
    """Let a locked label say what `fresh` says. The same content again stores nothing. Raises Conflict."""
    refuse_frozen(session, label)
    review_tasks.refuse_reviewed(session, label)
    if label.withdrawn_at is not None:
        raise Conflict(_("This label is withdrawn. Restore it before you edit it."))
    if not same_content(content_of(label), content_of(fresh)):
        _keep(session, label, user, RevisionKind.EDITED)
        _say(label, fresh)
    discard_edit(session, label)
    session.flush()
    return label


def revive_label(session: Session, label: L, user: User, fresh: L) -> L:
    """What she had taken back is sent again: the same row, saying what `fresh` says."""
    _keep(session, label, user, RevisionKind.RESTORED)
    _say(label, fresh)
    label.idempotency_key, label.withdrawn_at = fresh.idempotency_key, None
    return label


def withdraw_label(session: Session, label: Label, user: User) -> Label:
    """Take a locked label out of everything; its slot is free for somebody else. Twice is the same as once."""
    refuse_frozen(session, label)
    for each in twins.both_of(session, label):
        if each.withdrawn_at is None:
            take_out(session, each, user)
            discard_edit(session, each)
            label_slots.leave_slot(session, each)
    session.flush()
    return label


def restore_label(session: Session, label: Label, user: User) -> Label:
    """A locked, withdrawn label counts again, if its slot is still open. Twice is the same as once. Raises Conflict."""
    if label.withdrawn_at is None:
        return label
    if user.id == label.user_id and _withdrawn_by(session, label) != user.id:
        raise Conflict(_("An admin has withdrawn this label, so only an admin can restore it."))
    for each in twins.both_of(session, label):
        if each.withdrawn_at is not None:
            _put_back(session, each, user)
    return label


def undo_submission(session: Session, assignment_id: int, user: User) -> Assignment:
    """Her last label in a project is a task in her hands again; its draft is what she had sent. Raises Conflict.

    An edit was nobody's task: undo withdraws it, and it can be restored.
    """
    assignment = assignments.lock_for_submission(session, assignment_id, user)
    label = label_of(session, assignment)
    if label is None:
        raise Conflict(_("You have not sent this task, so there is nothing to take back."))
    for each in twins.both_of(session, label):
        _lock_row(session, each)
    in_hand = assignment.submitted_at is None and assignment.skipped_at is None
    if in_hand or (label.source == EDIT and label.withdrawn_at is not None):
        return assignment  # taken back already
    refuse_frozen(session, label)
    review_tasks.refuse_reviewed(session, label)
    if label.withdrawn_at is not None:
        raise Conflict(_("You have withdrawn this label. You can restore it in your history."))
    if session.scalar(select(_sent_after(assignment))):
        raise Conflict(_("You have sent another label since. You can edit this one in your history."))
    if label.source == EDIT:
        withdraw_label(session, label, user)
        return assignment
    now = assignments.database_now(session)
    take_out(session, label, user)
    assignment.draft, assignment.draft_saved_at = as_draft(label), now
    slot_holds.reopen(session, assignment, user, now)
    session.flush()
    return assignment


def save_edit(session: Session, label: Label, draft: Any) -> datetime:
    """Keep an edit that is not sent yet, where the task's draft was. Raises Conflict for a frozen label."""
    refuse_frozen(session, label)
    review_tasks.refuse_reviewed(session, label)
    if label.assignment_id is None or label.withdrawn_at is not None:
        raise Conflict(_("This label is withdrawn. Restore it before you edit it."))
    assignment, now = label_slots.assignment_of(session, label), assignments.database_now(session)
    assignment.draft, assignment.draft_saved_at = draft, now
    session.flush()
    return now


def discard_edit(session: Session, label: Label) -> None:
    if label.assignment_id is not None:
        assignment = label_slots.assignment_of(session, label)
        if assignment.draft is not None:  # the moment tells a browser that what it still has is older
            assignment.draft, assignment.draft_saved_at = None, assignments.database_now(session)


def _lock_row(session: Session, label: Label) -> None:
    """Lock the label and read it anew. (`Session.refresh` would lock what was once joined to it as well.)"""
    table = Ranking if isinstance(label, Ranking) else Demonstration
    query = select(table).where(table.id == label.id).with_for_update()
    session.scalars(query.execution_options(populate_existing=True)).one()


def _keep(session: Session, label: Label, user: User, kind: RevisionKind) -> None:
    column = "ranking_id" if isinstance(label, Ranking) else "demonstration_id"
    kept = {column: label.id, "number": label.revision, "content": content_of(label)}
    session.add(Revision(**kept, kind=kind, user_id=user.id))


def _say(label: L, fresh: L) -> None:
    for name in label.CONTENT:
        setattr(label, name, getattr(fresh, name))
    label.revision += 1


def take_out(session: Session, label: Label, user: User) -> None:
    """A locked label counts no more, whatever becomes of its slot; what it said is kept as a revision."""
    _keep(session, label, user, RevisionKind.WITHDRAWN)
    label.withdrawn_at = assignments.database_now(session)
    review_tasks.call_off(session, label)
    _note(session, label, user, "withdraw")


def _put_back(session: Session, label: Label, user: User) -> None:
    """A locked label counts again."""
    label_slots.fill_slot(session, label)
    _keep(session, label, user, RevisionKind.RESTORED)
    label.withdrawn_at = None
    _note(session, label, user, "restore")
    session.flush()
    if isinstance(label, Ranking):
        review_tasks.note_label(session, label)


def _note(session: Session, label: Label, user: User, what: str) -> None:
    """Her own doings stand in the revisions; what is done to somebody's label is for the audit log as well."""
    if user.id != label.user_id:
        audit.record(session, user, f"label.{what}", f"{kind_of(label)}:{label.id}", labeler=label.user_id)


def _sent_after(assignment: Assignment) -> Any:
    return exists().where(
        Assignment.user_id == assignment.user_id,
        Assignment.project_id == assignment.project_id,
        Assignment.submitted_at > assignment.submitted_at,
    )


def _withdrawn_by(session: Session, label: Label) -> int | None:
    withdrawals = [r.user_id for r in list_revisions(session, label) if r.kind == RevisionKind.WITHDRAWN]
    return withdrawals[-1] if withdrawals else None
