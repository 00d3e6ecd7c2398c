"""Labels that may be edited, withdrawn and restored until a snapshot has frozen them, and what they said before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "b51d0c7e94a2"
down_revision = "53a9c7bcda61"
branch_labels = None
depends_on = None

LABELS = ("demonstrations", "rankings")


def upgrade() -> None:
    for table in LABELS:
        op.add_column(table, sa.Column("revision", sa.Integer(), server_default="1", nullable=False))
        op.add_column(table, sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True))
        op.create_index(
            f"ix_{table}_user_id_created_at", table, ["user_id", "created_at", "assignment_id"], unique=False
        )
    op.create_index(
        "ix_assignments_user_id_sent",
        "assignments",
        ["user_id", "project_id", "submitted_at"],
        unique=False,
        postgresql_where=sa.text("submitted_at IS NOT NULL"),
    )
    op.create_table(
        "revisions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("demonstration_id", sa.BigInteger(), nullable=True),
        sa.Column("ranking_id", sa.BigInteger(), nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(demonstration_id IS NULL) <> (ranking_id IS NULL)", name=op.f("ck_revisions_one_label")),
        sa.CheckConstraint("kind IN ('edited', 'withdrawn', 'restored')", name=op.f("ck_revisions_kind_known")),
        sa.ForeignKeyConstraint(
            ["demonstration_id"],
            ["demonstrations.id"],
            name=op.f("fk_revisions_demonstration_id_demonstrations"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["ranking_id"], ["rankings.id"], name=op.f("fk_revisions_ranking_id_rankings"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_revisions_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revisions")),
    )
    op.create_index("ix_revisions_demonstration_id_id", "revisions", ["demonstration_id", "id"], unique=False)
    op.create_index("ix_revisions_ranking_id_id", "revisions", ["ranking_id", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_revisions_ranking_id_id", table_name="revisions")
    op.drop_index("ix_revisions_demonstration_id_id", table_name="revisions")
    op.drop_table("revisions")
    op.drop_index(
        "ix_assignments_user_id_sent",
        table_name="assignments",
        postgresql_where=sa.text("submitted_at IS NOT NULL"),
    )
    for table in reversed(LABELS):
        op.drop_index(f"ix_{table}_user_id_created_at", table_name=table)
        op.drop_column(table, "withdrawn_at")
        op.drop_column(table, "revision")
