"""A model's labels: which tasks it gets, which labels train and at what weight, and that they count as nobody's."""

from __future__ import annotations

import json
from collections.abc import Callable
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import Conflict, Invalid, NotFound
from app.models import AILabel, Checkpoint, Comparison, Job, Project, Prompt, Snapshot, User
from app.services import (
    ai_exports,
    ai_labels,
    assignments,
    browsing,
    checkpoints,
    constitutions,
    exports,
    overview,
    projects,
    prompts,
    rankings,
    rounds,
    snapshots,
)
from app.services.rankings import RankingDraft
from tests.seed import add_ai_labels, read_guidelines

Compare = Callable[..., Comparison]


@pytest.fixture
def project(make_project: Callable[..., Project]) -> Project:
    return make_project(3)


@pytest.fixture
def ada(make_user: Callable[..., User]) -> User:
    return make_user("ada", "admin")


@pytest.fixture
def compared(session: Session, project: Project, compare: Compare) -> list[Comparison]:
    """Each prompt's responses; the last prompt is for validation."""
    found = session.query(Prompt).order_by(Prompt.id).all()
    found[2].split = "validation"
    return [compare(project, prompt, ["Marta.", "The miller.", "Who asks?"]) for prompt in found]


def judge_of(session: Session, project: Project) -> int:
    return session.scalars(select(Checkpoint.id).where(Checkpoint.project_id == project.id)).one()


def lines(session: Session, project: Project, kind: str, **choice: object) -> list[dict[str, object]]:
    return [json.loads(line) for line in exports.stream_export(session, project, kind, **choice)]  # type: ignore[arg-type]


def test_constitutions_have_versions(session: Session, project: Project, ada: User) -> None:
    assert constitutions.current_constitution(session, project.id) is None
    with pytest.raises(Conflict, match="no constitution yet"):
        constitutions.need_constitution(session, project.id)
    first = constitutions.publish_constitution(session, project, "- Be kind.", ada)
    second = constitutions.publish_constitution(session, project, "- Be kind.\n- Be true.", ada)
    assert [first.version, second.version] == [1, 2]
    for text, words in (("# Heading\n", "at least one"), (second.text, "word for word"), ("x" * 1001, "at most")):
        with pytest.raises(Invalid, match=words):
            constitutions.publish_constitution(session, project, text, ada)
    assert [each.version for each in constitutions.list_constitutions(session, project.id)] == [2, 1]


def test_a_model_gets_what_may_train_and_what_it_has_not_labeled_by_this_version(
    session: Session, project: Project, compared: list[Comparison], ada: User
) -> None:
    constitutions.publish_constitution(session, project, "- Be kind.", ada)
    add_ai_labels(session, project, compared[0], ada)
    job = ai_labels.start_labeling(session, project, "ranking", judge_of(session, project), 400, ada)
    assert job.spec["comparisons"] == [compared[1].id], "labeled already, or held out"
    assert job.spec["constitution"] == constitutions.need_constitution(session, project.id).id
    with pytest.raises(Conflict, match="at it already"):
        ai_labels.start_labeling(session, project, "ranking", judge_of(session, project), 400, ada)
    job.state = "failed"
    constitutions.publish_constitution(session, project, "- Be true.", ada)
    again = ai_labels.start_labeling(session, project, "ranking", judge_of(session, project), 400, ada)
    assert again.spec["comparisons"] == [compared[1].id, compared[0].id], "newest first"
    written = ai_labels.start_labeling(session, project, "demonstration", judge_of(session, project), 1, ada)
    assert written.spec["prompts"] == [compared[1].prompt_id]
    assert list(written.spec["completions"]) == [str(compared[1].prompt_id)]


def test_starting_is_refused_with_a_reason(session: Session, project: Project, ada: User, base_model: str) -> None:
    judge = judge_of(session, project)
    with pytest.raises(Conflict, match="no constitution yet"):
        ai_labels.start_labeling(session, project, "ranking", judge, 10, ada)
    constitutions.publish_constitution(session, project, "- Be kind.", ada)
    with pytest.raises(Conflict, match="nothing left to label"):
        ai_labels.start_labeling(session, project, "ranking", judge, 10, ada)
    with pytest.raises(NotFound):
        ai_labels.start_labeling(session, project, "ranking", judge + 99, 10, ada)
    with pytest.raises(Invalid, match="from 1 to"):
        ai_labels.start_labeling(session, project, "ranking", judge, 0, ada)
    with pytest.raises(Invalid, match="no model folder"):
        ai_labels.find_judge(session, project, "nowhere/at/all")
    found = ai_labels.find_judge(session, project, base_model)
    assert found.kind == "judge"
    assert ai_labels.find_judge(session, project, base_model).id == found.id


def test_whatever_can_write_may_judge(session: Session, project: Project) -> None:
    for kind in ("sft", "reward", "dpo", "rejection"):
        session.add(Checkpoint(project_id=project.id, kind=kind, path="x", config={}, metrics={}, files={}))
        session.flush()
    assert [judge.kind for judge in ai_labels.list_judges(session, project.id)] == ["rejection", "dpo", "sft", "base"]


def test_a_label_of_weight_0_is_in_no_snapshot_and_in_no_recipe(
    session: Session, project: Project, compared: list[Comparison], ada: User
) -> None:
    add_ai_labels(session, project, compared[0], ada)
    snapshot = snapshots.freeze_snapshot(session, project, None, "ranking")
    assert (snapshot.rows, snapshot.ai_rows) == (0, 0)
    round_ = rounds.current_round(session, project.id)
    assert round_ is not None
    assert rounds.gather_facts(session, project, round_).ai_labels == 0


