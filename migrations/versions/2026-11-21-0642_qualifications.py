"""Qualifications, their items, attempts at them, answers, ratings and grants.

No project asks for one: its labelers work on as before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "e6b1f04c8d27"
down_revision = "e4a90c6d3f72"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "qualification_grants",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("granted_by_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by_id", sa.BigInteger(), nullable=True),
        sa.Column("revoke_reason", sa.String(length=500), nullable=True),
        sa.CheckConstraint("kind IN ('exemption', 'attempt')", name=op.f("ck_qualification_grants_kind_known")),
        sa.ForeignKeyConstraint(
            ["granted_by_id"], ["users.id"], name=op.f("fk_qualification_grants_granted_by_id_users")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_qualification_grants_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["revoked_by_id"], ["users.id"], name=op.f("fk_qualification_grants_revoked_by_id_users")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_qualification_grants_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_qualification_grants")),
    )
    op.create_index(
        "ix_qualification_grants_project_id_user_id", "qualification_grants", ["project_id", "user_id"], unique=False
    )
    op.create_table(
        "qualifications",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("introduction", sa.Text(), nullable=False),
        sa.Column(
            "topics", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
        sa.Column("flags", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("flags_cutoff", sa.Double(), nullable=True),
        sa.Column("ranking_cutoff", sa.Double(), nullable=True),
        sa.Column("demonstration_cutoff", sa.Double(), nullable=True),
        sa.Column("ratings_needed", sa.Integer(), server_default="1", nullable=False),
        sa.Column("attempts_allowed", sa.Integer(), nullable=True),
        sa.Column("exempts_held_out", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("accepts_earlier", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("least_version", sa.Integer(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_by_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("attempts_allowed BETWEEN 1 AND 20", name=op.f("ck_qualifications_attempts_allowed_range")),
        sa.CheckConstraint(
            "demonstration_cutoff BETWEEN 1 AND 7", name=op.f("ck_qualifications_demonstration_cutoff_rating")
        ),
        sa.CheckConstraint("flags_cutoff BETWEEN 0 AND 1", name=op.f("ck_qualifications_flags_cutoff_share")),
        sa.CheckConstraint("ranking_cutoff BETWEEN 0 AND 1", name=op.f("ck_qualifications_ranking_cutoff_share")),
        sa.CheckConstraint("ratings_needed BETWEEN 1 AND 5", name=op.f("ck_qualifications_ratings_needed_range")),
        sa.ForeignKeyConstraint(["created_by_id"], ["users.id"], name=op.f("fk_qualifications_created_by_id_users")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_qualifications_project_id_projects"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_qualifications")),
        sa.UniqueConstraint("project_id", "version", name=op.f("uq_qualifications_project_id_version")),
    )
    op.create_index(
        "uq_qualifications_project_id_draft",
        "qualifications",
        ["project_id"],
        unique=True,
        postgresql_where=sa.text("published_at IS NULL"),
    )
    op.create_table(
        "qualification_attempts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("qualification_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=12), server_default="in_progress", nullable=False),
        sa.Column("topics", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("figures", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("withdrawn_by_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('in_progress', 'waiting', 'passed', 'failed', 'withdrawn')",
            name=op.f("ck_qualification_attempts_state_known"),
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name=op.f("fk_qualification_attempts_project_id_projects"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["qualification_id"],
            ["qualifications.id"],
            name=op.f("fk_qualification_attempts_qualification_id_qualifications"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_qualification_attempts_user_id_users")),
        sa.ForeignKeyConstraint(
            ["withdrawn_by_id"], ["users.id"], name=op.f("fk_qualification_attempts_withdrawn_by_id_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_qualification_attempts")),
    )
    op.create_index(
        "ix_qualification_attempts_project_id_user_id",
        "qualification_attempts",
        ["project_id", "user_id", "state"],
        unique=False,
    )
    op.create_index(
        "ix_qualification_attempts_qualification_id", "qualification_attempts", ["qualification_id"], unique=False
    )
    op.create_index(
        "uq_qualification_attempts_open",
        "qualification_attempts",
        ["user_id", "project_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('in_progress', 'waiting')"),
    )
    op.create_table(
        "qualification_items",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("qualification_id", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("stage", sa.String(length=8), nullable=False),
        sa.Column("messages", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("responses", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("gold", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'demonstration') = (gold IS NULL)", name=op.f("ck_qualification_items_gold_matches_kind")
        ),
        sa.CheckConstraint(
            "kind IN ('flags', 'ranking', 'demonstration')", name=op.f("ck_qualification_items_kind_known")
        ),
        sa.CheckConstraint("stage IN ('practice', 'test')", name=op.f("ck_qualification_items_stage_known")),
        sa.ForeignKeyConstraint(
            ["qualification_id"],
            ["qualifications.id"],
            name=op.f("fk_qualification_items_qualification_id_qualifications"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_qualification_items")),
        sa.UniqueConstraint(
            "qualification_id",
            "ordinal",
            deferrable=True,
            initially="DEFERRED",
            name=op.f("uq_qualification_items_qualification_id_ordinal"),
        ),
    )
    op.create_table(
        "qualification_answers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("attempt_id", sa.BigInteger(), nullable=False),
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("draft", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("draft_saved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("points", sa.Double(), nullable=True),
        sa.Column("out_of", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["attempt_id"],
            ["qualification_attempts.id"],
            name=op.f("fk_qualification_answers_attempt_id_qualification_attempts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["item_id"],
            ["qualification_items.id"],
            name=op.f("fk_qualification_answers_item_id_qualification_items"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_qualification_answers")),
        sa.UniqueConstraint("attempt_id", "item_id", name=op.f("uq_qualification_answers_attempt_id_item_id")),
    )
    op.create_index(op.f("ix_qualification_answers_item_id"), "qualification_answers", ["item_id"], unique=False)
    op.create_table(
        "qualification_ratings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("answer_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("rating BETWEEN 1 AND 7", name=op.f("ck_qualification_ratings_rating_range")),
        sa.ForeignKeyConstraint(
            ["answer_id"],
            ["qualification_answers.id"],
            name=op.f("fk_qualification_ratings_answer_id_qualification_answers"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_qualification_ratings_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_qualification_ratings")),
        sa.UniqueConstraint("answer_id", "user_id", name=op.f("uq_qualification_ratings_answer_id_user_id")),
    )
    op.add_column("projects", sa.Column("qualification_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        "fk_projects_qualification_id_qualifications", "projects", "qualifications", ["qualification_id"], ["id"]
    )


def downgrade() -> None:
    op.drop_constraint(op.f("fk_projects_qualification_id_qualifications"), "projects", type_="foreignkey")
    op.drop_column("projects", "qualification_id")
    for table in ("ratings", "answers", "items", "attempts"):
        op.drop_table(f"qualification_{table}")
    op.drop_table("qualifications")
    op.drop_table("qualification_grants")
