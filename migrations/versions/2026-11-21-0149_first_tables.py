"""The first tables, and the trigger that keeps the audit log append-only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "6a20c8fae067"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "projects",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("base_model", sa.Text(), nullable=False),
        sa.Column("responses_per_prompt", sa.Integer(), server_default="4", nullable=False),
        sa.Column("overlap", sa.Integer(), server_default="1", nullable=False),
        sa.Column("demonstration_threshold", sa.Integer(), server_default="100", nullable=False),
        sa.Column("ranking_threshold", sa.Integer(), server_default="300", nullable=False),
        sa.Column("comparisons_per_round", sa.Integer(), server_default="400", nullable=False),
        sa.Column("asks_ratings", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("response_flags", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("recipe", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("current_policy_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "demonstration_threshold >= 1 AND ranking_threshold >= 1", name=op.f("ck_projects_thresholds_positive")
        ),
        sa.CheckConstraint("overlap BETWEEN 1 AND 20", name=op.f("ck_projects_overlap_range")),
        sa.CheckConstraint("responses_per_prompt BETWEEN 2 AND 9", name=op.f("ck_projects_k_range")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("slug", name=op.f("uq_projects_slug")),
    )
    op.create_table(
        "sign_in_attempts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_attempts")),
    )
    op.create_index("ix_sign_in_attempts_key_at", "sign_in_attempts", ["key", "at"], unique=False)
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("labeler_group", sa.String(length=16), server_default="training", nullable=False),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("labeler_group IN ('training', 'held_out')", name=op.f("ck_users_labeler_group_known")),
        sa.CheckConstraint("role IN ('labeler', 'researcher', 'admin')", name=op.f("ck_users_role_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("username", name=op.f("uq_users_username")),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("scopes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_api_tokens_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    op.create_index(op.f("ix_api_tokens_user_id"), "api_tokens", ["user_id"], unique=False)
    op.create_table(
        "audit_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_audit_events_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    op.create_index(op.f("ix_audit_events_user_id"), "audit_events", ["user_id"], unique=False)
    op.create_table(
        "guidelines",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_guidelines_project_id_projects"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guidelines")),
        sa.UniqueConstraint("project_id", "version", name=op.f("uq_guidelines_project_id_version")),
    )
    op.create_table(
        "invitations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("created_by_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["created_by_id"], ["users.id"], name=op.f("fk_invitations_created_by_id_users")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_invitations_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitations_token_hash")),
    )
    op.create_index(op.f("ix_invitations_user_id"), "invitations", ["user_id"], unique=False)
    op.create_table(
        "prompts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("messages", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("use_case", sa.String(length=40), nullable=True),
        sa.Column("source", sa.String(length=20), server_default="import", nullable=False),
        sa.Column("split", sa.String(length=12), server_default="train", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("split IN ('train', 'validation', 'evaluation')", name=op.f("ck_prompts_split_known")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_prompts_project_id_projects"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prompts")),
        sa.UniqueConstraint("project_id", "content_hash", name=op.f("uq_prompts_project_id_content_hash")),
        sa.UniqueConstraint("project_id", "external_id", name=op.f("uq_prompts_project_id_external_id")),
    )
    op.create_index("ix_prompts_project_id_split", "prompts", ["project_id", "split", "id"], unique=False)
    op.create_table(
        "rounds",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("phase", sa.String(length=32), nullable=False),
        sa.Column("launch_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("launched_by_id", sa.BigInteger(), nullable=True),
        sa.Column("sft_checkpoint_id", sa.BigInteger(), nullable=True),
        sa.Column("reward_checkpoint_id", sa.BigInteger(), nullable=True),
        sa.Column("policy_checkpoint_id", sa.BigInteger(), nullable=True),
        sa.Column("phase_times", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "phase IN ('collecting_demonstrations', 'sft', 'sampling', 'collecting_rankings', 'reward', 'ppo', 'finished')",
            name=op.f("ck_rounds_phase_known"),
        ),
        sa.ForeignKeyConstraint(["launched_by_id"], ["users.id"], name=op.f("fk_rounds_launched_by_id_users")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_rounds_project_id_projects"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rounds")),
        sa.UniqueConstraint("project_id", "number", name=op.f("uq_rounds_project_id_number")),
    )
    op.create_index(
        "uq_rounds_project_id_open",
        "rounds",
        ["project_id"],
        unique=True,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "user_sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_sessions_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_user_sessions")),
    )
    op.create_index(op.f("ix_user_sessions_user_id"), "user_sessions", ["user_id"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("round_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), server_default="queued", nullable=False),
        sa.Column("device", sa.String(length=8), server_default="any", nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("input_hash", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=True),
        sa.Column("epoch", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("progress", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("result", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_by_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('sft', 'sampling', 'reward', 'ppo')", name=op.f("ck_jobs_kind_known")),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name=op.f("ck_jobs_state_known")
        ),
        sa.ForeignKeyConstraint(["created_by_id"], ["users.id"], name=op.f("fk_jobs_created_by_id_users")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_jobs_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_jobs_round_id_rounds")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("round_id", "kind", "input_hash", name=op.f("uq_jobs_round_id_kind_input_hash")),
    )
    op.create_index(
        "ix_jobs_claimable", "jobs", ["id"], unique=False, postgresql_where=sa.text("state IN ('queued', 'running')")
    )
    op.create_index("ix_jobs_project_id_id", "jobs", ["project_id", "id"], unique=False)
    op.create_table(
        "snapshots",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("round_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("counted", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("files", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_snapshots_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_snapshots_round_id_rounds")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshots")),
    )
    op.create_index(op.f("ix_snapshots_project_id"), "snapshots", ["project_id"], unique=False)
    op.create_index(op.f("ix_snapshots_round_id"), "snapshots", ["round_id"], unique=False)
    op.create_table(
        "checkpoints",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("reward_model_id", sa.BigInteger(), nullable=True),
        sa.Column("snapshot_id", sa.BigInteger(), nullable=True),
        sa.Column("round_id", sa.BigInteger(), nullable=True),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("config", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("metrics", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("files", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('base', 'sft', 'reward', 'ppo')", name=op.f("ck_checkpoints_kind_known")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_checkpoints_job_id_jobs")),
        sa.ForeignKeyConstraint(["parent_id"], ["checkpoints.id"], name=op.f("fk_checkpoints_parent_id_checkpoints")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_checkpoints_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["reward_model_id"], ["checkpoints.id"], name=op.f("fk_checkpoints_reward_model_id_checkpoints")
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_checkpoints_round_id_rounds")),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshots.id"], name=op.f("fk_checkpoints_snapshot_id_snapshots")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkpoints")),
        sa.UniqueConstraint("job_id", name=op.f("uq_checkpoints_job_id")),
    )
    op.create_index(op.f("ix_checkpoints_parent_id"), "checkpoints", ["parent_id"], unique=False)
    op.create_index("ix_checkpoints_project_id_id", "checkpoints", ["project_id", "id"], unique=False)
    op.create_index(op.f("ix_checkpoints_round_id"), "checkpoints", ["round_id"], unique=False)
    op.create_index(op.f("ix_checkpoints_snapshot_id"), "checkpoints", ["snapshot_id"], unique=False)
    op.create_table(
        "comparisons",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("prompt_id", sa.BigInteger(), nullable=False),
        sa.Column("round_id", sa.BigInteger(), nullable=True),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_comparisons_job_id_jobs")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_comparisons_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["prompt_id"], ["prompts.id"], name=op.f("fk_comparisons_prompt_id_prompts"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_comparisons_round_id_rounds")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comparisons")),
        sa.UniqueConstraint("job_id", "prompt_id", name=op.f("uq_comparisons_job_id_prompt_id")),
    )
    op.create_index(op.f("ix_comparisons_project_id"), "comparisons", ["project_id"], unique=False)
    op.create_index(op.f("ix_comparisons_prompt_id"), "comparisons", ["prompt_id"], unique=False)
    op.create_index(op.f("ix_comparisons_round_id"), "comparisons", ["round_id"], unique=False)
    op.create_table(
        "job_events",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_events_job_id_jobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "seq", name=op.f("pk_job_events")),
    )
    op.create_table(
        "completions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("comparison_id", sa.BigInteger(), nullable=False),
        sa.Column("prompt_id", sa.BigInteger(), nullable=False),
        sa.Column("checkpoint_id", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("sample_index", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sampling", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("finish_reason", sa.String(length=10), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("logprob", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["checkpoint_id"], ["checkpoints.id"], name=op.f("fk_completions_checkpoint_id_checkpoints")
        ),
        sa.ForeignKeyConstraint(
            ["comparison_id"],
            ["comparisons.id"],
            name=op.f("fk_completions_comparison_id_comparisons"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_completions_job_id_jobs")),
        sa.ForeignKeyConstraint(
            ["prompt_id"], ["prompts.id"], name=op.f("fk_completions_prompt_id_prompts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_completions")),
        sa.UniqueConstraint(
            "job_id",
            "prompt_id",
            "checkpoint_id",
            "sample_index",
            name=op.f("uq_completions_job_id_prompt_id_checkpoint_id_sample_index"),
        ),
    )
    op.create_index(op.f("ix_completions_checkpoint_id"), "completions", ["checkpoint_id"], unique=False)
    op.create_index("ix_completions_comparison_id", "completions", ["comparison_id"], unique=False)
    op.create_table(
        "slots",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("prompt_id", sa.BigInteger(), nullable=False),
        sa.Column("comparison_id", sa.BigInteger(), nullable=True),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("holder_id", sa.BigInteger(), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(kind = 'ranking') = (comparison_id IS NOT NULL)", name=op.f("ck_slots_task_matches_kind")),
        sa.CheckConstraint("kind IN ('demonstration', 'ranking')", name=op.f("ck_slots_kind_known")),
        sa.ForeignKeyConstraint(
            ["comparison_id"], ["comparisons.id"], name=op.f("fk_slots_comparison_id_comparisons"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["holder_id"], ["users.id"], name=op.f("fk_slots_holder_id_users")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_slots_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["prompt_id"], ["prompts.id"], name=op.f("fk_slots_prompt_id_prompts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slots")),
        sa.UniqueConstraint("comparison_id", "ordinal", name=op.f("uq_slots_comparison_id_ordinal")),
    )
    op.create_index(
        "ix_slots_open",
        "slots",
        ["project_id", "kind", sa.literal_column("priority DESC"), "id"],
        unique=False,
        postgresql_where=sa.text("submitted_at IS NULL AND closed_at IS NULL"),
    )
    op.create_index(
        "uq_slots_prompt_id_ordinal",
        "slots",
        ["prompt_id", "ordinal"],
        unique=True,
        postgresql_where=sa.text("kind = 'demonstration'"),
    )
    op.create_table(
        "assignments",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("slot_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("prompt_id", sa.BigInteger(), nullable=False),
        sa.Column("comparison_id", sa.BigInteger(), nullable=True),
        sa.Column("order_shown", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("guideline_version", sa.Integer(), nullable=False),
        sa.Column("draft", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("draft_saved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("skipped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("skip_reason", sa.String(length=500), nullable=True),
        sa.CheckConstraint("kind IN ('demonstration', 'ranking')", name=op.f("ck_assignments_kind_known")),
        sa.ForeignKeyConstraint(
            ["comparison_id"],
            ["comparisons.id"],
            name=op.f("fk_assignments_comparison_id_comparisons"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_assignments_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["prompt_id"], ["prompts.id"], name=op.f("fk_assignments_prompt_id_prompts"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["slot_id"], ["slots.id"], name=op.f("fk_assignments_slot_id_slots"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_assignments_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignments")),
        sa.UniqueConstraint("slot_id", "user_id", name=op.f("uq_assignments_slot_id_user_id")),
    )
    op.create_index(
        "ix_assignments_user_id_open",
        "assignments",
        ["user_id", "project_id", "kind"],
        unique=False,
        postgresql_where=sa.text("submitted_at IS NULL AND skipped_at IS NULL"),
    )
    op.create_index(
        "uq_assignments_user_id_comparison_id",
        "assignments",
        ["user_id", "comparison_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'ranking'"),
    )
    op.create_index(
        "uq_assignments_user_id_prompt_id",
        "assignments",
        ["user_id", "prompt_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'demonstration'"),
    )
    op.create_table(
        "demonstrations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("prompt_id", sa.BigInteger(), nullable=False),
        sa.Column("assignment_id", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("idempotency_key", sa.Uuid(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("guideline_version", sa.Integer(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("source", sa.String(length=20), server_default="labeler", nullable=False),
        sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignments.id"], name=op.f("fk_demonstrations_assignment_id_assignments")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_demonstrations_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["prompt_id"], ["prompts.id"], name=op.f("fk_demonstrations_prompt_id_prompts"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_demonstrations_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_demonstrations")),
        sa.UniqueConstraint("assignment_id", name=op.f("uq_demonstrations_assignment_id")),
        sa.UniqueConstraint("user_id", "idempotency_key", name=op.f("uq_demonstrations_user_id_idempotency_key")),
    )
    op.create_index("ix_demonstrations_project_id_id", "demonstrations", ["project_id", "id"], unique=False)
    op.create_index(op.f("ix_demonstrations_prompt_id"), "demonstrations", ["prompt_id"], unique=False)
    op.create_table(
        "rankings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("comparison_id", sa.BigInteger(), nullable=False),
        sa.Column("round_id", sa.BigInteger(), nullable=True),
        sa.Column("assignment_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("idempotency_key", sa.Uuid(), nullable=False),
        sa.Column("tiers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("ratings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("order_shown", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("guideline_version", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["assignment_id"], ["assignments.id"], name=op.f("fk_rankings_assignment_id_assignments")
        ),
        sa.ForeignKeyConstraint(
            ["comparison_id"],
            ["comparisons.id"],
            name=op.f("fk_rankings_comparison_id_comparisons"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_rankings_project_id_projects"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["round_id"], ["rounds.id"], name=op.f("fk_rankings_round_id_rounds")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_rankings_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rankings")),
        sa.UniqueConstraint("assignment_id", name=op.f("uq_rankings_assignment_id")),
        sa.UniqueConstraint("user_id", "comparison_id", name=op.f("uq_rankings_user_id_comparison_id")),
        sa.UniqueConstraint("user_id", "idempotency_key", name=op.f("uq_rankings_user_id_idempotency_key")),
    )
    op.create_index(op.f("ix_rankings_comparison_id"), "rankings", ["comparison_id"], unique=False)
    op.create_index("ix_rankings_project_id_id", "rankings", ["project_id", "id"], unique=False)
    op.create_index(op.f("ix_rankings_round_id"), "rankings", ["round_id"], unique=False)
    op.create_table(
        "snapshot_items",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("snapshot_id", sa.BigInteger(), nullable=False),
        sa.Column("demonstration_id", sa.BigInteger(), nullable=True),
        sa.Column("ranking_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(demonstration_id IS NULL) <> (ranking_id IS NULL)", name=op.f("ck_snapshot_items_one_label")
        ),
        sa.ForeignKeyConstraint(
            ["demonstration_id"], ["demonstrations.id"], name=op.f("fk_snapshot_items_demonstration_id_demonstrations")
        ),
        sa.ForeignKeyConstraint(["ranking_id"], ["rankings.id"], name=op.f("fk_snapshot_items_ranking_id_rankings")),
        sa.ForeignKeyConstraint(
            ["snapshot_id"], ["snapshots.id"], name=op.f("fk_snapshot_items_snapshot_id_snapshots"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshot_items")),
    )
    op.create_index(op.f("ix_snapshot_items_demonstration_id"), "snapshot_items", ["demonstration_id"], unique=False)
    op.create_index(op.f("ix_snapshot_items_ranking_id"), "snapshot_items", ["ranking_id"], unique=False)
    op.create_index(
        "uq_snapshot_items_demonstration",
        "snapshot_items",
        ["snapshot_id", "demonstration_id"],
        unique=True,
        postgresql_where=sa.text("demonstration_id IS NOT NULL"),
    )
    op.create_index(
        "uq_snapshot_items_ranking",
        "snapshot_items",
        ["snapshot_id", "ranking_id"],
        unique=True,
        postgresql_where=sa.text("ranking_id IS NOT NULL"),
    )
    op.create_foreign_key(
        "fk_projects_current_policy_id_checkpoints", "projects", "checkpoints", ["current_policy_id"], ["id"]
    )
    op.create_foreign_key(
        "fk_rounds_policy_checkpoint_id_checkpoints", "rounds", "checkpoints", ["policy_checkpoint_id"], ["id"]
    )
    op.create_foreign_key(
        "fk_rounds_reward_checkpoint_id_checkpoints", "rounds", "checkpoints", ["reward_checkpoint_id"], ["id"]
    )
    op.create_foreign_key(
        "fk_rounds_sft_checkpoint_id_checkpoints", "rounds", "checkpoints", ["sft_checkpoint_id"], ["id"]
    )
    op.execute(
        """
        CREATE FUNCTION audit_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'audit_events is append-only';
        END
        $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
        FOR EACH STATEMENT EXECUTE FUNCTION audit_events_append_only()
        """
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER audit_events_append_only ON audit_events")
    op.execute("DROP FUNCTION audit_events_append_only")
    op.drop_constraint("fk_projects_current_policy_id_checkpoints", "projects", type_="foreignkey")
    op.drop_constraint("fk_rounds_policy_checkpoint_id_checkpoints", "rounds", type_="foreignkey")
    op.drop_constraint("fk_rounds_reward_checkpoint_id_checkpoints", "rounds", type_="foreignkey")
    op.drop_constraint("fk_rounds_sft_checkpoint_id_checkpoints", "rounds", type_="foreignkey")
    op.drop_index(
        "uq_snapshot_items_ranking", table_name="snapshot_items", postgresql_where=sa.text("ranking_id IS NOT NULL")
    )
    op.drop_index(
        "uq_snapshot_items_demonstration",
        table_name="snapshot_items",
        postgresql_where=sa.text("demonstration_id IS NOT NULL"),
    )
    op.drop_index(op.f("ix_snapshot_items_ranking_id"), table_name="snapshot_items")
    op.drop_index(op.f("ix_snapshot_items_demonstration_id"), table_name="snapshot_items")
    op.drop_table("snapshot_items")
    op.drop_index(op.f("ix_rankings_round_id"), table_name="rankings")
    op.drop_index("ix_rankings_project_id_id", table_name="rankings")
    op.drop_index(op.f("ix_rankings_comparison_id"), table_name="rankings")
    op.drop_table("rankings")
    op.drop_index(op.f("ix_demonstrations_prompt_id"), table_name="demonstrations")
    op.drop_index("ix_demonstrations_project_id_id", table_name="demonstrations")
    op.drop_table("demonstrations")
    op.drop_index(
        "uq_assignments_user_id_prompt_id", table_name="assignments", postgresql_where=sa.text("kind = 'demonstration'")
    )
    op.drop_index(
        "uq_assignments_user_id_comparison_id", table_name="assignments", postgresql_where=sa.text("kind = 'ranking'")
    )
    op.drop_index(
        "ix_assignments_user_id_open",
        table_name="assignments",
        postgresql_where=sa.text("submitted_at IS NULL AND skipped_at IS NULL"),
    )
    op.drop_table("assignments")
    op.drop_index("uq_slots_prompt_id_ordinal", table_name="slots", postgresql_where=sa.text("kind = 'demonstration'"))
    op.drop_index(
        "ix_slots_open", table_name="slots", postgresql_where=sa.text("submitted_at IS NULL AND closed_at IS NULL")
    )
    op.drop_table("slots")
    op.drop_index("ix_completions_comparison_id", table_name="completions")
    op.drop_index(op.f("ix_completions_checkpoint_id"), table_name="completions")
    op.drop_table("completions")
    op.drop_table("job_events")
    op.drop_index(op.f("ix_comparisons_round_id"), table_name="comparisons")
    op.drop_index(op.f("ix_comparisons_prompt_id"), table_name="comparisons")
    op.drop_index(op.f("ix_comparisons_project_id"), table_name="comparisons")
    op.drop_table("comparisons")
    op.drop_index(op.f("ix_checkpoints_snapshot_id"), table_name="checkpoints")
    op.drop_index(op.f("ix_checkpoints_round_id"), table_name="checkpoints")
    op.drop_index("ix_checkpoints_project_id_id", table_name="checkpoints")
    op.drop_index(op.f("ix_checkpoints_parent_id"), table_name="checkpoints")
    op.drop_table("checkpoints")
    op.drop_index(op.f("ix_snapshots_round_id"), table_name="snapshots")
    op.drop_index(op.f("ix_snapshots_project_id"), table_name="snapshots")
    op.drop_table("snapshots")
    op.drop_index("ix_jobs_project_id_id", table_name="jobs")
    op.drop_index("ix_jobs_claimable", table_name="jobs", postgresql_where=sa.text("state IN ('queued', 'running')"))
    op.drop_table("jobs")
    op.drop_index(op.f("ix_user_sessions_user_id"), table_name="user_sessions")
    op.drop_table("user_sessions")
    op.drop_index("uq_rounds_project_id_open", table_name="rounds", postgresql_where=sa.text("finished_at IS NULL"))
    op.drop_table("rounds")
    op.drop_index("ix_prompts_project_id_split", table_name="prompts")
    op.drop_table("prompts")
    op.drop_index(op.f("ix_invitations_user_id"), table_name="invitations")
    op.drop_table("invitations")
    op.drop_table("guidelines")
    op.drop_index(op.f("ix_audit_events_user_id"), table_name="audit_events")
    op.drop_table("audit_events")
    op.drop_index(op.f("ix_api_tokens_user_id"), table_name="api_tokens")
    op.drop_table("api_tokens")
    op.drop_table("users")
    op.drop_index("ix_sign_in_attempts_key_at", table_name="sign_in_attempts")
    op.drop_table("sign_in_attempts")
    op.drop_table("projects")
