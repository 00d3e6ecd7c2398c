"""Rows for tests and for the documentation's pictures, made by the services where these are quick enough."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import AILabel, Checkpoint, Comparison, Completion, Job, Project, Prompt, Slot, User
from app.models.columns import TaskKind
from app.rules.prompts import content_hash
from app.services import ai_labels, constitutions, guidelines, projects, rounds, users
from app.services.projects import ProjectDraft
from tests.browser.content import Example

# Settings under which a tiny model goes once round the circle in seconds.
TINY_RECIPE: dict[str, dict[str, int]] = {
    "sft": {"epochs": 1, "max_length": 128, "threads": 1},
    "sampling": {"max_new_tokens": 8, "max_prompt_tokens": 64, "threads": 1},
    "reward": {"epochs": 1, "max_length": 128, "threads": 1},
    "ppo": {
        "episodes": 32,
        "batch_size": 8,
        "minibatch_size": 8,
        "max_new_tokens": 8,
        "max_prompt_tokens": 64,
        "samples_per_prompt": 4,
        "threads": 1,
    },
}


def base_model_folder(folder: Path) -> Path:
    """A folder that passes for a base model as far as the application looks."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text('{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}')
    (folder / "model.safetensors").write_bytes(b"\x02\x00\x00\x00\x00\x00\x00\x00{}")
    return folder


def make_project(session: Session, folder: Path, name: str = "Household helper", **settings: object) -> Project:
    slug = str(settings.pop("slug", name.lower().replace(" ", "-")))
    draft = ProjectDraft(name=name, slug=slug, base_model=str(base_model_folder(folder)), **settings)  # type: ignore[arg-type]
    return projects.create_project(session, draft)


def make_user(session: Session, username: str, role: str = "labeler", name: str = "") -> User:
    return users.create_user(session, username, name or username.capitalize(), role)


def read_guidelines(session: Session, user: User) -> None:
    """She has read the newest guidelines of every project."""
    for project in projects.list_projects(session):
        guidelines.note_reading(session, guidelines.current_guideline(session, project.id), user)


def add_prompt(session: Session, project: Project, messages: list[dict[str, str]]) -> Prompt:
    prompt = Prompt(project_id=project.id, content_hash=content_hash(messages), messages=messages, source="import")
    session.add(prompt)
    session.flush()
    return prompt


def add_comparison(
    session: Session, project: Project, prompt: Prompt, texts: list[str], priority: int = 0
) -> Comparison:
    """What a sampling job leaves: completions of the base model, and as many open slots as the project's overlap."""
    base = session.scalars(select(Checkpoint).where(Checkpoint.project_id == project.id, Checkpoint.kind == "base"))
    round_ = rounds.current_round(session, project.id)
    assert round_ is not None
    comparison = Comparison(project_id=project.id, prompt_id=prompt.id, round_id=round_.id)
    session.add(comparison)
    session.flush()
    checkpoint_id, ids = base.one().id, {"prompt_id": prompt.id, "comparison_id": comparison.id}
    for index, text in enumerate(texts):
        session.add(
            Completion(
                **ids, checkpoint_id=checkpoint_id, sample_index=index, text=text, sampling={"temperature": 1.0},
                seed=index, finish_reason="stop", tokens=len(text.split()), logprob=-1.0,
            )
        )  # fmt: skip
    for ordinal in range(1, project.overlap + 1):
        session.add(Slot(**ids, project_id=project.id, kind="ranking", ordinal=ordinal, priority=priority))
    session.flush()
    return comparison


def add_ranking_task(session: Session, project: Project, example: Example, priority: int = 0) -> Comparison:
    """A comparison of the example's responses; higher priority is handed out first."""
    messages, texts = example
    digest = content_hash(messages)
    prompt = session.scalar(select(Prompt).where(Prompt.project_id == project.id, Prompt.content_hash == digest))
    return add_comparison(session, project, prompt or add_prompt(session, project, messages), texts, priority)


def add_writing_task(session: Session, project: Project, messages: list[dict[str, str]], priority: int = 0) -> Prompt:
    prompt = add_prompt(session, project, messages)
    session.add(Slot(project_id=project.id, kind="demonstration", prompt_id=prompt.id, ordinal=1, priority=priority))
    session.flush()
    return prompt


def add_ai_labels(session: Session, project: Project, comparison: Comparison, user: User) -> list[AILabel]:
    """What two jobs of AI labeling leave: a ranking of the comparison and a revised answer to its prompt."""
    if constitutions.current_constitution(session, project.id) is None:
        constitutions.publish_constitution(session, project, "# Ours\n\n- Be kind.\n- Be true.", user)
    constitution = constitutions.need_constitution(session, project.id)
    judge = ai_labels.list_judges(session, project.id)[0]
    query = select(Completion).where(Completion.comparison_id == comparison.id).order_by(Completion.id)
    ids = [str(one.id) for one in session.scalars(query)]
    steps = [{"principle": 1, "critique": "It is curt.", "revision": "The baker does.", "taken": True}]
    contents: dict[str, dict[str, object]] = {
        "ranking": {
            "comparison_id": comparison.id, "tiers": [ids[:1], ids[1:]],
            "details": {
                "principles": [0], "responses": ids, "wins": dict.fromkeys(ids, 0.5),
                "win_probabilities": [[0.5] * len(ids)] * len(ids), "position": {"first": 0.5, "changed": 0.0},
            },
        },
        "demonstration": {"text": "The baker does.", "details": {"draft": "Baker.", "steps": steps}},
    }  # fmt: skip
    labels = []
    for kind, content in contents.items():
        job = Job(
            project_id=project.id, kind=ai_labels.AI_JOBS[TaskKind(kind)], state="succeeded", input_hash="0" * 64,
            spec={"judge": judge.id, "constitution": constitution.id}, progress={}, result={"ai_labels": 1},
        )  # fmt: skip
        session.add(job)
        session.flush()
        labels.append(
            AILabel(
                project_id=project.id, kind=kind, job_id=job.id, judge_id=judge.id, constitution_id=constitution.id,
                prompt_id=comparison.prompt_id, **content,
            )
        )  # fmt: skip
    session.add_all(labels)
    session.flush()
    return labels
