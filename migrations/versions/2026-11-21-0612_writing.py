"""Writing: turns, sources and warnings of demonstrations, prompts by labelers, edits of responses.

Every column is optional or has a default that says what earlier rows were.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "1b7d52c09e44"
down_revision = "b3d7a1c95e20"
branch_labels = None
depends_on = None

SWITCHES = ("chat", "improves_responses", "labelers_write_prompts")


def json_list(name: str, **options: object) -> sa.Column[object]:
    return sa.Column(name, postgresql.JSONB(astext_type=sa.Text()), **options)  # type: ignore[arg-type]


def upgrade() -> None:
    for name in SWITCHES:
        op.add_column("projects", sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("projects", json_list("use_case_texts", server_default=sa.text("'[]'::jsonb"), nullable=False))

    op.add_column("prompts", sa.Column("kind", sa.String(length=12), server_default="plain", nullable=False))
    op.add_column("prompts", sa.Column("author_id", sa.BigInteger(), nullable=True))
    op.add_column("prompts", sa.Column("group_key", sa.String(length=64), nullable=True))
    op.add_column("prompts", sa.Column("use_case_text", sa.Text(), nullable=True))
    op.create_check_constraint(op.f("ck_prompts_kind_known"), "prompts", "kind IN ('plain', 'few_shot', 'user_based')")
    op.create_foreign_key(op.f("fk_prompts_author_id_users"), "prompts", "users", ["author_id"], ["id"])
    op.create_index(
        "ix_prompts_project_id_author_id",
        "prompts",
        ["project_id", "author_id"],
        unique=False,
        postgresql_where=sa.text("author_id IS NOT NULL"),
    )

    for name in ("turns", "sources", "warnings"):
        op.add_column("demonstrations", json_list(name, nullable=True))
    op.add_column("demonstrations", sa.Column("pasted_share", sa.Float(), nullable=True))
    op.add_column("demonstrations", sa.Column("edited_completion_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_demonstrations_edited_completion_id_completions"),
        "demonstrations",
        "completions",
        ["edited_completion_id"],
        ["id"],
    )
    op.create_index(
        op.f("ix_demonstrations_edited_completion_id"), "demonstrations", ["edited_completion_id"], unique=False
    )

    op.add_column("rankings", sa.Column("source", sa.String(length=20), server_default="labeler", nullable=False))

    op.alter_column("completions", "checkpoint_id", existing_type=sa.BigInteger(), nullable=True)
    op.add_column("completions", sa.Column("author_id", sa.BigInteger(), nullable=True))
    op.add_column("completions", sa.Column("original_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_completions_author_id_users"), "completions", "users", ["author_id"], ["id"])
    op.create_foreign_key(
        op.f("fk_completions_original_id_completions"), "completions", "completions", ["original_id"], ["id"]
    )
    op.create_index(op.f("ix_completions_original_id"), "completions", ["original_id"], unique=False)
    op.create_check_constraint(
        op.f("ck_completions_one_writer"), "completions", "(checkpoint_id IS NULL) = (author_id IS NOT NULL)"
    )


def downgrade() -> None:
    # Comparisons with an edit have no place in the tables before this one.
    edits = "SELECT id FROM rankings WHERE source = 'edit'"
    op.execute(f"DELETE FROM snapshot_items WHERE ranking_id IN ({edits})")
    op.execute("DELETE FROM rankings WHERE source = 'edit'")
    op.execute(
        "DELETE FROM comparisons WHERE id IN (SELECT comparison_id FROM completions WHERE original_id IS NOT NULL)"
    )
    op.drop_constraint(op.f("ck_completions_one_writer"), "completions", type_="check")
    op.drop_column("completions", "original_id")
    op.drop_column("completions", "author_id")
    op.alter_column("completions", "checkpoint_id", existing_type=sa.BigInteger(), nullable=False)
    op.drop_column("rankings", "source")
    for name in ("edited_completion_id", "pasted_share", "warnings", "sources", "turns"):
        op.drop_column("demonstrations", name)
    op.drop_constraint(op.f("ck_prompts_kind_known"), "prompts", type_="check")
    for name in ("use_case_text", "group_key", "author_id", "kind"):
        op.drop_column("prompts", name)
    for name in ("use_case_texts", *reversed(SWITCHES)):
        op.drop_column("projects", name)
