"""A small project with people and prompts, and a way to make comparisons as a sampling job leaves them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from app.models import Comparison, Project, Prompt, User
from app.services import projects, prompts
from tests.seed import add_comparison


@pytest.fixture
def make_project(session: Session, base_model: str) -> Callable[..., Project]:
    def make(prompt_count: int = 6, **changes: object) -> Project:
        values = {"name": "Village", "slug": "village", "overlap": 1, "demonstration_threshold": 2} | changes
        project = projects.create_project(session, projects.ProjectDraft(base_model=base_model, **values))
        lines = [json.dumps({"id": f"p{n}", "prompt": f"Question {n}?"}).encode() for n in range(prompt_count)]
        prompts.import_prompts(session, project, lines)
        session.commit()
        return project

    return make


@pytest.fixture
def make_user(session: Session) -> Callable[..., User]:
    def make(username: str, role: str = "labeler", group: str = "training") -> User:
        user = User(username=username, name=username.title(), role=role, labeler_group=group)
        session.add(user)
        session.commit()
        return user

    return make


@pytest.fixture
def compare(session: Session) -> Callable[..., Comparison]:
    """Store K completions for a prompt of the project, with open slots."""

    def make(project: Project, prompt: Prompt, texts: list[str]) -> Comparison:
        comparison = add_comparison(session, project, prompt, texts)
        session.commit()
        return comparison

    return make
