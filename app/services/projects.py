"""Projects. Called by the routes, the starter and the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app import figures
from app.errors import Conflict, Invalid, NotFound
from app.models import Checkpoint, Guideline, LabelSchema, Project, Round
from app.names import kind_name
from app.rules import label_schemas as schema_rules
from app.rules import measures as measure_rules
from app.rules import rounds as round_rules
from app.rules.label_schemas import Fields, Flag
from app.rules.programs import ALGORITHMS, STANDARD, trains_reward_model
from app.services import pretraining, slots
from app.services.base_models import check_base_model, context_length
from app.services.recipes import recipe_problems
from app.translation import gettext as _

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
    algorithm: str = STANDARD
    extra_reward_model: bool = False
    recipe: dict[str, Any] = field(default_factory=dict)
    guidelines: str = DEFAULT_GUIDELINES
    response_flags: list[Flag] | None = None  # with asks_ratings: version 1 of the label schema
    chat: bool = False
    improves_responses: bool = False
    labelers_write_prompts: bool = False
    open_to_all: bool = True  # to label; else its members alone
    use_case_texts: list[str] = field(default_factory=list)
    gold_rate: float = 0.0  # shares of the rankings given that measure the labeler; both together half at most
    repeat_rate: float = 0.0
    gold_feedback: bool = False
    leaderboard: bool = False
    second_label_rate: float = 0.0
    review_rate: float = 0.0
    review_above: float | None = None
    ai_weight: float = 0.0  # of a model's labels in training; 0: they are not used


# What has versions of its own is changed by publishing the next one.
CREATION_ONLY = {"slug", "base_model", "guidelines", "asks_ratings", "response_flags"}


_BY_SLUG = select(Project).where(Project.slug == bindparam("slug"))  # built once: nearly every request asks it


def list_projects(session: Session) -> list[Project]:
    return list(session.scalars(select(Project).order_by(Project.id)))


def get_project(session: Session, slug: str) -> Project:
    project = session.scalar(_BY_SLUG, {"slug": slug})
    if project is None:
        raise NotFound(_("There is no project “%(slug)s”.") % {"slug": slug})
    return project


def create_project(session: Session, draft: ProjectDraft) -> Project:
    """Store a project with its base checkpoint, guideline version 1 and round 1. Raises Invalid, Conflict."""
    _check_draft(draft, has_pretraining=False, context=context_length(draft.base_model))
    if session.scalar(select(Project.id).where(Project.slug == draft.slug)) is not None:
        raise Conflict(_("The short name “%(slug)s” is taken. Choose another one.") % {"slug": draft.slug})
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
        algorithm=draft.algorithm,
        extra_reward_model=draft.extra_reward_model,
        recipe=draft.recipe,
        chat=draft.chat,
        improves_responses=draft.improves_responses,
        labelers_write_prompts=draft.labelers_write_prompts,
        open_to_all=draft.open_to_all,
        use_case_texts=draft.use_case_texts,
        gold_rate=draft.gold_rate,
        repeat_rate=draft.repeat_rate,
        gold_feedback=draft.gold_feedback,
        leaderboard=draft.leaderboard,
        second_label_rate=draft.second_label_rate,
        review_rate=draft.review_rate,
        review_above=draft.review_above,
        ai_weight=draft.ai_weight,
    )
    session.add(project)
    session.flush()
    session.add(Guideline(project_id=project.id, version=1, text=draft.guidelines or DEFAULT_GUIDELINES))
    session.add(LabelSchema(project_id=project.id, version=1, fields=dict(_first_fields(draft))))
    session.add(Round(project_id=project.id, number=1, phase=round_rules.COLLECTING_DEMONSTRATIONS, phase_times={}))
    session.add(Checkpoint(project_id=project.id, kind="base", path=draft.base_model, config={}, metrics={}, files={}))
    session.flush()
    return project


def update_project(session: Session, project: Project, changes: Mapping[str, Any]) -> Project:
    """Change what may change after the start: not slug and base model, nor what has versions. Raises Invalid."""
    allowed = set(ProjectDraft.__dataclass_fields__) - CREATION_ONLY
    if unknown := sorted(set(changes) - allowed):
        raise Invalid(_("These cannot be changed: %(names)s.") % {"names": ", ".join(unknown)})
    current = {name: getattr(project, name) for name in allowed}
    draft = ProjectDraft(slug=project.slug, base_model=project.base_model, **{**current, **changes})
    if "recipe" in changes:
        has_pretraining = pretraining.current_set(session, project.id) is not None
        _check_draft(draft, has_pretraining, context_length(project.base_model))
    else:  # a recipe from before these were checked stands in the way of no other change
        _check_draft(draft, has_pretraining=True, context=None)
    wanted = (project.overlap, project.second_label_rate)
    for name, value in changes.items():
        setattr(project, name, value)
    session.flush()
    if (project.overlap, project.second_label_rate) != wanted:
        slots.follow_overlap(session, project)
    return project


def _check_draft(draft: ProjectDraft, has_pretraining: bool, context: int | None) -> None:
    errors = []

    def check(field_name: str, holds: bool, message: str) -> None:
        if not holds:
            errors.append({"field": field_name, "message": message})

    check("name", 0 < len(draft.name.strip()) <= 120, _("Give a name of at most 120 characters."))
    slug_fits = re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?", draft.slug) is not None
    check("slug", slug_fits, _("Use 1 to 64 lower-case letters, digits and hyphens."))
    check("base_model", bool(draft.base_model.strip()), _("Name the folder of a base model."))
    check("responses_per_prompt", 2 <= draft.responses_per_prompt <= 9, _("K must be from 2 to 9."))
    check("overlap", 1 <= draft.overlap <= 20, _("Overlap must be from 1 to 20 labelers."))
    for name in ("demonstration_threshold", "ranking_threshold", "comparisons_per_round"):
        check(name, 1 <= getattr(draft, name) <= 10_000_000, _("Give a number of at least 1."))
    if rate_problem := measure_rules.rate_problem(draft.gold_rate, draft.repeat_rate):
        check(rate_problem[0], False, rate_problem[1])
    for name in ("second_label_rate", "review_rate", "review_above"):
        check(name, 0 <= (getattr(draft, name) or 0) <= 1, _("Give a share from 0 to 100 %."))
    check("ai_weight", 0 <= draft.ai_weight <= 1, _("Give a weight from 0 to 1."))
    texts = draft.use_case_texts
    fits = len(texts) <= MOST_USE_CASE_TEXTS and all(0 < len(text.strip()) <= LONGEST_USE_CASE_TEXT for text in texts)
    limits = {"most": MOST_USE_CASE_TEXTS, "longest": figures.number(LONGEST_USE_CASE_TEXT)}
    message = _("Give at most %(most)s use-cases, each of 1 to %(longest)s characters.")
    check("use_case_texts", fits, message % limits)
    known = draft.algorithm in ALGORITHMS
    check("algorithm", known, _("Choose one of: %(known)s.") % {"known": ", ".join(ALGORITHMS)})
    recipe_errors = recipe_problems(draft.recipe, context)
    errors += recipe_errors
    for kind in [] if has_pretraining or recipe_errors else pretraining.asking_kinds(draft.recipe):
        message = _(
            "This project has no pretraining text yet. Import some (Data, Pretraining text), then set a weight."
        )
        check(f"recipe.{kind}.ptx_coef", False, message)
    if known and not recipe_errors and not trains_reward_model(draft.algorithm, draft.extra_reward_model):
        message = _(
            "The best of N is chosen by a reward model, and %(name)s trains none. Set N to 1, or have a reward model "
            "trained all the same."
        )
        alone = draft.recipe.get("sampling", {}).get("best_of", 1) == 1
        check("recipe.sampling.best_of", alone, message % {"name": kind_name(draft.algorithm)})
    errors += schema_rules.field_problems(_first_fields(draft))
    if errors:
        sentences = " ".join(each["message"] for each in errors)
        raise Invalid(_("The project is not complete: %(problems)s") % {"problems": sentences}, errors=errors)


def _first_fields(draft: ProjectDraft) -> Fields:
    return schema_rules.default_fields(draft.asks_ratings, draft.response_flags)
