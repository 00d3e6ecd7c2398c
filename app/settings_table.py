"""The table in docs/settings.md, made from the Settings class. `tutelage settings` prints it; a test compares."""

from __future__ import annotations

from pydantic_core import PydanticUndefined

from app.settings import Settings

INTRODUCTION = """# Settings

Every setting is an environment variable. This page is made by `make settings` from `app/settings.py`, which is the
only reader of the environment. A laptop needs none of them.

| Variable | Default | What it does |
|---|---|---|
"""


def markdown() -> str:
    return INTRODUCTION + "".join(f"| `{name}` | {default} | {text} |\n" for name, default, text in rows())


def rows() -> list[tuple[str, str, str]]:
    """Each setting as (variable, default, description)."""
    prefix = Settings.model_config.get("env_prefix", "")
    table = []
    for name, field in Settings.model_fields.items():
        variable = field.validation_alias if isinstance(field.validation_alias, str) else prefix + name.upper()
        value = field.default
        default = "" if value is None or value is PydanticUndefined else f"`{value}`"
        table.append((variable, default, (field.description or "").replace("|", "\\|")))
    return table
