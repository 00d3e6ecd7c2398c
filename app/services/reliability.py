"""How far labelers can be relied on: right on gold items, steady with themselves, alike with others.

Everything is computed on reading from labels as they stand, so that a gold item that is corrected or removed sets every
figure right. Called by the labelers' page, a labeler's own page and the API.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session, aliased, joinedload

from app.models import Comparison, GoldItem, LabelSchema, Project, Ranking, Revision, User
from app.rules import agreement as rules
from app.rules import gold_items as gold_rules
from app.rules.agreement import Alpha, Distance, Flags, Pairs
from app.rules.gold_items import Score
from app.rules.label_schemas import flag_keys
from app.services import gold_items
from app.services.history import UNDO_OFFERED

ENOUGH_PAIRS = 20  # fewer tell nothing of a labeler, and are not shown as a share
LATEST_SHARED = 5000  # comparisons with several labels that agreement is computed over
SETTLES = UNDO_OFFERED  # what she may change in the meantime counts as changed; feedback waits for it


@dataclass(frozen=True)
class GoldAnswer:
    """A labeler's answer to a gold item, as it stood when it settled."""

    ranking: Ranking
    item: GoldItem
    content: Mapping[str, Any]
    score: Score
    settled: bool  # it cannot be improved any more, so that what was expected may be told


@dataclass(frozen=True)
class GoldFigures:
    """How labelers did on one gold item."""

    item: GoldItem
    answers: int
    got_it: int
    pairs: Pairs

    @property
    def suspect(self) -> bool:
        return gold_rules.is_suspect(self.answers, self.got_it)


@dataclass
class LabelerFigures:
    """What is known of one labeler in one project."""

    user: User
    labels: int = 0  # standing rankings that were given as labels
    withdrawn: int = 0  # answers to measuring tasks that she took out
    gold_answers: int = 0
    gold: Pairs = field(default_factory=Pairs)
    flags: Flags = field(default_factory=Flags)
    gold_distance: Distance = field(default_factory=Distance)
    repeats: int = 0
    own: Pairs = field(default_factory=Pairs)
    own_distance: Distance = field(default_factory=Distance)
    shared: int = 0  # comparisons that others have ranked too
    others: Pairs = field(default_factory=Pairs)
    others_alpha: float | None = None


@dataclass(frozen=True)
class Reliability:
    labelers: list[LabelerFigures]  # most labels first
    gold_items: list[GoldFigures]  # those to look at first, then newest
    shared: int  # comparisons with several labels
    others: Pairs
    alpha: float | None


def enough(pairs: Pairs) -> bool:
    return pairs.of >= ENOUGH_PAIRS


def project_reliability(session: Session, project: Project) -> Reliability:
    """Everybody who has ranked in the project, and every gold item."""
    people = _labelers(session, project)
    answers = list_gold_answers(session, project.id)
    for answer in answers:
        _add_gold(people[answer.ranking.user_id], answer)
    for first, content, repeat in _repeats(session, project.id):
        _add_repeat(people[repeat.user_id], first, content)
    shared, others, alpha = _add_others(people, shared_signs(session, project.id))
    ordered = sorted(people.values(), key=lambda one: (-one.labels, one.user.name, one.user.id))
    return Reliability(ordered, _item_figures(session, project, answers), shared, others, alpha)


def labeler_reliability(session: Session, project: Project, user: User) -> LabelerFigures:
    """One labeler's own figures."""
    own = LabelerFigures(user)
    for answer in list_gold_answers(session, project.id, user):
        _add_gold(own, answer)
    for first, content, _ in _repeats(session, project.id, user):
        _add_repeat(own, first, content)
    for ranked in shared_signs(session, project.id, user).values():
        for other in ranked.keys() - {user.id}:
            own.others += rules.pairs_of_signs(ranked[user.id], ranked[other])
        own.shared += 1
    return own


