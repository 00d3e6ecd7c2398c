"""Constitutions, labels that a model gave by them, and the weight at which they train.

No project has any so far, and the weight is 0: nothing of a model's enters a training until somebody says so.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "8c2e5a719bf4"
down_revision = "d10b7c55e2a9"
branch_labels = None
depends_on = None

JOBS = ("sft", "sampling", "reward", "ppo")
CHECKPOINTS = ("base", "sft", "reward", "ppo")


def know(table: str, kinds: tuple[str, ...]) -> None:
    """Let `kind` be one of these."""
    name, listed = op.f(f"ck_{table}_kind_known"), ", ".join(f"'{kind}'" for kind in kinds)
    op.drop_constraint(name, table, type_="check")
    op.create_check_constraint(name, table, f"kind IN ({listed})")


def number(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def identity() -> sa.Column[object]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False)


def created() -> sa.Column[object]:
    return sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def points_to(table: str, column: str, other: str, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{other}")
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete=ondelete)


def upgrade() -> None:
    know("jobs", (*JOBS, "ai_ranking", "ai_revision"))
    know("checkpoints", (*CHECKPOINTS, "judge"))
    op.add_column("projects", sa.Column("ai_weight", sa.Float(), server_default="0", nullable=False))
    op.create_check_constraint(op.f("ck_projects_ai_weight_range"), "projects", "ai_weight BETWEEN 0 AND 1")
    op.create_table(
        "constitutions",
        identity(),
        number("project_id"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        created(),
        number("created_by_id", nullable=True),
        points_to("constitutions", "project_id", "projects", "CASCADE"),
        points_to("constitutions", "created_by_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_constitutions")),
        sa.UniqueConstraint("project_id", "version", name=op.f("uq_constitutions_project_id_version")),
    )
    create_labels()
    op.add_column("snapshots", sa.Column("ai_rows", sa.Integer(), server_default="0", nullable=False))
    op.add_column("snapshot_items", number("ai_label_id", nullable=True))
    op.create_foreign_key(
        op.f("fk_snapshot_items_ai_label_id_ai_labels"), "snapshot_items", "ai_labels", ["ai_label_id"], ["id"]
    )
    op.create_index(op.f("ix_snapshot_items_ai_label_id"), "snapshot_items", ["ai_label_id"])
    op.create_index(
        "uq_snapshot_items_ai_label", "snapshot_items", ["snapshot_id", "ai_label_id"], unique=True,
        postgresql_where=sa.text("ai_label_id IS NOT NULL"),
    )  # fmt: skip
    op.drop_constraint(op.f("ck_snapshot_items_one_label"), "snapshot_items", type_="check")
    op.create_check_constraint(
        op.f("ck_snapshot_items_one_label"),
        "snapshot_items",
        "num_nonnulls(demonstration_id, ranking_id, ai_label_id) = 1",
    )


def create_labels() -> None:
    op.create_table(
        "ai_labels",
        identity(),
        number("project_id"),
        sa.Column("kind", sa.String(length=16), nullable=False),
        number("job_id"),
        number("judge_id"),
        number("constitution_id"),
        number("prompt_id"),
        number("comparison_id", nullable=True),
        sa.Column("completion_id", sa.Uuid(), nullable=True),
        sa.Column("tiers", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        created(),
        sa.CheckConstraint("kind IN ('demonstration', 'ranking')", name=op.f("ck_ai_labels_kind_known")),
        sa.CheckConstraint(
            "(kind = 'ranking') = (comparison_id IS NOT NULL AND tiers IS NOT NULL)"
            " AND (kind = 'demonstration') = (text IS NOT NULL)",
            name=op.f("ck_ai_labels_content_of_kind"),
        ),
        points_to("ai_labels", "project_id", "projects", "CASCADE"),
        points_to("ai_labels", "job_id", "jobs"),
        points_to("ai_labels", "judge_id", "checkpoints"),
        points_to("ai_labels", "constitution_id", "constitutions"),
        points_to("ai_labels", "prompt_id", "prompts", "CASCADE"),
        points_to("ai_labels", "comparison_id", "comparisons", "CASCADE"),
        points_to("ai_labels", "completion_id", "completions"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ai_labels")),
        sa.UniqueConstraint(
            "job_id", "prompt_id", "comparison_id", name=op.f("uq_ai_labels_job_id_prompt_id_comparison_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )  # fmt: skip
    op.create_index("ix_ai_labels_project_id_kind_id", "ai_labels", ["project_id", "kind", "id"])
    op.create_index(
        "ix_ai_labels_prompt_id", "ai_labels", ["prompt_id"], postgresql_where=sa.text("kind = 'demonstration'")
    )
    op.create_index(
        "ix_ai_labels_comparison_id", "ai_labels", ["comparison_id"],
        postgresql_where=sa.text("comparison_id IS NOT NULL"),
    )  # fmt: skip
    for column in ("judge_id", "constitution_id"):
        op.create_index(op.f(f"ix_ai_labels_{column}"), "ai_labels", [column])


def downgrade() -> None:
    # What a model labeled has no place in the tables before this one.
    op.execute("DELETE FROM snapshot_items WHERE ai_label_id IS NOT NULL")
    op.drop_constraint(op.f("ck_snapshot_items_one_label"), "snapshot_items", type_="check")
    op.drop_index("uq_snapshot_items_ai_label", table_name="snapshot_items")
    op.drop_column("snapshot_items", "ai_label_id")
    op.create_check_constraint(
        op.f("ck_snapshot_items_one_label"), "snapshot_items", "(demonstration_id IS NULL) <> (ranking_id IS NULL)"
    )
    op.drop_column("snapshots", "ai_rows")
    op.drop_table("ai_labels")
    op.drop_table("constitutions")
    op.drop_constraint(op.f("ck_projects_ai_weight_range"), "projects", type_="check")
    op.drop_column("projects", "ai_weight")
    op.execute("DELETE FROM job_events WHERE job_id IN (SELECT id FROM jobs WHERE kind LIKE 'ai\\_%')")
    op.execute("DELETE FROM jobs WHERE kind LIKE 'ai\\_%'")
    op.execute("DELETE FROM checkpoints WHERE kind = 'judge'")
    know("checkpoints", CHECKPOINTS)
    know("jobs", JOBS)
