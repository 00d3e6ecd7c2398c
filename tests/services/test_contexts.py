"""Settings of length against the context of a project's base model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.errors import Invalid
from app.models import Round
from app.services import projects, round_jobs
from app.services.base_models import context_length
from app.services.pretraining_figures import list_readings
from app.services.projects import ProjectDraft
from tests.seed import base_model_folder


def model_of(folder: Path, **config: Any) -> str:
    base_model_folder(folder)
    (folder / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"], **config}))
    return str(folder)


def draft(base_model: str, recipe: dict[str, Any]) -> ProjectDraft:
    return ProjectDraft("Village", "village", base_model, recipe=recipe)


def test_the_context_is_the_models_positions_or_its_window(settings: object, tmp_path: Path) -> None:
    assert context_length(model_of(tmp_path / "a", max_position_embeddings=128)) == 128
    assert context_length(model_of(tmp_path / "b", n_positions=64)) == 64
    assert context_length(model_of(tmp_path / "c", max_position_embeddings=128, sliding_window=32)) == 32
    window = {"sliding_window": 32, "use_sliding_window": False}
    assert context_length(model_of(tmp_path / "d", max_position_embeddings=128, **window)) == 128
    assert context_length(model_of(tmp_path / "e")) is None
    assert context_length(str(tmp_path / "missing")) is None


def test_lengths_beyond_the_context_are_refused_beside_their_setting(session: Session, tmp_path: Path) -> None:
    small = model_of(tmp_path / "small", max_position_embeddings=128)
    recipe = {"sft": {"max_length": 129}, "ppo": {"max_new_tokens": 64, "max_prompt_tokens": 65}}
    with pytest.raises(Invalid) as refused:
        projects.create_project(session, draft(small, recipe))
    fields = [error["field"] for error in refused.value.extra["errors"]]
    assert fields == ["recipe.sft.max_length", "recipe.ppo.max_prompt_tokens"]


def test_a_job_is_given_lengths_that_fit_where_nobody_set_them(session: Session, tmp_path: Path) -> None:
    small = model_of(tmp_path / "small", max_position_embeddings=128)
    project = projects.create_project(session, draft(small, {"sft": {"epochs": 2}}))
    round_ = session.query(Round).where(Round.project_id == project.id).one()
    round_.phase = "sft"
    job = round_jobs.start_job(session, project, round_)
    assert job.spec["recipe"] == {"epochs": 2, "max_length": 128}


def test_the_page_of_pretraining_text_says_what_a_job_then_reads(session: Session, tmp_path: Path) -> None:
    small = model_of(tmp_path / "small", max_position_embeddings=128)
    project = projects.create_project(session, draft(small, {}))
    project.recipe = {"ppo": {"ptx_coef": 0.5}}
    assert [(reading.kind, reading.limit) for reading in list_readings(project, [])] == [("ppo", 128)]


def test_a_recipe_from_before_stands_in_the_way_of_no_other_change(session: Session, tmp_path: Path) -> None:
    project = projects.create_project(session, draft(model_of(tmp_path / "small", max_position_embeddings=128), {}))
    project.recipe = {"sft": {"max_length": 512}}
    session.flush()
    projects.update_project(session, project, {"overlap": 2})
    assert project.overlap == 2
