"""A labeler's work: claim, keep, draft, skip, give back, submit. The one part of the API that labelers have.

Nothing here tells which model wrote a completion, nor what other labelers did.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, NoReturn
from uuid import UUID

from fastapi import Depends, Header
from fastapi import Request as HttpRequest
from pydantic import Discriminator, Field, Tag
from starlette.responses import Response

from app.errors import Invalid
from app.models.columns import SlotKind, TaskKind
from app.routes.api.presentations import AnswerPresentation, RankingPresentation, log_of
from app.routes.api.router import api_router
from app.routes.api.shapes import ItemId, Message, Request, Slug, Stored
from app.routes.one_thread import OneThread
from app.rules.reports import LONGEST_NOTE
from app.security import SessionDep, TokenUser
from app.services import ahead, assignments, demonstrations, projects, prompt_reports, rankings, revisions
from app.services.answers import Details
from app.translation import gettext as _

router = api_router("assignments", OneThread)

DEEPEST = 60  # levels of a draft; deeper than any form of ours, and than stacks must bear


class ClaimIn(Request):
    """What kind of work is wanted."""

    kind: TaskKind = Field(examples=["ranking"])


class PromptOut(Stored):
    """The conversation up to the turn that is to be answered."""

    id: int = Field(examples=[31])
    messages: list[Message]


class CompletionOut(Stored):
    """One response to be ranked. Its id is random and tells nothing of who wrote it."""

    id: UUID
    text: str = Field(examples=["Old Marta bakes it, before sunrise."])


class AssignmentOut(Stored):
    """A task that is yours until `expires_at`; saving a draft holds it longer."""

    id: int = Field(examples=[7])
    kind: SlotKind
    expires_at: datetime
    prompt: PromptOut
    completions: list[CompletionOut] = Field(description="In the order to show them; empty for a demonstration.")
    guideline_version: int = Field(examples=[1])
    schema_version: int = Field(description="Which version of the label schema the task asks by.", examples=[1])
    draft: Any = Field(description="What was last saved as a draft, or null.")


class SkipIn(Request):
    """Why you cannot do this task."""

    reason: str = Field(
        max_length=500,
        description="unclear, knowledge, language, harmful, personal, broken, other, or a sentence of your own. All of "
        "these words but `knowledge` report the prompt to an admin.",
        examples=["unclear"],
    )
    note: str = Field("", max_length=LONGEST_NOTE, description="More about it; needed with `other`.")


class Rating(Request):
    """One response judged by itself."""

    overall: int | None = Field(
        None,
        ge=1,
        le=7,
        description="From 1, worse than no answer, to 7, glad to get it; needed where the schema asks for ratings.",
        examples=[6],
    )
    flags: list[str] = Field(default=[], description="Keys of the schema's flags.", examples=[["hallucination"]])


Seconds = Annotated[
    float | None,
    Field(ge=0, allow_inf_nan=False, description="Active time spent; the clock bounds it.", examples=[41.5]),
]


class Source(Request):
    """A page that you used."""

    url: str = Field(max_length=5000, examples=["https://example.org/bread"])
    note: str = Field("", max_length=5000, examples=["The opening hours."])


class AnswerIn(Request):
    """An answer with what belongs to it."""

    text: str = Field(examples=["Old Marta bakes the bread, every day before sunrise."])
    turns: list[Message] | None = Field(None, description="Where the project is a chat: user and assistant, in turn.")
    sources: list[Source] = Field(default=[], description="At most ten.")
    pasted_share: float | None = Field(
        None, allow_inf_nan=False, description="Share of the characters that came by paste; held to 0..1."
    )
    presentation: AnswerPresentation | None = None

    def details(self) -> Details:
        turns = [turn.model_dump() for turn in self.turns] if self.turns else None
        return Details(
            turns, [source.model_dump() for source in self.sources], self.pasted_share, log_of(self.presentation)
        )


class DemonstrationIn(AnswerIn):
    """Your own answer to the prompt."""

    seconds: Seconds = None


class RankingIn(Request):
    """Your order of the responses: best tier first, ties within a tier."""

    tiers: list[list[UUID]] = Field(description="Ids of completions.")
    ratings: dict[UUID, Rating] = Field(default={}, description="Completion id -> rating.")
    prompt_flags: list[str] = Field(
        default=[], description="Keys of the schema's flags of the prompt.", examples=[["ambiguous"]]
    )
    confidence: int | None = Field(
        None,
        ge=1,
        le=9,
        description="How sure you are of the order: 1 a guess, 5 fairly sure, 9 certain; needed where the schema asks.",
        examples=[7],
    )
    presentation: RankingPresentation | None = None
    comment: str | None = Field(None, examples=["A invents a miller."])
    seconds: Seconds = None


def _kind_of(body: Any) -> str:
    return "demonstration" if isinstance(body, DemonstrationIn) or "text" in body else "ranking"


SubmissionIn = Annotated[
    Annotated[DemonstrationIn, Tag("demonstration")] | Annotated[RankingIn, Tag("ranking")], Discriminator(_kind_of)
]


class SubmissionOut(Stored):
    """The label that was stored."""

    id: int = Field(examples=[19])


class LeaseOut(Stored):
    """How long the task is yours."""

    expires_at: datetime


def _assignment_out(task: assignments.Task) -> AssignmentOut:
    held = task.assignment
    return AssignmentOut(
        id=held.id,
        kind=SlotKind(held.kind),
        expires_at=held.expires_at,
        prompt=PromptOut.model_validate(task.prompt),
        completions=[CompletionOut.model_validate(completion) for completion in task.completions],
        guideline_version=held.guideline_version,
        schema_version=held.schema_version,
        draft=held.draft,
    )


NOTHING_LEFT: dict[int | str, dict[str, Any]] = {204: {"description": "Nothing is left for this labeler."}}


@router.post("/projects/{project}/assignments", status_code=201, response_model=AssignmentOut, responses=NOTHING_LEFT)
def claim_task(session: SessionDep, user: TokenUser, project: Slug, body: ClaimIn) -> AssignmentOut | Response:
    """Claim the next task, or get the one you hold; 204 when nothing is left for you."""
    task = assignments.claim_task(session, projects.get_project(session, project), user, body.kind)
    return Response(status_code=204) if task is None else _assignment_out(task)


@router.get("/assignments/{assignment_id}")
def show_task(session: SessionDep, user: TokenUser, assignment_id: ItemId) -> AssignmentOut:
    """One of your own tasks, with its draft."""
    return _assignment_out(assignments.load_task(session, assignment_id, user))


async def any_json(request: HttpRequest) -> Any:
    """The body as JSON, whatever its shape. Raises Invalid."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no JSON")

    try:
        value = json.loads(await request.body(), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Invalid(_("The body is no valid JSON, so no draft was saved.")) from error
    if _is_deep(value):
        raise Invalid(_("The draft is nested deeper than %(most)s levels, so it was not saved.") % {"most": DEEPEST})
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _level in range(DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


DRAFT_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {}, "example": {"text": "Old Marta ba"}}},
    }
}


