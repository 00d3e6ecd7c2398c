"""Writing: prompts by labelers, better ones than the model's responses, and what is counted and noticed on the way."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Path
from pydantic import Field

from app.models.columns import PromptKind
from app.routes.api.assignments import AnswerIn, DemonstrationIn, IdempotencyKey, SubmissionOut
from app.routes.api.router import api_router
from app.routes.api.shapes import BIGGEST, ItemId, Message, Request, Slug, Stored
from app.routes.writing import answer_warnings, token_count
from app.rules.prompts import USE_CASES
from app.security import SessionDep, TokenUser
from app.services import edits, projects, written_prompts
from app.services.written_prompts import PromptDraft

router = api_router("writing")

CompletionId = Annotated[UUID, Path(description="A response of a ranking that you have submitted.")]


class TextIn(Request):
    """A text to be counted."""

    text: str = Field(max_length=200_000, examples=["Old Marta bakes the bread."])
    assignment_id: Annotated[int, Field(ge=1, le=BIGGEST)] | None = Field(
        None, description="A task of yours whose prompt is counted too.", examples=[7]
    )


class TokensOut(Stored):
    """Counted by the tokenizer of the base model; `limit` holds for prompt and answer together."""

    tokens: int | None = Field(description="Null where the model does not lie on the web server.", examples=[8])
    prompt_tokens: int | None = Field(examples=[12])
    limit: int = Field(examples=[512])
    reason: str | None = Field(description="Why there is no count.")


class WarningOut(Stored):
    key: str = Field(description="other_language, far_too_short or pasted.", examples=["far_too_short"])
    text: str = Field(examples=["Very short for what the prompt asks."])


class WarningsOut(Stored):
    """What a labeler would be told. It never keeps an answer from being sent."""

    warnings: list[WarningOut]


class Pair(Request):
    query: str = Field(examples=["The bread was burnt again."])
    response: str = Field(examples=["negative"])


class WrittenPromptIn(Request):
    """A prompt of your own: `text`, or for a few-shot one `instruction` and 2 to 10 `pairs`."""

    kind: PromptKind = PromptKind.PLAIN
    use_case: str = Field(description=f"One of {', '.join(USE_CASES)}.", examples=["classification"])
    text: str = Field("", examples=["Why do leaves turn red?"])
    use_case_text: str = Field("", description="For user_based: one of the project's `use_case_texts`.")
    instruction: str = Field("", examples=["Is the sentiment positive or negative?"])
    pairs: list[Pair] = Field(default=[])


class WrittenPromptOut(Stored):
    id: int = Field(examples=[31])
    messages: list[Message]
    use_case: str | None
    split: str = Field(examples=["train"])


class WrittenPromptsOut(Stored):
    """The prompts that were stored; a few-shot one makes as many as it has pairs."""

    prompts: list[WrittenPromptOut]


@router.post("/projects/{project}/tokens")
def count_tokens(session: SessionDep, user: TokenUser, project: Slug, body: TextIn) -> TokensOut:
    """How many tokens a text has, and how many may be trained on."""
    return TokensOut(**token_count(session, user, project, body.text, body.assignment_id))


@router.post("/assignments/{assignment_id}/warnings")
def list_warnings(session: SessionDep, user: TokenUser, assignment_id: ItemId, body: AnswerIn) -> WarningsOut:
    """What would be noticed about an answer as it stands."""
    found: list[Any] = answer_warnings(session, user, assignment_id, body.text, body.details())
    return WarningsOut(warnings=[WarningOut(**warned) for warned in found])


@router.post("/projects/{project}/prompts/write", status_code=201)
def write_prompt(
    session: SessionDep, user: TokenUser, project: Slug, key: IdempotencyKey, body: WrittenPromptIn
) -> WrittenPromptsOut:
    """Write a prompt, where the project allows it. A known one is refused."""
    draft = PromptDraft(
        kind=body.kind,
        use_case=body.use_case,
        text=body.text,
        use_case_text=body.use_case_text,
        instruction=body.instruction,
        pairs=[(pair.query, pair.response) for pair in body.pairs],
    )
    stored = written_prompts.write_prompt(session, projects.get_project(session, project), user, key, draft)
    return WrittenPromptsOut(prompts=[WrittenPromptOut.model_validate(prompt) for prompt in stored])


@router.post("/completions/{completion_id}/edit", status_code=201)
def submit_edit(
    session: SessionDep, user: TokenUser, completion_id: CompletionId, key: IdempotencyKey, body: DemonstrationIn
) -> SubmissionOut:
    """Write a better one than a response that you have ranked: a demonstration, ranked above the original."""
    row = edits.submit_edit(session, completion_id, user, key, body.text, body.details(), body.seconds)
    return SubmissionOut(id=row.id)
