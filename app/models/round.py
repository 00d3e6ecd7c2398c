"""A round: one numbered turn of the loop, and the phase it is in."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base
from app.models.columns import Algorithm, Created, Id, Json, Moment, Phase, ProjectId, one_of


def _checkpoint(kind: str) -> ForeignKey:
    """Rounds and checkpoints name each other, so one side's constraint is added after both tables."""
    return ForeignKey("checkpoints.id", name=f"fk_rounds_{kind}_checkpoint_id_checkpoints", use_alter=True)


class Round(Base):
    __tablename__ = "rounds"
    __table_args__ = (
        UniqueConstraint("project_id", "number"),
        # One round of a project is under way at a time.
        Index("uq_rounds_project_id_open", "project_id", unique=True, postgresql_where=text("finished_at IS NULL")),
        one_of("phase", Phase),
        one_of("algorithm", Algorithm),
    )

    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    number: Mapped[int]
    phase: Mapped[str] = mapped_column(String(32))
    launch_requested_at: Mapped[Moment | None]  # an admin asked to train on what there is; cleared when training starts
    algorithm: Mapped[str | None] = mapped_column(String(16))  # None: the project's, until training on rankings begins
    extra_reward_model: Mapped[bool | None]  # as the project's; None with algorithm
    launched_by_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"))
    sft_checkpoint_id: Mapped[int | None] = mapped_column(_checkpoint("sft"))
    reward_checkpoint_id: Mapped[int | None] = mapped_column(_checkpoint("reward"))
    policy_checkpoint_id: Mapped[int | None] = mapped_column(_checkpoint("policy"))
    phase_times: Mapped[Json]  # phase -> when it began
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[Created]
    finished_at: Mapped[Moment | None]
