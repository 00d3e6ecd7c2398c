"""Reports of prompts: made by skipping or without, answered by keeping or retiring."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.errors import Conflict, Invalid, NotFound
from app.models import Assignment, Checkpoint, Comparison, Project, Prompt, PromptReport, Round, Slot, User
from app.models.columns import Phase
from app.rules.rounds import next_step
from app.services import (
    assignments,
    demonstrations,
    exports,
    jobs,
    outcomes,
    prompt_reports,
    rankings,
    round_jobs,
    rounds,
    snapshots,
)
from app.services.rankings import RankingDraft

MakeProject = Callable[..., Project]
MakeUser = Callable[..., User]


def claim(session: Session, project: Project, user: User, kind: str = "demonstration") -> Assignment:
    assignment = assignments.claim_assignment(session, project, user, kind)
    assert assignment is not None
    session.commit()
    return assignment


@pytest.mark.parametrize("reason", ["unclear", "language", "harmful", "personal", "broken", "other"])
def test_skipping_for_the_prompts_sake_reports_it(
    session: Session, make_project: MakeProject, make_user: MakeUser, reason: str
) -> None:
    ada, project = make_user("ada"), make_project()
    task = claim(session, project, ada)
    prompt_reports.skip_task(session, task.id, ada, reason, "Which one?")
    report = session.scalars(select(PromptReport)).one()
    assert (report.reason, report.note, report.prompt_id, report.assignment_id) == (
        reason, "Which one?", task.prompt_id, task.id,
    )  # fmt: skip
    assert task.skip_reason == f"{reason}: Which one?"
    assert prompt_reports.count_open(session) == {project.id: 1}


@pytest.mark.parametrize("reason", ["knowledge", "I cannot judge chess openings."])
def test_skipping_for_her_own_sake_reports_nothing(
    session: Session, make_project: MakeProject, make_user: MakeUser, reason: str
) -> None:
    ada = make_user("ada")
    task = claim(session, make_project(), ada)
    prompt_reports.skip_task(session, task.id, ada, reason)
    assert task.skip_reason == reason
    assert session.scalars(select(PromptReport)).all() == []


def test_something_else_without_a_word_skips_nothing(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    ada = make_user("ada")
    task = claim(session, make_project(), ada)
    with pytest.raises(Invalid, match="few words"):
        prompt_reports.skip_task(session, task.id, ada, "other", "  ")
    assert task.skipped_at is None


def test_a_report_leaves_the_task_in_hand_and_the_same_again_is_one(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    ada, ben = make_user("ada"), make_user("ben")
    task = claim(session, make_project(), ada)
    first = prompt_reports.report_prompt(session, task.id, ada, "unclear")
    again = prompt_reports.report_prompt(session, task.id, ada, "unclear", "Who asks?")
    assert (again.id, again.note) == (first.id, "Who asks?")
    assert prompt_reports.report_prompt(session, task.id, ada, "broken").id != first.id
    assert task.skipped_at is None
    demonstrations.submit_demonstration(session, task.id, ada, uuid4(), "Marta.")
    assert prompt_reports.report_prompt(session, task.id, ada, "harmful").id
    with pytest.raises(NotFound):
        prompt_reports.report_prompt(session, task.id, ben, "unclear")


def test_reports_are_listed_by_prompt(session: Session, make_project: MakeProject, make_user: MakeUser) -> None:
    project = make_project(overlap=3)
    people = [make_user(name) for name in ("ada", "ben", "cleo")]
    for person, reason in zip(people, ("unclear", "broken", "unclear"), strict=True):
        prompt_reports.skip_task(session, claim(session, project, person).id, person, reason)
    prompt_reports.report_prompt(session, claim(session, project, people[0]).id, people[0], "personal")
    latest, older = prompt_reports.list_reported(session, project)
    assert latest.reasons == [("Personal data", 1)]
    assert older.reasons == [("Unclear or ambiguous prompt", 2), ("Broken text", 1)]
    assert prompt_reports.list_reported(session, project, before=latest.reports[0].id)[0].prompt.id == older.prompt.id
    assert prompt_reports.count_open(session) == {project.id: 2}


def test_keeping_answers_the_reports_and_changes_nothing_else(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    ada, admin, project = make_user("ada"), make_user("adm", "admin"), make_project()
    task = claim(session, project, ada)
    prompt_reports.skip_task(session, task.id, ada, "unclear")
    assert prompt_reports.keep_prompt(session, project, task.prompt_id, admin, "It is clear enough.") == 1
    assert prompt_reports.keep_prompt(session, project, task.prompt_id, admin) == 0
    assert prompt_reports.list_reported(session, project) == []
    (answered,) = prompt_reports.list_reported(session, project, resolved=True)
    assert (answered.reports[0].resolution, answered.reports[0].resolution_note) == ("kept", "It is clear enough.")
    assert answered.prompt.retired_at is None
    assert claim(session, project, make_user("ben")).prompt_id == task.prompt_id


def test_a_retired_prompt_is_asked_sampled_and_trained_on_no_more_and_its_labels_stay(
    session: Session, make_project: MakeProject, make_user: MakeUser, compare: Callable[..., Comparison]
) -> None:
    ada, admin, project = make_user("ada"), make_user("adm", "admin"), make_project(prompt_count=1, overlap=2)
    task = claim(session, project, ada)
    label = demonstrations.submit_demonstration(session, task.id, ada, uuid4(), "Marta.")
    compare(project, session.get_one(Prompt, task.prompt_id), ["Marta.", "Otto."])
    assert snapshots.count_labels(session, project.id, "demonstration") == 1
    prompt_reports.report_prompt(session, task.id, ada, "harmful")
    prompt_reports.retire_prompt(session, project, task.prompt_id, admin)
    session.commit()
    for kind in ("demonstration", "ranking"):
        assert assignments.claim_assignment(session, project, make_user(f"new-{kind}"), kind) is None
    assert snapshots.count_labels(session, project.id, "demonstration") == 0
    assert list(exports.demonstration_rows(session, project)) == []
    assert round_jobs.prompts_to_sample(session, project) == []
    assert list(outcomes._training_prompts(session, project.id)) == []
    assert label.withdrawn_at is None
    assert prompt_reports.count_open(session) == {}


def test_a_task_in_hand_may_be_finished_after_its_prompt_was_retired(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    ada, admin, project = make_user("ada"), make_user("adm", "admin"), make_project()
    task = claim(session, project, ada)
    prompt_reports.retire_prompt(session, project, task.prompt_id, admin)
    assert demonstrations.submit_demonstration(session, task.id, ada, uuid4(), "Marta.").id


def test_a_prompt_that_is_brought_back_has_the_places_that_its_retirement_closed(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    admin, project = make_user("adm", "admin"), make_project(prompt_count=1, overlap=2)
    prompt = session.scalars(select(Prompt)).one()
    earlier, other = session.scalars(select(Slot).order_by(Slot.id)).all()
    earlier.closed_at = assignments.database_now(session)
    session.commit()
    prompt_reports.retire_prompt(session, project, prompt.id, admin)
    prompt_reports.restore_prompt(session, project, prompt.id, admin)
    session.expire_all()
    assert (earlier.closed_at is None, other.closed_at is None, prompt.retired_at) == (False, True, None)
    with pytest.raises(Conflict, match="not retired"):
        prompt_reports.restore_prompt(session, project, prompt.id, admin)


def test_a_prompt_that_is_brought_back_does_not_open_rankings_of_a_round_that_is_over(
    session: Session, make_project: MakeProject, make_user: MakeUser, compare: Callable[..., Comparison]
) -> None:
    admin, project = make_user("adm", "admin"), make_project(prompt_count=1)
    prompt = session.scalars(select(Prompt)).one()
    old, new = compare(project, prompt, ["Marta.", "Hugo."]), compare(project, prompt, ["Marta!", "Hugo!"])
    first = rounds.current_round(session, project.id)
    assert first is not None
    first.finished_at = func.now()
    session.flush()
    second = Round(project_id=project.id, number=2, phase=Phase.COLLECTING_RANKINGS, phase_times={})
    session.add(second)
    session.flush()
    old.round_id, new.round_id = first.id, second.id
    prompt_reports.retire_prompt(session, project, prompt.id, admin)
    rounds.close_old_slots(session, project.id, second.id)
    prompt_reports.restore_prompt(session, project, prompt.id, admin)
    session.expire_all()
    standing = {slot.comparison_id: slot.closed_at is None for slot in session.scalars(select(Slot))}
    assert (standing[old.id], standing[new.id]) == (False, True)


def test_prompts_of_other_projects_are_not_there(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    admin, village = make_user("adm", "admin"), make_project()
    town = make_project(name="Town", slug="town")
    prompt = session.scalars(select(Prompt).where(Prompt.project_id == village.id)).first()
    assert prompt is not None
    for act in (prompt_reports.keep_prompt, prompt_reports.retire_prompt, prompt_reports.restore_prompt):
        with pytest.raises(NotFound):
            act(session, town, prompt.id, admin)  # type: ignore[operator]


def test_a_round_does_not_wait_for_places_that_nobody_can_fill(
    session: Session, make_project: MakeProject, make_user: MakeUser, compare: Callable[..., Comparison]
) -> None:
    """A retired prompt takes its places along, free ones and filled ones; a closed place counts while it is held."""
    ada, ben, admin = make_user("ada"), make_user("ben"), make_user("adm", "admin")
    project = make_project(prompt_count=4, ranking_threshold=300)
    first, second, third, fourth = session.scalars(select(Prompt).order_by(Prompt.id)).all()
    for prompt in (first, second, third, fourth):
        compare(project, prompt, ["Marta.", "Otto."])
    round_ = rounds.current_round(session, project.id)
    assert round_ is not None

    def offered() -> int:
        return rounds.gather_facts(session, project, round_).ranking_slots

    for _ in range(2):
        rank(session, claim(session, project, ada, "ranking"), ada)
    held = claim(session, project, ben, "ranking")
    assert (held.prompt_id, offered()) == (third.id, 4)
    prompt_reports.retire_prompt(session, project, second.id, admin)
    prompt_reports.retire_prompt(session, project, fourth.id, admin)
    assert offered() == 2
    session.execute(update(Slot).where(Slot.id == held.slot_id).values(closed_at=func.now()))
    assert offered() == 2
    session.execute(update(Slot).where(Slot.id == held.slot_id).values(leased_until=func.now() - timedelta(minutes=1)))
    assert offered() == 1
    facts = rounds.gather_facts(session, project, round_)
    assert next_step("collecting_rankings", facts).phase == "reward"


def test_a_prompt_that_is_retired_while_responses_are_written_gets_no_open_places(
    session: Session, make_project: MakeProject, make_user: MakeUser, tmp_path: Path
) -> None:
    """Brought back, it is asked about like the others."""
    ada, admin, project = make_user("ada"), make_user("adm", "admin"), make_project(prompt_count=2)
    round_ = rounds.current_round(session, project.id)
    base = session.scalars(select(Checkpoint)).one()
    kept, retired = session.scalars(select(Prompt).order_by(Prompt.id)).all()
    spec = {"checkpoints": [{"id": base.id, "count": 2}], "prompt_ids": [kept.id, retired.id]}
    job = jobs.create_job(session, project.id, "sampling", spec, round_id=round_.id if round_ else None)
    written = {"checkpoint": str(base.id), "text": "Marta.", "seed": 1, "finish_reason": "stop"}
    written |= {"tokens": 2, "logprob": -1}
    rows = [{"prompt_id": str(id_), "index": index} | written for id_ in (kept.id, retired.id) for index in (0, 1)]
    (tmp_path / "completions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = dict.fromkeys(("temperature", "top_p", "top_k", "greedy", "max_new_tokens"))
    (tmp_path / "config.json").write_text(json.dumps(settings))

    prompt_reports.retire_prompt(session, project, retired.id, admin)
    outcomes.record_result(session, job, tmp_path)
    task = claim(session, project, ada, "ranking")
    assert task.prompt_id == kept.id
    rank(session, task, ada)
    assert assignments.claim_assignment(session, project, ada, "ranking") is None
    prompt_reports.restore_prompt(session, project, retired.id, admin)
    assert claim(session, project, ada, "ranking").prompt_id == retired.id


def rank(session: Session, task: Assignment, user: User) -> None:
    order = task.order_shown
    draft = RankingDraft([[key] for key in order], {key: {"overall": 4, "flags": []} for key in order})
    rankings.submit_ranking(session, task.id, user, uuid4(), draft)
    session.commit()
