"""A project's recipe as a form: the settings of each algorithm that people change most, and JSON for all others.

Called by routes/projects.py and routes/launches.py. A field is named `KIND.SETTING`, as in the recipe; an empty one
takes the standard. The form holds the fields of every algorithm and shows those of the chosen one, so that nothing that
was typed is lost when another one is tried.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.names import kind_name
from app.rules.programs import ALGORITHMS, PROGRAMS, SETTING_TITLES
from app.translation import gettext as _
from training.config import CONFIGS

FIELDS = {f"{kind}.{name}": (kind, name) for kind, one in PROGRAMS.items() for name in one.settings}


@dataclass(frozen=True)
class SettingField:
    """One setting, as a form draws it."""

    name: str
    label: str
    standard: str
    choices: tuple[str, ...]


@dataclass(frozen=True)
class AlgorithmChoice:
    """An algorithm that may be chosen, with its fields."""

    kind: str
    name: str
    about: str
    needs_reward_model: bool
    fields: list[SettingField]


def algorithm_choices() -> list[AlgorithmChoice]:
    return [
        AlgorithmChoice(kind, kind_name(kind), _(one.about), one.needs_reward_model, fields_of(kind))
        for kind, one in ALGORITHMS.items()
    ]


def fields_of(kind: str) -> list[SettingField]:
    """The fields of a kind of job, in the table's order."""
    described = _described(kind)
    return [
        SettingField(
            f"{kind}.{name}", _(SETTING_TITLES[name]), str(described[name]["default"]), described[name]["choices"] or ()
        )
        for name in PROGRAMS[kind].settings
    ]


def typed_recipe(recipe: Mapping[str, Any]) -> dict[str, str]:
    """A stored recipe as the form shows it: each field, and under `recipe` the rest as JSON."""
    rest = {kind: dict(values) for kind, values in recipe.items()}
    typed = {}
    for field, (kind, name) in FIELDS.items():
        value = rest.get(kind, {}).pop(name, "")
        typed[field] = value if isinstance(value, str) else json.dumps(value)
    left = {kind: values for kind, values in rest.items() if values}
    return {**typed, "recipe": json.dumps(left, indent=2) if left else ""}


def parse_recipe(typed: Mapping[str, str]) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The recipe that was typed, and what cannot be read of it. What values may be is checked where it is stored."""
    try:
        recipe = json.loads(typed["recipe"]) if typed["recipe"].strip() else {}
    except ValueError:
        recipe = None
    if not isinstance(recipe, dict):
        return {}, [{"field": "recipe", "message": _("This is no JSON object.")}]
    errors = []
    for field, (kind, name) in FIELDS.items():
        text = typed[field].strip()
        part = recipe.setdefault(kind, {}) if text else None
        if not isinstance(part, dict):
            continue
        value = _parse(text, _described(kind)[name]["type"])
        if name in part and part[name] != value:
            errors.append({"field": field, "message": _("This stands in the JSON below too. Keep one of the two.")})
        elif value is None:
            errors.append({"field": field, "message": _("Give a number, or nothing for the standard.")})
        else:
            part[name] = value
    return recipe, errors


def field_at_fault(name: str) -> str:
    """The field of the form that shows an error of this setting, such as `recipe.ppo.lr`."""
    setting = name.removeprefix("recipe.")
    return setting if setting in FIELDS else name.split(".")[0]


def _described(kind: str) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in CONFIGS[PROGRAMS[kind].module].describe()}


def _parse(text: str, kind: str) -> int | float | str | None:
    if kind == "str":
        return text
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return int(number) if number.is_integer() and kind == "int" else number
