from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.database import transaction
from app.errors import Conflict, NotFound, Overtaken
from app.models import Assignment, Demonstration, Project, Slot, User
from app.services import assignments, demonstrations

MakeProject = Callable[..., Project]
MakeUser = Callable[..., User]


def lapse(session: Session) -> None:
    """Let every lease end."""
    session.execute(update(Slot).values(leased_until=func.now() - timedelta(minutes=1)))
    session.commit()
    session.expire_all()


def test_claim_again_gives_the_task_in_hand(session: Session, make_project: MakeProject, make_user: MakeUser) -> None:
    project, ada = make_project(), make_user("ada")
    first = assignments.claim_task(session, project, ada, "demonstration")
    again = assignments.claim_task(session, project, ada, "demonstration")
    assert first is not None
    assert again is not None
    assert first.assignment.id == again.assignment.id


def test_two_labelers_never_share_a_slot(session: Session, make_project: MakeProject, make_user: MakeUser) -> None:
    project = make_project(prompt_count=1)
    assert assignments.claim_task(session, project, make_user("ada"), "demonstration") is not None
    assert assignments.claim_task(session, project, make_user("bo"), "demonstration") is None


def test_overlap_goes_to_different_labelers(session: Session, make_project: MakeProject, make_user: MakeUser) -> None:
    project = make_project(prompt_count=1, overlap=2)
    ada, bo, cy = make_user("ada"), make_user("bo"), make_user("cy")
    task = assignments.claim_task(session, project, ada, "demonstration")
    assert task is not None
    demonstrations.submit_demonstration(session, task.assignment.id, ada, uuid4(), "An answer.")
    assert assignments.claim_task(session, project, ada, "demonstration") is None
    assert assignments.claim_task(session, project, bo, "demonstration") is not None
    assert assignments.claim_task(session, project, cy, "demonstration") is None


def test_skip_gives_the_task_to_somebody_else(session: Session, make_project: MakeProject, make_user: MakeUser) -> None:
    project = make_project(prompt_count=1)
    ada, bo = make_user("ada"), make_user("bo")
    task = assignments.claim_task(session, project, ada, "demonstration")
    assert task is not None
    assignments.skip_task(session, task.assignment.id, ada, "unclear")
    assert assignments.claim_task(session, project, ada, "demonstration") is None
    assert assignments.claim_task(session, project, bo, "demonstration") is not None
    with pytest.raises(Conflict, match="skipped"):
        demonstrations.submit_demonstration(session, task.assignment.id, ada, uuid4(), "Late.")


def test_lapsed_lease_still_takes_her_label(session: Session, make_project: MakeProject, make_user: MakeUser) -> None:
    project, ada = make_project(prompt_count=1), make_user("ada")
    task = assignments.claim_task(session, project, ada, "demonstration")
    assert task is not None
    lapse(session)
    demonstrations.submit_demonstration(session, task.assignment.id, ada, uuid4(), "Slow but sure.")
    assert session.scalar(select(func.count()).select_from(Demonstration)) == 1


def test_overtaken_label_is_kept_as_a_draft(session: Session, make_project: MakeProject, make_user: MakeUser) -> None:
    project = make_project(prompt_count=1)
    ada, bo = make_user("ada"), make_user("bo")
    task = assignments.claim_task(session, project, ada, "demonstration")
    assert task is not None
    lapse(session)
    assert assignments.claim_task(session, project, bo, "demonstration") is not None
    with pytest.raises(Overtaken):
        demonstrations.submit_demonstration(session, task.assignment.id, ada, uuid4(), "Too late.")
    assert assignments.load_task(session, task.assignment.id, ada).assignment.draft == {"text": "Too late."}


def test_draft_comes_back_first_after_release(session: Session, make_project: MakeProject, make_user: MakeUser) -> None:
    project, ada = make_project(), make_user("ada")
    task = assignments.claim_task(session, project, ada, "demonstration")
    assert task is not None
    assignments.save_draft(session, task.assignment.id, ada, {"text": "half a"})
    assignments.release_task(session, task.assignment.id, ada)
    again = assignments.claim_task(session, project, ada, "demonstration")
    assert again is not None
    assert (again.assignment.id, again.assignment.draft) == (task.assignment.id, {"text": "half a"})


