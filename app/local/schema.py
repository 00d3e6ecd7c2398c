"""Bring a database to the newest migration, or say what a migration lacks.

Called by app/local/supervisor.py, `tutelage migrate` and tests/conftest.py, for the database of `get_settings()`.
"""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from app.database import get_engine
from app.local import StartError
from app.settings import ROOT


def configuration() -> Config:
    return Config(ROOT / "alembic.ini")


def is_current() -> bool:
    """Whether the database stands at the newest migration: quicker than an upgrade that does nothing."""
    scripts = ScriptDirectory.from_config(configuration())
    with get_engine().connect() as connection:
        return set(MigrationContext.configure(connection).get_current_heads()) == set(scripts.get_heads())


def upgrade() -> bool:
    """Run the migrations that are missing; answers whether there were any."""
    if is_current():
        return False
    try:
        command.upgrade(configuration(), "head")
    except CommandError as error:
        raise StartError(f"The database cannot be migrated: {error}") from error
    return True


def check() -> str:
    """Raise StartError where the models say more or less than the migrations make."""
    try:
        command.check(configuration())
    except CommandError as error:
        raise StartError(f"Models and migrations differ: {error}") from error
    return "Models and migrations agree."


def write(name: str) -> str:
    """Write the migration that brings a current database to the models; answers where it lies."""
    if not is_current():
        raise StartError("The database has to be current before a migration can be written.")
    made = command.revision(configuration(), name, autogenerate=True)
    return str(made.path) if isinstance(made, Script) else "Nothing was written."