@router.put("/assignments/{assignment_id}/draft", status_code=204, openapi_extra=DRAFT_BODY)
def save_draft(
    session: SessionDep, user: TokenUser, assignment_id: ItemId, draft: Annotated[Any, Depends(any_json)]
) -> None:
    """Keep unfinished work, any JSON, even after the hold on the task has ended. A live hold is renewed."""
    assignments.save_draft(session, assignment_id, user, draft)


@router.post("/assignments/{assignment_id}/renewal")
def renew_lease(session: SessionDep, user: TokenUser, assignment_id: ItemId) -> LeaseOut:
    """Hold the task longer."""
    return LeaseOut(expires_at=assignments.renew_lease(session, assignment_id, user))


@router.post("/assignments/{assignment_id}/ahead", response_model=AssignmentOut, responses=NOTHING_LEFT)
def claim_ahead(session: SessionDep, user: TokenUser, assignment_id: ItemId) -> AssignmentOut | Response:
    """Hold the task after this one, so that it is at hand when this one is sent: one, however often you ask.

    204 when nothing is left for you, when this task is not in your hands any more, or when the guidelines have changed
    and you have to read them first. Give it back with `release` if you stop before it.
    """
    assignment = ahead.claim_ahead(session, assignment_id, user)
    if assignment is None:
        return Response(status_code=204)
    return _assignment_out(assignments.load_task(session, assignment.id, user))


@router.post("/assignments/{assignment_id}/leave")
def leave_task(session: SessionDep, user: TokenUser, assignment_id: ItemId) -> LeaseOut:
    """You turn to something else: the hold ends within two minutes, unless you renew it or save a draft before.

    What was held ahead and never asked for goes back at once.
    """
    return LeaseOut(expires_at=assignments.leave_task(session, assignment_id, user))


@router.post("/assignments/{assignment_id}/release", status_code=204)
def release_task(session: SessionDep, user: TokenUser, assignment_id: ItemId) -> None:
    """Give the task back for now; the draft stays."""
    assignments.release_task(session, assignment_id, user)


@router.post("/assignments/{assignment_id}/skip", status_code=204)
def skip_task(session: SessionDep, user: TokenUser, assignment_id: ItemId, body: SkipIn) -> None:
    """Give the task up for good, so that somebody else gets it."""
    prompt_reports.skip_task(session, assignment_id, user, body.reason, body.note)


@router.post("/assignments/{assignment_id}/undo")
def undo(session: SessionDep, user: TokenUser, assignment_id: ItemId) -> AssignmentOut:
    """Take back what you sent last in the project: the task is yours again, its draft is what you had sent.

    Until you send it again, with a new Idempotency-Key, the label counts nowhere. 409 once a snapshot has frozen it.
    """
    revisions.undo_submission(session, assignment_id, user)
    return _assignment_out(assignments.load_task(session, assignment_id, user))


IdempotencyKey = Annotated[
    UUID,
    Header(
        alias="Idempotency-Key",
        description="A UUID that you make for this submission. Repeating a request with the same key is safe: it gets "
        "the same answer and stores nothing twice.",
        examples=["6f1c2a52-6a3b-4a4e-9a53-0f7f4a1c9b11"],
    ),
]


@router.post("/assignments/{assignment_id}/submission", status_code=201)
def submit(
    session: SessionDep, user: TokenUser, assignment_id: ItemId, key: IdempotencyKey, body: SubmissionIn
) -> SubmissionOut:
    """Send the label. Where somebody else has taken the task meanwhile the answer is 409, and the work is a draft."""
    if isinstance(body, DemonstrationIn):
        demonstration = demonstrations.submit_demonstration(
            session, assignment_id, user, key, body.text, body.seconds, body.details()
        )
        return SubmissionOut(id=demonstration.id)
    draft = ranking_draft(body)
    return SubmissionOut(id=rankings.submit_ranking(session, assignment_id, user, key, draft, body.seconds).id)


def ranking_draft(body: RankingIn) -> rankings.RankingDraft:
    return rankings.RankingDraft(
        tiers=[[str(completion) for completion in tier] for tier in body.tiers],
        ratings={str(key): rating.model_dump(exclude_none=True) for key, rating in body.ratings.items()},
        comment=body.comment,
        prompt_flags=body.prompt_flags,
        confidence=body.confidence,
        presentation=log_of(body.presentation),
    )
