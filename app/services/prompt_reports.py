"""Reports of prompts: a labeler skips a task for a reason that concerns its prompt, or reports it and goes on.

Called by the labeling pages, the admin's list and the API. A prompt is kept or retired; its text is never changed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select, union_all, update
from sqlalchemy.orm import Session, joinedload

from app.errors import Conflict, Invalid
from app.models import Comparison, Demonstration, Project, Prompt, PromptReport, Ranking, Slot, User
from app.models.columns import ReportResolution, SlotKind
from app.rules import reports as rules
from app.services import assignments, audit, claims, prompts, slots
from app.translation import gettext as _

PAGE = 50


@dataclass(frozen=True)
class ReportedPrompt:
    """A prompt with all that is reported of it. `labels` of it stand; they train unless it is retired."""

    prompt: Prompt
    reports: list[PromptReport]
    labels: int
    reasons: list[tuple[str, int]] = field(default_factory=list)  # in words, most frequent first


def skip_task(session: Session, assignment_id: int, user: User, reason: str, note: str = "") -> None:
    """Skip for one of the reasons of rules/reports.py, or for another in words. Raises Invalid, Conflict, NotFound."""
    known = rules.BY_KEY.get(reason)
    if known is None:
        return assignments.skip_task(session, assignment_id, user, reason)
    if problem := rules.reason_problem(reason, note):
        raise Invalid(problem, errors=[{"field": "note", "message": problem}])
    assignments.skip_task(session, assignment_id, user, rules.kept_reason(reason, note))
    if known.about_prompt:
        report_prompt(session, assignment_id, user, reason, note)
    return None


def report_prompt(session: Session, assignment_id: int, user: User, reason: str, note: str = "") -> PromptReport:
    """Tell admins what is wrong with the prompt of a task of hers; the task goes on. The same again is one report."""
    if problem := rules.reason_problem(reason, note, rules.REPORTABLE):
        raise Invalid(problem, errors=[{"field": "note" if reason in rules.BY_KEY else "reason", "message": problem}])
    assignment = assignments.lock_for_submission(session, assignment_id, user)  # two clicks come one after the other
    said = note.strip() or None
    waiting = session.scalar(
        select(PromptReport).where(
            PromptReport.prompt_id == assignment.prompt_id,
            PromptReport.reporter_id == user.id,
            PromptReport.reason == reason,
            PromptReport.resolved_at.is_(None),
        )
    )
    if waiting is not None:
        waiting.note = said or waiting.note
        session.flush()
        return waiting
    report = PromptReport(
        project_id=assignment.project_id,
        prompt_id=assignment.prompt_id,
        assignment_id=assignment.id,
        reporter_id=user.id,
        reason=reason,
        note=said,
    )
    session.add(report)
    session.flush()
    return report


def count_open(session: Session) -> dict[int, int]:
    """Project id -> prompts with a report that nobody has answered."""
    query = (
        select(PromptReport.project_id, func.count(PromptReport.prompt_id.distinct()))
        .where(PromptReport.resolved_at.is_(None))
        .group_by(PromptReport.project_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def list_reported(
    session: Session, project: Project, *, resolved: bool = False, before: int | None = None
) -> list[ReportedPrompt]:
    """A page of prompts with their open (or answered) reports, those reported last first.

    `before` is the newest report of the last prompt on the page before.
    """
    state = PromptReport.resolved_at.is_not(None) if resolved else PromptReport.resolved_at.is_(None)
    newest = func.max(PromptReport.id)
    query = select(PromptReport.prompt_id).where(PromptReport.project_id == project.id, state)
    query = query.group_by(PromptReport.prompt_id).order_by(newest.desc()).limit(PAGE)
    ids = list(session.scalars(query.having(newest < before) if before else query))
    reports = session.scalars(
        select(PromptReport)
        .options(
            joinedload(PromptReport.prompt, innerjoin=True),
            joinedload(PromptReport.reporter, innerjoin=True),
            joinedload(PromptReport.resolved_by),
        )
        .where(PromptReport.prompt_id.in_(ids), state)
        .order_by(PromptReport.id.desc())
    )
    grouped: dict[int, list[PromptReport]] = defaultdict(list)
    for report in reports:
        grouped[report.prompt_id].append(report)
    labels = _count_labels(session, ids)
    return [
        ReportedPrompt(grouped[key][0].prompt, grouped[key], labels.get(key, 0), _in_words(grouped[key])) for key in ids
    ]


def keep_prompt(session: Session, project: Project, prompt_id: int, user: User, note: str = "") -> int:
    """Nothing is wrong with it: its reports are answered. Returns how many these were. Raises NotFound."""
    prompt = prompts.get_prompt(session, project, prompt_id)
    return _answer(session, prompt, user, ReportResolution.KEPT, note)


def retire_prompt(session: Session, project: Project, prompt_id: int, user: User, note: str = "") -> int:
    """Nobody is asked about it any more and no training reads its labels, which stay. Returns the reports answered.

    A task in hand may be finished, as when a round has ended.
    """
    prompt = _lock(session, project, prompt_id)
    if prompt.retired_at is None:
        prompt.retired_at = assignments.database_now(session)
        open_slots = (Slot.prompt_id == prompt.id, Slot.submitted_at.is_(None), Slot.closed_at.is_(None))
        session.execute(update(Slot).where(*open_slots).values(closed_at=prompt.retired_at))
        audit.record(session, user, "prompt.retired", f"prompt:{prompt.id}")
    return _answer(session, prompt, user, ReportResolution.RETIRED, note)


def restore_prompt(session: Session, project: Project, prompt_id: int, user: User) -> None:
    """A retired prompt is asked about again: what its retirement closed is open as before. Raises Conflict.

    Rankings that a later round has overtaken meanwhile stay closed.
    """
    prompt = _lock(session, project, prompt_id)
    if prompt.retired_at is None:
        raise Conflict(_("This prompt is not retired."))
    closed = (Slot.prompt_id == prompt.id, Slot.submitted_at.is_(None), Slot.closed_at == prompt.retired_at)
    for slot in session.scalars(select(Slot).where(*closed).with_for_update()).all():
        if slot.kind == SlotKind.RANKING and slots.is_past(session, slot):
            continue
        slot.closed_at = None
        claims.step_back(session, slot)
    prompt.retired_at = None
    audit.record(session, user, "prompt.restored", f"prompt:{prompt.id}")
    session.flush()


def _lock(session: Session, project: Project, prompt_id: int) -> Prompt:
    prompts.get_prompt(session, project, prompt_id)
    query = select(Prompt).where(Prompt.id == prompt_id).with_for_update(key_share=True)
    return session.scalars(query.execution_options(populate_existing=True)).one()


def _answer(session: Session, prompt: Prompt, user: User, resolution: ReportResolution, note: str) -> int:
    said = note.strip()
    if len(said) > rules.LONGEST_NOTE or "\x00" in said:
        raise Invalid(_("Give at most %(most)s characters of text.") % {"most": rules.LONGEST_NOTE})
    waiting = session.scalars(
        select(PromptReport)
        .where(PromptReport.prompt_id == prompt.id, PromptReport.resolved_at.is_(None))
        .with_for_update()
    ).all()
    now = assignments.database_now(session)
    for report in waiting:
        report.resolved_at, report.resolved_by_id = now, user.id
        report.resolution, report.resolution_note = resolution, said or None
    if waiting:
        audit.record(session, user, "prompt.reports", f"prompt:{prompt.id}", resolution=resolution, count=len(waiting))
    session.flush()
    return len(waiting)


def _in_words(reports: Sequence[PromptReport]) -> list[tuple[str, int]]:
    return [(rules.BY_KEY[key].text, count) for key, count in Counter(each.reason for each in reports).most_common()]


def _count_labels(session: Session, prompt_ids: Sequence[int]) -> dict[int, int]:
    """Of each prompt: labels that nobody has withdrawn."""
    of_rankings = (
        select(Comparison.prompt_id)
        .join(Ranking, Ranking.comparison_id == Comparison.id)
        .where(Comparison.prompt_id.in_(prompt_ids), Ranking.withdrawn_at.is_(None))
    )
    of_answers = select(Demonstration.prompt_id).where(
        Demonstration.prompt_id.in_(prompt_ids), Demonstration.withdrawn_at.is_(None)
    )
    both = union_all(of_rankings, of_answers).subquery()
    counted = select(both.c.prompt_id, func.count()).group_by(both.c.prompt_id)
    return {row[0]: row[1] for row in session.execute(counted)}
