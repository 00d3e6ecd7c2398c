"""The tables, one file a noun.

Relationships are `lazy="raise"`: services load what a page needs, templates never query.
"""

from app.models.ai_label import AILabel, Constitution
from app.models.assignment import Assignment, QueuePlace, Slot
from app.models.audit import AuditEvent
from app.models.checkpoint import Checkpoint
from app.models.completion import Comparison, Completion
from app.models.demonstration import Demonstration
from app.models.draft import Draft
from app.models.gold_item import GoldItem
from app.models.guideline import Guideline, GuidelineReading
from app.models.job import Job, JobEvent
from app.models.label_schema import LabelSchema
from app.models.member import ProjectMember
from app.models.pretraining import PretrainingSet, PretrainingText
from app.models.project import Project
from app.models.prompt import Prompt
from app.models.prompt_report import PromptReport
from app.models.qualification import (
    Qualification,
    QualificationAnswer,
    QualificationAttempt,
    QualificationGrant,
    QualificationItem,
    QualificationRating,
)
from app.models.ranking import Ranking
from app.models.review import Adjudicator, Review
from app.models.revision import Revision
from app.models.round import Round
from app.models.snapshot import Snapshot, SnapshotItem
from app.models.user import ApiToken, Invitation, SignInAttempt, User, UserSession

__all__ = [
    "AILabel",
    "Adjudicator",
    "ApiToken",
    "Assignment",
    "AuditEvent",
    "Checkpoint",
    "Comparison",
    "Completion",
    "Constitution",
    "Demonstration",
    "Draft",
    "GoldItem",
    "Guideline",
    "GuidelineReading",
    "Invitation",
    "Job",
    "JobEvent",
    "LabelSchema",
    "PretrainingSet",
    "PretrainingText",
    "Project",
    "ProjectMember",
    "Prompt",
    "PromptReport",
    "Qualification",
    "QualificationAnswer",
    "QualificationAttempt",
    "QualificationGrant",
    "QualificationItem",
    "QualificationRating",
    "QueuePlace",
    "Ranking",
    "Review",
    "Revision",
    "Round",
    "SignInAttempt",
    "Slot",
    "Snapshot",
    "SnapshotItem",
    "User",
    "UserSession",
]
