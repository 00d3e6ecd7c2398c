"""A labeler betters a response that she has ranked: a demonstration, and a comparison of hers with the original.

The original stays where it is; a copy of it stands beside her text in a comparison of its own. Called by the pages
and the API.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import Conflict, Invalid, NotFound
from app.models import Assignment, Comparison, Completion, Demonstration, Project, Prompt, Ranking, Slot, User
from app.services import assignments, drafts
from app.services.answers import Details, answer_columns, check_answer
from app.services.labels import LONGEST_SECONDS
from app.services.token_counts import count_tokens
from app.services.twins import EDIT
from app.translation import gettext as _


@dataclass(frozen=True)
class Editable:
    """A response that she may better, and the task in which she ranked it."""

    completion: Completion
    assignment: Assignment
    project: Project
    prompt: Prompt


def load_editable(session: Session, completion_id: UUID, user: User) -> Editable:
    """Raises NotFound unless she has ranked the response and the project wants better ones."""
    found = session.execute(
        select(Completion, Assignment)
        .join(Assignment, Assignment.comparison_id == Completion.comparison_id)
        .where(
            Completion.id == completion_id,
            Completion.original_id.is_(None),  # an edit is not edited again
            Assignment.user_id == user.id,
            Assignment.submitted_at.is_not(None),
        )
        .order_by(Assignment.id)  # she may have been given it twice
        .limit(1)
    ).one_or_none()
    project = session.get_one(Project, found[1].project_id) if found is not None else None
    if found is None or project is None or not project.improves_responses:
        raise NotFound(_("There is no response here that you could write a better one for."))
    return Editable(found[0], found[1], project, session.get_one(Prompt, found[0].prompt_id))


def submit_edit(
    session: Session,
    completion_id: UUID,
    user: User,
    key: UUID,
    text: str,
    details: Details,
    seconds: float | None = None,
) -> Demonstration:
    """Store her better text once; the same key gives the same row. Raises Invalid, Conflict, NotFound."""
    editable = load_editable(session, completion_id, user)
    assignments.lock_for_submission(session, editable.assignment.id, user)  # a repeat waits for the first try
    if (stored := _stored(session, user, key)) is not None:
        if stored.edited_completion_id != completion_id:
            raise Conflict(_("This Idempotency-Key was used for another text. Make a new one for every text."))
        return stored
    refuse_second(session, completion_id, user)
    check_answer(editable.project, text, details)
    if _plain(text) == _plain(editable.completion.text):
        raise Invalid(_("The text is still the response as it was. Change it, or leave this page."))
    if seconds is not None and not seconds >= 0:
        raise Invalid(_("The time spent cannot be negative."))
    seconds = None if seconds is None else min(seconds, LONGEST_SECONDS)
    demonstration = Demonstration(
        project_id=editable.project.id,
        prompt_id=editable.prompt.id,
        user_id=user.id,
        idempotency_key=key,
        **answer_columns(session, editable.project, editable.prompt, text, details),
        guideline_version=editable.assignment.guideline_version,
        seconds=seconds,
        source=EDIT,
        edited_completion_id=completion_id,
        simulated=user.simulated,
    )
    session.add(demonstration)
    _store_comparison(session, editable, user, key, demonstration)
    drafts.forget_draft(session, editable.project, user, drafts.edit_place(completion_id))
    session.flush()
    return demonstration


def find_edit(session: Session, completion_id: UUID, user: User) -> Demonstration | None:
    """What she has written in place of a response, withdrawn or not."""
    return session.scalar(
        select(Demonstration).where(
            Demonstration.user_id == user.id, Demonstration.edited_completion_id == completion_id
        )
    )


def _stored(session: Session, user: User, key: UUID) -> Demonstration | None:
    return session.scalar(
        select(Demonstration).where(Demonstration.user_id == user.id, Demonstration.idempotency_key == key)
    )


def refuse_second(session: Session, completion_id: UUID, user: User) -> None:
    """Raises Conflict when she has bettered this response before."""
    earlier = find_edit(session, completion_id, user)
    if earlier is not None and earlier.withdrawn_at is not None:
        raise Conflict(_("You have withdrawn the better one that you wrote. You can restore it in your history."))
    if earlier is not None:
        raise Conflict(_("You have written a better one for this response already. It is stored."))


def _plain(text: str) -> str:
    """A browser's form sends line ends of its own."""
    return text.replace("\r\n", "\n").strip()


def _store_comparison(
    session: Session, editable: Editable, user: User, key: UUID, demonstration: Demonstration
) -> None:
    """The original's copy and the edit side by side, ranked by her: a place for a label that is filled at once."""
    original, now = editable.completion, assignments.database_now(session)
    first = session.get_one(Comparison, original.comparison_id)
    comparison = Comparison(project_id=first.project_id, prompt_id=first.prompt_id, round_id=first.round_id)
    session.add(comparison)
    session.flush()
    copy, edit = _completions(editable, comparison, user, demonstration.text)
    session.add_all([copy, edit])
    assignment = _filled_assignment(editable, comparison, user, now, [str(copy.id), str(edit.id)])
    session.add(assignment)
    session.flush()
    ranking = Ranking(
        project_id=first.project_id,
        comparison_id=comparison.id,
        round_id=first.round_id,
        assignment_id=assignment.id,
        user_id=user.id,
        idempotency_key=key,
        tiers=[[str(edit.id)], [str(copy.id)]],
        ratings={},
        order_shown=assignment.order_shown,
        guideline_version=assignment.guideline_version,
        schema_version=assignment.schema_version,
        seconds=demonstration.seconds or 0.0,
        source=EDIT,
        simulated=user.simulated,
    )
    session.add(ranking)


def _completions(editable: Editable, comparison: Comparison, user: User, text: str) -> tuple[Completion, Completion]:
    original = editable.completion
    shared = {"comparison_id": comparison.id, "prompt_id": original.prompt_id, "original_id": original.id}
    copy = Completion(
        **shared,
        id=uuid4(),
        checkpoint_id=original.checkpoint_id,
        sample_index=original.sample_index,
        text=original.text,
        sampling=original.sampling,
        seed=original.seed,
        finish_reason=original.finish_reason,
        tokens=original.tokens,
        logprob=original.logprob,
    )
    edit = Completion(
        **shared,
        id=uuid4(),
        author_id=user.id,
        sample_index=0,
        text=text,
        sampling={},
        seed=0,
        finish_reason=EDIT,
        tokens=count_tokens(editable.project, text).tokens or 0,
    )
    return copy, edit


def _filled_assignment(
    editable: Editable, comparison: Comparison, user: User, now: datetime, order_shown: list[str]
) -> Assignment:
    task = {"project_id": comparison.project_id, "kind": "ranking", "prompt_id": comparison.prompt_id}
    task["comparison_id"] = comparison.id
    return Assignment(
        **task,
        slot=Slot(**task, ordinal=1, holder_id=user.id, submitted_at=now),
        user_id=user.id,
        order_shown=order_shown,
        guideline_version=editable.assignment.guideline_version,
        schema_version=editable.assignment.schema_version,
        expires_at=now,
        submitted_at=now,
    )
