"""A job: work for a worker, as a row. Claimed by lease and epoch, so that a lost or doubled message is harmless.

queued -> running -> succeeded | failed | cancelled; running -> queued when its worker drains or falls silent.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, false, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base
from app.models.columns import Created, Id, JobKind, JobState, Json, Moment, ProjectId, one_of


class Job(Base):
    __tablename__ = "jobs"
    __table_args__ = (
        # A round never trains the same thing twice, whoever asks however often.
        UniqueConstraint("round_id", "kind", "input_hash"),
        Index("ix_jobs_claimable", "id", postgresql_where=text("state IN ('queued', 'running')")),
        Index("ix_jobs_project_id_id", "project_id", "id"),
        one_of("kind", JobKind),
        one_of("state", JobState),
    )

    id: Mapped[Id]
    project_id: Mapped[ProjectId]
    round_id: Mapped[int | None] = mapped_column(ForeignKey("rounds.id"))
    kind: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16), server_default="queued")
    device: Mapped[str] = mapped_column(String(8), server_default="any")  # any, cpu, gpu: which workers may claim it
    spec: Mapped[Json]  # what to do: ids of checkpoints and snapshots, recipe; never a secret
    input_hash: Mapped[str] = mapped_column(String(64))
    owner: Mapped[str | None] = mapped_column(String(120))
    epoch: Mapped[int] = mapped_column(server_default="0")  # every write of a worker checks it
    attempts: Mapped[int] = mapped_column(server_default="0")  # counted at the claim
    lease_until: Mapped[Moment | None]
    cancel_requested: Mapped[bool] = mapped_column(server_default=false())
    progress: Mapped[Json]  # the latest {"step", "of", "phase", "metrics"}
    result: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    error: Mapped[str | None] = mapped_column(Text)  # one sentence for a person
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Created]
    started_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]


class JobEvent(Base):
    """Progress, appended at most once a second. The event stream resumes after `seq`."""

    __tablename__ = "job_events"

    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    payload: Mapped[Json]
    created_at: Mapped[Created]
