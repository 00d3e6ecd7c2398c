"""Projects: what labelers need of one, its settings, and whether its loop turns."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from app.models import Project
from app.models.columns import Algorithm, Role
from app.routes.api.label_schemas import Flag
from app.routes.api.router import api_router
from app.routes.api.shapes import Request, Slug, Stored
from app.rules.label_schemas import MOST_FLAGS
from app.security import AnyToken, SessionDep, TokenAdmin, TokenReader
from app.services import audit, members, projects, rounds

router = api_router("projects")

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]
Rate = Annotated[float, Field(ge=0, le=0.5, allow_inf_nan=False, description="Both rates together: 0.5 at most.")]


class ProjectOut(Stored):
    """A project as its labelers see it."""

    slug: str = Field(examples=["village"])
    name: str = Field(examples=["The village"])
    responses_per_prompt: int = Field(description="K, the responses shown together.", examples=[4])
    chat: bool = Field(description="Whether a demonstration may go on for several turns.")
    improves_responses: bool = Field(description="Whether labelers may better a response that they have ranked.")
    labelers_write_prompts: bool
    use_case_texts: list[str] = Field(
        description="Stated use-cases for user-based prompts.", examples=[["Answer letters to the village council."]]
    )


class ProjectSettings(ProjectOut):
    """A project with all that governs its loop."""

    base_model: str = Field(examples=["starter/model"])
    overlap: int = Field(description="Labelers a task.", examples=[1])
    open_to_all: bool = Field(description="Whether everybody may label; else the members alone (`/members`).")
    demonstration_threshold: int = Field(description="New demonstrations that start a fine-tuning.", examples=[100])
    ranking_threshold: int = Field(description="New rankings that start a reward model.", examples=[300])
    comparisons_per_round: int = Field(description="Prompts that are sampled for ranking.", examples=[400])
    second_label_rate: float = Field(description="Share of rankings that get one labeler more.", examples=[0.1])
    review_rate: float = Field(description="Share of tasks with two labels that is reviewed.", examples=[0.02])
    review_above: float | None = Field(
        description="Two labels that disagree on more than this share of pairs are reviewed; null: never.",
        examples=[0.35],
    )
    algorithm: Algorithm = Field(description="What improves the policy in a round.", examples=["dpo"])
    extra_reward_model: bool = Field(description="Whether a reward model is trained also where none is needed (DPO).")
    ai_weight: float = Field(description="Of a model's labels in training; 0: not used.", examples=[0.5])
    recipe: dict[str, Any] = Field(
        description="Overrides of the training settings, by kind of job.", examples=[{"dpo": {"beta": 0.2}}]
    )
    gold_rate: float = Field(description="Share of the rankings given that are gold items.", examples=[0.1])
    repeat_rate: float = Field(description="Share that are the labeler's own again.", examples=[0.05])
    gold_feedback: bool = Field(description="Whether labelers see afterwards what a gold item expected.")
    leaderboard: bool = Field(description="Whether labelers see each other's counts of the week.")
    current_policy_id: int | None = Field(description="The checkpoint that answers now.", examples=[5])
    paused_at: datetime | None = Field(description="Since when no training starts by itself.")
    created_at: datetime


class ProjectIn(Request):
    """A new project."""

    name: str = Field(max_length=120, examples=["The village"])
    slug: str = Field(max_length=64, description="Short name, for addresses.", examples=["village"])
    base_model: str = Field(
        max_length=1000, description="Folder of a causal LM with safetensors, or a hub id.", examples=["starter/model"]
    )
    responses_per_prompt: Annotated[int, Field(ge=2, le=9, description="K.")] = 4
    overlap: Annotated[int, Field(ge=1, le=20, description="Labelers a task.")] = 1
    demonstration_threshold: Count = 100
    ranking_threshold: Count = 300
    comparisons_per_round: Count = 400
    asks_ratings: bool = Field(True, description="Version 1 of the label schema asks for ratings.")
    algorithm: Algorithm = Field(Algorithm.PPO, description="What improves the policy in a round.")
    extra_reward_model: bool = Field(False, description="Train a reward model also where none is needed (DPO).")
    recipe: dict[str, Any] = Field(default={}, examples=[{"sft": {"epochs": 4}}])
    guidelines: str = Field("", max_length=200_000, description="Markdown; empty takes the standard ones.")
    response_flags: list[Flag] | None = Field(
        None, max_length=MOST_FLAGS, description="Those of version 1 of the label schema; unset takes the usual ones."
    )
    chat: bool = False
    improves_responses: bool = False
    labelers_write_prompts: bool = False
    open_to_all: bool = Field(True, description="Whether everybody may label; else the members alone.")
    use_case_texts: list[str] = Field(default=[])
    gold_rate: Rate = 0.0
    repeat_rate: Rate = 0.0
    gold_feedback: bool = False
    leaderboard: bool = False
    second_label_rate: Share = 0.0
    review_rate: Share = 0.0
    review_above: Share | None = None
    ai_weight: Share = 0.0


class ProjectChanges(Request):
    """The settings to change; the others stay."""

    name: str | None = Field(None, max_length=120)
    responses_per_prompt: int | None = Field(None, ge=2, le=9)
    overlap: int | None = Field(None, ge=1, le=20, description="Open tasks get or lose slots by it.")
    demonstration_threshold: Count | None = None
    ranking_threshold: Count | None = None
    comparisons_per_round: Count | None = None
    algorithm: Algorithm | None = None
    extra_reward_model: bool | None = None
    recipe: dict[str, Any] | None = None
    chat: bool | None = None
    improves_responses: bool | None = None
    labelers_write_prompts: bool | None = None
    open_to_all: bool | None = None
    use_case_texts: list[str] | None = None
    gold_rate: Rate | None = None
    repeat_rate: Rate | None = None
    gold_feedback: bool | None = None
    leaderboard: bool | None = None
    second_label_rate: Share | None = None
    review_rate: Share | None = None
    ai_weight: Share | None = Field(None, description="Of a model's labels in training; 0 leaves them out.")
    review_above: Share | None = Field(None, description="null: review no two labels because they disagree.")


@router.get("/projects")
def list_projects(session: SessionDep, user: AnyToken) -> list[ProjectOut]:
    """The projects of this installation; for a labeler, those that she may label in or holds a task of."""
    hers = user.role == Role.LABELER
    found = members.list_open_projects(session, user) if hers else projects.list_projects(session)
    return [ProjectOut.model_validate(project) for project in found]


@router.post("/projects", status_code=201)
def create_project(session: SessionDep, user: TokenAdmin, body: ProjectIn) -> ProjectSettings:
    """Make a project. Pickled weights, code of a model's own and unknown architectures are refused."""
    values = body.model_dump()
    project = projects.create_project(session, projects.ProjectDraft(**values))
    audit.record(session, user, "project.created", f"project:{project.id}", slug=project.slug)
    return ProjectSettings.model_validate(project)


