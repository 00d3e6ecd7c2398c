"""Who may label what: pools, languages, skills; and queues whose cost does not grow with what has been done.

Every project stays open to everybody, every labeler may have every language, and no prompt needs a skill.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "d41f7a60c3b8"
down_revision = "5d3f8b61c0a7"
branch_labels = None
depends_on = None

UNFINISHED = "submitted_at IS NULL AND skipped_at IS NULL"
OPEN = "submitted_at IS NULL AND closed_at IS NULL"
ORDER = ["project_id", "kind", sa.text("(- priority)"), "id"]  # ascending in all, so that a place is one range
LISTS = (("users", "languages"), ("users", "skills"), ("prompts", "skills"))


def upgrade() -> None:
    for table, name in LISTS:
        column = sa.Column(
            name, postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'::jsonb"), nullable=False
        )
        op.add_column(table, column)
    op.add_column("prompts", sa.Column("language", sa.String(length=20), nullable=True))
    op.add_column("projects", sa.Column("open_to_all", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    make_tables()
    op.drop_index("ix_slots_open", table_name="slots")
    op.create_index("ix_slots_open", "slots", ORDER, postgresql_where=sa.text(f"{OPEN} AND reserved_for_id IS NULL"))
    op.create_index(
        "ix_slots_reserved",
        "slots",
        ["reserved_for_id", *ORDER],
        postgresql_where=sa.text(f"{OPEN} AND reserved_for_id IS NOT NULL"),
    )
    # A slot that was given back remembers from now on who had it, so that she gets it again first.
    op.execute(
        "UPDATE slots SET holder_id = a.user_id FROM assignments a WHERE a.slot_id = slots.id"
        " AND slots.holder_id IS NULL AND slots.submitted_at IS NULL AND slots.closed_at IS NULL"
        " AND a.submitted_at IS NULL AND a.skipped_at IS NULL"
    )
    op.execute(
        "UPDATE slots SET holder_id = NULL WHERE submitted_at IS NULL AND closed_at IS NOT NULL"
        " AND (leased_until IS NULL OR leased_until <= now())"
    )
    op.drop_index("ix_assignments_user_id_open", table_name="assignments")
    op.create_index(
        "ix_assignments_user_id_open",
        "assignments",
        ["user_id", "project_id", "kind", sa.text("expires_at DESC")],
        postgresql_where=sa.text(UNFINISHED),
    )
    op.execute("ALTER TABLE slots SET (fillfactor = 80)")


def make_tables() -> None:
    op.create_table(
        "project_members",
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_project_members_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_project_members_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "user_id", name=op.f("pk_project_members")),
    )
    op.create_index(op.f("ix_project_members_user_id"), "project_members", ["user_id"])
    op.create_table(
        "queue_places",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("slot_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_queue_places_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_queue_places_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "project_id", "kind", name=op.f("pk_queue_places")),
    )
    op.create_index(op.f("ix_queue_places_project_id"), "queue_places", ["project_id"])


def downgrade() -> None:
    op.execute("UPDATE slots SET holder_id = NULL WHERE submitted_at IS NULL AND leased_until IS NULL")
    op.execute("ALTER TABLE slots RESET (fillfactor)")
    op.drop_index("ix_assignments_user_id_open", table_name="assignments")
    op.create_index(
        "ix_assignments_user_id_open",
        "assignments",
        ["user_id", "project_id", "kind"],
        postgresql_where=sa.text(UNFINISHED),
    )
    op.drop_index("ix_slots_reserved", table_name="slots")
    op.drop_index("ix_slots_open", table_name="slots")
    before = ["project_id", "kind", sa.text("priority DESC"), "id"]
    op.create_index("ix_slots_open", "slots", before, postgresql_where=sa.text(OPEN))
    op.drop_table("queue_places")
    op.drop_table("project_members")
    op.drop_column("projects", "open_to_all")
    op.drop_column("prompts", "language")
    for table, name in LISTS:
        op.drop_column(table, name)
