"""Column types that every table shares, and the closed sets that columns hold."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Identity, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import mapped_column

Id = Annotated[int, mapped_column(BigInteger, Identity(always=False), primary_key=True)]
Json = Annotated[dict[str, Any], mapped_column(JSONB)]
JsonList = Annotated[list[Any], mapped_column(JSONB)]
Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Created = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]

ProjectId = Annotated[int, mapped_column(BigInteger, ForeignKey("projects.id", ondelete="CASCADE"))]
UserId = Annotated[int, mapped_column(BigInteger, ForeignKey("users.id"))]


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """A closed set as a named check constraint: readable in psql and extended by a plain migration."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


class Role(StrEnum):
    LABELER = "labeler"
    RESEARCHER = "researcher"
    ADMIN = "admin"


class LabelerGroup(StrEnum):
    """Labels of held-out labelers never train; they test whether a model generalises (InstructGPT, 3.4)."""

    TRAINING = "training"
    HELD_OUT = "held_out"


class Split(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"
    EVALUATION = "evaluation"


class PromptKind(StrEnum):
    """How a prompt was written (InstructGPT, A.1)."""

    PLAIN = "plain"
    FEW_SHOT = "few_shot"
    USER_BASED = "user_based"


class TaskKind(StrEnum):
    DEMONSTRATION = "demonstration"
    RANKING = "ranking"


class SlotKind(StrEnum):
    """What a slot asks for: the two kinds that labelers claim, and a review (services/reviews.py)."""

    DEMONSTRATION = "demonstration"
    RANKING = "ranking"
    REVIEW = "review"


class Purpose(StrEnum):
    """Why a task is given. Labels and the orders of reviewers train, count and are exported (exports.which_train)."""

    LABEL = "label"
    GOLD = "gold"  # the right answer is known: it measures the labeler
    REPEAT = "repeat"  # a task of her own again: it measures how steady she is
    REVIEW = "review"  # labels of others are looked at again


class RevisionKind(StrEnum):
    """What was done to a label that had been sent."""

    EDITED = "edited"
    WITHDRAWN = "withdrawn"
    RESTORED = "restored"  # as it was, or sent again after it had been taken back


class QualificationPart(StrEnum):
    """What a qualification asks: which flags apply, which order is right, an answer of her own (InstructGPT, B.1)."""

    FLAGS = "flags"
    RANKING = "ranking"
    DEMONSTRATION = "demonstration"


class QualificationStage(StrEnum):
    PRACTICE = "practice"  # answered at once with the gold answer; counts for nothing
    TEST = "test"


class AttemptState(StrEnum):
    IN_PROGRESS = "in_progress"
    WAITING = "waiting"  # researchers have demonstrations to rate
    PASSED = "passed"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"  # by an admin, or overtaken by a new version: it counts for nothing


class GrantKind(StrEnum):
    EXEMPTION = "exemption"
    ATTEMPT = "attempt"


class ReviewCause(StrEnum):
    """Why two labels are looked at by a third person."""

    DISAGREEMENT = "disagreement"
    SAMPLE = "sample"


class ReviewOutcome(StrEnum):
    """What a reviewer decided; FIRST and SECOND are the labels in the order in which they came."""

    FIRST = "first"
    SECOND = "second"
    BOTH = "both"
    OWN = "own"


class ReportReason(StrEnum):
    """What may be wrong with a prompt; rules/reports.py has the words."""

    UNCLEAR = "unclear"
    LANGUAGE = "language"
    HARMFUL = "harmful"
    PERSONAL = "personal"
    BROKEN = "broken"
    OTHER = "other"


class ReportResolution(StrEnum):
    KEPT = "kept"
    RETIRED = "retired"


class Algorithm(StrEnum):
    """What improves the policy in a round; rules/programs.py says how."""

    PPO = "ppo"
    A2C = "a2c"
    RLOO = "rloo"
    GRPO = "grpo"
    DPO = "dpo"
    REJECTION = "rejection"


class JobKind(StrEnum):
    SFT = "sft"
    SAMPLING = "sampling"
    REWARD = "reward"
    PPO = "ppo"
    A2C = "a2c"
    RLOO = "rloo"
    GRPO = "grpo"
    DPO = "dpo"
    REJECTION = "rejection"
    AI_RANKING = "ai_ranking"
    AI_REVISION = "ai_revision"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class CheckpointKind(StrEnum):
    BASE = "base"
    SFT = "sft"
    REWARD = "reward"
    PPO = "ppo"
    A2C = "a2c"
    RLOO = "rloo"
    GRPO = "grpo"
    DPO = "dpo"
    REJECTION = "rejection"
    JUDGE = "judge"  # a model from elsewhere that labels by the constitution


class Phase(StrEnum):
    """Where a round is. The order of the members is the order of the loop (app/rules/rounds.py)."""

    COLLECTING_DEMONSTRATIONS = "collecting_demonstrations"
    SFT = "sft"
    SAMPLING = "sampling"
    COLLECTING_RANKINGS = "collecting_rankings"
    REWARD = "reward"
    IMPROVEMENT = "improvement"
    FINISHED = "finished"
