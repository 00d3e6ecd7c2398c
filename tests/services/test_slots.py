"""How many places a task has when the overlap or the share of second labels changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Comparison, Project, Prompt, Slot, User
from app.rules.reviews import labelers_wanted
from app.services import assignments, projects, revisions
from app.settings import get_settings
from tests.services.test_revisions import rank

RATE = 0.5


@pytest.fixture
def project(session: Session, make_project: Callable[..., Project], compare: Callable[..., Comparison]) -> Project:
    """Two prompts to answer, and twelve comparisons of which some are drawn for a second label."""
    made = make_project(prompt_count=2, second_label_rate=RATE)
    prompt = session.scalars(select(Prompt)).first()
    for _ in range(12):
        compare(made, prompt, ["one", "two"])
    return made


def places(session: Session, project: Project) -> dict[int, int]:
    """Comparison id -> places that hold a label or are open for one."""
    session.commit()
    counted = (
        select(Slot.comparison_id, func.count())
        .where(Slot.project_id == project.id, Slot.kind == "ranking", Slot.closed_at.is_(None))
        .group_by(Slot.comparison_id)
    )
    return {comparison_id: count for comparison_id, count in session.execute(counted) if comparison_id is not None}


def wanted(session: Session, overlap: int, rate: float) -> dict[int, int]:
    key = get_settings().key()
    return {each: labelers_wanted(key, each, overlap, rate) for each in session.scalars(select(Comparison.id))}


@pytest.mark.parametrize("overlaps", [[2], [3, 1], [2, 1, 2]])
def test_a_change_of_the_overlap_keeps_the_second_labels_that_are_drawn(
    session: Session, project: Project, overlaps: list[int]
) -> None:
    for overlap in overlaps:
        projects.update_project(session, project, {"overlap": overlap})
        expected = wanted(session, overlap, RATE)
        assert set(expected.values()) == {overlap, overlap + 1}
        assert places(session, project) == expected


@pytest.mark.parametrize("rate", [0.0, 0.2, 1.0])
def test_a_change_of_the_share_holds_for_open_rankings(session: Session, project: Project, rate: float) -> None:
    projects.update_project(session, project, {"overlap": 2})
    projects.update_project(session, project, {"second_label_rate": rate})
    assert places(session, project) == wanted(session, 2, rate)


def test_prompts_to_answer_get_no_second_label(session: Session, project: Project) -> None:
    projects.update_project(session, project, {"overlap": 2, "second_label_rate": 1.0})
    prompts = select(Slot.prompt_id).where(Slot.kind == "demonstration", Slot.closed_at.is_(None))
    found = list(session.scalars(prompts))
    assert sorted(map(found.count, set(found))) == [2, 2]


def test_a_place_kept_by_the_draw_stays_open_when_a_label_is_withdrawn(
    session: Session, project: Project, make_user: Callable[..., User]
) -> None:
    """What a change of the overlap leaves and what a withdrawal leaves follow one count."""
    ada = make_user("ada")
    projects.update_project(session, project, {"overlap": 2})
    projects.update_project(session, project, {"overlap": 1})
    label = rank(session, project, ada)
    revisions.withdraw_label(session, revisions.lock_label(session, "ranking", label.id, ada), ada)
    assert places(session, project) == wanted(session, 1, RATE)
    assert assignments.claim_task(session, project, make_user("bea"), "ranking") is not None
