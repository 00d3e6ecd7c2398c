"""What a labeler's own pages show of her work: what she holds, what there is to do, what she has done today.

Reads only; claiming is services/assignments.py. Called by the labeling pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select, union_all
from sqlalchemy.orm import Session

from app.models import Assignment, Demonstration, Project, Ranking, Slot, User
from app.models.columns import Role, TaskKind
from app.rules import work as days
from app.services import claims, members, qualification_standings
from app.services.twins import EDIT

COUNTED = 1000  # counting stops here; the page then says "1,000 or more"


@dataclass(frozen=True)
class Work:
    """One kind of task of one project, for one labeler."""

    kind: str
    held_id: int | None  # the assignment that she holds now
    open: int  # tasks that she could claim, COUNTED at most


@dataclass(frozen=True)
class Desk:
    """One project as its labeler sees it."""

    project: Project
    rankings: Work
    demonstrations: Work
    in_pool: bool  # or she gets no new task here, whatever waits
    qualified: bool  # or free of it; else she has to pass the project's qualification before she gets a new task


def held_assignment_id(session: Session, project_id: int, user: User, kind: str) -> int | None:
    """The live lease that she holds, if any; looking changes nothing."""
    return session.scalar(
        select(Assignment.id)
        .join(Assignment.slot)
        .where(
            Assignment.user_id == user.id,
            Assignment.project_id == project_id,
            Assignment.kind == kind,
            Assignment.submitted_at.is_(None),
            Assignment.skipped_at.is_(None),
            Slot.holder_id == user.id,
            Slot.submitted_at.is_(None),
            Slot.leased_until > func.now(),
        )
        .order_by(Assignment.ahead, Assignment.id)
        .limit(1)
    )


def find_work(session: Session, project: Project, user: User, kind: str) -> Work:
    held_id = held_assignment_id(session, project.id, user, kind)
    return Work(kind, held_id, claims.count_open(session, project, user, kind, COUNTED))


def list_desks(session: Session, user: User) -> list[Desk]:
    """The projects that are hers to label, with what there is to do; who does more than label sees every one."""
    projects = (
        members.list_open_projects(session, user)
        if user.role == Role.LABELER
        else session.scalars(select(Project).order_by(Project.id)).all()
    )
    return [
        Desk(
            project,
            find_work(session, project, user, TaskKind.RANKING),
            find_work(session, project, user, TaskKind.DEMONSTRATION),
            members.may_label_in(session, project, user),
            qualification_standings.is_free_to_work(session, project, user),
        )
        for project in projects
    ]


def count_done_today(session: Session, user: User, zone_name: str = "") -> int:
    """What she has sent since midnight and not withdrawn, of both kinds; an edit is one thing, its answer.

    By the days of her zone, as on the page of her work; UTC where there is no zone of the name.
    """
    _, zone = days.find_zone(zone_name)
    midnight = days.start_of(days.local_day(datetime.now(UTC), zone), zone)
    sent = {
        table: select(table.id).where(
            table.user_id == user.id, table.created_at >= midnight, table.withdrawn_at.is_(None)
        )
        for table in (Ranking, Demonstration)
    }
    done = union_all(sent[Ranking].where(Ranking.source != EDIT), sent[Demonstration]).subquery()
    return session.scalar(select(func.count()).select_from(done)) or 0