def list_gold_answers(session: Session, project_id: int, user: User | None = None) -> list[GoldAnswer]:
    """Standing answers to the gold items that there are, newest first."""
    rows = session.execute(
        select(Ranking, GoldItem)
        .join(GoldItem, GoldItem.comparison_id == Ranking.comparison_id)
        .options(
            joinedload(GoldItem.comparison, innerjoin=True).joinedload(Comparison.prompt, innerjoin=True),
            joinedload(Ranking.user, innerjoin=True),
        )
        .where(*_standing(project_id, "gold", user))
        .order_by(Ranking.id.desc())
    ).all()
    now = datetime.now(UTC)
    said = contents_at(session, [(ranking, ranking.created_at + SETTLES) for ranking, _ in rows])
    asked = _asked(session, project_id)
    answers = []
    for ranking, item in rows:
        score = gold_rules.score_answer(
            tiers=item.tiers,
            ranges=item.ratings,
            flags=item.flags,
            said=said[ranking.id],
            asked=asked.get(ranking.schema_version, ()),
        )
        settled = ranking.created_at + SETTLES <= now
        answers.append(GoldAnswer(ranking, item, said[ranking.id], score, settled))
    return answers


def contents_at(session: Session, wanted: Sequence[tuple[Ranking, datetime]]) -> dict[int, Mapping[str, Any]]:
    """Ranking -> what it said at a moment. A revision keeps what was said until then."""
    moments = {ranking.id: moment for ranking, moment in wanted}
    said: dict[int, Mapping[str, Any]] = {r.id: {"tiers": r.tiers, "ratings": r.ratings} for r, _ in wanted}
    changed = [ranking.id for ranking, _ in wanted if ranking.revision > 1]
    found: set[int] = set()
    for revision in session.scalars(select(Revision).where(Revision.ranking_id.in_(changed)).order_by(Revision.id)):
        ranking_id = revision.ranking_id
        assert ranking_id is not None, "asked for by it"
        if ranking_id not in found and revision.created_at > moments[ranking_id]:
            found.add(ranking_id)
            said[ranking_id] = revision.content
    return said


def shared_signs(
    session: Session, project_id: int, user: User | None = None
) -> dict[int, dict[int, dict[tuple[str, str], int]]]:
    """Comparison -> labeler -> her order of each pair: the latest with several labels, hers among them for a `user`."""
    label = _label(project_id)
    several = select(Ranking.comparison_id).where(*label).group_by(Ranking.comparison_id).having(func.count() > 1)
    if user is not None:
        hers = aliased(Ranking)
        mine = select(hers.comparison_id).where(hers.user_id == user.id, hers.project_id == project_id)
        several = several.where(Ranking.comparison_id.in_(mine)).having(func.bool_or(Ranking.user_id == user.id))
    latest = several.order_by(Ranking.comparison_id.desc()).limit(LATEST_SHARED)
    rows = session.execute(
        select(Ranking.comparison_id, Ranking.user_id, Ranking.tiers).where(*label, Ranking.comparison_id.in_(latest))
    )
    shared: dict[int, dict[int, dict[tuple[str, str], int]]] = {}
    for comparison_id, user_id, tiers in rows:
        shared.setdefault(comparison_id, {})[user_id] = rules.signs(tiers)
    return shared


def _label(project_id: int) -> list[ColumnElement[bool]]:
    return [*_standing(project_id, "label"), Ranking.source == "labeler"]


def _standing(project_id: int, purpose: str, user: User | None = None) -> list[ColumnElement[bool]]:
    conditions = [Ranking.project_id == project_id, Ranking.purpose == purpose, Ranking.withdrawn_at.is_(None)]
    return conditions if user is None else [*conditions, Ranking.user_id == user.id]


