"""Who has read which version of the guidelines."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "53a9c7bcda61"
down_revision = "6a20c8fae067"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "guideline_readings",
        sa.Column("guideline_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["guideline_id"],
            ["guidelines.id"],
            name=op.f("fk_guideline_readings_guideline_id_guidelines"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_guideline_readings_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("guideline_id", "user_id", name=op.f("pk_guideline_readings")),
    )
    op.create_index(op.f("ix_guideline_readings_user_id"), "guideline_readings", ["user_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_guideline_readings_user_id"), table_name="guideline_readings")
    op.drop_table("guideline_readings")
