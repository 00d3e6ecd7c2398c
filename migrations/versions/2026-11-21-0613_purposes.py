"""Why a task is given: as a label, as gold, again, or for review; and tasks that one labeler alone may have.

Every row there is was given as a label.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "7c2e90d4a1f5"
down_revision = "1b7d52c09e44"
branch_labels = None
depends_on = None

TABLES = ("slots", "assignments", "rankings")
KNOWN = "purpose IN ('label', 'gold', 'repeat', 'review')"


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("purpose", sa.String(length=8), server_default="label", nullable=False))
        op.create_check_constraint(op.f(f"ck_{table}_purpose_known"), table, KNOWN)
    op.add_column("slots", sa.Column("reserved_for_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_slots_reserved_for_id_users"), "slots", "users", ["reserved_for_id"], ["id"])
    once_each("kind = 'ranking' AND purpose = 'label'", "kind = 'demonstration' AND purpose = 'label'")
    op.drop_constraint(op.f("uq_rankings_user_id_comparison_id"), "rankings", type_="unique")
    op.create_index(
        "uq_rankings_user_id_comparison_id",
        "rankings",
        ["user_id", "comparison_id"],
        unique=True,
        postgresql_where=sa.text("purpose = 'label'"),
    )


def once_each(rankings: str, demonstrations: str) -> None:
    """A labeler has a task once: as a label."""
    for column, condition in (("comparison_id", rankings), ("prompt_id", demonstrations)):
        name = f"uq_assignments_user_id_{column}"
        op.drop_index(name, table_name="assignments")
        op.create_index(name, "assignments", ["user_id", column], unique=True, postgresql_where=sa.text(condition))


def downgrade() -> None:
    op.drop_index("uq_rankings_user_id_comparison_id", table_name="rankings")
    op.create_unique_constraint(op.f("uq_rankings_user_id_comparison_id"), "rankings", ["user_id", "comparison_id"])
    once_each("kind = 'ranking'", "kind = 'demonstration'")
    op.drop_column("slots", "reserved_for_id")
    for table in TABLES:
        op.drop_column(table, "purpose")
