"""Reports of prompts: made by labelers, answered by admins."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import Field

from app.models import PromptReport
from app.models.columns import ReportReason, ReportResolution
from app.routes.api.router import api_router
from app.routes.api.shapes import BIGGEST, ItemId, Message, Request, Slug, Stored
from app.rules.reports import LONGEST_NOTE
from app.security import SessionDep, TokenAdmin, TokenUser
from app.services import projects, prompt_reports
from app.services.prompt_reports import ReportedPrompt

router = api_router("prompt reports")

PromptId = Annotated[int, Path(ge=1, le=BIGGEST, examples=[31])]


class ReportIn(Request):
    """What is wrong with the prompt of your task."""

    reason: ReportReason = Field(examples=["unclear"])
    note: str = Field("", max_length=LONGEST_NOTE, description="Needed with `other`.", examples=["Which bakery?"])


class ReportMade(Stored):
    id: int


class ReportOut(Stored):
    """One report."""

    id: int
    reason: ReportReason
    note: str | None
    reporter: str = Field(description="The username of who reported it.")
    assignment_id: int | None
    created_at: datetime
    resolution: ReportResolution | None = None
    resolution_note: str | None = None
    resolved_by: str | None = None
    resolved_at: datetime | None = None


class ReportedOut(Stored):
    """A prompt with what is reported of it."""

    prompt_id: int
    messages: list[Message]
    retired_at: datetime | None
    labels: int = Field(description="Labels of this prompt that stand.")
    reports: list[ReportOut]


class AnswerIn(Request):
    """What becomes of the prompt."""

    resolution: Literal["kept", "retired", "restored"] = Field(
        description="`retired`: nobody is asked about it and no training reads its labels; `restored` undoes that."
    )
    note: str = Field("", max_length=LONGEST_NOTE)


class Answered(Stored):
    reports: int = Field(description="How many open reports this answered.")


@router.post("/assignments/{assignment_id}/report", status_code=201)
def report_prompt(session: SessionDep, user: TokenUser, assignment_id: ItemId, body: ReportIn) -> ReportMade:
    """Report the prompt of a task of yours, open or done; the task goes on. The same again is the same report."""
    report = prompt_reports.report_prompt(session, assignment_id, user, body.reason, body.note)
    return ReportMade.model_validate(report)


@router.get("/projects/{project}/reports")
def list_reports(
    session: SessionDep,
    user: TokenAdmin,
    project: Slug,
    state: Literal["open", "answered"] = "open",
    before: Annotated[
        int | None, Query(ge=1, le=BIGGEST, description="The newest report of the last prompt on the page before.")
    ] = None,
) -> list[ReportedOut]:
    """Reported prompts, those reported last first, 50 at a time."""
    found = projects.get_project(session, project)
    listed = prompt_reports.list_reported(session, found, resolved=state == "answered", before=before)
    return [_reported_out(each) for each in listed]


@router.post("/projects/{project}/reports/{prompt_id}/resolution")
def answer_reports(
    session: SessionDep, user: TokenAdmin, project: Slug, prompt_id: PromptId, body: AnswerIn
) -> Answered:
    """Keep or retire a prompt. Its text is never changed: import the mended one as a new prompt."""
    found = projects.get_project(session, project)
    if body.resolution == "restored":
        prompt_reports.restore_prompt(session, found, prompt_id, user)
        return Answered(reports=0)
    act = prompt_reports.keep_prompt if body.resolution == "kept" else prompt_reports.retire_prompt
    return Answered(reports=act(session, found, prompt_id, user, body.note))


def _reported_out(each: ReportedPrompt) -> ReportedOut:
    return ReportedOut(
        prompt_id=each.prompt.id,
        messages=[Message.model_validate(turn) for turn in each.prompt.messages],
        retired_at=each.prompt.retired_at,
        labels=each.labels,
        reports=[_report_out(report) for report in each.reports],
    )


def _report_out(report: PromptReport) -> ReportOut:
    return ReportOut(
        id=report.id,
        reason=ReportReason(report.reason),
        note=report.note,
        reporter=report.reporter.username,
        assignment_id=report.assignment_id,
        created_at=report.created_at,
        resolution=ReportResolution(report.resolution) if report.resolution else None,
        resolution_note=report.resolution_note,
        resolved_by=report.resolved_by.username if report.resolved_by else None,
        resolved_at=report.resolved_at,
    )
