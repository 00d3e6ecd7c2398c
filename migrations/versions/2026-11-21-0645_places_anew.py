"""Places in the queue begin anew: a language with and without its region is one now, and what lay behind may be hers."""

from __future__ import annotations

from alembic import op

revision = "d10b7c55e2a9"
down_revision = "d41f7a60c3b8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DELETE FROM queue_places")


def downgrade() -> None:
    pass  # places come back by themselves
