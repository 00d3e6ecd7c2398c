"""What a labeler has sent: the list of it, one label with all that happened to it, the last one that can be undone.

Reads only; changes are services/revisions.py. Called by the history pages, the labeling pages, the label page, the API.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, exists, func, literal, or_, select, tuple_, union_all
from sqlalchemy.orm import Session, joinedload

from app.errors import NotFound
from app.models import (
    Assignment,
    Comparison,
    Completion,
    Demonstration,
    Project,
    Prompt,
    Ranking,
    Review,
    Revision,
    Snapshot,
    SnapshotItem,
    User,
)
from app.models.columns import Purpose, RevisionKind, SlotKind
from app.rules import revisions as rules
from app.services import measures, members, review_tasks, revisions
from app.services.twins import EDIT, Label, list_pairs
from app.translation import gettext as _

PAGE = 50
UNDO_OFFERED = timedelta(minutes=30)  # later than this, what was sent last is looked up in the history


@dataclass(frozen=True)
class Entry:
    """A label of hers, and what may be done with it. A better response is one: its ranking, and the answer with it."""

    kind: str
    label: Label
    project: Project
    prompt: Prompt
    assignment: Assignment
    snapshot: Snapshot | None  # the one that has frozen it
    review: Review | None = None  # the one that has decided over it
    answer: Demonstration | None = None  # of a better response: what she wrote

    @property
    def in_hand(self) -> bool:
        """Taken back: the task is hers to send again."""
        return self.assignment.submitted_at is None and self.assignment.skipped_at is None

    @property
    def state(self) -> str:
        """frozen, reviewed, taken back, withdrawn, or sent: only then may it be edited."""
        if self.label.withdrawn_at is not None:
            return "taken back" if self.in_hand else "withdrawn"
        if self.snapshot is not None:
            return "frozen"
        return "reviewed" if self.review is not None else "sent"

    @property
    def verdict(self) -> str:
        """What a review made of a ranking: stands, put aside, both, own; empty where there was none."""
        if self.review is None or self.review.outcome is None:
            return ""
        if self.review.outcome in ("both", "own"):
            return self.review.outcome
        right = self.review.first_id if self.review.outcome == "first" else self.review.second_id
        return "stands" if right == self.label.id else "put aside"

    @property
    def order(self) -> str:
        """The order that a ranking states, in the letters under which she knew the responses."""
        if isinstance(self.label, Demonstration):
            return ""
        return rules.order_in_letters(self.label.tiers, rules.letters_of(self.label.order_shown))


@dataclass(frozen=True)
class Step:
    """Something that was done to a label. `before` is what it said until then, where that is not what it says next."""

    at: datetime
    what: str  # sent, edited, withdrawn, restored, sent again
    user: User | None
    number: int  # the revision that it led to
    changes: list[str]
    before: dict[str, Any] | None = None


def list_history(
    session: Session,
    user: User,
    project: Project | None = None,
    kind: str | None = None,
    before: int | None = None,
    limit: int = PAGE,
) -> list[Entry]:
    """What she sent, newest first. `before` is the assignment of the last one on the page before. Raises NotFound.

    A better response counts among the answers.
    """
    after = _place_of(session, user, before) if before is not None else None
    rankings = _page_of("ranking", Ranking, user, project, after, limit, *_of_kind(kind))
    answers = _page_of("demonstration", Demonstration, user, project, after, limit)
    pages = [rankings] if kind == "ranking" else [rankings, answers]
    both = union_all(*(select(page) for page in pages)).subquery()
    order = (both.c.created_at.desc(), both.c.assignment_id.desc())
    rows = session.execute(select(both.c.kind, both.c.id).order_by(*order).limit(limit)).all()
    return _load_entries(session, [(row.kind, row.id) for row in rows])


def list_projects(session: Session, user: User) -> list[Project]:
    """Those among which she looks for a label: where she has sent one, and where she may label."""
    labels = (select(table.project_id).where(table.user_id == user.id) for table in (Ranking, Demonstration))
    labeled = select(Project).where(or_(*(Project.id.in_(of_one) for of_one in labels)))
    hers = {*members.list_open_projects(session, user), *session.scalars(labeled)}
    return sorted(hers, key=lambda project: project.id)


def get_entry(session: Session, user: User, kind: str, label_id: int) -> Entry:
    """One label of hers. Raises NotFound for anybody else's."""
    label = revisions.get_label(session, kind, label_id, user)
    if label.assignment_id is None:
        raise NotFound(revisions.none_of_yours(kind, label_id))
    return _load_entries(session, [(kind, label_id)])[0]


def list_steps(session: Session, label: Label) -> list[Step]:
    """All that was done to a label, the sending first."""
    letters = rules.letters_of(label.order_shown) if isinstance(label, Ranking) else {}
    kept = revisions.list_revisions(session, label)
    sender = session.get(User, label.user_id) if label.user_id else None
    steps = [Step(label.created_at, "sent", sender, 1, [])]
    for place, revision in enumerate(kept):
        following = kept[place + 1] if place + 1 < len(kept) else None
        content = following.content if following else revisions.content_of(label)
        changes = rules.describe_changes(revision.content, content, letters)
        number = following.number if following else label.revision
        what = _what(revision, number)
        before = revision.content if changes else None
        steps.append(Step(revision.created_at, what, revision.user, number, changes, before))
    return steps


def order_of_review(session: Session, entry: Entry) -> str:
    """The order that a reviewer made in place of this ranking, in the letters of its labeler; else empty."""
    if entry.review is None or entry.review.ranking_id is None or isinstance(entry.label, Demonstration):
        return ""
    own = session.get_one(Ranking, entry.review.ranking_id)
    return rules.order_in_letters(own.tiers, rules.letters_of(entry.label.order_shown))