def _labelers(session: Session, project: Project) -> dict[int, LabelerFigures]:
    standing = func.count().filter(and_(Ranking.withdrawn_at.is_(None), Ranking.purpose == "label"))
    measured = Ranking.purpose.in_(("gold", "repeat"))
    withdrawn = func.count().filter(and_(Ranking.withdrawn_at.is_not(None), measured))
    counts = (
        select(Ranking.user_id, standing.label("labels"), withdrawn.label("withdrawn"))
        .where(Ranking.project_id == project.id, or_(Ranking.source == "labeler", measured))
        .group_by(Ranking.user_id)
        .subquery()
    )
    rows = session.execute(
        select(User, counts.c.labels, counts.c.withdrawn).join(counts, counts.c.user_id == User.id)
    ).all()
    return {user.id: LabelerFigures(user, labels, withdrawn) for user, labels, withdrawn in rows}


def _repeats(
    session: Session, project_id: int, user: User | None = None
) -> Iterable[tuple[Mapping[str, Any], Mapping[str, Any], Ranking]]:
    """(what she said first, what she said again, the repeat): each as it stood when the repeat was sent and settled."""
    first = aliased(Ranking)
    rows = session.execute(
        select(first, Ranking)
        .join(
            first,
            and_(
                first.comparison_id == Ranking.comparison_id,
                first.user_id == Ranking.user_id,
                first.purpose == "label",
                first.withdrawn_at.is_(None),
            ),
        )
        .where(*_standing(project_id, "repeat", user))
    ).all()
    before = contents_at(session, [(original, repeat.created_at) for original, repeat in rows])
    after = contents_at(session, [(repeat, repeat.created_at + SETTLES) for _, repeat in rows])
    return [(before[original.id], after[repeat.id], repeat) for original, repeat in rows]


def _asked(session: Session, project_id: int) -> dict[int, list[str]]:
    """Version of the label schema -> the flags that it asks about."""
    schemas = session.scalars(select(LabelSchema).where(LabelSchema.project_id == project_id))
    return {schema.version: flag_keys(schema.fields, "response_flags") for schema in schemas}


def _add_gold(own: LabelerFigures, answer: GoldAnswer) -> None:
    own.gold_answers += 1
    own.gold += answer.score.pairs
    own.flags += answer.score.flags
    own.gold_distance += answer.score.distance


def _add_repeat(own: LabelerFigures, first: Mapping[str, Any], again: Mapping[str, Any]) -> None:
    own.repeats += 1
    own.own += rules.pairs_between(first["tiers"], again["tiers"])
    own.own_distance += rules.distance_between(first["ratings"], again["ratings"])


def _add_others(
    people: Mapping[int, LabelerFigures], shared: Mapping[int, Mapping[int, Mapping[tuple[str, str], int]]]
) -> tuple[int, Pairs, float | None]:
    """Agreement of everybody with everybody; what each has of it goes into her figures."""
    alpha, total, squares = Alpha(), Pairs(), dict.fromkeys(people, Distance())
    for ranked in shared.values():
        for user_id in ranked:
            people[user_id].shared += 1
        for pair in next(iter(ranked.values())):
            alpha.add_pair([said[pair] for said in ranked.values() if pair in said])
        for one, other in combinations(ranked, 2):
            pairs = rules.pairs_of_signs(ranked[one], ranked[other])
            apart = rules.square_distance(ranked[one], ranked[other])
            total += pairs
            for user_id in (one, other):
                people[user_id].others += pairs
                squares[user_id] += apart
    for user_id, apart in squares.items():
        if apart.mean is not None and alpha.expected is not None:
            people[user_id].others_alpha = 1 - apart.mean / alpha.expected
    return len(shared), total, alpha.value


def _item_figures(session: Session, project: Project, answers: Sequence[GoldAnswer]) -> list[GoldFigures]:
    of_item: dict[int, list[GoldAnswer]] = {}
    for answer in answers:
        of_item.setdefault(answer.item.id, []).append(answer)
    figures = []
    for item in gold_items.list_gold_items(session, project):
        given = of_item.get(item.id, [])
        got_it = sum(answer.score.got_it for answer in given)
        pairs = sum((answer.score.pairs for answer in given), Pairs())
        figures.append(GoldFigures(item, len(given), got_it, pairs))
    return sorted(figures, key=lambda each: not each.suspect)
