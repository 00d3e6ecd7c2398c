"""Everything that a page can show: projects in every state, and people of every role who have done something."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Checkpoint, JobEvent, Project, QualificationItem, Ranking, Round, User
from app.services import (
    assignments,
    demonstrations,
    gold_items,
    guidelines,
    jobs,
    label_schemas,
    pretraining,
    prompt_reports,
    qualification_attempts,
    rankings,
    reviews,
    rounds,
    snapshots,
    users,
)
from app.services.gold_items import GoldDraft
from app.services.rankings import RankingDraft
from tests.browser.content import ANSWER, GREEK, LETTER, NINE, PANDAS, TWO, user
from tests.qualifying import ITEMS, WRITING, make_qualification, take
from tests.seed import (
    add_ai_labels,
    add_prompt,
    add_ranking_task,
    add_writing_task,
    make_project,
    make_user,
    read_guidelines,
)

EVERYBODY = ("labeler", "researcher", "admin")


@dataclass
class World:
    people: dict[str, User]
    names: dict[str, object] = field(default_factory=dict)


@pytest.fixture
def world(session: Session, tmp_path: Path) -> World:
    """A project in the midst of its work, one that has only just been made, and people who have done something."""
    people = {role: make_user(session, role, role, name=f"{role.capitalize()} of the village") for role in EVERYBODY}
    make_project(session, tmp_path / "base", name="Empty", slug="empty", labelers_write_prompts=True)
    project = make_project(
        session, tmp_path / "base", name="Household helper", slug="house", responses_per_prompt=4, chat=True,
        improves_responses=True, labelers_write_prompts=True, use_case_texts=["Answer letters to the council."],
    )  # fmt: skip
    guidelines.publish_guideline(session, project, "# Be *kind*\n\nRate each response alone.\n\n- Tie freely.")
    fields = label_schemas.fields_of(label_schemas.current_schema(session, project.id))
    label_schemas.publish_schema(session, project, {**fields, "confidence": True}, None)
    for example in (PANDAS, TWO, GREEK, NINE):
        add_ranking_task(session, project, example)
    for messages in (LETTER[0], [user("Why do leaves turn red?")], [user("<script>alert(1)</script> " + "w" * 300)]):
        add_writing_task(session, project, messages)
    add_prompt(session, project, [user("Why? " * 400)])
    made = World(people)
    label(session, project, made)
    train(session, project, made)
    measure(session, project, made)
    screen(session, make_project(session, tmp_path / "base", name="School", slug="school"), made)
    court = make_project(session, tmp_path / "base", name="Court", slug="court", overlap=2, review_above=0.3)
    dispute(session, court, made)
    for person in people.values():
        read_guidelines(session, person)
    invited = make_user(session, "invited", name="Somebody new")
    made.names["token"] = users.invite_user(session, invited, people["admin"]).rsplit("/", 1)[1]
    session.commit()
    return made


def label(session: Session, project: Project, world: World) -> None:
    """One of each sent, one answer edited, one task skipped, one of each in hand."""
    mara = world.people["labeler"]

    def claim(kind: str) -> assignments.Task:
        task = assignments.claim_task(session, project, mara, kind)
        assert task is not None
        return task

    task = claim("ranking")
    ids = [str(completion.id) for completion in task.completions]
    ratings = {key: {"overall": 4, "flags": ["hallucination"]} for key in ids}
    draft = RankingDraft([ids[:1], ids[1:]], ratings, "The first is *short*.", ["ambiguous"], 7)
    ranking = rankings.submit_ranking(session, task.assignment.id, mara, uuid4(), draft, 61.0)
    world.names |= {"ranking": ranking.id, "sent": task.assignment.id, "completion": ids[-1]}
    answer = claim("demonstration")
    written = demonstrations.submit_demonstration(session, answer.assignment.id, mara, uuid4(), ANSWER, 90.0)
    demonstrations.edit_demonstration(session, written.id, mara, f"{ANSWER}\n\nYours, the caretaker.", 5.0)
    skipped = claim("ranking").assignment
    prompt_reports.skip_task(session, skipped.id, mara, "unclear", "Which of the two is meant?")
    world.names |= {
        "answer": written.id,
        "skipped": skipped.id,
        "rank": claim("ranking").assignment.id,
        "write": claim("demonstration").assignment.id,
    }
    imported = [b'{"prompt": "Who bakes?", "response": "The baker."}']
    demonstrations.import_demonstrations(session, project, imported)


def train(session: Session, project: Project, world: World) -> None:
    """A job that runs, one that failed, a frozen snapshot."""
    round_ = session.scalars(select(Round).where(Round.project_id == project.id)).one()
    running = jobs.create_job(session, project.id, "sft", {"parent": 1}, round_id=round_.id)
    failed = jobs.create_job(session, project.id, "sft", {"parent": 1, "again": 1}, round_id=round_.id)
    running.state, failed.state = "running", "failed"
    for job in (running, failed):
        job.started_at, job.owner, job.epoch, job.attempts = func.now(), "worker-1", 1, 1
    failed.error = "The GPU ran out of memory."
    session.flush()
    for step in range(1, 21):
        payload = {"step": step, "of": 100, "phase": "sft", "metrics": {"loss": 3 / step}}
        session.add(JobEvent(job_id=running.id, seq=step, payload=payload))
        running.progress = payload
    snapshot = snapshots.freeze_snapshot(session, project, rounds.current_round(session, project.id), "demonstration")
    base = session.scalars(select(Checkpoint.id).where(Checkpoint.project_id == project.id)).one()
    texts = [b'{"text": "%s"}' % (b"w" * 400), b'{"text": "<script>alert(1)</script>"}', *[b'{"text": "A."}'] * 20]
    text = pretraining.import_texts(session, project, texts, world.people["admin"], format="jsonl")
    pretraining.freeze_set(session, project, "ppo")
    policy = Checkpoint(project_id=project.id, kind="ppo", path="x", pretraining_set_id=text.id, config={}, metrics={})
    policy.files = {}
    session.add(policy)
    session.flush()
    project.recipe = {"ppo": {"ptx_coef": 0.5}}
    world.names |= {
        "text": text.id,
        "policy": policy.id,
        "running": running.id,
        "failed": failed.id,
        "snapshot": snapshot.id,
        "checkpoint": base,
    }


def measure(session: Session, project: Project, world: World) -> None:
    """A gold item made of a label, and somebody else who labels."""
    ranking = session.get_one(Ranking, world.names["ranking"])
    comparison = gold_items.get_comparison(session, ranking.comparison_id)
    gold_items.set_gold_item(session, comparison, world.people["researcher"], GoldDraft(ranking.tiers))
    world.names["comparison"] = comparison.id
    labels = add_ai_labels(session, project, comparison, world.people["admin"])
    world.names |= {"ai_ranking": labels[0].id, "ai_answer": labels[1].id}


def screen(session: Session, project: Project, world: World) -> None:
    """A qualification in force: one attempt under way, one that waits for a rating; and a version in the making."""
    admin, items = world.people["admin"], [*ITEMS, WRITING]
    version = make_qualification(session, project, admin, items=items, topics=["Bread", "Ladders"])
    waiting = take(session, project, make_user(session, "pupil", name="Pupil"))
    attempt = qualification_attempts.begin_attempt(session, project, world.people["labeler"])
    qualification_attempts.state_topics(session, attempt.id, world.people["labeler"], ["Bread"])
    draft = make_qualification(session, project, admin, items=items, publish=False)
    item = select(QualificationItem.id).where(QualificationItem.qualification_id == draft.id).limit(1)
    world.names |= {
        "qualification": version.id, "draft": draft.id, "item": session.scalar(item), "attempt": attempt.id,
        "waiting": waiting.id,
    }  # fmt: skip


def dispute(session: Session, project: Project, world: World) -> None:
    """Two labelers say the opposite of the same responses, and a researcher looks at both."""
    add_ranking_task(session, project, PANDAS)
    add_ranking_task(session, project, TWO)
    for name, way in (("ada", 1), ("ben", -1)):
        labeler = make_user(session, name)
        for _ in range(2):
            held = assignments.claim_assignment(session, project, labeler, "ranking")
            assert held is not None
            ids = sorted(held.order_shown)[::way]
            ratings = {key: {"overall": max(1, 6 - place), "flags": []} for place, key in enumerate(ids)}
            said = RankingDraft([[key] for key in ids], ratings, "<b>The last one</b> makes it up.")
            rankings.submit_ranking(session, held.id, labeler, uuid4(), said)
    review = reviews.claim_review(session, project, world.people["researcher"])
    assert review is not None
    world.names["review"] = review.id