def texts_of(session: Session, ranking: Ranking) -> dict[str, str]:
    """Completion id -> what was ranked, and nothing of who wrote it."""
    found = session.execute(
        select(Completion.id, Completion.text).where(Completion.comparison_id == ranking.comparison_id)
    )
    return {str(completion_id): text for completion_id, text in found}


def find_undoable(session: Session, project_id: int, user: User) -> Assignment | None:
    """What she sent last in a project, if that was just now and it may still be taken back."""
    last = (
        select(Assignment.id)
        .where(
            Assignment.user_id == user.id,
            Assignment.project_id == project_id,
            Assignment.kind != SlotKind.REVIEW,  # services/reviews.py offers these
            Assignment.submitted_at.is_not(None),
        )
        .order_by(Assignment.submitted_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    ranking, demonstration = _takes_back(Ranking), _takes_back(Demonstration)
    recent = Assignment.submitted_at > func.now() - UNDO_OFFERED
    # What only measures is closed with its neighbours, as in services/measures.py.
    closed = exists().where(
        Assignment.purpose.in_(measures.MEASURES),
        Snapshot.project_id == Assignment.project_id,
        Snapshot.kind == "ranking",
        Snapshot.created_at > Assignment.submitted_at,
    )
    return session.scalar(select(Assignment).where(Assignment.id == last, recent, or_(ranking, demonstration), ~closed))


def _what(revision: Revision, number: int) -> str:
    again = revision.kind == RevisionKind.RESTORED and number > revision.number
    return "sent again" if again else revision.kind


def _takes_back(table: type[Demonstration] | type[Ranking]) -> Any:
    item = SnapshotItem.ranking_id if table is Ranking else SnapshotItem.demonstration_id
    return exists().where(
        table.assignment_id == Assignment.id, table.withdrawn_at.is_(None), ~exists().where(item == table.id)
    )


def _of_kind(kind: str | None) -> list[ColumnElement[bool]]:
    """Which rankings a list of one kind shows."""
    if kind is None:
        return []
    return [Ranking.source != EDIT if kind == "ranking" else Ranking.source == EDIT]


def _page_of(
    kind: str,
    table: type[Demonstration] | type[Ranking],
    user: User,
    project: Project | None,
    after: tuple[datetime, int] | None,
    limit: int,
    *conditions: ColumnElement[bool],
) -> Any:
    """One page of one kind; the indexes on user and moment answer it."""
    query = select(literal(kind).label("kind"), table.id, table.created_at, table.assignment_id).where(
        table.user_id == user.id, table.assignment_id.is_not(None), *conditions
    )
    if table is Ranking:
        query = query.where(Ranking.purpose != Purpose.REVIEW)  # the order of a review goes with its decision
    if project is not None:
        query = query.where(table.project_id == project.id)
    if after is not None:
        query = query.where(tuple_(table.created_at, table.assignment_id) < after)
    return query.order_by(table.created_at.desc(), table.assignment_id.desc()).limit(limit).subquery()


def _place_of(session: Session, user: User, assignment_id: int) -> tuple[datetime, int]:
    assignment = session.get(Assignment, assignment_id)
    label = revisions.label_of(session, assignment) if assignment and assignment.user_id == user.id else None
    if label is None:
        raise NotFound(_("There is no label of yours to go on from. Begin with the newest ones."))
    return label.created_at, assignment_id


def _load_entries(session: Session, keys: Sequence[tuple[str, int]]) -> list[Entry]:
    rankings = session.scalars(
        select(Ranking)
        .options(joinedload(Ranking.comparison, innerjoin=True).joinedload(Comparison.prompt, innerjoin=True))
        .where(Ranking.id.in_([label_id for kind, label_id in keys if kind == "ranking"]))
    )
    demonstrations = session.scalars(
        select(Demonstration)
        .options(joinedload(Demonstration.prompt, innerjoin=True))
        .where(Demonstration.id.in_([label_id for kind, label_id in keys if kind == "demonstration"]))
    )
    labels: list[Label] = [*rankings, *demonstrations]
    found = {(revisions.kind_of(label), label.id): label for label in labels}
    assigned = select(Assignment).where(Assignment.id.in_([label.assignment_id for label in labels]))
    assignments = {assignment.id: assignment for assignment in session.scalars(assigned)}
    projects = {p.id: p for p in session.scalars(select(Project).where(Project.id.in_({x.project_id for x in labels})))}
    snapshots, reviewed = revisions.find_snapshots(session, labels), review_tasks.find_decided(session, labels)
    written = _written(session, labels)
    entries = []
    for key in keys:
        label = found[key]
        prompt = label.comparison.prompt if isinstance(label, Ranking) else label.prompt
        assert label.assignment_id is not None, "imports are nobody's history"
        held = assignments[label.assignment_id]
        review = reviewed.get(label.id) if isinstance(label, Ranking) else None
        answer = written.get(label.id) if isinstance(label, Ranking) else None
        project = projects[label.project_id]
        entries.append(Entry(key[0], label, project, prompt, held, snapshots.get(key), review, answer))
    return entries


def _written(session: Session, labels: Sequence[Label]) -> dict[int, Demonstration]:
    """Ranking -> the better response that it puts above its original."""
    pairs = list_pairs(session, [label for label in labels if isinstance(label, Ranking)])
    query = select(Demonstration).where(Demonstration.id.in_([answer_id for answer_id, _ in pairs]))
    answers = {answer.id: answer for answer in session.scalars(query)}
    return {ranking_id: answers[answer_id] for answer_id, ranking_id in pairs}
