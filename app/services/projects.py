"""Projects and their guidelines. Called by the routes, the starter and the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import Conflict, Invalid, NotFound
from app.models import Checkpoint, Guideline, Project, Round
from app.rules import rounds as round_rules
from app.services.base_models import check_base_model
from training.config import CONFIGS, ConfigError

DEFAULT_FLAGS = [
    {"key": "fails_instruction", "label": "Fails the instruction"},
    {"key": "hallucination", "label": "Hallucination"},
    {"key": "breaks_constraint", "label": "Breaks a constraint"},
    {"key": "inappropriate", "label": "Inappropriate for an assistant"},
    {"key": "harmful_advice", "label": "Harmful advice"},
    {"key": "encourages_harm", "label": "Encourages harm"},
    {"key": "denigrates", "label": "Denigrates a group"},
    {"key": "sexual", "label": "Sexual content"},
    {"key": "violent", "label": "Violent content"},
    {"key": "opinion", "label": "Gives an opinion"},
    {"key": "moral_judgment", "label": "Moral judgment"},
]

DEFAULT_GUIDELINES = """\
Rate each response alone, as if it were the only one. Then put them in order.

- **7** I would be glad to get this answer.
- **6** Right and useful, a small flaw.
- **5** Useful, some effort is left to the reader.
- **4** As much right as wrong.
- **3** A few useful parts.
- **2** Misleading or beside the point.
- **1** Worse than no answer.

First ask whether it helps the person who wrote the prompt, then whether it is true, then whether it could do harm.
Length is neither good nor bad.

Tie freely. If you would not mind which of two you got, they are equal.

