"""The questions of the ranking page get versions; rankings keep prompt flags and confidence.

What a project asked until now becomes version 1, and every assignment and ranking that is there follows it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "b3d7a1c95e20"
down_revision = "b51d0c7e94a2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "label_schemas",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_by_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["created_by_id"], ["users.id"], name=op.f("fk_label_schemas_created_by_id_users")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_label_schemas_project_id_projects"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label_schemas")),
        sa.UniqueConstraint("project_id", "version", name=op.f("uq_label_schemas_project_id_version")),
    )
    op.execute(
        "INSERT INTO label_schemas (project_id, version, fields, created_at)"
        " SELECT id, 1, jsonb_build_object('ratings', asks_ratings, 'response_flags', response_flags,"
        " 'prompt_flags', '[]'::jsonb, 'confidence', false), created_at FROM projects ORDER BY id"
    )
    op.drop_column("projects", "asks_ratings")
    op.drop_column("projects", "response_flags")
    op.add_column("assignments", sa.Column("schema_version", sa.Integer(), server_default="1", nullable=False))
    op.add_column("rankings", sa.Column("schema_version", sa.Integer(), server_default="1", nullable=False))
    op.add_column(
        "rankings",
        sa.Column(
            "prompt_flags",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
    )
    op.add_column("rankings", sa.Column("confidence", sa.Integer(), nullable=True))
    op.create_check_constraint(op.f("ck_rankings_confidence_range"), "rankings", "confidence BETWEEN 1 AND 9")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_rankings_confidence_range"), "rankings", type_="check")
    op.drop_column("rankings", "confidence")
    op.drop_column("rankings", "prompt_flags")
    op.drop_column("rankings", "schema_version")
    op.drop_column("assignments", "schema_version")
    op.add_column("projects", sa.Column("asks_ratings", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    op.add_column("projects", sa.Column("response_flags", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.execute(
        "UPDATE projects SET asks_ratings = (newest.fields->>'ratings')::boolean,"
        " response_flags = newest.fields->'response_flags'"
        " FROM (SELECT DISTINCT ON (project_id) project_id, fields FROM label_schemas"
        " ORDER BY project_id, version DESC) AS newest WHERE newest.project_id = projects.id"
    )
    op.alter_column("projects", "response_flags", nullable=False)
    op.drop_table("label_schemas")
