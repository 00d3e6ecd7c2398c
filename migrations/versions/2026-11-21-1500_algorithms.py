"""Which algorithm improves the policy: of a project, and of a round. The phase `ppo` is called `improvement` now.

Projects keep PPO, and rounds that have trained a policy did it by PPO.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "3e9ac1f4d702"
down_revision = "8c2e5a719bf4"
branch_labels = None
depends_on = None

ALGORITHMS = ("ppo", "a2c", "rloo", "grpo", "dpo", "rejection")
PHASES = ("collecting_demonstrations", "sft", "sampling", "collecting_rankings", "reward", "improvement", "finished")
OLD_PHASES = tuple("ppo" if phase == "improvement" else phase for phase in PHASES)
KINDS = {
    "jobs": ("sft", "sampling", "reward", "ai_ranking", "ai_revision"),
    "checkpoints": ("base", "sft", "reward", "judge"),
}


def upgrade() -> None:
    for table, kinds in KINDS.items():
        allow(table, "kind", (*kinds, *ALGORITHMS))
    op.alter_column("checkpoints", "kind", type_=sa.String(length=16))
    op.drop_constraint(op.f("ck_rounds_phase_known"), "rounds")
    op.execute("UPDATE rounds SET phase = 'improvement' WHERE phase = 'ppo'")
    rename_time("ppo", "improvement")
    op.create_check_constraint(op.f("ck_rounds_phase_known"), "rounds", one_of("phase", PHASES))
    op.add_column("projects", sa.Column("algorithm", sa.String(length=16), server_default="ppo", nullable=False))
    op.add_column("rounds", sa.Column("algorithm", sa.String(length=16), nullable=True))
    for table in ("projects", "rounds"):
        op.create_check_constraint(op.f(f"ck_{table}_algorithm_known"), table, one_of("algorithm", ALGORITHMS))
    extra = sa.Column("extra_reward_model", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    op.add_column("projects", extra)
    op.add_column("rounds", sa.Column("extra_reward_model", sa.Boolean(), nullable=True))
    op.execute(
        "UPDATE rounds SET algorithm = 'ppo', extra_reward_model = false"
        " WHERE phase IN ('reward', 'improvement') OR policy_checkpoint_id IS NOT NULL"
    )


def downgrade() -> None:
    """Rounds in which another algorithm trains, or has trained, cannot be told in the old words."""
    for table in ("projects", "rounds"):
        op.drop_constraint(op.f(f"ck_{table}_algorithm_known"), table)
        op.drop_column(table, "algorithm")
        op.drop_column(table, "extra_reward_model")
    op.drop_constraint(op.f("ck_rounds_phase_known"), "rounds")
    op.execute("UPDATE rounds SET phase = 'ppo' WHERE phase = 'improvement'")
    rename_time("improvement", "ppo")
    op.create_check_constraint(op.f("ck_rounds_phase_known"), "rounds", one_of("phase", OLD_PHASES))
    for table, kinds in KINDS.items():
        allow(table, "kind", (*kinds, "ppo"))
    op.alter_column("checkpoints", "kind", type_=sa.String(length=8))


def one_of(column: str, values: tuple[str, ...]) -> str:
    listed = ", ".join(f"'{value}'" for value in values)
    return f"{column} IN ({listed})"


def allow(table: str, column: str, values: tuple[str, ...]) -> None:
    name = op.f(f"ck_{table}_{column}_known")
    op.drop_constraint(name, table)
    op.create_check_constraint(name, table, one_of(column, values))


def rename_time(old: str, new: str) -> None:
    op.execute(
        f"UPDATE rounds SET phase_times = (phase_times - '{old}') || jsonb_build_object('{new}', phase_times -> '{old}')"
        f" WHERE phase_times ? '{old}'"
    )
