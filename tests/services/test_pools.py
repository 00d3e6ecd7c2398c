"""Who may label what: pools, languages, skills, one's own prompts; and what a change of overlap does."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.errors import Conflict, Forbidden, Invalid
from app.models import Assignment, Project, Prompt, QueuePlace, Slot, User
from app.rules.assignment import Labeler, Needs, may_label
from app.services import (
    assignments,
    claims,
    demonstrations,
    desk,
    members,
    projects,
    prompt_reports,
    prompts,
    revisions,
    users,
)

MakeProject = Callable[..., Project]
MakeUser = Callable[..., User]


def import_one(session: Session, project: Project, text: str, **more: object) -> None:
    prompts.import_prompts(session, project, [json.dumps({"prompt": text, **more}).encode()])


def claim(session: Session, project: Project, user: User) -> Assignment | None:
    return assignments.claim_assignment(session, project, user, "demonstration")


def send(session: Session, project: Project, user: User) -> Assignment:
    task = claim(session, project, user)
    assert task is not None
    demonstrations.submit_demonstration(session, task.id, user, uuid4(), "Done.")
    return task


def slots(session: Session, project: Project) -> list[Slot]:
    query = select(Slot).where(Slot.project_id == project.id).order_by(Slot.id)
    return list(session.scalars(query.execution_options(populate_existing=True)))


def test_a_closed_project_is_labeled_by_its_members_only(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project = make_project(prompt_count=2)
    ada, bo, boss = make_user("ada"), make_user("bo"), make_user("boss", role="admin")
    projects.update_project(session, project, {"open_to_all": False})
    members.add_member(session, project, ada, boss)
    assert claim(session, project, ada) is not None
    with pytest.raises(Forbidden, match="some people only"):
        claim(session, project, bo)
    assert [one.project.id for one in desk.list_desks(session, ada)] == [project.id]
    assert desk.list_desks(session, bo) == []
    assert [one.demonstrations.open for one in desk.list_desks(session, boss)] == [0]


def test_who_is_taken_off_the_list_may_finish_what_she_holds(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project, ada, boss = make_project(open_to_all=False), make_user("ada"), make_user("boss", role="admin")
    members.add_member(session, project, ada, boss)
    members.add_member(session, project, ada, boss)
    task = claim(session, project, ada)
    assert task is not None
    members.remove_member(session, project, ada.id, boss)
    demonstrations.submit_demonstration(session, task.id, ada, uuid4(), "Still mine.")
    with pytest.raises(Forbidden):
        claim(session, project, ada)


def test_a_claim_gives_prompts_in_her_languages(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project, ada, boss = make_project(prompt_count=0), make_user("ada"), make_user("boss", role="admin")
    import_one(session, project, "Wer backt das Brot?", language="de")
    import_one(session, project, "Who bakes the bread?", language="en")
    import_one(session, project, "2 + 2?")
    users.set_abilities(session, ada, ["EN "], [], boss)
    assert desk.find_work(session, project, ada, "demonstration").open == 2
    got = [session.get_one(Prompt, send(session, project, ada).prompt_id) for _ in range(2)]
    assert [prompt.language for prompt in got] == ["en", None]
    assert claim(session, project, ada) is None
    users.set_abilities(session, ada, ["en", "German"], [], boss)
    german = claim(session, project, ada)
    assert german is not None
    assert session.get_one(Prompt, german.prompt_id).language == "de"


@pytest.mark.parametrize("hers", ["pt", "pt-br", "pt-pt", "zh-hant", "en"])
def test_the_queue_compares_languages_as_the_rule_does(
    session: Session, make_project: MakeProject, make_user: MakeUser, hers: str
) -> None:
    project, ada, boss = make_project(prompt_count=0), make_user("ada"), make_user("boss", role="admin")
    codes = ["pt", "pt-br", "pt-pt", "pt-br-abl1990", "zh", "zh-hans", "zh-hant", "zh-hant-tw", "en", "enm"]
    for code in codes:
        import_one(session, project, f"Say it in {code}.", language=code)
    users.set_abilities(session, ada, [hers], [], boss)
    able = Labeler(ada.id, frozenset(ada.languages))
    wanted = [code for code in codes if may_label(able, Needs(language=code))]
    assert desk.find_work(session, project, ada, "demonstration").open == len(wanted)
    got = [session.get_one(Prompt, send(session, project, ada).prompt_id).language for _ in wanted]
    assert got == wanted
    assert claim(session, project, ada) is None


def test_a_prompt_that_needs_skills_waits_for_who_has_all_of_them(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project, ada, boss = make_project(prompt_count=0), make_user("ada"), make_user("boss", role="admin")
    import_one(session, project, "Prove it.", skills=["maths", "latin"])
    users.set_abilities(session, ada, [], ["maths"], boss)
    assert claim(session, project, ada) is None
    users.set_abilities(session, ada, [], ["maths", "latin"], boss)
    assert claim(session, project, ada) is not None


def test_abilities_are_checked(session: Session, make_user: MakeUser) -> None:
    ada, boss = make_user("ada"), make_user("boss", role="admin")
    with pytest.raises(Invalid) as refused:
        users.set_abilities(session, ada, ["Germanish"], ["a,b"], boss)
    assert [entry["field"] for entry in refused.value.extra["errors"]] == ["languages", "skills"]
    assert (ada.languages, ada.skills) == ([], [])


def test_nobody_is_dealt_her_own_prompt(session: Session, make_project: MakeProject, make_user: MakeUser) -> None:
    project, ada, bo = make_project(prompt_count=1), make_user("ada"), make_user("bo")
    session.execute(update(Prompt).values(author_id=ada.id))
    assert claim(session, project, ada) is None
    assert desk.find_work(session, project, ada, "demonstration").open == 0
    assert claim(session, project, bo) is not None


def test_every_task_is_done_once_before_the_first_is_done_again(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project = make_project(prompt_count=3, overlap=2)
    first = [send(session, project, make_user(f"labeler{n}")).prompt_id for n in range(3)]
    assert len(set(first)) == 3


def test_a_higher_overlap_adds_slots_to_open_tasks_alone(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project, ada, bo = make_project(prompt_count=2), make_user("ada"), make_user("bo")
    done = send(session, project, ada)
    projects.update_project(session, project, {"overlap": 3})
    per_task = [slot.prompt_id for slot in slots(session, project)]
    assert per_task.count(done.prompt_id) == 1
    assert sorted(map(per_task.count, set(per_task))) == [1, 3]
    assert send(session, project, ada).prompt_id == send(session, project, bo).prompt_id != done.prompt_id


def test_a_lower_overlap_closes_free_slots_first_and_takes_the_label_of_who_holds_one(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project = make_project(prompt_count=1, overlap=3)
    ada, bo, cy = make_user("ada"), make_user("bo"), make_user("cy")
    first, second = claim(session, project, ada), claim(session, project, bo)
    assert first is not None
    assert second is not None
    projects.update_project(session, project, {"overlap": 1})
    assert sum(slot.closed_at is None for slot in slots(session, project)) == 1
    assert claim(session, project, cy) is None
    for task, user in ((first, ada), (second, bo)):
        demonstrations.submit_demonstration(session, task.id, user, uuid4(), "In time.")
    assert sum(slot.submitted_at is not None for slot in slots(session, project)) == 2


def test_a_withdrawn_label_beyond_the_overlap_frees_no_slot(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project = make_project(prompt_count=1, overlap=2)
    ada, bo, cy = make_user("ada"), make_user("bo"), make_user("cy")
    task = send(session, project, ada)
    send(session, project, bo)
    projects.update_project(session, project, {"overlap": 1})
    label = revisions.label_of(session, task)
    assert label is not None
    revisions.withdraw_label(session, revisions.lock_label(session, "demonstration", label.id, ada), ada)
    assert claim(session, project, cy) is None


def test_a_late_sign_of_life_takes_nothing_back(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    """Neither the slot that she has skipped, nor another one of a task that she has sent."""
    project, ada, bo = make_project(prompt_count=1, overlap=3), make_user("ada"), make_user("bo")
    sent = send(session, project, ada)
    with pytest.raises(Conflict, match="submitted already"):
        assignments.renew_lease(session, sent.id, ada)
    skipped = claim(session, project, bo)
    assert skipped is not None
    assignments.skip_task(session, skipped.id, bo, "unclear")
    with pytest.raises(Conflict, match="skipped"):
        assignments.renew_lease(session, skipped.id, bo)
    assignments.save_draft(session, skipped.id, bo, {"text": "late"})
    assert sum(slot.leased_until is not None for slot in slots(session, project)) == 0


def test_a_skipped_task_for_her_alone_does_not_come_back(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project, ada = make_project(prompt_count=1), make_user("ada")
    task = send(session, project, ada)
    gold = Slot(
        project_id=project.id, kind="demonstration", prompt_id=task.prompt_id, ordinal=2, purpose="gold",
        reserved_for_id=ada.id,
    )  # fmt: skip
    session.add(gold)
    session.flush()
    got = claim(session, project, ada)
    assert got is not None
    assert (got.purpose, got.slot_id) == ("gold", gold.id)
    assignments.skip_task(session, got.id, ada, "unclear")
    assert claim(session, project, ada) is None


def test_expired_holds_are_claimable_at_once(session: Session, make_project: MakeProject, make_user: MakeUser) -> None:
    project, ada, bo = make_project(prompt_count=1), make_user("ada"), make_user("bo")
    assert claim(session, project, ada) is not None
    assert claim(session, project, bo) is None
    session.execute(update(Slot).values(leased_until=func.now() - timedelta(seconds=1)))
    assert claim(session, project, bo) is not None


def test_her_place_in_the_queue_passes_only_what_is_not_for_her(
    session: Session, make_project: MakeProject, make_user: MakeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "STRIDE", 1)
    project = make_project(prompt_count=4, overlap=2)
    ada, bo = make_user("ada"), make_user("bo")
    held = claim(session, project, bo)  # the first slot: not hers now, but perhaps later
    assert held is not None
    for _ in range(3):
        send(session, project, ada)
    place = session.scalars(select(QueuePlace).where(QueuePlace.user_id == ada.id)).one()
    assert place.slot_id <= held.slot_id
    assignments.skip_task(session, held.id, bo, "unclear")
    last = send(session, project, ada)
    assert last.slot_id == held.slot_id


def test_what_comes_in_ahead_of_her_place_is_found(
    session: Session, make_project: MakeProject, make_user: MakeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "STRIDE", 1)
    project, ada = make_project(prompt_count=3), make_user("ada")
    send(session, project, ada)
    send(session, project, ada)
    import_one(session, project, "Urgent?")
    urgent = session.scalars(select(Slot).order_by(Slot.id.desc()).limit(1)).one()
    urgent.priority = 5
    session.flush()
    got = claim(session, project, ada)
    assert got is not None
    assert got.slot_id == urgent.id


def test_what_is_open_again_is_found_by_whoever_is_past_it(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    """A task whose label is withdrawn, and one whose prompt is brought back."""
    project, ada, bo, boss = make_project(prompt_count=4), make_user("ada"), make_user("bo"), make_user("boss", "admin")
    first = send(session, project, ada)
    retired = slots(session, project)[1].prompt_id
    prompt_reports.retire_prompt(session, project, retired, boss)
    for _ in range(2):
        send(session, project, bo)
    assert claim(session, project, bo) is None
    label = revisions.label_of(session, first)
    assert label is not None
    revisions.withdraw_label(session, revisions.lock_label(session, "demonstration", label.id, ada), ada)
    assert send(session, project, bo).prompt_id == first.prompt_id
    prompt_reports.restore_prompt(session, project, retired, boss)
    assert send(session, project, bo).prompt_id == retired
