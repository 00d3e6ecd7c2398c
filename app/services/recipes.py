"""The settings of a project's jobs: checked by the very dataclass that the program reads, fitted to the base model.

Called where settings are saved, before a launch, and where a round starts a job.
"""

from __future__ import annotations

from typing import Any

from app.models import Project
from app.rules.programs import PROGRAMS
from app.services.base_models import context_length
from app.translation import gettext as _
from training.config import CONFIGS, BaseConfig, ConfigError
from training.config.context import context_problems, fit

# What the application itself puts into the settings of a program.
GIVEN: dict[str, dict[str, Any]] = {
    kind: {setting: "x" for setting, _place in program.models} for kind, program in PROGRAMS.items()
}
GIVEN["sampling"] = {"policies": [{"name": "x", "path": "x"}], "reward_model": "x"}
GIVEN["ai_ranking"]["principles"] = GIVEN["ai_revision"]["principles"] = ["x"]


def read_recipe(kind: str, values: dict[str, Any]) -> BaseConfig:
    """The settings of a kind of job with standard values filled in. Raises ConfigError."""
    return CONFIGS[PROGRAMS[kind].module].from_dict({**GIVEN[kind], **values})


def recipe_of(project: Project, kind: str) -> dict[str, Any]:
    """What a job of this kind is given: the project's settings, and lengths that fit where nobody has set them."""
    return fit(CONFIGS[PROGRAMS[kind].module], project.recipe.get(kind, {}), context_length(project.base_model))


def recipe_problems(recipe: dict[str, Any], context: int | None) -> list[dict[str, str]]:
    """Each part is checked by the very dataclass that the program will read, and against the model's context."""
    problems = []
    for part, values in recipe.items():
        if part not in PROGRAMS or not isinstance(values, dict):
            message = _("A recipe has the parts %(known)s, each an object.") % {"known": ", ".join(PROGRAMS)}
            problems.append({"field": f"recipe.{part}", "message": message})
            continue
        try:
            read_recipe(part, values)
            found = context_problems(CONFIGS[PROGRAMS[part].module], values, context)
        except ConfigError as error:
            found = error.errors
        problems += [{"field": f"recipe.{part}.{name}", "message": f"{name} {text}"} for name, text in found.items()]
    return problems
