"""Gold items and repeats: given blindly, at their rates, never again, and out of every count."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event, func, select, update
from sqlalchemy.orm import Session

from app.database import get_engine
from app.errors import Conflict, Invalid, NotFound
from app.models import Assignment, AuditEvent, Comparison, GoldItem, Project, Prompt, Ranking, Slot, User
from app.services import (
    assignments,
    browsing,
    desk,
    edits,
    exports,
    gold_items,
    history,
    projects,
    prompt_reports,
    rankings,
    revisions,
    rounds,
    snapshots,
)
from app.services.gold_items import GoldDraft
from app.services.rankings import RankingDraft

MakeUser = Callable[..., User]


@pytest.fixture
def project(session: Session, make_project: Callable[..., Project], compare: Callable[..., Comparison]) -> Project:
    """Forty comparisons of three responses, two labelers each."""
    project = make_project(prompt_count=40, overlap=2)
    for prompt in session.scalars(select(Prompt).order_by(Prompt.id)).all():
        compare(project, prompt, ["one", "two", "three"])
    return project


@pytest.fixture
def ada(make_user: MakeUser) -> User:
    return make_user("ada")


@pytest.fixture
def rosa(make_user: MakeUser) -> User:
    return make_user("rosa", "researcher")


def ids_of(session: Session, comparison: Comparison) -> list[str]:
    """In the order in which they were written."""
    completions = gold_items.get_comparison(session, comparison.id).completions
    return [str(each.id) for each in sorted(completions, key=lambda completion: completion.sample_index)]


def prompt_of(session: Session, comparison_id: int) -> Prompt:
    return session.scalars(select(Prompt).join(Comparison).where(Comparison.id == comparison_id)).one()


def mark(session: Session, project: Project, rosa: User, count: int) -> list[GoldItem]:
    """The newest comparisons become gold items: the first response is best."""
    newest = select(Comparison).where(Comparison.project_id == project.id).order_by(Comparison.id.desc()).limit(count)
    made = []
    for comparison in session.scalars(newest).all():
        a, b, c = ids_of(session, comparison)
        full = gold_items.get_comparison(session, comparison.id)
        made.append(gold_items.set_gold_item(session, full, rosa, GoldDraft([[a], [b], [c]]))[0])
    session.commit()
    return made


def set_rates(session: Session, project: Project, gold: float = 0.0, repeat: float = 0.0) -> None:
    projects.update_project(session, project, {"gold_rate": gold, "repeat_rate": repeat})
    session.commit()


def claim(session: Session, project: Project, user: User) -> Assignment | None:
    return assignments.claim_assignment(session, project, user, "ranking")


def submit(session: Session, held: Assignment, user: User, tiers: list[list[str]] | None = None) -> Ranking:
    tiers = tiers or [[key] for key in held.order_shown]
    ratings = {key: {"overall": 4, "flags": []} for tier in tiers for key in tier}
    label = rankings.submit_ranking(session, held.id, user, uuid4(), RankingDraft(tiers, ratings))
    session.commit()
    return label


def work(session: Session, project: Project, user: User, tasks: int) -> list[Ranking]:
    sent = []
    for _ in range(tasks):
        held = claim(session, project, user)
        if held is not None:
            sent.append(submit(session, held, user))
    return sent


def until(session: Session, project: Project, user: User, purpose: str) -> Assignment:
    """Work until a task of this purpose is in her hands."""
    for _ in range(40):
        held = claim(session, project, user)
        assert held is not None
        if held.purpose == purpose:
            return held
        submit(session, held, user)
    raise AssertionError(f"no {purpose} in 40 tasks")


def purposes(sent: list[Ranking]) -> list[str]:
    return [label.purpose for label in sent]


def test_gold_items_come_at_their_rate_each_once_and_then_no_more(
    session: Session, project: Project, ada: User, rosa: User
) -> None:
    items = mark(session, project, rosa, 5)
    set_rates(session, project, gold=0.5)
    sent = work(session, project, ada, 30)
    gold = [label.comparison_id for label in sent if label.purpose == "gold"]
    assert sorted(gold) == sorted(item.comparison_id for item in items)
    assert not any(a == b == "gold" for a, b in zip(purposes(sent), purposes(sent)[1:], strict=False))
    assert purposes(sent)[-5:] == ["label"] * 5


def test_a_gold_item_that_she_has_labeled_or_marked_is_not_given_to_her(
    session: Session, project: Project, ada: User, rosa: User
) -> None:
    label = work(session, project, ada, 1)[0]
    full = gold_items.get_comparison(session, label.comparison_id)
    gold_items.set_gold_item(session, full, rosa, GoldDraft(label.tiers))
    set_rates(session, project, gold=0.5)
    assert set(purposes(work(session, project, ada, 12))) == {"label"}
    mark(session, project, rosa, 1)
    assert set(purposes(work(session, project, rosa, 12))) == {"label"}


def test_a_gold_item_is_not_given_again_as_a_label(session: Session, project: Project, ada: User, rosa: User) -> None:
    mark(session, project, rosa, 3)
    set_rates(session, project, gold=0.5)
    sent = work(session, project, ada, 60)
    assert len({label.comparison_id for label in sent}) == len(sent) == 40


def test_a_repeat_is_a_standing_unedited_ranking_of_hers_from_ten_tasks_ago(
    session: Session, project: Project, ada: User
) -> None:
    set_rates(session, project, repeat=0.5)
    sent = work(session, project, ada, 30)
    repeats = [number for number, label in enumerate(sent) if label.purpose == "repeat"]
    assert len(repeats) >= 5
    first_of: dict[int, int] = {}
    for number, label in enumerate(sent):
        if label.purpose == "label":
            first_of[label.comparison_id] = number
        else:
            assert number - first_of[label.comparison_id] > 10
    again = [sent[number].comparison_id for number in repeats]
    assert len(set(again)) == len(again)


def test_what_she_edited_or_withdrew_does_not_come_again(session: Session, project: Project, ada: User) -> None:
    sent = work(session, project, ada, 11)
    for label in sent[:6]:
        keys = [key for tier in label.tiers for key in tier]
        rankings.edit_ranking(session, label.id, ada, RankingDraft([keys], label.ratings))
    for label in sent[6:]:
        revisions.withdraw_label(session, revisions.lock_label(session, "ranking", label.id, ada), ada)
    session.commit()
    set_rates(session, project, repeat=0.5)
    assert set(purposes(work(session, project, ada, 10))) == {"label"}


def test_a_repeat_shows_the_responses_in_an_order_of_its_own(session: Session, project: Project, ada: User) -> None:
    set_rates(session, project, repeat=0.5)
    sent = work(session, project, ada, 40)
    first = {label.comparison_id: label.order_shown for label in sent if label.purpose == "label"}
    repeats = [label for label in sent if label.purpose == "repeat"]
    assert any(label.order_shown != first[label.comparison_id] for label in repeats)
    assert all(sorted(label.order_shown) == sorted(first[label.comparison_id]) for label in repeats)


def test_nobody_else_gets_or_counts_her_measuring_task(
    session: Session, project: Project, ada: User, rosa: User, make_user: MakeUser
) -> None:
    mark(session, project, rosa, 1)
    set_rates(session, project, gold=0.5)
    bo = make_user("bo")
    before = desk.find_work(session, project, bo, "ranking").open
    held = until(session, project, ada, "gold")
    assignments.release_task(session, held.id, ada)
    session.commit()
    session.execute(update(Slot).where(Slot.purpose == "label").values(closed_at=func.now()))
    session.commit()
    assert desk.find_work(session, project, bo, "ranking").open == 0
    set_rates(session, project)
    assert claim(session, project, bo) is None
    again = claim(session, project, ada)
    assert again is not None
    assert again.id == held.id
    assert before == 40


def test_what_is_skipped_or_withdrawn_is_given_to_nobody(
    session: Session, project: Project, ada: User, rosa: User
) -> None:
    mark(session, project, rosa, 2)
    set_rates(session, project, gold=0.5)
    held = until(session, project, ada, "gold")
    assignments.skip_task(session, held.id, ada, "I cannot tell.")
    session.commit()
    second = until(session, project, ada, "gold")
    label = submit(session, second, ada)
    revisions.withdraw_label(session, revisions.lock_label(session, "ranking", label.id, ada), ada)
    session.commit()
    assert set(purposes(work(session, project, ada, 10))) == {"label"}
    revisions.restore_label(session, revisions.lock_label(session, "ranking", label.id, ada), ada)
    session.commit()
    assert label.withdrawn_at is None


def test_undo_gives_a_gold_task_back_and_sending_again_revives_it(
    session: Session, project: Project, ada: User, rosa: User
) -> None:
    mark(session, project, rosa, 1)
    set_rates(session, project, gold=0.5)
    held = until(session, project, ada, "gold")
    label = submit(session, held, ada)
    assert history.find_undoable(session, project.id, ada) is not None
    revisions.undo_submission(session, held.id, ada)
    session.commit()
    again = claim(session, project, ada)
    assert again is not None
    assert (again.id, again.draft["tiers"]) == (held.id, label.tiers)
    revived = submit(session, again, ada, [held.order_shown])
    assert (revived.id, revived.purpose, revived.revision) == (label.id, "gold", 2)


def test_measuring_tasks_count_as_work_and_nowhere_else(
    session: Session, project: Project, ada: User, rosa: User
) -> None:
    mark(session, project, rosa, 3)
    set_rates(session, project, gold=0.25, repeat=0.25)
    sent = work(session, project, ada, 30)
    labels = purposes(sent).count("label")
    assert labels < 30
    assert desk.count_done_today(session, ada) == 30
    assert len(history.list_history(session, ada, limit=100)) == 30
    round_ = rounds.current_round(session, project.id)
    assert round_ is not None
    facts = rounds.gather_facts(session, project, round_)
    assert (facts.new_rankings, facts.rankings, facts.ranking_slots) == (labels, labels, 80)
    assert browsing.count_labels(session, project).rankings == labels
    assert len(list(exports.ranking_rows(session, project))) == labels


def test_a_snapshot_closes_measuring_labels_with_their_neighbours(
    session: Session, project: Project, ada: User, rosa: User
) -> None:
    mark(session, project, rosa, 1)
    set_rates(session, project, gold=0.5)
    label = submit(session, until(session, project, ada, "gold"), ada)
    snapshot = snapshots.freeze_snapshot(session, project, rounds.current_round(session, project.id), "ranking")
    session.commit()
    entries = history.list_history(session, ada)
    assert {entry.state for entry in entries} == {"frozen"}
    assert {entry.snapshot.id for entry in entries if entry.snapshot} == {snapshot.id}
    assert history.find_undoable(session, project.id, ada) is None
    with pytest.raises(Conflict, match=f"Snapshot {snapshot.id}"):
        rankings.edit_ranking(session, label.id, ada, RankingDraft([label.order_shown], label.ratings))
    later = work(session, project, ada, 1)[0]
    states = {entry.label.id: entry.state for entry in history.list_history(session, ada)}
    assert states[later.id] == "sent"


def test_a_response_that_she_ranked_twice_can_still_be_bettered(session: Session, project: Project, ada: User) -> None:
    projects.update_project(session, project, {"improves_responses": True, "repeat_rate": 0.5})
    repeat = submit(session, until(session, project, ada, "repeat"), ada)
    completion = gold_items.get_comparison(session, repeat.comparison_id).completions[0]
    editable = edits.load_editable(session, completion.id, ada)
    assert editable.assignment.purpose == "label"


def statements(session: Session, project: Project, ada: User) -> int:
    session.commit()
    session.refresh(project)
    session.refresh(ada)
    count = 0

    def note(*_: Any) -> None:
        nonlocal count
        count += 1

    event.listen(get_engine(), "before_cursor_execute", note)
    try:
        assert claim(session, project, ada) is not None
    finally:
        event.remove(get_engine(), "before_cursor_execute", note)
    session.rollback()
    return count


def test_measuring_costs_nothing_at_rate_zero_and_one_statement_otherwise(
    session: Session, project: Project, ada: User
) -> None:
    work(session, project, ada, 3)
    plain = statements(session, project, ada)
    projects.update_project(session, project, {"gold_rate": 1e-9})
    assert statements(session, project, ada) == plain + 1


def test_marking_again_replaces_the_answer_and_removing_ends_it(
    session: Session, project: Project, ada: User, rosa: User
) -> None:
    (item,) = mark(session, project, rosa, 1)
    full = gold_items.get_comparison(session, item.comparison_id)
    changed, new = gold_items.set_gold_item(session, full, ada, GoldDraft([row[:] for row in item.tiers[::-1]]))
    assert (changed.id, new, changed.created_by_id) == (item.id, False, rosa.id)
    set_rates(session, project, gold=0.5)
    held = until(session, project, ada, "gold")
    gold_items.remove_gold_item(session, item, rosa)
    session.commit()
    label = submit(session, held, ada)  # what is in her hands may be finished
    assert label.purpose == "gold"
    actions = session.scalars(select(AuditEvent.action).where(AuditEvent.action.startswith("gold_item"))).all()
    assert actions == ["gold_item.marked", "gold_item.changed", "gold_item.removed"]


def test_a_gold_item_is_held_to_its_comparison(session: Session, project: Project, ada: User, rosa: User) -> None:
    (item,) = mark(session, project, rosa, 1)
    full = gold_items.get_comparison(session, item.comparison_id)
    with pytest.raises(Invalid) as refused:
        gold_items.set_gold_item(session, full, rosa, GoldDraft([["x"]], {"y": [1, 2]}, {"z": {"must": ["odd"]}}))
    assert {each["field"] for each in refused.value.extra["errors"]} == {"tiers", "ratings.y", "flags.z"}
    with pytest.raises(NotFound):
        gold_items.get_comparison(session, 999_999)


def test_a_label_tells_a_gold_answer(session: Session, project: Project, ada: User) -> None:
    held = claim(session, project, ada)
    assert held is not None
    a, b, c = held.order_shown
    ratings = {a: {"overall": 7, "flags": []}, b: {"overall": 4, "flags": ["hallucination"]}, c: {"overall": 1}}
    label = rankings.submit_ranking(session, held.id, ada, uuid4(), RankingDraft([[a], [b, c]], ratings, "Because."))
    comparison_id, draft = gold_items.draft_from_ranking(session, project.id, label.id)
    assert comparison_id == label.comparison_id
    assert draft.ratings == {a: [6, 7], b: [3, 5], c: [1, 2]}
    assert draft.flags == {b: {"must": ["hallucination"], "must_not": []}}
    assert (draft.tiers, draft.explanation) == ([[a], [b, c]], "Because.")
    with pytest.raises(NotFound):
        gold_items.draft_from_ranking(session, project.id + 1, label.id)


def test_comparisons_to_choose_from_leave_out_gold_items_and_bettered_responses(
    session: Session, project: Project, ada: User, rosa: User
) -> None:
    from app.services.answers import Details

    items = mark(session, project, rosa, 2)
    projects.update_project(session, project, {"improves_responses": True})
    label = work(session, project, ada, 1)[0]
    completion = gold_items.get_comparison(session, label.comparison_id).completions[0]
    edits.submit_edit(session, completion.id, ada, uuid4(), "A much better one.", Details())
    session.commit()
    first = gold_items.list_candidates(session, project)
    rest = gold_items.list_candidates(session, project, first[-1].comparison.id)
    offered = {one.comparison.id: one.labels for one in [*first, *rest]}
    assert len(first) == gold_items.PAGE
    assert len(offered) == 38
    assert not offered.keys() & {item.comparison_id for item in items}
    assert offered[label.comparison_id] == 1


def lapse(session: Session) -> None:
    session.execute(update(Slot).values(leased_until=func.now() - timedelta(minutes=1)))
    session.commit()
    session.expire_all()


def test_a_gold_task_that_lapsed_comes_back_to_her_first(
    session: Session, project: Project, ada: User, rosa: User, make_user: MakeUser
) -> None:
    mark(session, project, rosa, 1)
    set_rates(session, project, gold=0.5)
    held = until(session, project, ada, "gold")
    lapse(session)
    bo = make_user("bo")
    taken = claim(session, project, bo)
    assert taken is not None
    assert taken.slot_id != held.slot_id
    again = claim(session, project, ada)
    assert again is not None
    assert again.id == held.id


def test_a_gold_item_is_given_only_to_who_may_label_its_prompt(
    session: Session, project: Project, ada: User, rosa: User
) -> None:
    """Not in another language, not without the skills, not of a retired prompt, nor of one that she wrote herself."""
    items = mark(session, project, rosa, 5)
    set_rates(session, project, gold=0.5)
    english, hard, retired, own, german = [prompt_of(session, item.comparison_id) for item in items]
    english.language, german.language, hard.skills, own.author_id = "en", "de", ["maths"], ada.id
    ada.languages = ["de"]
    session.flush()
    prompt_reports.retire_prompt(session, project, retired.id, rosa)
    session.commit()
    sent = work(session, project, ada, 30)
    assert [label.comparison_id for label in sent if label.purpose == "gold"] == [items[4].comparison_id]


def test_a_ranking_of_a_retired_prompt_does_not_come_again(
    session: Session, project: Project, ada: User, rosa: User
) -> None:
    early = [label.comparison_id for label in work(session, project, ada, 8)]
    for comparison_id in early:
        prompt_reports.retire_prompt(session, project, prompt_of(session, comparison_id).id, rosa)
    set_rates(session, project, repeat=0.5)
    again = [label.comparison_id for label in work(session, project, ada, 30) if label.purpose == "repeat"]
    assert len(again) > 3
    assert not set(again) & set(early)