Skip when you cannot tell what is asked, or when the topic is not one you can judge.
"""

# The parts of a recipe, and the program of training/ whose settings each overrides.
RECIPE_PARTS = {"sft": "sft", "sampling": "sample", "reward": "reward", "ppo": "ppo"}
_REQUIRED: dict[str, dict[str, Any]] = {
    "sft": {"model": "x"},
    "sampling": {"policies": [{"name": "x", "path": "x"}]},
    "reward": {"model": "x"},
    "ppo": {"policy": "x", "reward_model": "x"},
}


MOST_USE_CASE_TEXTS, LONGEST_USE_CASE_TEXT = 100, 1000


@dataclass
class ProjectDraft:
    """What a person says of a new project."""

    name: str
    slug: str
    base_model: str
    responses_per_prompt: int = 4
    overlap: int = 1
    demonstration_threshold: int = 100
    ranking_threshold: int = 300
    comparisons_per_round: int = 400
    asks_ratings: bool = True
    recipe: dict[str, Any] = field(default_factory=dict)
    guidelines: str = DEFAULT_GUIDELINES
    response_flags: list[dict[str, str]] | None = None
    chat: bool = False
    improves_responses: bool = False
    labelers_write_prompts: bool = False
    use_case_texts: list[str] = field(default_factory=list)


def list_projects(session: Session) -> list[Project]:
    return list(session.scalars(select(Project).order_by(Project.id)))


def get_project(session: Session, slug: str) -> Project:
    project = session.scalar(select(Project).where(Project.slug == slug))
    if project is None:
        raise NotFound(f"There is no project “{slug}”.")
    return project


def create_project(session: Session, draft: ProjectDraft) -> Project:
    """Store a project with its base checkpoint, guideline version 1 and round 1. Raises Invalid, Conflict."""
    _check_draft(draft)
    if session.scalar(select(Project.id).where(Project.slug == draft.slug)) is not None:
        raise Conflict(f"The short name “{draft.slug}” is taken. Choose another one.")
    check_base_model(draft.base_model)
    project = Project(
        name=draft.name.strip(),
        slug=draft.slug,
        base_model=draft.base_model,
        responses_per_prompt=draft.responses_per_prompt,
        overlap=draft.overlap,
        demonstration_threshold=draft.demonstration_threshold,
        ranking_threshold=draft.ranking_threshold,
        comparisons_per_round=draft.comparisons_per_round,
        asks_ratings=draft.asks_ratings,
        response_flags=DEFAULT_FLAGS if draft.response_flags is None else draft.response_flags,
        recipe=draft.recipe,
        chat=draft.chat,
        improves_responses=draft.improves_responses,
        labelers_write_prompts=draft.labelers_write_prompts,
        use_case_texts=draft.use_case_texts,
    )
    session.add(project)
    session.flush()
    session.add(Guideline(project_id=project.id, version=1, text=draft.guidelines or DEFAULT_GUIDELINES))
    session.add(Round(project_id=project.id, number=1, phase=round_rules.COLLECTING_DEMONSTRATIONS, phase_times={}))
    session.add(Checkpoint(project_id=project.id, kind="base", path=draft.base_model, config={}, metrics={}, files={}))
    session.flush()
    return project


def update_project(session: Session, project: Project, changes: Mapping[str, Any]) -> Project:
    """Change what may change after the start: everything but slug and base model. Raises Invalid."""
    allowed = set(ProjectDraft.__dataclass_fields__) - {"slug", "base_model", "guidelines"}
    if unknown := sorted(set(changes) - allowed):
        raise Invalid(f"These cannot be changed: {', '.join(unknown)}.")
    current = {name: getattr(project, name) for name in allowed}
    _check_draft(ProjectDraft(slug=project.slug, base_model=project.base_model, **{**current, **changes}))
    for name, value in changes.items():
        setattr(project, name, value)
    session.flush()
    return project


def _check_draft(draft: ProjectDraft) -> None:
    errors = []

    def check(field_name: str, holds: bool, message: str) -> None:
        if not holds:
            errors.append({"field": field_name, "message": message})

    check("name", 0 < len(draft.name.strip()) <= 120, "Give a name of at most 120 characters.")
    slug_fits = re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", draft.slug) is not None
    check("slug", slug_fits, "Use 1 to 64 lower-case letters, digits and hyphens.")
    check("base_model", bool(draft.base_model.strip()), "Name the folder of a base model.")
    check("responses_per_prompt", 2 <= draft.responses_per_prompt <= 9, "K must be from 2 to 9.")
    check("overlap", 1 <= draft.overlap <= 20, "Overlap must be from 1 to 20 labelers.")
    for name in ("demonstration_threshold", "ranking_threshold", "comparisons_per_round"):
        check(name, 1 <= getattr(draft, name) <= 10_000_000, "Give a number of at least 1.")
    texts = draft.use_case_texts
    fits = len(texts) <= MOST_USE_CASE_TEXTS and all(0 < len(text.strip()) <= LONGEST_USE_CASE_TEXT for text in texts)
    most, longest = MOST_USE_CASE_TEXTS, LONGEST_USE_CASE_TEXT
    check("use_case_texts", fits, f"Give at most {most} use-cases, each of 1 to {longest:,} characters.")
    for message in _recipe_problems(draft.recipe):
        errors.append(message)
    if errors:
        raise Invalid("The project is not complete: " + " ".join(e["message"] for e in errors), errors=errors)


def _recipe_problems(recipe: dict[str, Any]) -> list[dict[str, str]]:
    """Each part is checked by the very dataclass that the program will read."""
    problems = []
    for part, values in recipe.items():
        if part not in RECIPE_PARTS or not isinstance(values, dict):
            known = ", ".join(RECIPE_PARTS)
            problems.append({"field": f"recipe.{part}", "message": f"A recipe has the parts {known}, each an object."})
            continue
        try:
            CONFIGS[RECIPE_PARTS[part]].from_dict({**_REQUIRED[part], **values})
        except ConfigError as error:
            problems += [
                {"field": f"recipe.{part}.{name}", "message": f"{name} {text}"} for name, text in error.errors.items()
            ]
    return problems


def current_guideline(session: Session, project_id: int) -> Guideline:
    guideline = session.scalar(
        select(Guideline).where(Guideline.project_id == project_id).order_by(Guideline.version.desc()).limit(1)
    )
    if guideline is None:
        raise NotFound("This project has no guidelines.")
    return guideline


def publish_guideline(session: Session, project: Project, text: str) -> Guideline:
    """Add the next version; labels from now on carry its number. Raises Invalid for an empty text."""
    if not text.strip():
        raise Invalid("Guidelines cannot be empty.")
    session.execute(select(Project.id).where(Project.id == project.id).with_for_update())
    version = session.scalar(select(func.max(Guideline.version)).where(Guideline.project_id == project.id)) or 0
    guideline = Guideline(project_id=project.id, version=version + 1, text=text)
    session.add(guideline)
    session.flush()
    return guideline
