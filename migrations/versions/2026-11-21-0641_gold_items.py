"""Gold items, and how often labelers are measured. No project measures until it is told to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "e4a90c6d3f72"
down_revision = "3f8a1c6e27d4"
branch_labels = None
depends_on = None

RATES = ("gold_rate", "repeat_rate")
SWITCHES = ("gold_feedback", "leaderboard")


def upgrade() -> None:
    for name in RATES:
        op.add_column("projects", sa.Column(name, sa.Float(), server_default=sa.text("0"), nullable=False))
    for name in SWITCHES:
        op.add_column("projects", sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_check_constraint(
        op.f("ck_projects_measured_at_most_half"),
        "projects",
        "gold_rate >= 0 AND repeat_rate >= 0 AND gold_rate + repeat_rate <= 0.5000001",
    )
    op.create_table(
        "gold_items",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("comparison_id", sa.BigInteger(), nullable=False),
        sa.Column("tiers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("ratings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("flags", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("explanation", sa.Text(), server_default="", nullable=False),
        sa.Column("created_by_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["comparison_id"],
            ["comparisons.id"],
            name=op.f("fk_gold_items_comparison_id_comparisons"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["created_by_id"], ["users.id"], name=op.f("fk_gold_items_created_by_id_users")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_gold_items_project_id_projects"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gold_items")),
        sa.UniqueConstraint("comparison_id", name=op.f("uq_gold_items_comparison_id")),
    )
    op.create_index(op.f("ix_gold_items_project_id"), "gold_items", ["project_id"], unique=False)
    op.create_index(
        "ix_assignments_user_id_given",
        "assignments",
        ["user_id", "project_id", "id"],
        unique=False,
        postgresql_where=sa.text("kind = 'ranking'"),
    )


def downgrade() -> None:
    op.drop_index("ix_assignments_user_id_given", table_name="assignments")
    op.drop_table("gold_items")
    op.drop_constraint(op.f("ck_projects_measured_at_most_half"), "projects")
    for name in (*SWITCHES, *RATES):
        op.drop_column("projects", name)
