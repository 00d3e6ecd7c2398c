"""A project: a base model, and how its loop turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, String, Text, false, text, true
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.database import Base
from app.models.columns import Algorithm, Created, Id, Json, JsonList, Moment, one_of

if TYPE_CHECKING:
    from app.models.checkpoint import Checkpoint


class Project(Base):
    __tablename__ = "projects"
    __table_args__ = (
        CheckConstraint("responses_per_prompt BETWEEN 2 AND 9", name="k_range"),
        CheckConstraint("overlap BETWEEN 1 AND 20", name="overlap_range"),
        CheckConstraint(
            "second_label_rate BETWEEN 0 AND 1 AND review_rate BETWEEN 0 AND 1 AND review_above BETWEEN 0 AND 1",
            name="review_shares_range",
        ),
        CheckConstraint("ai_weight BETWEEN 0 AND 1", name="ai_weight_range"),
        one_of("algorithm", Algorithm),
        CheckConstraint("demonstration_threshold >= 1 AND ranking_threshold >= 1", name="thresholds_positive"),
        CheckConstraint(
            "gold_rate >= 0 AND repeat_rate >= 0 AND gold_rate + repeat_rate <= 0.5000001", name="measured_at_most_half"
        ),
    )

    id: Mapped[Id]
    slug: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    base_model: Mapped[str] = mapped_column(Text)  # local folder or hub id
    responses_per_prompt: Mapped[int] = mapped_column(server_default="4")  # K
    overlap: Mapped[int] = mapped_column(server_default="1")  # labelers a task
    demonstration_threshold: Mapped[int] = mapped_column(server_default="100")  # new ones that start SFT
    ranking_threshold: Mapped[int] = mapped_column(server_default="300")  # new ones that start the reward model
    comparisons_per_round: Mapped[int] = mapped_column(server_default="400")  # prompts sampled for ranking
    chat: Mapped[bool] = mapped_column(server_default=false())  # a demonstration may go on for several turns
    improves_responses: Mapped[bool] = mapped_column(server_default=false())  # labelers may better what they ranked
    labelers_write_prompts: Mapped[bool] = mapped_column(server_default=false())
    second_label_rate: Mapped[float] = mapped_column(server_default="0")  # share of rankings with one labeler more
    review_rate: Mapped[float] = mapped_column(server_default="0")  # share of tasks with two labels that is reviewed
    review_above: Mapped[float | None]  # reviewed as well: two labels that disagree more than this; None: never
    open_to_all: Mapped[bool] = mapped_column(server_default=true())  # else its members alone label (models/member.py)
    use_case_texts: Mapped[JsonList] = mapped_column(server_default=text("'[]'::jsonb"))  # for user-based prompts
    gold_rate: Mapped[float] = mapped_column(server_default="0")  # share of the rankings given that are gold items
    repeat_rate: Mapped[float] = mapped_column(server_default="0")  # and that are her own again
    gold_feedback: Mapped[bool] = mapped_column(server_default=false())  # labelers see afterwards what was expected
    leaderboard: Mapped[bool] = mapped_column(server_default=false())  # labelers see each other's counts of the week
    ai_weight: Mapped[float] = mapped_column(server_default="0")  # of a model's labels in training; 0: not used
    algorithm: Mapped[str] = mapped_column(String(16), server_default="ppo")  # improves the policy (rules/programs.py)
    extra_reward_model: Mapped[bool] = mapped_column(server_default=false())  # also where the algorithm needs none
    recipe: Mapped[Json]  # {"sft": {...}, "dpo": {...}}: overrides of training.config by kind of job
    paused_at: Mapped[Moment | None]  # a paused loop starts no training by itself
    current_policy_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("checkpoints.id", name="fk_projects_current_policy_id_checkpoints", use_alter=True)
    )
    # What labelers must have passed before they are given tasks; none: nothing is asked.
    qualification_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("qualifications.id", name="fk_projects_qualification_id_qualifications", use_alter=True)
    )
    created_at: Mapped[Created]

    current_policy: Mapped[Checkpoint | None] = relationship(lazy="raise", foreign_keys=[current_policy_id])
