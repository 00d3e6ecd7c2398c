"""The task that waits for a labeler while she works: one, hers alone, given back unseen, never given twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.database import transaction
from app.errors import NotFound
from app.models import Assignment, Comparison, Demonstration, Project, Prompt, Slot, User
from app.services import ahead, assignments, demonstrations, guidelines, overview

MakeProject = Callable[..., Project]
MakeUser = Callable[..., User]
KIND = "demonstration"


def read(session: Session, project: Project, user: User) -> None:
    guidelines.note_reading(session, guidelines.current_guideline(session, project.id), user)


@pytest.fixture
def project(session: Session, make_project: MakeProject) -> Project:
    made = make_project(prompt_count=4)
    session.commit()
    return made


@pytest.fixture
def ada(session: Session, project: Project, make_user: MakeUser) -> User:
    user = make_user("ada")
    read(session, project, user)
    session.commit()
    return user


def claim(session: Session, project: Project, user: User) -> Assignment:
    assignment = assignments.claim_assignment(session, project, user, KIND)
    assert assignment is not None
    return assignment


def claim_ahead(session: Session, current: Assignment, user: User) -> Assignment:
    assignment = ahead.claim_ahead(session, current.id, user)
    assert assignment is not None
    return assignment


def held(session: Session, user: User) -> int:
    live = (Slot.holder_id == user.id, Slot.submitted_at.is_(None), Slot.leased_until > func.now())
    return session.scalar(select(func.count()).select_from(Slot).where(*live)) or 0


def test_one_is_held_ahead_however_often_it_is_asked_for(session: Session, project: Project, ada: User) -> None:
    current = claim(session, project, ada)
    waiting = claim_ahead(session, current, ada)
    assert waiting.id != current.id
    assert claim_ahead(session, current, ada).id == waiting.id
    assert claim_ahead(session, waiting, ada).id == current.id
    assert claim(session, project, ada).id == current.id
    assert held(session, ada) == 2


def test_what_waits_is_handed_out_when_the_one_in_hand_is_sent(session: Session, project: Project, ada: User) -> None:
    current = claim(session, project, ada)
    waiting = claim_ahead(session, current, ada)
    assert waiting.ahead
    demonstrations.submit_demonstration(session, current.id, ada, uuid4(), "Mine.")
    following = claim(session, project, ada)
    assert (following.id, following.ahead) == (waiting.id, False)


def test_left_unseen_it_goes_to_somebody_else(session: Session, make_project: MakeProject, make_user: MakeUser) -> None:
    project = make_project(prompt_count=2)
    ada, bo = make_user("ada"), make_user("bo")
    read(session, project, ada)
    current = claim(session, project, ada)
    waiting = claim_ahead(session, current, ada)
    assert assignments.claim_assignment(session, project, bo, KIND) is None
    assignments.leave_task(session, waiting.id, ada)
    assert claim(session, project, bo).prompt_id == waiting.prompt_id
    assert ahead.claim_ahead(session, current.id, ada) is None
    assert claim(session, project, ada).id == current.id


def test_one_that_she_has_seen_is_not_taken_from_her_by_leaving(session: Session, project: Project, ada: User) -> None:
    current = claim(session, project, ada)
    waiting = claim_ahead(session, current, ada)
    demonstrations.submit_demonstration(session, current.id, ada, uuid4(), "Mine.")
    claim(session, project, ada)
    assignments.leave_task(session, waiting.id, ada)  # another page of hers, closed late
    assert waiting.slot.holder_id == ada.id
    assert held(session, ada) == 1


def test_it_ends_with_its_lease(session: Session, project: Project, ada: User, make_user: MakeUser) -> None:
    waiting = claim_ahead(session, claim(session, project, ada), ada)
    session.execute(update(Slot).values(leased_until=func.now() - timedelta(minutes=1)))
    session.flush()
    session.expire_all()
    others = [claim(session, project, make_user(name)).prompt_id for name in ("bo", "cy")]
    assert waiting.prompt_id in others


def test_nothing_waits_for_one_whose_own_task_is_not_in_her_hands(
    session: Session, project: Project, ada: User, make_user: MakeUser
) -> None:
    current = claim(session, project, ada)
    assignments.release_task(session, current.id, ada)
    assert ahead.claim_ahead(session, current.id, ada) is None
    assert held(session, ada) == 0
    again = claim(session, project, ada)
    demonstrations.submit_demonstration(session, again.id, ada, uuid4(), "Mine.")
    assert ahead.claim_ahead(session, again.id, ada) is None
    with pytest.raises(NotFound):
        ahead.claim_ahead(session, current.id, make_user("bo"))


def test_what_she_left_with_a_draft_is_what_waits(
    session: Session, project: Project, ada: User, make_user: MakeUser
) -> None:
    left = claim(session, project, ada)
    assignments.save_draft(session, left.id, ada, {"text": "Begun"})
    elsewhere = {"leased_until": func.now() + timedelta(hours=1), "holder_id": make_user("bo").id}
    session.execute(update(Slot).where(Slot.id == left.slot_id).values(elsewhere))
    session.execute(update(Assignment).where(Assignment.id == left.id).values(expires_at=func.now()))
    session.expire_all()
    current = claim(session, project, ada)
    assert current.id != left.id
    session.execute(update(Slot).where(Slot.id == left.slot_id).values(leased_until=None))
    session.expire_all()
    waiting = claim_ahead(session, current, ada)
    assert (waiting.id, waiting.draft) == (left.id, {"text": "Begun"})
    # The one in her hands still comes first, although it is the younger.
    assert claim(session, project, ada).id == current.id


def test_it_is_asked_under_the_versions_that_hold_when_she_sees_it(
    session: Session, project: Project, ada: User
) -> None:
    current = claim(session, project, ada)
    waiting = claim_ahead(session, current, ada)
    newer = guidelines.publish_guideline(session, project, "Be kind, and be brief.")
    demonstrations.submit_demonstration(session, current.id, ada, uuid4(), "Mine.")
    assert waiting.guideline_version < newer.version
    assert claim(session, project, ada).guideline_version == newer.version


def test_nothing_waits_behind_guidelines_that_she_has_not_read(session: Session, project: Project, ada: User) -> None:
    current = claim(session, project, ada)
    guidelines.publish_guideline(session, project, "Be kind, and be brief.")
    assert ahead.claim_ahead(session, current.id, ada) is None


def test_overlap_stays_exact_while_everybody_works_one_ahead(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    """8 people, 15 prompts, 2 labels each: every step claims one ahead, twice at once."""
    project = make_project(prompt_count=15, overlap=2)
    people = [make_user(f"user{n}") for n in range(8)]
    for person in people:
        read(session, project, person)
    session.commit()
    most: list[int] = []

    def work(user: User) -> None:
        while True:
            with transaction() as mine:
                current = assignments.claim_assignment(mine, project, user, KIND)
            if current is None:
                return

            def look_ahead(_: int, at: int = current.id) -> int | None:
                with transaction() as mine:
                    waiting = ahead.claim_ahead(mine, at, user)
                    return waiting.id if waiting else None

            with ThreadPoolExecutor(2) as two:
                waiting = {each for each in two.map(look_ahead, range(2)) if each}
            assert len(waiting) <= 1
            with transaction() as mine:
                most.append(held(mine, user))
                demonstrations.submit_demonstration(mine, current.id, user, uuid4(), "An answer.")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, people))
    session.expire_all()
    counted = Counter(session.scalars(select(Demonstration.prompt_id)))
    assert sorted(counted.values()) == [2] * 15
    assert max(most) == 2


def test_the_loop_counts_people_who_work_and_nothing_that_waits_ahead(
    session: Session, project: Project, ada: User, compare: Callable[..., Comparison]
) -> None:
    """She has an answer and a ranking in two tabs, and the next answer ahead: one person, one of each."""
    compare(project, session.scalars(select(Prompt).order_by(Prompt.id).limit(1)).one(), ["one", "two"])
    claim_ahead(session, claim(session, project, ada), ada)
    assert assignments.claim_assignment(session, project, ada, "ranking") is not None
    session.commit()
    seen = overview.loop_overview(session, project)
    lines = {station.key: station.lines[1] for station in seen.stations}
    assert seen.labeling_now == 1
    assert lines["collecting_demonstrations"] == "1 being written now"
    assert lines["collecting_rankings"] == "1 being ranked now"
