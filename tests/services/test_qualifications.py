"""Qualifications: versions, the gate before tasks, attempts, blind ratings, grants, and the groups of labelers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from app.errors import Conflict, Forbidden, Invalid, NotFound, NotQualified
from app.models import AuditEvent, Comparison, Project, Prompt, QualificationAttempt, QualificationItem, User
from app.services import (
    assignments,
    demonstrations,
    desk,
    qualification_attempts,
    qualification_grants,
    qualification_items,
    qualification_ratings,
    qualification_standings,
    qualifications,
    rankings,
    rounds,
    snapshots,
    users,
    written_prompts,
)
from app.services.written_prompts import PromptDraft
from tests.qualifying import ITEMS, WRITING, make_qualification, right_answer, take


@pytest.fixture
def project(make_project: Callable[..., Project]) -> Project:
    return make_project()


@pytest.fixture
def ada(make_user: Callable[..., User]) -> User:
    return make_user("ada", "admin")


@pytest.fixture
def lena(make_user: Callable[..., User]) -> User:
    return make_user("lena")


def claims(session: Session, project: Project, user: User) -> bool:
    return assignments.claim_assignment(session, project, user, "demonstration") is not None


# The gate


def test_a_task_waits_for_the_pass(session: Session, project: Project, ada: User, lena: User) -> None:
    make_qualification(session, project, ada)
    with pytest.raises(NotQualified, match="qualify before they work") as refused:
        claims(session, project, lena)
    assert refused.value.extra["qualification"] == "/projects/village/qualification"
    assert refused.value.status == 403
    assert take(session, project, lena).state == "passed"
    assert claims(session, project, lena)


def test_a_failed_attempt_opens_nothing(session: Session, project: Project, ada: User, lena: User) -> None:
    make_qualification(session, project, ada)
    assert take(session, project, lena, right=False).state == "failed"
    with pytest.raises(NotQualified):
        claims(session, project, lena)


def test_a_task_in_hand_may_be_sent_after_a_qualification_is_published(
    session: Session, project: Project, ada: User, lena: User
) -> None:
    held = assignments.claim_assignment(session, project, lena, "demonstration")
    assert held is not None
    make_qualification(session, project, ada)
    assert demonstrations.submit_demonstration(session, held.id, lena, uuid4(), "Marta.").id
    with pytest.raises(NotQualified):
        claims(session, project, lena)


def test_a_project_that_asks_for_nothing_pays_no_statement(session: Session, project: Project, lena: User) -> None:
    session.refresh(project)
    session.refresh(lena)
    said: list[str] = []
    connection = session.connection()
    event.listen(connection, "before_cursor_execute", lambda *call: said.append(call[2]))
    qualification_standings.require_pass(session, project, lena)
    assert said == []


def test_a_project_that_asks_pays_one_statement(session: Session, project: Project, ada: User, lena: User) -> None:
    make_qualification(session, project, ada)
    take(session, project, lena)
    session.refresh(project)
    session.refresh(lena)
    said: list[str] = []
    event.listen(session.connection(), "before_cursor_execute", lambda *call: said.append(call[2]))
    qualification_standings.require_pass(session, project, lena)
    assert len(said) == 1


@pytest.mark.parametrize(("role", "group"), [("researcher", "training"), ("labeler", "held_out")])
def test_those_whom_no_screening_is_for_work_at_once(
    session: Session, project: Project, ada: User, make_user: Callable[..., User], role: str, group: str
) -> None:
    make_qualification(session, project, ada)
    assert claims(session, project, make_user("rosa", role, group))


def test_held_out_labelers_are_screened_where_the_version_says_so(
    session: Session, project: Project, ada: User, make_user: Callable[..., User]
) -> None:
    make_qualification(session, project, ada, exempts_held_out=False)
    with pytest.raises(NotQualified):
        claims(session, project, make_user("hela", group="held_out"))


def test_programs_are_not_screened(session: Session, project: Project, ada: User) -> None:
    make_qualification(session, project, ada)
    assert claims(session, project, users.create_user(session, "sim", "Sim", "labeler", simulated=True))


def test_prompts_are_written_after_the_pass_too(
    session: Session, make_project: Callable[..., Project], ada: User, lena: User
) -> None:
    project = make_project(labelers_write_prompts=True)
    make_qualification(session, project, ada)
    draft = PromptDraft("plain", "open_qa", "Who mends the bridge?")
    with pytest.raises(NotQualified):
        written_prompts.write_prompt(session, project, lena, uuid4(), draft)
    take(session, project, lena)
    assert written_prompts.write_prompt(session, project, lena, uuid4(), draft)


def test_the_home_page_says_what_is_missing(session: Session, project: Project, ada: User, lena: User) -> None:
    assert desk.list_desks(session, lena)[0].qualified
    make_qualification(session, project, ada)
    assert not desk.list_desks(session, lena)[0].qualified


# Versions


def test_items_freeze_with_the_first_attempt_and_editing_makes_a_version(
    session: Session, project: Project, ada: User, lena: User
) -> None:
    first = make_qualification(session, project, ada)
    qualification_items.add_item(session, first.id, ITEMS[2])  # nobody has begun
    attempt = qualification_attempts.begin_attempt(session, project, lena)
    item = qualifications.get_qualification(session, first.id).items[0]
    for change in (
        lambda: qualification_items.add_item(session, first.id, ITEMS[2]),
        lambda: qualification_items.change_item(session, item.id, ITEMS[2]),
        lambda: qualification_items.remove_item(session, item.id),
        lambda: qualification_items.move_item(session, item.id, 1),
        lambda: qualification_items.import_items(session, first.id, [b"{}"]),
        lambda: qualifications.change_settings(session, first.id, {"title": "Other"}),
    ):
        with pytest.raises(Conflict, match="stays as it is"):
            change()
    second = qualifications.draft_version(session, project, ada)
    assert (second.version, len(qualifications.get_qualification(session, second.id).items)) == (2, 6)
    assert qualifications.draft_version(session, project, ada).id == second.id
    qualifications.publish_version(session, second.id, ada)
    sitting = qualification_attempts.load_sitting(session, attempt.id, lena)
    assert (sitting.qualification.version, sitting.attempt.state) == (1, "in_progress")


def test_a_pass_counts_on_where_the_new_version_says_so(
    session: Session, project: Project, ada: User, lena: User
) -> None:
    make_qualification(session, project, ada)
    take(session, project, lena)
    make_qualification(session, project, ada, accepts_earlier=True)
    assert claims(session, project, lena)
    make_qualification(session, project, ada, accepts_earlier=False)
    with pytest.raises(NotQualified):
        claims(session, project, lena)
    make_qualification(session, project, ada, accepts_earlier=True)  # as far back as version 3 said: not to hers
    with pytest.raises(NotQualified):
        claims(session, project, lena)


def test_an_attempt_that_can_lead_nowhere_is_closed_with_the_reason(
    session: Session, project: Project, ada: User, lena: User
) -> None:
    make_qualification(session, project, ada)
    old = qualification_attempts.begin_attempt(session, project, lena)
    make_qualification(session, project, ada, accepts_earlier=False)
    session.refresh(old)
    assert old.state == "withdrawn"
    with pytest.raises(Conflict, match="Version 2 has taken the place"):
        qualification_attempts.give_answer(session, old.id, lena, 1, {"flags": []})
    assert qualification_attempts.begin_attempt(session, project, lena).id != old.id


def test_ending_it_lets_everybody_work_and_publishing_again_asks_again(
    session: Session, project: Project, ada: User, lena: User
) -> None:
    version = make_qualification(session, project, ada)
    qualifications.end_qualification(session, version.id, ada)
    assert claims(session, project, lena)
    with pytest.raises(Conflict):
        qualifications.end_qualification(session, version.id, ada)
    qualifications.publish_version(session, version.id, ada)
    with pytest.raises(NotQualified):
        claims(session, project, lena)
    actions = session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)).all()
    assert [each for each in actions if each.startswith("qualification")] == [
        "qualification.published",
        "qualification.ended",
        "qualification.published",
    ]


def test_a_version_without_a_test_is_not_published(session: Session, project: Project, ada: User) -> None:
    draft = make_qualification(session, project, ada, items=ITEMS[:2], publish=False)
    with pytest.raises(Invalid, match="at least one item"):
        qualifications.publish_version(session, draft.id, ada)
    qualifications.discard_draft(session, draft.id, ada)
    with pytest.raises(NotFound):
        qualifications.get_qualification(session, draft.id)


def test_a_published_version_keeps_a_test_and_is_not_discarded(session: Session, project: Project, ada: User) -> None:
    version = make_qualification(session, project, ada, items=[ITEMS[2]])
    with pytest.raises(Invalid, match="at least one item"):
        qualification_items.remove_item(session, qualifications.get_qualification(session, version.id).items[0].id)
    with pytest.raises(Conflict, match="stays"):
        qualifications.discard_draft(session, version.id, ada)


def test_flags_that_gold_answers_use_stay(session: Session, project: Project, ada: User) -> None:
    draft = make_qualification(session, project, ada, publish=False)
    with pytest.raises(Invalid, match="denigrates, inappropriate"):
        qualifications.change_settings(session, draft.id, {"flags": [{"key": "sexual", "label": "Sexual"}]})


# Items


def test_practice_stands_before_the_test_and_items_move_within_their_stage(
    session: Session, project: Project, ada: User
) -> None:
    draft = make_qualification(session, project, ada, items=[*ITEMS[2:], *ITEMS[:2]], publish=False)
    items = qualifications.get_qualification(session, draft.id).items
    assert [item.stage for item in items] == ["practice"] * 2 + ["test"] * 3
    qualification_items.move_item(session, items[1].id, 1)  # the last to practise stays before the test
    qualification_items.move_item(session, items[4].id, -1)
    session.commit()
    moved = qualifications.get_qualification(session, draft.id).items
    assert [item.id for item in moved] == [items[n].id for n in (0, 1, 2, 4, 3)]
    assert [item.ordinal for item in moved] == [1, 2, 3, 4, 5]


ROWS = [
    {"kind": "flags", "prompt": "A?", "response": "B", "gold": ["sexual"]},
    {"kind": "ranking", "stage": "practice", "prompt": "A?", "responses": ["B", "C"], "gold": [2, 2],
     "explanation": "So."},
    {"kind": "demonstration", "messages": [{"role": "user", "content": "A?"}]},
]  # fmt: skip


def lines(rows: list[Any]) -> list[bytes]:
    return [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]


def test_items_are_imported(session: Session, project: Project, ada: User) -> None:
    draft = make_qualification(session, project, ada, items=[], publish=False)
    assert qualification_items.import_items(session, draft.id, [*lines(ROWS), b"  "]) == 3
    items = qualifications.get_qualification(session, draft.id).items
    assert [(item.kind, item.stage, item.gold) for item in items] == [
        ("ranking", "practice", [1, 1]),
        ("flags", "test", ["sexual"]),
        ("demonstration", "test", None),
    ]


def test_an_import_is_all_or_nothing_and_names_its_lines(session: Session, project: Project, ada: User) -> None:
    draft = make_qualification(session, project, ada, items=[], publish=False)
    session.commit()
    wrong = [
        ROWS[0],
        b"{",
        {**ROWS[0], "gold": ["shiny"]},
        {**ROWS[1], "gold": [1]},
        {**ROWS[1], "explanation": ""},
        {**ROWS[0], "colour": "red"},
        {**ROWS[2], "gold": []},
    ]
    with pytest.raises(Invalid) as refused:
        qualification_items.import_items(session, draft.id, lines(wrong))
    told = {error["line"]: error["message"] for error in refused.value.extra["errors"]}
    assert sorted(told) == [2, 3, 4, 5, 6, 7]
    for line, words in ((2, "JSON"), (3, "shiny"), (4, "each of the 2"), (5, "Explain"), (6, "colour"), (7, "no gold")):
        assert words in told[line], told[line]
    assert session.scalar(select(func.count()).select_from(QualificationItem)) == 0


def test_an_item_begins_with_a_comparison_of_the_project_only(
    session: Session, project: Project, make_project: Callable[..., Project], compare: Callable[..., Comparison]
) -> None:
    prompt = session.query(Prompt).filter_by(project_id=project.id).first()
    assert prompt is not None
    comparison = compare(project, prompt, ["One.", "Two."])
    messages, responses = qualification_items.from_comparison(session, project, comparison.id)
    assert (messages, sorted(responses)) == (prompt.messages, ["One.", "Two."])
    other = make_project(name="Other", slug="other")
    for look, number in (
        (qualification_items.from_comparison, comparison.id),
        (qualification_items.from_prompt, prompt.id),
    ):
        with pytest.raises(NotFound):
            look(session, other, number)


def test_a_cut_off_that_says_little_is_told(session: Session, project: Project, ada: User) -> None:
    draft = make_qualification(session, project, ada, publish=False)
    shares = qualification_items.careless_shares(qualifications.get_qualification(session, draft.id))
    assert shares == {"flags": 14 / 16, "ranking": 0.5}  # 8 flags, 2 items, 2 of them apply


# Attempts


def test_begin_twice_is_one_attempt_and_goes_on(session: Session, project: Project, ada: User, lena: User) -> None:
    make_qualification(session, project, ada)
    first = qualification_attempts.begin_attempt(session, project, lena)
    assert qualification_attempts.begin_attempt(session, project, lena).id == first.id


def test_nothing_to_begin_where_nothing_is_asked(session: Session, project: Project, lena: User) -> None:
    with pytest.raises(Conflict, match="asks for no qualification"):
        qualification_attempts.begin_attempt(session, project, lena)


def test_practice_comes_first_is_scored_at_once_and_may_be_repeated(
    session: Session, project: Project, ada: User, lena: User
) -> None:
    make_qualification(session, project, ada)
    attempt = qualification_attempts.begin_attempt(session, project, lena)
    with pytest.raises(Conflict, match="practice item first"):
        qualification_attempts.give_answer(session, attempt.id, lena, 3, {"flags": []})
    wrong = qualification_attempts.give_answer(session, attempt.id, lena, 1, {"flags": ["sexual"]}).answer
    assert wrong is not None
    assert (wrong.points, wrong.out_of, wrong.tries) == (6, 8, 1)
    right = qualification_attempts.give_answer(session, attempt.id, lena, 1, {"flags": ["inappropriate"]}).answer
    assert right is not None
    assert (right.points, right.tries) == (8, 2)


def test_places_are_read_in_the_order_that_this_attempt_shows(
    session: Session, project: Project, ada: User, make_user: Callable[..., User]
) -> None:
    make_qualification(session, project, ada)
    orders = set()
    for name in ("lena", "mara", "nora", "olga", "pia", "rita", "sina", "tess"):
        user = make_user(name)
        sitting = qualification_attempts.load_sitting(
            session, qualification_attempts.begin_attempt(session, project, user).id, user
        )
        question = sitting.questions[1]
        given = qualification_attempts.give_answer(session, sitting.attempt.id, user, 2, right_answer(question)).answer
        assert given is not None
        assert (given.answer, given.points) == ({"ranks": [1, 3, 1]}, 3)
        orders.add(tuple(question.order))
    assert len(orders) > 1


def test_drafts_are_kept_until_the_answer_comes(session: Session, project: Project, ada: User, lena: User) -> None:
    make_qualification(session, project, ada)
    attempt = qualification_attempts.begin_attempt(session, project, lena)
    qualification_attempts.keep_draft(session, attempt.id, lena, 1, {"flags": ["sexual"]})
    row = qualification_attempts.load_sitting(session, attempt.id, lena).questions[0].answer
    assert row is not None
    assert (row.draft, row.answer, row.tries) == ({"flags": ["sexual"]}, None, 0)
    qualification_attempts.give_answer(session, attempt.id, lena, 1, {"flags": []})
    session.refresh(row)
    assert row.draft is None


def test_the_test_is_sent_whole_once_and_stays(session: Session, project: Project, ada: User, lena: User) -> None:
    make_qualification(session, project, ada)
    attempt = qualification_attempts.begin_attempt(session, project, lena)
    for number in (1, 2, 3):
        question = qualification_attempts.load_sitting(session, attempt.id, lena).questions[number - 1]
        qualification_attempts.give_answer(session, attempt.id, lena, number, right_answer(question))
    with pytest.raises(Conflict, match="Not answered yet: 4, 5"):
        qualification_attempts.submit_attempt(session, attempt.id, lena)
    done = take(session, project, lena)
    assert (done.id, done.state) == (attempt.id, "passed")
    assert qualification_attempts.submit_attempt(session, attempt.id, lena).decided_at == done.decided_at
    with pytest.raises(Conflict, match="stay as they are"):
        qualification_attempts.give_answer(session, attempt.id, lena, 3, {"flags": []})


def test_figures_and_reason_say_how_it_went(session: Session, project: Project, ada: User, lena: User) -> None:
    make_qualification(session, project, ada)
    attempt = take(session, project, lena, right=False)
    flags, ranking = attempt.figures or []
    assert (flags["value"], flags["out_of"], flags["met"]) == (0, 16, False)
    assert flags["note"] == "0 of the 2 flags that apply were found; 14 were set that do not apply."
    assert (ranking["points"], ranking["out_of"]) == (0, 3)
    assert attempt.reason == "Flags: 0 %, below the cut-off of 75 %. Rankings: 0 %, below the cut-off of 75 %."


def test_topics_are_asked_first_and_are_kept(session: Session, project: Project, ada: User, lena: User) -> None:
    make_qualification(session, project, ada, topics=["Law", "Cooking"])
    attempt = qualification_attempts.begin_attempt(session, project, lena)
    with pytest.raises(Invalid, match="Magic"):
        qualification_attempts.state_topics(session, attempt.id, lena, ["Magic"])
    assert take(session, project, lena).topics == ["Law"]


def test_attempts_run_out_and_another_may_be_granted(session: Session, project: Project, ada: User, lena: User) -> None:
    make_qualification(session, project, ada, attempts_allowed=1)
    take(session, project, lena, right=False)
    with pytest.raises(Conflict, match="used all"):
        qualification_attempts.begin_attempt(session, project, lena)
    grant = qualification_grants.grant(session, project, lena, "attempt", "She was ill.", ada)
    qualification_grants.revoke_grant(session, grant.id, ada, "A slip.")
    with pytest.raises(Conflict, match="used all"):
        qualification_attempts.begin_attempt(session, project, lena)
    qualification_grants.grant(session, project, lena, "attempt", "She was ill.", ada)
    assert take(session, project, lena).state == "passed"
    with pytest.raises(Conflict, match="passed already"):
        qualification_attempts.begin_attempt(session, project, lena)


def test_an_attempt_is_its_labelers_alone(session: Session, project: Project, ada: User, lena: User) -> None:
    make_qualification(session, project, ada)
    attempt = qualification_attempts.begin_attempt(session, project, lena)
    for act in (
        lambda: qualification_attempts.load_sitting(session, attempt.id, ada),
        lambda: qualification_attempts.give_answer(session, attempt.id, ada, 1, {"flags": []}),
        lambda: qualification_attempts.keep_draft(session, attempt.id, ada, 1, {}),
        lambda: qualification_attempts.submit_attempt(session, attempt.id, ada),
    ):
        with pytest.raises(NotFound):
            act()


# Ratings


def test_demonstrations_wait_for_blind_ratings(
    session: Session, project: Project, ada: User, lena: User, make_user: Callable[..., User]
) -> None:
    make_qualification(session, project, ada, items=[*ITEMS, WRITING], ratings_needed=2)
    attempt = take(session, project, lena)
    assert (attempt.state, attempt.decided_at) == ("waiting", None)
    with pytest.raises(NotQualified):
        claims(session, project, lena)
    rosa = make_user("rosa", "researcher")
    (waiting,) = qualification_ratings.list_waiting(session, project.id, ada)
    assert "lena" not in repr(waiting).lower()
    for wrong in (0, 8):
        with pytest.raises(Invalid):
            qualification_ratings.rate_demonstration(session, waiting.answer_id, ada, wrong)
    qualification_ratings.rate_demonstration(session, waiting.answer_id, ada, 3)
    qualification_ratings.rate_demonstration(session, waiting.answer_id, ada, 6)  # she thinks again
    session.refresh(attempt)
    assert attempt.state == "waiting"
    assert qualification_ratings.list_waiting(session, project.id, ada) == []
    decided = qualification_ratings.rate_demonstration(session, waiting.answer_id, rosa, 7)
    assert (decided.state, (decided.figures or [])[2]["value"]) == ("passed", 6.5)
    with pytest.raises(Conflict, match="decided"):
        qualification_ratings.rate_demonstration(session, waiting.answer_id, rosa, 1)
    assert claims(session, project, lena)


def test_a_low_rating_fails_and_says_so(session: Session, project: Project, ada: User, lena: User) -> None:
    make_qualification(session, project, ada, items=[WRITING])
    take(session, project, lena)
    (waiting,) = qualification_ratings.list_waiting(session, project.id, ada)
    decided = qualification_ratings.rate_demonstration(session, waiting.answer_id, ada, 5)
    assert (decided.state, decided.reason) == ("failed", "Demonstrations: 5 of 7, below the cut-off of 6 of 7.")


def test_nobody_rates_what_cannot_change_the_outcome_nor_their_own(
    session: Session, project: Project, ada: User, lena: User
) -> None:
    make_qualification(session, project, ada, items=[*ITEMS, WRITING])
    assert take(session, project, lena, right=False).state == "failed"
    assert qualification_ratings.count_waiting(session, project.id, ada) == 0
    own = take(session, project, ada)
    assert qualification_ratings.count_waiting(session, project.id, ada) == 0
    answer = qualification_attempts.load_sitting(session, own.id, ada).questions[-1].answer
    assert answer is not None
    with pytest.raises(Forbidden):
        qualification_ratings.rate_demonstration(session, answer.id, ada, 7)


# Grants, withdrawals, groups


def test_an_exemption_lets_her_work_until_it_is_revoked(
    session: Session, project: Project, ada: User, lena: User
) -> None:
    make_qualification(session, project, ada)
    with pytest.raises(Invalid, match="reason"):
        qualification_grants.grant(session, project, lena, "exemption", "  ", ada)
    grant = qualification_grants.grant(session, project, lena, "exemption", "Worked here before.", ada)
    with pytest.raises(Conflict, match="exempt already"):
        qualification_grants.grant(session, project, lena, "exemption", "Again.", ada)
    assert claims(session, project, lena)
    qualification_grants.revoke_grant(session, grant.id, ada, "Too long ago.")
    with pytest.raises(Conflict):
        qualification_grants.revoke_grant(session, grant.id, ada, "Twice.")
    with pytest.raises(NotQualified):
        claims(session, project, lena)
    events = session.scalars(select(AuditEvent).where(AuditEvent.action.like("qualification.%ed"))).all()
    told = {event.action: event.details for event in events}
    assert told["qualification.granted"]["reason"] == "Worked here before."
    assert told["qualification.revoked"] == {"labeler": lena.id, "kind": "exemption", "reason": "Too long ago."}


def test_a_withdrawn_pass_counts_no_longer_and_another_attempt_takes_its_place(
    session: Session, project: Project, ada: User, lena: User
) -> None:
    make_qualification(session, project, ada, attempts_allowed=1)
    attempt = take(session, project, lena)
    qualification_grants.withdraw_attempt(session, attempt.id, ada, "The answers were passed on.")
    with pytest.raises(NotQualified):
        claims(session, project, lena)
    assert attempt.reason == "Withdrawn: The answers were passed on."
    assert take(session, project, lena).state == "passed"
    assert session.scalar(select(func.count()).select_from(QualificationAttempt)) == 2


def test_held_out_labels_bring_no_training_nearer(
    session: Session, make_project: Callable[..., Project], make_user: Callable[..., User]
) -> None:
    project = make_project(demonstration_threshold=2)
    for name, group in (("hela", "held_out"), ("lena", "training")):
        user = make_user(name, group=group)
        task = assignments.claim_assignment(session, project, user, "demonstration")
        assert task is not None
        demonstrations.submit_demonstration(session, task.id, user, uuid4(), "Marta.")
    assert snapshots.count_labels(session, project.id, "demonstration") == 1


def test_a_round_does_not_wait_for_places_that_held_out_labelers_filled(
    session: Session, project: Project, compare: Callable[..., Comparison], make_user: Callable[..., User]
) -> None:
    round_ = rounds.current_round(session, project.id)
    assert round_ is not None
    for prompt in session.scalars(select(Prompt).where(Prompt.project_id == project.id).limit(2)).all():
        compare(project, prompt, ["One.", "Two."])
    before = rounds.gather_facts(session, project, round_)
    hela = make_user("hela", group="held_out")
    task = assignments.claim_task(session, project, hela, "ranking")
    assert task is not None
    ids = [str(completion.id) for completion in task.completions]
    draft = rankings.RankingDraft([[key] for key in ids], {key: {"overall": 4} for key in ids})
    rankings.submit_ranking(session, task.assignment.id, hela, uuid4(), draft)
    after = rounds.gather_facts(session, project, round_)
    assert (before.ranking_slots, after.ranking_slots) == (2, 1)
    assert (before.new_rankings, after.new_rankings) == (0, 0)


def test_the_group_changes_until_a_snapshot_has_said_it(
    session: Session, make_project: Callable[..., Project], ada: User, lena: User
) -> None:
    project = make_project()
    task = assignments.claim_assignment(session, project, lena, "demonstration")
    assert task is not None
    demonstrations.submit_demonstration(session, task.id, lena, uuid4(), "Marta.")
    assert users.change_group(session, lena, "held_out", ada).labeler_group == "held_out"
    users.change_group(session, lena, "training", ada)
    with pytest.raises(Invalid):
        users.change_group(session, lena, "other", ada)
    snapshots.freeze_snapshot(session, project, rounds.current_round(session, project.id), "demonstration")
    with pytest.raises(Conflict, match="The group stays"):
        users.change_group(session, lena, "held_out", ada)
    changes = session.scalars(select(AuditEvent.details).where(AuditEvent.action == "user.group_changed")).all()
    assert changes[0] == {"before": "training", "group": "held_out"}
