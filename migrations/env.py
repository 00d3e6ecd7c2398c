"""How Alembic reaches the database and the models. Alembic runs this file; app/local/schema.py starts Alembic."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

import app.models  # noqa: F401  (fills Base.metadata)
from app.database import Base, get_engine

LOCK = 7_283_400  # any number that nobody else takes as an advisory lock


def migrate() -> None:
    """Migrate in one transaction, one migrator at a time."""
    with get_engine().connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, compare_server_default=True)
        with context.begin_transaction():
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            context.run_migrations()


def write_sql() -> None:
    """`alembic upgrade head --sql`: print the statements for somebody who runs them by hand."""
    context.configure(dialect_name="postgresql", target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    write_sql()
else:
    migrate()
