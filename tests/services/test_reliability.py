"""What is said of labelers: right on gold items, steady, alike with others, and their own page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.models import Comparison, Project, Prompt, Ranking, Slot, User
from app.rules.agreement import Distance, Flags, Pairs
from app.services import assignments, demonstrations, gold_items, projects, rankings, reliability, revisions, work
from app.services.gold_items import GoldDraft
from app.services.rankings import RankingDraft
from app.services.reliability import SETTLES

MakeUser = Callable[..., User]


@pytest.fixture
def project(session: Session, make_project: Callable[..., Project], compare: Callable[..., Comparison]) -> Project:
    project = make_project(prompt_count=12, overlap=3)
    for prompt in session.scalars(select(Prompt).order_by(Prompt.id)).all():
        compare(project, prompt, ["one", "two", "three", "four"])
    return project


@pytest.fixture
def people(make_user: MakeUser) -> list[User]:
    return [make_user(name) for name in ("ada", "bo", "cy")]


@pytest.fixture
def rosa(make_user: MakeUser) -> User:
    return make_user("rosa", "researcher")


def keys_of(session: Session, comparison_id: int) -> list[str]:
    completions = gold_items.get_comparison(session, comparison_id).completions
    return [str(each.id) for each in sorted(completions, key=lambda completion: completion.sample_index)]


def mark(session: Session, comparison: Comparison, rosa: User, **said: object) -> list[str]:
    """One, two, three, four is right."""
    keys = keys_of(session, comparison.id)
    full = gold_items.get_comparison(session, comparison.id)
    gold_items.set_gold_item(session, full, rosa, GoldDraft([[key] for key in keys], **said))  # type: ignore[arg-type]
    session.commit()
    return keys


def give(session: Session, comparison: Comparison, user: User, purpose: str = "label") -> None:
    """The next task that she claims."""
    session.add(
        Slot(
            project_id=comparison.project_id, kind="ranking", prompt_id=comparison.prompt_id, purpose=purpose,
            comparison_id=comparison.id, ordinal=100 + session.scalar(select(func.count()).select_from(Slot)),
            reserved_for_id=user.id, priority=9,
        )
    )  # fmt: skip
    session.flush()


def rank(session: Session, project: Project, user: User, order: str, ratings: str = "", flags: str = "") -> Ranking:
    """`order` names the responses 1 to 4 best first, with = for ties; `ratings` and `flags` (x) in the order 1 to 4."""
    held = assignments.claim_assignment(session, project, user, "ranking")
    assert held is not None
    keys = keys_of(session, held.comparison_id or 0)
    tiers = [[keys[int(number) - 1] for number in tier.split("=")] for tier in order.split()]
    rated = {
        key: {
            "overall": int((ratings or "4444")[at]),
            "flags": ["hallucination"] if (flags or "----")[at] == "x" else [],
        }
        for at, key in enumerate(keys)
    }
    label = rankings.submit_ranking(session, held.id, user, uuid4(), RankingDraft(tiers, rated), 10)
    session.commit()
    return label


def comparisons(session: Session) -> list[Comparison]:
    return list(session.scalars(select(Comparison).order_by(Comparison.id)))


def age(session: Session, **ago: float) -> None:
    """All of it happened longer ago."""
    session.execute(update(Ranking).values(created_at=Ranking.created_at - timedelta(**ago)))
    session.commit()
    session.expire_all()


def figures(session: Session, project: Project) -> dict[str, reliability.LabelerFigures]:
    return {one.user.username: one for one in reliability.project_reliability(session, project).labelers}


def test_answers_to_gold_items_are_scored(session: Session, project: Project, people: list[User], rosa: User) -> None:
    first = comparisons(session)[0]
    keys = keys_of(session, first.id)
    flags = {keys[1]: {"must": ["hallucination"], "must_not": []}, keys[0]: {"must": [], "must_not": ["hallucination"]}}
    mark(session, first, rosa, ratings={keys[0]: [6, 7], keys[3]: [1, 2]}, flags=flags)
    for user, answer in zip(
        people, (("1 2 3 4", "7543", "-x--"), ("2 1 3=4", "4444", "x---"), ("4 3 2 1",)), strict=True
    ):
        give(session, first, user, "gold")
        rank(session, project, user, *answer)
    found = figures(session, project)
    ada, bo, cy = (found[name] for name in ("ada", "bo", "cy"))
    assert (ada.gold, ada.flags, ada.gold_distance) == (Pairs(6, 6), Flags(1, 0, 0), Distance(1, 2))
    assert (bo.gold, bo.flags, bo.gold_distance) == (Pairs(4.5, 6), Flags(0, 1, 1), Distance(4, 2))
    assert (cy.gold, cy.gold_answers, cy.labels) == (Pairs(0, 6), 1, 0)
    (item,) = reliability.project_reliability(session, project).gold_items
    assert (item.answers, item.got_it, item.pairs, item.suspect) == (3, 2, Pairs(10.5, 18), False)


def test_an_item_that_most_people_miss_stands_first_and_is_pointed_out(
    session: Session, project: Project, people: list[User], rosa: User
) -> None:
    wrong, right = comparisons(session)[:2]
    mark(session, wrong, rosa)
    mark(session, right, rosa)
    for user in people:
        give(session, wrong, user, "gold")
        rank(session, project, user, "4 3 2 1")
    found = reliability.project_reliability(session, project).gold_items
    assert [(one.item.comparison_id, one.suspect) for one in found] == [(wrong.id, True), (right.id, False)]


def test_a_corrected_gold_item_corrects_every_figure_and_a_removed_one_ends_them(
    session: Session, project: Project, people: list[User], rosa: User
) -> None:
    first = comparisons(session)[0]
    keys = mark(session, first, rosa)
    give(session, first, people[0], "gold")
    rank(session, project, people[0], "4 3 2 1")
    full = gold_items.get_comparison(session, first.id)
    item, _ = gold_items.set_gold_item(session, full, rosa, GoldDraft([[key] for key in keys[::-1]]))
    assert figures(session, project)["ada"].gold == Pairs(6, 6)
    gold_items.remove_gold_item(session, item, rosa)
    assert figures(session, project)["ada"].gold == Pairs(0, 0)


def test_what_she_changes_at_once_counts_and_what_she_changes_later_does_not(
    session: Session, project: Project, people: list[User], rosa: User
) -> None:
    first, second = comparisons(session)[:2]
    ada = people[0]
    for comparison in (first, second):
        mark(session, comparison, rosa)
    give(session, first, ada, "gold")
    at_once = rank(session, project, ada, "4 3 2 1")
    rankings.edit_ranking(session, at_once.id, ada, RankingDraft(at_once.tiers[::-1], at_once.ratings))
    session.commit()
    give(session, second, ada, "gold")
    later = rank(session, project, ada, "4 3 2 1")
    later.created_at -= SETTLES + timedelta(minutes=1)
    session.flush()
    rankings.edit_ranking(session, later.id, ada, RankingDraft(later.tiers[::-1], later.ratings))
    session.commit()
    answers = {each.ranking.id: each for each in reliability.list_gold_answers(session, project.id, ada)}
    assert (answers[at_once.id].score.pairs.alike, answers[at_once.id].settled) == (6, False)
    assert (answers[later.id].score.pairs.alike, answers[later.id].settled) == (0, True)


def test_a_withdrawn_answer_counts_for_nothing_but_is_told(
    session: Session, project: Project, people: list[User], rosa: User
) -> None:
    first = comparisons(session)[0]
    mark(session, first, rosa)
    give(session, first, people[0], "gold")
    label = rank(session, project, people[0], "1 2 3 4")
    revisions.withdraw_label(session, revisions.lock_label(session, "ranking", label.id, people[0]), people[0])
    session.commit()
    ada = figures(session, project)["ada"]
    assert (ada.gold, ada.gold_answers, ada.withdrawn) == (Pairs(), 0, 1)


def test_a_repeat_is_compared_with_what_she_said_first(session: Session, project: Project, people: list[User]) -> None:
    first, ada = comparisons(session)[0], people[0]
    give(session, first, ada)
    original = rank(session, project, ada, "1 2 3=4", "7522")
    give(session, first, ada, "repeat")
    rank(session, project, ada, "1 3 2=4", "7342")
    rankings.edit_ranking(session, original.id, ada, RankingDraft([original.order_shown], original.ratings))
    session.commit()  # afterwards, so that it changes nothing
    found = figures(session, project)["ada"]
    # 1 before all: three alike; 2 and 3 opposed; 2 before 4, then tied; 3 and 4 tied, then ordered
    assert (found.repeats, found.own, found.own_distance) == (1, Pairs(4, 6), Distance(4, 4))
    assert found.labels == 1


def test_labelers_are_compared_on_the_tasks_that_they_share(
    session: Session, project: Project, people: list[User]
) -> None:
    ada, bo, cy = people
    for order in ("1 2 3 4", "4 3 2 1", "1=2 3 4"):
        rank(session, project, ada, order)
    for order in ("1 2 3 4", "4 3 1 2"):
        rank(session, project, bo, order)
    rank(session, project, cy, "4 3 2 1")
    found = reliability.project_reliability(session, project)
    by_name = {one.user.username: one for one in found.labelers}
    assert found.shared == 2
    assert by_name["ada"].others == Pairs(6 + 0 + 5, 18)
    assert by_name["cy"].others == Pairs(0, 12)
    assert found.others == Pairs(6 + 0 + 0 + 5, 24)
    assert (by_name["ada"].shared, by_name["cy"].shared, by_name["ada"].labels) == (2, 1, 3)
    alphas = [by_name[name].others_alpha for name in ("cy", "ada", "bo")]
    assert all(each is not None for each in alphas)
    assert alphas == sorted(alphas, key=lambda each: each or 0)  # cy is against both
    own = reliability.labeler_reliability(session, project, ada)
    assert (own.others, own.shared) == (by_name["ada"].others, 2)
    assert [one.user.username for one in found.labelers] == ["ada", "bo", "cy"]


def test_another_project_tells_nothing_of_this_one(
    session: Session, project: Project, people: list[User], make_project: Callable[..., Project]
) -> None:
    rank(session, project, people[0], "1 2 3 4")
    rank(session, project, people[1], "1 2 3 4")
    other = make_project(slug="other", prompt_count=1)
    found = reliability.project_reliability(session, other)
    assert (found.labelers, found.shared, found.alpha) == ([], 0, None)


def test_own_work_counts_days_times_and_skips(session: Session, project: Project, people: list[User]) -> None:
    ada, now = people[0], datetime(2026, 11, 18, 0, 30, tzinfo=UTC)  # a Wednesday; still Tuesday in New York
    for hours in (1, 30, 60, 400):
        label = rank(session, project, ada, "1 2 3 4")
        label.created_at, label.seconds = now - timedelta(hours=hours), 60
    task = assignments.claim_assignment(session, project, ada, "demonstration")
    assert task is not None
    answer = demonstrations.submit_demonstration(session, task.id, ada, uuid4(), "An answer.", 5)
    answer.created_at, answer.seconds = now - timedelta(minutes=10), 30
    for reason in ("Unclear", "Unclear", "Not mine"):
        held = assignments.claim_assignment(session, project, ada, "ranking")
        assert held is not None
        assignments.skip_task(session, held.id, ada, reason)
        held.skipped_at = now - timedelta(hours=1)
    session.commit()
    found = work.own_work(session, ada, "America/New_York", now)
    assert (found.zone, found.today.date.day) == ("America/New_York", 17)
    assert (found.today.rankings, found.today.answers, found.today.seconds) == (1, 1, 90)
    assert found.week.labels == 3  # Monday evening among them
    assert [day.labels for day in found.days][-4:] == [0, 1, 1, 2]
    assert len(found.days) == 14
    assert (found.skipped, found.skip_reasons) == (3, [("Unclear", 2), ("Not mine", 1)])
    assert found.ranking_seconds is None
    in_utc = work.own_work(session, ada, None, now)
    assert (in_utc.zone, in_utc.today.labels, in_utc.week.labels) == ("UTC", 1, 3)
    assert work.own_work(session, people[1], None, now).projects == []


def test_withdrawn_work_is_not_counted(session: Session, project: Project, people: list[User]) -> None:
    label = rank(session, project, people[0], "1 2 3 4")
    revisions.withdraw_label(session, revisions.lock_label(session, "ranking", label.id, people[0]), people[0])
    session.commit()
    assert work.own_work(session, people[0]).today.labels == 0


def test_gold_items_are_told_only_where_the_project_tells_and_once_the_answer_has_settled(
    session: Session, project: Project, people: list[User], rosa: User
) -> None:
    ada, first = people[0], comparisons(session)[0]
    keys = keys_of(session, first.id)
    mark(session, first, rosa, ratings={keys[0]: [6, 7]}, explanation="Four is made up.")
    give(session, first, ada, "gold")
    label = rank(session, project, ada, "2 1 3 4")
    assert work.own_work(session, ada).feedback == []
    projects.update_project(session, project, {"gold_feedback": True})
    assert work.own_work(session, ada).feedback == []
    age(session, minutes=31)
    (told,) = work.own_work(session, ada).feedback
    letters = {key: "ABCD"[at] for at, key in enumerate(label.order_shown)}
    one, two, three, four = (letters[key] for key in keys)
    assert told.said == f"{two} › {one} › {three} › {four}"
    assert told.expected == f"{one} › {two} › {three} › {four}"
    assert (told.score.pairs, told.explanation) == (Pairs(5, 6), "Four is made up.")
    assert [(each.letter, each.range, each.rated) for each in told.responses] == [(one, [6, 7], 4)]
    assert work.own_work(session, people[1]).feedback == []
    revisions.withdraw_label(session, revisions.lock_label(session, "ranking", label.id, ada), ada)
    session.commit()
    assert work.own_work(session, ada).feedback == []


def test_a_leaderboard_is_shown_only_where_a_project_has_one(
    session: Session, project: Project, people: list[User]
) -> None:
    ada, bo, cy = people
    for user, count in ((ada, 1), (bo, 2)):
        for _ in range(count):
            rank(session, project, user, "1 2 3 4")
    assert work.own_work(session, ada).boards == []
    projects.update_project(session, project, {"leaderboard": True})
    (board,) = work.own_work(session, ada).boards
    assert [(place.name, place.labels) for place in board.places] == [("Bo", 2), ("Ada", 1)]
    assert work.own_work(session, cy).boards == []  # she has not labeled there
    age(session, days=8)
    (board,) = work.own_work(session, ada).boards
    assert board.places == []
