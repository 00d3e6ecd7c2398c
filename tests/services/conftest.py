"""A small project with people and prompts, and a way to make comparisons as a sampling job leaves them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from app.models import Checkpoint, Comparison, Completion, Project, Prompt, Slot, User
from app.services import projects, prompts, rounds


@pytest.fixture
def base_model(tmp_path: Path) -> str:
    """A folder that names an allowed architecture; services never look further than this."""
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}))
    (folder / "model.safetensors").write_bytes(b"\x02\x00\x00\x00\x00\x00\x00\x00{}")
    return str(folder)


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
        base = session.query(Checkpoint).filter_by(project_id=project.id, kind="base").one()
        round_ = rounds.current_round(session, project.id)
        assert round_ is not None
        comparison = Comparison(project_id=project.id, prompt_id=prompt.id, round_id=round_.id)
        session.add(comparison)
        session.flush()
        for index, text in enumerate(texts):
            session.add(
                Completion(
                    comparison_id=comparison.id,
                    prompt_id=prompt.id,
                    checkpoint_id=base.id,
                    sample_index=index,
                    text=text,
                    sampling={"temperature": 1.0},
                    seed=index,
                    finish_reason="stop",
                    tokens=3,
                    logprob=-1.0,
                )
            )
        for ordinal in range(1, project.overlap + 1):
            session.add(
                Slot(
                    project_id=project.id,
                    kind="ranking",
                    prompt_id=prompt.id,
                    comparison_id=comparison.id,
                    ordinal=ordinal,
                )
            )
        session.commit()
        return comparison

    return make