def test_a_label_with_weight_is_frozen_marked_and_walks_to_its_checkpoint(
    session: Session, project: Project, compared: list[Comparison], ada: User
) -> None:
    label = add_ai_labels(session, project, compared[0], ada)[0]
    projects.update_project(session, project, {"ai_weight": 0.25})
    with pytest.raises(Invalid):
        projects.update_project(session, project, {"ai_weight": 1.5})
    round_ = rounds.current_round(session, project.id)
    assert round_ is not None
    session.add(Checkpoint(project_id=project.id, kind="sft", path="x", config={}, metrics={}, files={}))
    round_.phase = "collecting_rankings"
    assert rounds.gather_facts(session, project, round_).ai_labels == 1
    rounds.request_launch(session, project, ada)
    (job,) = rounds.advance_round(session, project, round_)
    assert (job.kind, job.spec["recipe"]) == ("reward", {"ai_weight": 0.25})
    snapshot = session.get_one(Snapshot, job.spec["snapshot"])
    assert (snapshot.rows, snapshot.ai_rows, snapshot.counted) == (1, 1, 0)
    (row,) = map(json.loads, snapshots.snapshot_file(snapshot).read_text().splitlines())
    assert (row["ai"], row["id"], row["ranks"], row["split"]) == (True, f"ai-{label.id}", [1, 2, 2], "train")
    assert row["labeler"] == f"ai:checkpoint-{label.judge_id}"
    assert (row["constitution_version"], row["job"]) == (1, label.job_id)
    made = Checkpoint(
        project_id=project.id, kind="reward", path="y", snapshot_id=snapshot.id, config={}, metrics={}, files={}
    )
    session.add(made)
    session.flush()
    assert checkpoints.ai_label_reach(session, label) == ([snapshot], [made])
    lineage = checkpoints.checkpoint_lineage(session, made)
    assert (lineage.labels, lineage.ai_labels, lineage.labelers) == (0, 1, 0)
    projects.update_project(session, project, {"ai_weight": 0})
    assert len(lines(session, project, "comparisons", snapshot_id=snapshot.id)) == 1, "as its hash says"


def test_the_newest_label_of_a_task_trains_and_none_of_a_retired_prompt(
    session: Session, project: Project, compared: list[Comparison], ada: User
) -> None:
    add_ai_labels(session, project, compared[0], ada)
    newer = add_ai_labels(session, project, compared[0], ada)
    for kind, label in zip(("ranking", "demonstration"), newer, strict=True):
        found = session.scalars(select(AILabel).where(*ai_exports.which_ai_train(kind))).all()
        assert [each.id for each in found] == [label.id]
    prompts_ = session.get_one(Prompt, compared[0].prompt_id)
    prompts_.retired_at = newer[0].created_at
    session.flush()
    assert ai_labels.use_of(session, project) == ai_labels.AIUse(0, 0, 0.0)


def test_ai_labels_count_as_nobodys_and_leave_only_when_asked_for(
    session: Session, project: Project, compared: list[Comparison], ada: User, make_user: Callable[..., User]
) -> None:
    lena = make_user("lena")
    read_guidelines(session, lena)
    task = assignments.claim_task(session, project, lena, "ranking")
    assert task is not None
    ids = task.assignment.order_shown
    ratings = {key: {"overall": 4, "flags": []} for key in ids}
    rankings.submit_ranking(session, task.assignment.id, lena, uuid4(), RankingDraft([ids[:1], ids[1:]], ratings))
    before = (
        browsing.count_labels(session, project),
        overview.labeler_days(session, project.id),
        snapshots.count_labels(session, project.id, "ranking"),
        lines(session, project, "comparisons"),
        lines(session, project, "comparisons", format="trl"),
    )
    add_ai_labels(session, project, compared[0], ada)
    session.flush()
    after = (
        browsing.count_labels(session, project),
        overview.labeler_days(session, project.id),
        snapshots.count_labels(session, project.id, "ranking"),
        lines(session, project, "comparisons"),
        lines(session, project, "comparisons", format="trl"),
    )
    assert before == after
    native = lines(session, project, "comparisons", ai=True)
    assert [row.get("ai") for row in native] == [None, True]
    pairs = lines(session, project, "comparisons", format="trl", ai=True)
    assert [pair.get("ai") for pair in pairs] == [None, None, True, True]
    (written,) = lines(session, project, "demonstrations", ai=True)
    assert (written["ai"], written["response"], written["source"]) == (True, "The baker does.", "revision")
    (completion,) = lines(session, project, "demonstrations", format="trl", ai=True)
    assert completion["ai"] is True


def test_a_label_tells_what_it_rests_on(
    session: Session, project: Project, compared: list[Comparison], ada: User
) -> None:
    ranking, written = add_ai_labels(session, project, compared[0], ada)
    page = ai_labels.describe_label(session, ranking.id)
    assert [[one.text for one in tier] for tier in page.tiers]
    assert page.principles == ["Be kind."]
    assert page.wins == ranking.details["wins"]
    assert ai_labels.describe_label(session, written.id).principles == ["Be true."]
    listed = ai_labels.list_ai_jobs(session, project.id)
    assert [(job.kind, count) for job, count in listed] == [("ai_revision", 1), ("ai_ranking", 1)]
    with pytest.raises(NotFound):
        ai_labels.describe_label(session, 999)
    assert prompts.count_prompts(session, project.id) == 3
    assert session.query(Job).count() == 2
