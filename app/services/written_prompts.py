"""Prompts that labelers write: plain, few-shot, or from a stated use-case. Called by the pages and the API.

All prompts of one few-shot set share a `group_key`, the key under which they were sent: a repeat stores nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from app import figures
from app.errors import Conflict, Invalid
from app.models import Demonstration, Project, Prompt, Slot, User
from app.models.columns import PromptKind
from app.rules import prompts as rules
from app.rules.languages import code_of
from app.services import drafts, members, prompts, qualification_standings
from app.services.guidelines import current_guideline
from app.translation import gettext as _
from app.translation import mark

_WRITE_LOCK = 7303  # namespace of the advisory locks that put one author's prompts in a row
LONGEST = 20_000  # characters of a text, a query or a response
SHOWN = 20

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class PromptDraft:
    """What she sends: `text` for a plain or user-based prompt, `instruction` and `pairs` for a few-shot one."""

    kind: str
    use_case: str
    text: str = ""
    use_case_text: str = ""
    instruction: str = ""
    pairs: list[tuple[str, str]] = field(default_factory=list)


def check_allowed(session: Session, project: Project, user: User) -> None:
    """Raises Forbidden for somebody outside its pool, Conflict where the project takes no prompts from its labelers."""
    members.require_pool(session, project, user)
    if not project.labelers_write_prompts:
        raise Conflict(_("Labelers write no prompts for %(name)s just now.") % {"name": project.name})


def write_prompt(session: Session, project: Project, user: User, key: UUID, draft: PromptDraft) -> list[Prompt]:
    """Store what she wrote, once for this key, with open slots. Raises Invalid, Conflict, Forbidden, NotQualified."""
    check_allowed(session, project, user)
    qualification_standings.require_pass(session, project, user)
    session.execute(select(func.pg_advisory_xact_lock(_WRITE_LOCK, user.id)))
    if stored := _of_group(session, project, user, key):
        return stored
    _check_draft(project, draft)
    examples = _examples(draft)
    _refuse_known(session, project, user, draft, [messages for messages, __ in examples])
    split = rules.written_split(_earlier_split(session, project, user), user.labeler_group)
    values = [_values(project, user, key, draft, split, messages) for messages, __ in examples]
    if prompts.store_prompts(session, project, values) != len(values):
        raise Invalid(_(_KNOWN), errors=[{"field": _main_field(draft), "message": _(_KNOWN)}])
    drafts.forget_draft(session, project, user, drafts.prompt_place(draft.kind))
    stored = _of_group(session, project, user, key)
    if draft.kind == PromptKind.FEW_SHOT:
        answers = {rules.content_hash(messages): response or "" for messages, response in examples}
        _store_answers(session, project, user, {prompt.id: answers[prompt.content_hash] for prompt in stored})
    return stored


def count_written(session: Session, project: Project, user: User) -> int:
    return session.scalar(select(func.count()).select_from(Prompt).where(*_hers(project, user))) or 0


def list_written(session: Session, project: Project, user: User) -> Sequence[Prompt]:
    """Her latest ones, newest first."""
    return session.scalars(select(Prompt).where(*_hers(project, user)).order_by(Prompt.id.desc()).limit(SHOWN)).all()


_KNOWN = mark("This prompt is in the project already. Change it, or write another one.")


def _hers(project: Project, user: User) -> tuple[Any, ...]:
    return Prompt.project_id == project.id, Prompt.author_id == user.id


def _of_group(session: Session, project: Project, user: User, key: UUID) -> list[Prompt]:
    found = select(Prompt).where(*_hers(project, user), Prompt.group_key == str(key)).order_by(Prompt.id)
    return list(session.scalars(found))


def _earlier_split(session: Session, project: Project, user: User) -> str | None:
    return session.scalar(select(Prompt.split).where(*_hers(project, user)).order_by(Prompt.id).limit(1))


def _main_field(draft: PromptDraft) -> str:
    return "pairs" if draft.kind == PromptKind.FEW_SHOT else "text"


def _check_draft(project: Project, draft: PromptDraft) -> None:
    errors: list[dict[str, str]] = []

    def refuse(name: str, message: str) -> None:
        errors.append({"field": name, "message": message})

    if draft.kind not in list(PromptKind):
        refuse("kind", _("Choose plain, few_shot or user_based."))
    if draft.use_case not in rules.USE_CASES:
        refuse("use_case", _("Say what the prompt is for."))
    if draft.kind == PromptKind.FEW_SHOT:
        _check_text(refuse, "instruction", draft.instruction, _("Write the instruction."))
        _check_pairs(refuse, draft.pairs)
    else:
        _check_text(refuse, "text", draft.text, _("Write the prompt."))
    if draft.kind == PromptKind.USER_BASED and draft.use_case_text not in project.use_case_texts:
        refuse("use_case_text", _("Choose the use-case that it is written from."))
    if errors:
        raise Invalid(" ".join(error["message"] for error in errors), errors=errors)


def _check_pairs(refuse: Any, pairs: list[tuple[str, str]]) -> None:
    if not rules.FEWEST_PAIRS <= len(pairs) <= rules.MOST_PAIRS:
        sentence = _("Give %(fewest)s to %(most)s pairs of a query and its response.")
        refuse("pairs", sentence % {"fewest": rules.FEWEST_PAIRS, "most": rules.MOST_PAIRS})
    for number, (query, response) in enumerate(pairs, start=1):
        _check_text(refuse, f"pairs.{number}", query, _("Pair %(number)s has no query.") % {"number": number})
        _check_text(refuse, f"pairs.{number}", response, _("Pair %(number)s has no response.") % {"number": number})
    queries = [query.strip() for query, __ in pairs if query.strip()]
    if len(set(queries)) < len(queries):
        refuse("pairs", _("Two pairs have the same query. Each has to be another one."))


def _check_text(refuse: Any, name: str, text: str, missing: str) -> None:
    if not text.strip():
        refuse(name, missing)
    elif len(text) > LONGEST:
        refuse(name, _("This is longer than %(most)s characters.") % {"most": figures.number(LONGEST)})
    elif problem := rules.text_problem(text, typed=True):
        refuse(name, problem)


def _examples(draft: PromptDraft) -> list[tuple[Messages, str | None]]:
    if draft.kind == PromptKind.FEW_SHOT:
        pairs = [(query.strip(), response.strip()) for query, response in draft.pairs]
        return [(messages, response) for messages, response in rules.expand_few_shot(draft.instruction.strip(), pairs)]
    return [([{"role": "user", "content": draft.text.strip()}], None)]


def _refuse_known(
    session: Session, project: Project, user: User, draft: PromptDraft, conversations: list[Messages]
) -> None:
    """Raises Invalid for a prompt that the project has, and for one that opens like another of hers."""
    hashes = [rules.content_hash(messages) for messages in conversations]
    known = select(Prompt.id).where(Prompt.project_id == project.id, Prompt.content_hash.in_(hashes)).limit(1)
    if session.scalar(known) is not None:
        raise Invalid(_(_KNOWN), errors=[{"field": _main_field(draft), "message": _(_KNOWN)}])
    openings = {text for messages in conversations if (text := rules.opening(messages)) is not None}
    first_words = func.left(Prompt.messages[0]["content"].astext, rules.OPENING)
    if openings and session.scalar(select(Prompt.id).where(*_hers(project, user), first_words.in_(openings)).limit(1)):
        sentence = _("One of your earlier prompts begins with the same %(count)s characters. Write something new.")
        sentence %= {"count": rules.OPENING}
        raise Invalid(sentence, errors=[{"field": _main_field(draft), "message": sentence}])


def _values(
    project: Project, user: User, key: UUID, draft: PromptDraft, split: str, messages: Messages
) -> dict[str, Any]:
    return {
        "project_id": project.id,
        "content_hash": rules.content_hash(messages),
        "messages": messages,
        "use_case": draft.use_case,
        "source": "labeler",
        "split": split,
        "language": code_of(messages[-1]["content"]),
        "kind": draft.kind,
        "author_id": user.id,
        "group_key": str(key),
        "use_case_text": draft.use_case_text if draft.kind == PromptKind.USER_BASED else None,
    }


def _store_answers(session: Session, project: Project, user: User, answers: dict[int, str]) -> None:
    """The response of a few-shot pair is a demonstration of its prompt, and fills one of its slots."""
    version = current_guideline(session, project.id).version
    session.execute(
        insert(Demonstration),
        [
            {
                "project_id": project.id,
                "prompt_id": prompt_id,
                "user_id": user.id,
                "text": text,
                "guideline_version": version,
                "simulated": user.simulated,
            }
            for prompt_id, text in answers.items()
        ],
    )
    session.execute(
        update(Slot)
        .where(Slot.kind == "demonstration", Slot.prompt_id.in_(answers), Slot.ordinal == 1)
        .values(submitted_at=func.now(), holder_id=user.id)
    )
