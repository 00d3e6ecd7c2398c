"""Reviews of two labels, adjudicators, reports of prompts, retired prompts, and what was shown and for how long.

No label is reviewed and no prompt retired so far; nothing is known of how earlier labels were looked at.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "5d3f8b61c0a7"
down_revision = "e6b1f04c8d27"
branch_labels = None
depends_on = None

SHARES = "second_label_rate BETWEEN 0 AND 1 AND review_rate BETWEEN 0 AND 1 AND review_above BETWEEN 0 AND 1"


def moment(name: str, **options: object) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), **options)  # type: ignore[arg-type]


def created() -> sa.Column[object]:
    return moment("created_at", server_default=sa.text("now()"), nullable=False)


def number(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def points_to(table: str, column: str, other: str, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{other}")
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete=ondelete)


def upgrade() -> None:
    for table in ("slots", "assignments"):
        op.drop_constraint(op.f(f"ck_{table}_kind_known"), table, type_="check")
        op.create_check_constraint(
            op.f(f"ck_{table}_kind_known"), table, "kind IN ('demonstration', 'ranking', 'review')"
        )
    op.drop_constraint(op.f("ck_slots_task_matches_kind"), "slots", type_="check")
    op.create_check_constraint(
        op.f("ck_slots_task_matches_kind"), "slots", "(kind <> 'demonstration') = (comparison_id IS NOT NULL)"
    )
    for name in ("second_label_rate", "review_rate"):
        op.add_column("projects", sa.Column(name, sa.Float(), server_default="0", nullable=False))
    op.add_column("projects", sa.Column("review_above", sa.Float(), nullable=True))
    op.create_check_constraint(op.f("ck_projects_review_shares_range"), "projects", SHARES)
    op.add_column("prompts", moment("retired_at", nullable=True))
    op.create_index("ix_prompts_retired", "prompts", ["id"], postgresql_where=sa.text("retired_at IS NOT NULL"))
    op.add_column("rankings", moment("superseded_at", nullable=True))
    for table in ("rankings", "demonstrations"):
        op.add_column(table, sa.Column("presentation", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    create_reviews()
    create_reports()


def create_reviews() -> None:
    op.create_table(
        "adjudicators",
        number("project_id"),
        number("user_id"),
        created(),
        points_to("adjudicators", "project_id", "projects", "CASCADE"),
        points_to("adjudicators", "user_id", "users", "CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "user_id", name=op.f("pk_adjudicators")),
    )
    op.create_index(op.f("ix_adjudicators_user_id"), "adjudicators", ["user_id"])
    op.create_table(
        "reviews",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        number("project_id"),
        number("comparison_id"),
        number("slot_id"),
        number("first_id"),
        number("second_id"),
        sa.Column("cause", sa.String(length=12), nullable=False),
        sa.Column("disagreement", sa.Float(), nullable=False),
        created(),
        moment("cancelled_at", nullable=True),
        sa.Column("outcome", sa.String(length=8), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        moment("decided_at", nullable=True),
        number("decided_by_id", nullable=True),
        sa.Column("idempotency_key", sa.Uuid(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("labels_shown", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        number("ranking_id", nullable=True),
        sa.CheckConstraint("first_id < second_id", name=op.f("ck_reviews_two_labels")),
        sa.CheckConstraint("(decided_at IS NULL) = (outcome IS NULL)", name=op.f("ck_reviews_decided_with_outcome")),
        sa.CheckConstraint(
            "(ranking_id IS NOT NULL) OR (outcome IS DISTINCT FROM 'own')", name=op.f("ck_reviews_own_order")
        ),
        sa.CheckConstraint("cause IN ('disagreement', 'sample')", name=op.f("ck_reviews_cause_known")),
        sa.CheckConstraint("outcome IN ('first', 'second', 'both', 'own')", name=op.f("ck_reviews_outcome_known")),
        points_to("reviews", "project_id", "projects", "CASCADE"),
        points_to("reviews", "comparison_id", "comparisons", "CASCADE"),
        points_to("reviews", "slot_id", "slots", "CASCADE"),
        points_to("reviews", "first_id", "rankings"),
        points_to("reviews", "second_id", "rankings"),
        points_to("reviews", "decided_by_id", "users"),
        points_to("reviews", "ranking_id", "rankings"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        sa.UniqueConstraint("slot_id", name=op.f("uq_reviews_slot_id")),
        sa.UniqueConstraint("ranking_id", name=op.f("uq_reviews_ranking_id")),
    )
    op.create_index("ix_reviews_project_id_id", "reviews", ["project_id", "id"])
    op.create_index(op.f("ix_reviews_first_id"), "reviews", ["first_id"])
    op.create_index(op.f("ix_reviews_second_id"), "reviews", ["second_id"])
    standing = sa.text("cancelled_at IS NULL")
    op.create_index("uq_reviews_comparison_id", "reviews", ["comparison_id"], unique=True, postgresql_where=standing)


def create_reports() -> None:
    op.create_table(
        "prompt_reports",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        number("project_id"),
        number("prompt_id"),
        number("assignment_id", nullable=True),
        number("reporter_id"),
        sa.Column("reason", sa.String(length=12), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        created(),
        moment("resolved_at", nullable=True),
        number("resolved_by_id", nullable=True),
        sa.Column("resolution", sa.String(length=8), nullable=True),
        sa.Column("resolution_note", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(resolved_at IS NULL) = (resolution IS NULL)", name=op.f("ck_prompt_reports_resolved_with_resolution")
        ),
        sa.CheckConstraint(
            "reason IN ('unclear', 'language', 'harmful', 'personal', 'broken', 'other')",
            name=op.f("ck_prompt_reports_reason_known"),
        ),
        sa.CheckConstraint("resolution IN ('kept', 'retired')", name=op.f("ck_prompt_reports_resolution_known")),
        points_to("prompt_reports", "project_id", "projects", "CASCADE"),
        points_to("prompt_reports", "prompt_id", "prompts", "CASCADE"),
        points_to("prompt_reports", "assignment_id", "assignments", "SET NULL"),
        points_to("prompt_reports", "reporter_id", "users"),
        points_to("prompt_reports", "resolved_by_id", "users"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prompt_reports")),
    )
    waiting = sa.text("resolved_at IS NULL")
    op.create_index("ix_prompt_reports_project_id_id", "prompt_reports", ["project_id", "id"])
    columns = ["project_id", "prompt_id"]
    op.create_index("ix_prompt_reports_project_id_open", "prompt_reports", columns, postgresql_where=waiting)
    columns = ["prompt_id", "reporter_id", "reason"]
    op.create_index("uq_prompt_reports_open", "prompt_reports", columns, unique=True, postgresql_where=waiting)


def downgrade() -> None:
    op.drop_table("prompt_reports")
    op.drop_table("reviews")
    op.drop_table("adjudicators")
    # What reviews have made has no place in the tables before this one.
    of_reviews = "(SELECT id FROM assignments WHERE kind = 'review')"
    op.execute(
        f"DELETE FROM snapshot_items WHERE ranking_id IN (SELECT id FROM rankings WHERE assignment_id IN {of_reviews})"
    )
    op.execute(f"DELETE FROM rankings WHERE assignment_id IN {of_reviews}")
    op.execute("DELETE FROM slots WHERE kind = 'review'")
    for table in ("rankings", "demonstrations"):
        op.drop_column(table, "presentation")
    op.drop_column("rankings", "superseded_at")
    op.drop_index("ix_prompts_retired", table_name="prompts")
    op.drop_column("prompts", "retired_at")
    op.drop_constraint(op.f("ck_projects_review_shares_range"), "projects", type_="check")
    for name in ("review_above", "review_rate", "second_label_rate"):
        op.drop_column("projects", name)
    op.drop_constraint(op.f("ck_slots_task_matches_kind"), "slots", type_="check")
    op.create_check_constraint(
        op.f("ck_slots_task_matches_kind"), "slots", "(kind = 'ranking') = (comparison_id IS NOT NULL)"
    )
    for table in ("slots", "assignments"):
        op.drop_constraint(op.f(f"ck_{table}_kind_known"), table, type_="check")
        op.create_check_constraint(op.f(f"ck_{table}_kind_known"), table, "kind IN ('demonstration', 'ranking')")
