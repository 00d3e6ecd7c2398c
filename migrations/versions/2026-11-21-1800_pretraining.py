"""Pretraining text of a project, in versions, and which of them a checkpoint was trained with.

No project has any so far: PPO-ptx could be set, but no job was ever given text.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "5d41c09be7a3"
down_revision = "3e9ac1f4d702"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pretraining_sets",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("texts", sa.Integer(), nullable=False),
        sa.Column("characters", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_by_id", sa.BigInteger(), nullable=True),
        sa.Column("frozen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_pretraining_sets_created_by_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_pretraining_sets_project_id_projects"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pretraining_sets")),
        sa.UniqueConstraint("project_id", "version", name=op.f("uq_pretraining_sets_project_id_version")),
    )  # fmt: skip
    op.create_index(
        "uq_pretraining_sets_current", "pretraining_sets", ["project_id"], unique=True,
        postgresql_where=sa.text("retired_at IS NULL"),
    )  # fmt: skip
    op.create_table(
        "pretraining_texts",
        sa.Column("set_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["set_id"], ["pretraining_sets.id"], name=op.f("fk_pretraining_texts_set_id_pretraining_sets"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("set_id", "number", name=op.f("pk_pretraining_texts")),
    )  # fmt: skip
    op.add_column("checkpoints", sa.Column("pretraining_set_id", sa.BigInteger(), nullable=True))
    name = op.f("fk_checkpoints_pretraining_set_id_pretraining_sets")
    op.create_foreign_key(name, "checkpoints", "pretraining_sets", ["pretraining_set_id"], ["id"])
    op.create_index(op.f("ix_checkpoints_pretraining_set_id"), "checkpoints", ["pretraining_set_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_checkpoints_pretraining_set_id"), table_name="checkpoints")
    op.drop_column("checkpoints", "pretraining_set_id")
    op.drop_table("pretraining_texts")
    op.drop_table("pretraining_sets")
