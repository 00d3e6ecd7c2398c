"""Tasks that are leased to a labeler ahead, while she works on another one.

No task that there is was claimed so.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "3f8a1c6e27d4"
down_revision = "e41b7a90c6d2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("assignments", sa.Column("ahead", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("assignments", "ahead")