def test_nobody_reads_or_writes_another_labelers_task(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project, ada, bo = make_project(), make_user("ada"), make_user("bo")
    task = assignments.claim_task(session, project, ada, "demonstration")
    assert task is not None
    for call in (assignments.load_task, assignments.renew_lease, assignments.release_task):
        with pytest.raises(NotFound):
            call(session, task.assignment.id, bo)
    with pytest.raises(NotFound):
        assignments.save_draft(session, task.assignment.id, bo, {})


def test_evaluation_prompts_are_never_labeled(session: Session, make_project: MakeProject, make_user: MakeUser) -> None:
    from app.services import prompts

    project = make_project(prompt_count=0)
    prompts.import_prompts(session, project, [b'{"prompt": "Held out?", "split": "evaluation"}'])
    assert assignments.claim_task(session, project, make_user("ada"), "demonstration") is None


def test_same_key_at_once_stores_one_row(session: Session, make_project: MakeProject, make_user: MakeUser) -> None:
    project, ada = make_project(), make_user("ada")
    task = assignments.claim_task(session, project, ada, "demonstration")
    assert task is not None
    session.commit()
    key, start = uuid4(), threading.Barrier(6)

    def submit(_: int) -> int:
        start.wait()
        with transaction() as own:
            user = own.get_one(User, ada.id)
            return demonstrations.submit_demonstration(own, task.assignment.id, user, key, "Once.").id

    with ThreadPoolExecutor(6) as pool:
        ids = set(pool.map(submit, range(6)))
    assert len(ids) == 1
    assert session.scalar(select(func.count()).select_from(Demonstration)) == 1


def test_another_key_or_task_is_refused(session: Session, make_project: MakeProject, make_user: MakeUser) -> None:
    project, ada = make_project(), make_user("ada")
    key = uuid4()
    first = assignments.claim_task(session, project, ada, "demonstration")
    assert first is not None
    demonstrations.submit_demonstration(session, first.assignment.id, ada, key, "One.")
    with pytest.raises(Conflict, match="submitted already"):
        demonstrations.submit_demonstration(session, first.assignment.id, ada, uuid4(), "Two.")
    second = assignments.claim_task(session, project, ada, "demonstration")
    assert second is not None
    with pytest.raises(Conflict, match="another task"):
        demonstrations.submit_demonstration(session, second.assignment.id, ada, key, "Two.")


def test_many_labelers_at_once_take_every_slot_exactly_once(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project = make_project(prompt_count=60, overlap=2)
    people = [make_user(f"labeler{n}") for n in range(12)]

    def work(user_id: int) -> int:
        done = 0
        while True:
            with transaction() as own:
                user = own.get_one(User, user_id)
                task = assignments.claim_task(own, own.get_one(Project, project.id), user, "demonstration")
            if task is None:
                return done
            with transaction() as own:
                user = own.get_one(User, user_id)
                demonstrations.submit_demonstration(own, task.assignment.id, user, uuid4(), "Done.")
            done += 1

    with ThreadPoolExecutor(12) as pool:
        total = sum(pool.map(work, [user.id for user in people]))
    assert total == 120
    rows = [tuple(row) for row in session.execute(select(Demonstration.prompt_id, Demonstration.user_id))]
    assert set(Counter(prompt for prompt, _ in rows).values()) == {2}
    assert len(set(rows)) == 120
    assert session.scalar(select(func.count()).select_from(Assignment).where(Assignment.submitted_at.is_(None))) == 0


def test_a_held_task_comes_before_one_that_was_left_and_is_free_again(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project, ada, bo = make_project(prompt_count=2), make_user("ada"), make_user("bo")
    left = assignments.claim_task(session, project, ada, "demonstration")
    assert left is not None
    assignments.release_task(session, left.assignment.id, ada)
    taken = assignments.claim_task(session, project, bo, "demonstration")
    held = assignments.claim_task(session, project, ada, "demonstration")
    assert taken is not None
    assert held is not None
    assert taken.prompt.id == left.prompt.id != held.prompt.id
    assignments.release_task(session, taken.assignment.id, bo)
    again = assignments.claim_task(session, project, ada, "demonstration")
    assert again is not None
    assert again.assignment.id == held.assignment.id


def test_a_task_whose_page_is_left_is_free_two_minutes_later_unless_she_is_back(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project, ada = make_project(prompt_count=1), make_user("ada")
    held = assignments.claim_assignment(session, project, ada, "demonstration")
    assert held is not None
    soon = assignments.database_now(session) + timedelta(minutes=2)
    assert abs(assignments.leave_task(session, held.id, ada) - soon) < timedelta(seconds=30)
    assert held.slot.leased_until == held.expires_at
    first = held.expires_at
    assert assignments.leave_task(session, held.id, ada) == first  # another page of hers goes: no longer for that
    assert assignments.renew_lease(session, held.id, ada) > soon + timedelta(minutes=2)
