"""Reviews: when one is made, who gets it, what a decision does to the labels, and how it is taken back."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.errors import Conflict, Invalid, NotFound, Overtaken
from app.models import Assignment, Comparison, Project, Prompt, Ranking, Review, Slot, User
from app.rules import reviews as rules
from app.services import adjudication, assignments, exports, rankings, reviews, revisions, rounds, snapshots
from app.services.rankings import RankingDraft
from app.services.reviews import Decision

MakeUser = Callable[..., User]
WHY = "The first one answers the question."


class Scene:
    """A project in which two labelers have ranked the same three responses, each in her own order."""

    def __init__(self, session: Session, make_project: Callable[..., Project], make_user: MakeUser, compare: Callable[..., Comparison], **settings: object) -> None:  # fmt: skip  # noqa: E501
        self.session = session
        self.project = make_project(overlap=2, asks_ratings=False, **settings)
        prompt = session.scalars(select(Prompt)).first()
        self.comparison = compare(self.project, prompt, ["Marta.", "The miller.", "Who asks?"])
        self.ids = [str(completion.id) for completion in self._completions()]
        self.ada, self.ben = make_user("ada"), make_user("ben")
        self.rosa = make_user("rosa", "researcher")

    def _completions(self) -> list:  # type: ignore[type-arg]
        self.session.refresh(self.comparison, ["completions"])
        return list(self.comparison.completions)

    def rank(self, user: User, *order: int) -> Ranking:
        assignment = assignments.claim_assignment(self.session, self.project, user, "ranking")
        assert assignment is not None
        draft = RankingDraft([[self.ids[index]] for index in order])
        ranking = rankings.submit_ranking(self.session, assignment.id, user, uuid4(), draft)
        self.session.commit()
        return ranking

    def review(self) -> Review | None:
        return self.session.scalars(select(Review).where(Review.cancelled_at.is_(None))).one_or_none()

    def training(self) -> set[int]:
        return set(self.session.scalars(select(Ranking.id).where(*exports.which_train(Ranking))))


@pytest.fixture
def scene(
    session: Session,
    make_project: Callable[..., Project],
    make_user: MakeUser,
    compare: Callable[..., Comparison],
) -> Callable[..., Scene]:
    return lambda **settings: Scene(session, make_project, make_user, compare, **settings)


@pytest.fixture
def disputed(scene: Callable[..., Scene]) -> Scene:
    """Two labels that say the opposite, and their review waiting."""
    made = scene(review_above=0.3)
    made.first, made.second = made.rank(made.ada, 0, 1, 2), made.rank(made.ben, 2, 1, 0)  # type: ignore[attr-defined]
    return made


def claim(scene: Scene, user: User) -> Review:
    review = reviews.claim_review(scene.session, scene.project, user)
    assert review is not None
    scene.session.commit()
    return review


def decide(scene: Scene, outcome: str, user: User | None = None, order: RankingDraft | None = None) -> Review:
    reviewer = user or scene.rosa
    review = claim(scene, reviewer)
    choice = rules.choice_of(outcome, reviews.load_review(scene.session, review.id, reviewer).swapped)
    reviews.decide_review(scene.session, review.id, reviewer, uuid4(), Decision(choice, WHY, order))
    scene.session.commit()
    return review


def own_order(scene: Scene, *order: int, comment: str | None = WHY) -> RankingDraft:
    return RankingDraft([[scene.ids[index]] for index in order], comment=comment)


def test_two_labels_that_disagree_too_much_get_a_review(scene: Callable[..., Scene]) -> None:
    village = scene(review_above=0.5)
    village.rank(village.ada, 0, 1, 2)
    assert village.review() is None
    village.rank(village.ben, 2, 1, 0)
    review = village.review()
    assert review is not None
    assert (review.cause, review.disagreement) == ("disagreement", 1.0)
    slot = village.session.get_one(Slot, review.slot_id)
    assert (slot.kind, slot.purpose, slot.ordinal) == ("review", "review", 3)


def test_labels_within_the_limit_get_none_and_a_project_without_review_none(scene: Callable[..., Scene]) -> None:
    village = scene(review_above=0.5)
    village.rank(village.ada, 0, 1, 2)
    village.rank(village.ben, 1, 0, 2)
    assert village.review() is None


def test_a_drawn_task_is_reviewed_although_the_labels_agree(scene: Callable[..., Scene]) -> None:
    village = scene(review_rate=1.0)
    village.rank(village.ada, 0, 1, 2)
    village.rank(village.ben, 0, 1, 2)
    review = village.review()
    assert review is not None
    assert (review.cause, review.disagreement) == ("sample", 0.0)


def test_labels_of_held_out_labelers_are_not_reviewed(scene: Callable[..., Scene]) -> None:
    village = scene(review_above=0.0)
    village.ben.labeler_group = "held_out"
    village.rank(village.ada, 0, 1, 2)
    village.rank(village.ben, 2, 1, 0)
    assert village.review() is None


def test_an_edit_that_makes_labels_disagree_makes_a_review(scene: Callable[..., Scene]) -> None:
    village = scene(review_above=0.5)
    village.rank(village.ada, 0, 1, 2)
    label = village.rank(village.ben, 0, 1, 2)
    assert village.review() is None
    rankings.edit_ranking(village.session, label.id, village.ben, own_order(village, 2, 1, 0))
    assert village.review() is not None


def test_a_review_is_never_handed_out_as_a_ranking(disputed: Scene, make_user: MakeUser) -> None:
    nobody = assignments.claim_assignment(disputed.session, disputed.project, make_user("cleo"), "ranking")
    assert nobody is None


def test_only_researchers_admins_and_adjudicators_review(disputed: Scene, make_user: MakeUser) -> None:
    cleo = make_user("cleo")
    with pytest.raises(NotFound):
        reviews.claim_review(disputed.session, disputed.project, cleo)
    adjudication.add_adjudicator(disputed.session, disputed.project, cleo.id, disputed.rosa)
    assert claim(disputed, cleo).id
    adjudication.remove_adjudicator(disputed.session, disputed.project, cleo.id, disputed.rosa)
    with pytest.raises(NotFound):
        reviews.claim_review(disputed.session, disputed.project, cleo)


def test_nobody_reviews_labels_of_her_own(disputed: Scene) -> None:
    adjudication.add_adjudicator(disputed.session, disputed.project, disputed.ada.id, disputed.rosa)
    assert reviews.claim_review(disputed.session, disputed.project, disputed.ada) is None
    assert reviews.count_waiting(disputed.session, disputed.project, disputed.ada) == 0
    assert reviews.count_waiting(disputed.session, disputed.project, disputed.rosa) == 1


def test_a_reviewer_is_not_asked_to_rank_what_she_reviewed(disputed: Scene) -> None:
    session = disputed.session
    decide(disputed, "both")
    session.add(Slot(project_id=disputed.project.id, kind="ranking", ordinal=9, prompt_id=disputed.comparison.prompt_id, comparison_id=disputed.comparison.id))  # fmt: skip  # noqa: E501
    session.commit()
    assert assignments.claim_assignment(session, disputed.project, disputed.rosa, "ranking") is None


def test_one_review_is_held_by_one_person_and_comes_back_when_her_hold_ends(
    disputed: Scene, make_user: MakeUser
) -> None:
    session, other = disputed.session, make_user("ruth", "researcher")
    review = claim(disputed, disputed.rosa)
    assert claim(disputed, disputed.rosa).id == review.id
    assert session.scalar(select(func.count()).select_from(Assignment).where(Assignment.kind == "review")) == 1
    assert reviews.claim_review(session, disputed.project, other) is None
    session.execute(update(Slot).where(Slot.id == review.slot_id).values(leased_until=func.now()))
    assert claim(disputed, other).id == review.id
    with pytest.raises(Overtaken):
        reviews.decide_review(session, review.id, disputed.rosa, uuid4(), Decision("both", WHY))
    held = reviews.load_review(session, review.id, disputed.rosa).task.assignment
    assert held.draft == {"choice": "both", "comment": WHY}


def test_a_skipped_review_goes_to_somebody_else(disputed: Scene, make_user: MakeUser) -> None:
    review = claim(disputed, disputed.rosa)
    task = reviews.load_review(disputed.session, review.id, disputed.rosa).task
    assignments.skip_task(disputed.session, task.assignment.id, disputed.rosa, "knowledge")
    assert reviews.claim_review(disputed.session, disputed.project, disputed.rosa) is None
    assert claim(disputed, make_user("ruth", "researcher")).id == review.id


@pytest.mark.parametrize(("outcome", "left"), [("first", "first"), ("second", "second")])
def test_the_label_that_is_put_aside_stands_and_does_not_train(disputed: Scene, outcome: str, left: str) -> None:
    review = decide(disputed, outcome)
    labels = {"first": disputed.first, "second": disputed.second}  # type: ignore[attr-defined]
    assert disputed.training() == {labels[left].id}
    lost = labels["second" if left == "first" else "first"]
    assert lost.superseded_at is not None
    assert lost.withdrawn_at is None
    assert lost.revision == 1
    assert (review.outcome, review.comment, review.decided_by_id) == (outcome, WHY, disputed.rosa.id)


def test_both_acceptable_leaves_both(disputed: Scene) -> None:
    decide(disputed, "both")
    assert disputed.training() == {disputed.first.id, disputed.second.id}  # type: ignore[attr-defined]


def test_the_order_of_the_reviewer_trains_in_place_of_both(disputed: Scene) -> None:
    review = decide(disputed, "own", order=own_order(disputed, 1, 0, 2))
    assert disputed.training() == {review.ranking_id}
    own = disputed.session.get_one(Ranking, review.ranking_id)
    assert (own.purpose, own.user_id, own.round_id) == ("review", disputed.rosa.id, disputed.comparison.round_id)
    (row,) = exports.ranking_rows(disputed.session, disputed.project)
    assert (row["id"], row["purpose"], row["comment"]) == (own.id, "review", WHY)


def test_thresholds_and_snapshots_take_what_the_review_left(disputed: Scene) -> None:
    session, project = disputed.session, disputed.project
    before = rounds.current_round(session, project.id)
    assert before is not None
    assert rounds.gather_facts(session, project, before).new_rankings == 2
    assert rounds.gather_facts(session, project, before).ranking_slots == 2
    decide(disputed, "own", order=own_order(disputed, 1, 0, 2))
    assert rounds.gather_facts(session, project, before).new_rankings == 1
    snapshot = snapshots.freeze_snapshot(session, project, before, "ranking")
    assert (snapshot.rows, snapshot.counted) == (1, 1)


def test_labels_of_an_earlier_snapshot_stay_what_they_were(disputed: Scene) -> None:
    session, project = disputed.session, disputed.project
    snapshot = snapshots.freeze_snapshot(session, project, rounds.current_round(session, project.id), "ranking")
    frozen = list(exports.stream_export(session, project, "comparisons", snapshot_id=snapshot.id))
    assert len(frozen) == 2
    decide(disputed, "own", order=own_order(disputed, 1, 0, 2))
    session.expire_all()
    assert list(exports.stream_export(session, project, "comparisons", snapshot_id=snapshot.id)) == frozen


def test_a_decision_is_stored_once_for_a_key(disputed: Scene) -> None:
    review, key = claim(disputed, disputed.rosa), uuid4()
    for _ in range(3):
        decision = Decision("own", WHY, own_order(disputed, 1, 0, 2))
        reviews.decide_review(disputed.session, review.id, disputed.rosa, key, decision)
        disputed.session.commit()
    with pytest.raises(Conflict, match="submitted already"):
        reviews.decide_review(disputed.session, review.id, disputed.rosa, uuid4(), Decision("both", WHY))
    assert disputed.session.scalar(select(func.count()).select_from(Ranking)) == 3


def test_a_decision_needs_a_reason_and_an_own_order_all_of_the_responses(disputed: Scene) -> None:
    review = claim(disputed, disputed.rosa)
    for decision, words in (
        (Decision("x", " "), "Say why"),
        (Decision("own", WHY), "own order"),
        (Decision("own", WHY, own_order(disputed, 1, 0)), "Not ranked yet"),
        (Decision("neither", WHY), "Choose"),
    ):
        with pytest.raises(Invalid, match=words):
            reviews.decide_review(disputed.session, review.id, disputed.rosa, uuid4(), decision)
        disputed.session.rollback()
    assert disputed.training() == {disputed.first.id, disputed.second.id}  # type: ignore[attr-defined]


def test_a_label_that_changed_since_she_looked_is_looked_at_again(disputed: Scene) -> None:
    review = claim(disputed, disputed.rosa)
    rankings.edit_ranking(disputed.session, disputed.second.id, disputed.ben, own_order(disputed, 2, 0, 1))  # type: ignore[attr-defined]
    disputed.session.commit()
    with pytest.raises(Conflict, match="changed meanwhile"):
        reviews.decide_review(disputed.session, review.id, disputed.rosa, uuid4(), Decision("both", WHY, seen=(1, 1)))


def test_withdrawing_a_label_calls_its_review_off(disputed: Scene) -> None:
    session, review = disputed.session, claim(disputed, disputed.rosa)
    label = revisions.lock_label(session, "ranking", disputed.first.id, disputed.ada)  # type: ignore[attr-defined]
    revisions.withdraw_label(session, label, disputed.ada)
    session.commit()
    with pytest.raises(Conflict, match="withdrawn meanwhile"):
        reviews.decide_review(session, review.id, disputed.rosa, uuid4(), Decision("both", WHY))
    session.rollback()
    assert disputed.review() is None
    revisions.restore_label(session, revisions.lock_label(session, "ranking", label.id, disputed.ada), disputed.ada)
    assert disputed.review() is not None


def test_a_reviewed_label_can_be_withdrawn_but_no_longer_edited(disputed: Scene) -> None:
    session = disputed.session
    decide(disputed, "first")
    with pytest.raises(Conflict, match="has been reviewed"):
        rankings.edit_ranking(session, disputed.first.id, disputed.ada, own_order(disputed, 1, 0, 2))  # type: ignore[attr-defined]
    session.rollback()
    label = revisions.lock_label(session, "ranking", disputed.first.id, disputed.ada)  # type: ignore[attr-defined]
    revisions.withdraw_label(session, label, disputed.ada)
    assert disputed.training() == set()


def test_the_order_of_a_reviewer_goes_only_with_her_decision(disputed: Scene) -> None:
    review = decide(disputed, "own", order=own_order(disputed, 1, 0, 2))
    with pytest.raises(Conflict, match="belongs to a review"):
        revisions.lock_label(disputed.session, "ranking", review.ranking_id or 0, disputed.rosa)


def test_a_decision_is_taken_back_whole(disputed: Scene) -> None:
    session = disputed.session
    review = decide(disputed, "own", order=own_order(disputed, 1, 0, 2))
    own_id = review.ranking_id
    reviews.undo_review(session, review.id, disputed.rosa)
    session.commit()
    assert disputed.training() == {disputed.first.id, disputed.second.id}  # type: ignore[attr-defined]
    assert (review.outcome, review.ranking_id, review.decided_at) == (None, None, None)
    draft = reviews.load_review(session, review.id, disputed.rosa).task.assignment.draft
    assert (draft["choice"], draft["comment"], draft["tiers"][0]) == ("own", WHY, [disputed.ids[1]])
    assert claim(disputed, disputed.rosa).id == review.id
    reviews.decide_review(
        session, review.id, disputed.rosa, uuid4(), Decision("own", WHY, own_order(disputed, 0, 1, 2))
    )
    assert review.ranking_id == own_id
    assert session.get_one(Ranking, own_id).revision == 2


def test_a_decision_that_a_training_has_read_stays(disputed: Scene) -> None:
    session, project = disputed.session, disputed.project
    review = decide(disputed, "first")
    snapshots.freeze_snapshot(session, project, rounds.current_round(session, project.id), "ranking")
    session.commit()
    assert reviews.find_undoable(session, project.id, disputed.rosa) is None
    with pytest.raises(Conflict, match="Snapshot"):
        reviews.undo_review(session, review.id, disputed.rosa)


def test_the_two_labels_come_in_an_order_drawn_for_the_reviewer(disputed: Scene, make_user: MakeUser) -> None:
    session, seen = disputed.session, set()
    review = claim(disputed, disputed.rosa)
    for number in range(12):
        reader = make_user(f"r{number}", "researcher")
        session.add(Assignment(project_id=disputed.project.id, slot_id=review.slot_id, user_id=reader.id, kind="review", purpose="review", prompt_id=disputed.comparison.prompt_id, comparison_id=disputed.comparison.id, order_shown=disputed.ids, guideline_version=1, expires_at=func.now()))  # fmt: skip  # noqa: E501
        session.flush()
        task = reviews.load_review(session, review.id, reader)
        assert reviews.load_review(session, review.id, reader).x.id == task.x.id
        seen.add(task.x.id)
    assert seen == {disputed.first.id, disputed.second.id}  # type: ignore[attr-defined]


def test_a_newer_round_closes_rankings_and_leaves_reviews_open(disputed: Scene) -> None:
    rounds.close_old_slots(disputed.session, disputed.project.id, 999)
    assert reviews.count_waiting(disputed.session, disputed.project, disputed.rosa) == 1


def test_agreement_and_outcomes_are_counted(disputed: Scene) -> None:
    (week,) = adjudication.agreement_by_week(disputed.session, disputed.project)
    assert (week.pairs, week.agreement) == (1, 0.0)
    assert adjudication.count_reviews(disputed.session, disputed.project).waiting == 1
    decide(disputed, "both")
    counts = adjudication.count_reviews(disputed.session, disputed.project)
    assert (counts.waiting, counts.done, counts.outcomes["both"]) == (0, 1, 1)
    (done,) = adjudication.list_reviews(disputed.session, disputed.project, done=True)
    assert {done.first.user.username, done.second.user.username} == {"ada", "ben"}
    assert adjudication.list_reviews(disputed.session, disputed.project, done=False) == []
