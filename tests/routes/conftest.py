"""People of every role with tokens, a project with prompts, and comparisons to rank, behind the whole application."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import (
    Checkpoint,
    Comparison,
    Demonstration,
    Job,
    Project,
    Prompt,
    QualificationAnswer,
    QualificationItem,
    User,
)
from app.services import (
    gold_items,
    members,
    pretraining,
    projects,
    prompts,
    qualification_grants,
    qualifications,
    rounds,
    snapshots,
    tokens,
    users,
)
from app.services.gold_items import GoldDraft
from tests.qualifying import WRITING, make_qualification, take
from tests.seed import add_ai_labels, add_comparison, read_guidelines

PASSWORD = "four tall quiet horses"


@dataclass
class Person:
    """Somebody with a token; `api` is a client that speaks for them, without any cookie."""

    user: User
    token: str
    api: TestClient


@pytest.fixture
def make_person(client: TestClient, session: Session) -> Iterator[Callable[..., Person]]:
    clients = []

    def make(username: str, role: str = "labeler", scopes: list[str] | None = None, **kind: Any) -> Person:
        user = users.create_user(session, username, username.title(), role, **kind)
        _, plain = tokens.create_token(session, user, "test", scopes)
        session.commit()
        api = TestClient(
            client.app,
            base_url=f"{client.base_url}/api/v1",
            headers={"Authorization": f"Bearer {plain}"},
            follow_redirects=False,
        )
        clients.append(api)
        return Person(user, plain, api)

    yield make
    for each in clients:
        each.close()


@pytest.fixture
def labeler(make_person: Callable[..., Person]) -> Person:
    return make_person("lena")


@pytest.fixture
def researcher(make_person: Callable[..., Person]) -> Person:
    return make_person("rosa", "researcher")


@pytest.fixture
def admin(make_person: Callable[..., Person]) -> Person:
    return make_person("ada", "admin")


@pytest.fixture
def sign_in(client: TestClient, session: Session) -> Callable[[User], str]:
    """Give a person who has read the guidelines a password, and the client their cookie; returns its token."""

    def enter(user: User) -> str:
        read_guidelines(session, user)
        link = users.invite_user(session, user, None)
        users.accept_invitation(session, link.rsplit("/", 1)[1], PASSWORD)
        session.commit()
        answer = client.post("/sign-in", data={"username": user.username, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        return client.cookies["tutelage"]

    return enter


@pytest.fixture
def project(session: Session, base_model: str) -> Project:
    """Four prompts to be answered, one labeler each."""
    draft = projects.ProjectDraft(name="Village", slug="village", base_model=base_model, demonstration_threshold=2)
    made = projects.create_project(session, draft)
    prompts.import_prompts(session, made, [json.dumps({"prompt": f"Question {n}?"}).encode() for n in range(4)])
    session.commit()
    return made


@pytest.fixture
def comparison(session: Session, project: Project) -> Comparison:
    """Three completions of the first prompt, with an open slot."""
    prompt = session.query(Prompt).filter_by(project_id=project.id).order_by(Prompt.id).first()
    assert prompt is not None
    made = add_comparison(session, project, prompt, ["Marta.", "The miller.", "Who asks?"])
    session.commit()
    return made


@pytest.fixture
def world(session: Session, comparison: Comparison, admin: Person) -> dict[str, Any]:
    """One of everything that an address may name, by the name of the path's parameter."""
    job = Job(
        project_id=comparison.project_id, kind="sft", state="succeeded", spec={}, input_hash="0" * 64, progress={},
        result={"checkpoint": 1},
    )  # fmt: skip
    prompt_id = session.query(Prompt.id).order_by(Prompt.id.desc()).limit(1).scalar()
    demonstration = Demonstration(project_id=comparison.project_id, prompt_id=prompt_id, text="Marta.", source="import")
    session.add_all([job, demonstration])
    session.flush()
    round_ = rounds.current_round(session, comparison.project_id)
    project = session.get_one(Project, comparison.project_id)
    snapshot = snapshots.freeze_snapshot(session, project, round_, "demonstration")
    checkpoint = session.query(Checkpoint).filter_by(project_id=project.id, kind="base").one()
    scratch = users.create_user(session, "scratch", "Scratch", "labeler")
    token, _ = tokens.create_token(session, scratch, "scratch")
    link = users.invite_user(session, scratch, None)
    ids = [str(completion.id) for completion in gold_items.get_comparison(session, comparison.id).completions]
    gold, _ = gold_items.set_gold_item(session, comparison, admin.user, GoldDraft([ids[:1], ids[1:]]))
    # Ended again, so that it holds back nobody; one attempt waits for a rating.
    qualification = make_qualification(session, project, admin.user, items=[WRITING])
    attempt = take(session, project, scratch)
    grant = qualification_grants.grant(session, project, scratch, "attempt", "For the tests.", admin.user)
    qualifications.end_qualification(session, qualification.id, admin.user)
    members.add_member(session, project, scratch, admin.user)
    ai_label = add_ai_labels(session, project, comparison, admin.user)[0]
    text = pretraining.import_texts(session, project, [b"Marta."], admin.user, format="text")
    pretraining.freeze_set(session, project, "ppo")
    project.recipe = {"ppo": {"ptx_coef": 0.5}}  # so that it is not to be deleted
    session.commit()
    return {
        "project": "village", "slug": "village", "kind": "demonstrations", "job_id": job.id,
        "demonstration_id": demonstration.id, "snapshot_id": snapshot.id, "checkpoint_id": checkpoint.id,
        "version": 1, "completion_id": UUID(int=0), "user_id": scratch.id, "token_id": token.id,
        "token": link.rsplit("/", 1)[1], "comparison_id": comparison.id, "gold_item_id": gold.id,
        "qualification_id": qualification.id, "attempt_id": attempt.id, "number": 1,
        "item_id": session.scalar(select(QualificationItem.id)), "grant_id": grant.id,
        "answer_id": session.scalar(select(QualificationAnswer.id)),
        "review_id": 999_999, "ai_label_id": ai_label.id, "prompt_id": prompt_id,
        "set_id": text.id,
    }  # fmt: skip