@router.get("/projects/{project}")
def show_project(session: SessionDep, user: AnyToken, project: Slug) -> ProjectOut:
    """What labelers need to know of a project."""
    return ProjectOut.model_validate(projects.get_project(session, project))


@router.get("/projects/{project}/settings")
def show_settings(session: SessionDep, user: TokenReader, project: Slug) -> ProjectSettings:
    """All that governs the loop of a project."""
    return ProjectSettings.model_validate(projects.get_project(session, project))


@router.patch("/projects/{project}/settings")
def change_settings(session: SessionDep, user: TokenAdmin, project: Slug, body: ProjectChanges) -> ProjectSettings:
    """Change some settings; short name and base model are for good."""
    found = projects.get_project(session, project)
    sent = body.model_dump(exclude_unset=True)
    changes = {name: value for name, value in sent.items() if value is not None or name == "review_above"}
    projects.update_project(session, found, changes)
    audit.record(session, user, "project.changed", f"project:{found.id}", changed=sorted(changes))
    return ProjectSettings.model_validate(found)


@router.post("/projects/{project}/pause")
def pause_loop(session: SessionDep, user: TokenAdmin, project: Slug) -> ProjectSettings:
    """Let no training start by itself; what runs goes on."""
    found = projects.get_project(session, project)
    rounds.pause_loop(session, found, user)
    return _refreshed(session, found)


@router.post("/projects/{project}/resume")
def resume_loop(session: SessionDep, user: TokenAdmin, project: Slug) -> ProjectSettings:
    """Let the loop turn by itself again."""
    found = projects.get_project(session, project)
    rounds.resume_loop(session, found, user)
    return _refreshed(session, found)


def _refreshed(session: SessionDep, project: Project) -> ProjectSettings:
    session.flush()
    return ProjectSettings.model_validate(project)
