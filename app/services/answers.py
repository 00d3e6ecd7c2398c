"""What an answer brings besides its text, and what is noticed about it. Shared by demonstrations and edits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import Invalid
from app.markdown import count_words
from app.models import Demonstration, Project, Prompt
from app.rules import answer_warnings as warning_rules
from app.rules import demonstrations as rules
from app.rules.answer_warnings import Warned
from app.rules.presentations import clean_presentation

LOOKED_BACK = 100  # latest answers of the project that say what length is usual


@dataclass(frozen=True)
class Details:
    """The further turns of a chat, the sources used, and how much came by paste."""

    turns: list[dict[str, str]] | None = None
    sources: list[dict[str, Any]] = field(default_factory=list)
    pasted_share: float | None = None
    presentation: Any = None  # as the browser tells it; rules/presentations.py


@dataclass(frozen=True)
class Answer:
    """What she sends as a demonstration."""

    text: str
    details: Details = field(default_factory=Details)


def check_answer(project: Project, text: str, details: Details) -> None:
    """Raises Invalid with the first thing that keeps the answer from being stored."""
    problem = (
        rules.turns_problem(details.turns, project.chat)
        or rules.text_problem(text, details.turns or ())
        or rules.sources_problem(details.sources)
    )
    if problem is not None:
        raise Invalid(problem)


def warn(session: Session, project: Project, prompt: Prompt, text: str, details: Details) -> list[Warned]:
    """What a labeler is told of her answer as it stands. It never keeps her from sending."""
    asked = str(prompt.messages[-1]["content"])
    answers = _answers(text, details)
    wants_more = warning_rules.wants_more(asked, prompt.use_case)
    return warning_rules.answer_warnings(
        asked,
        answers,
        words=sum(count_words(answer) for answer in answers),
        use_case=prompt.use_case,
        usual_words=_usual_words(session, project.id) if wants_more else None,
        pasted_share=rules.clamp_share(details.pasted_share),
    )


def answer_columns(
    session: Session, project: Project, prompt: Prompt, text: str, details: Details
) -> Mapping[str, Any]:
    """The columns of a demonstration that hold her answer with all that is noticed about it."""
    return {
        "text": text.strip(),
        "turns": rules.clean_turns(details.turns),
        "sources": rules.clean_sources(details.sources),
        "pasted_share": rules.clamp_share(details.pasted_share),
        "presentation": clean_presentation(details.presentation, None),
        "warnings": [warned.key for warned in warn(session, project, prompt, text, details)],
    }


def _answers(text: str, details: Details) -> list[str]:
    """Her answers; what she lets the user say is not one."""
    return [text, *(turn["content"] for turn in details.turns or () if turn["role"] == "assistant")]


def _usual_words(session: Session, project_id: int) -> float | None:
    latest = session.scalars(
        select(Demonstration.text)
        .where(Demonstration.project_id == project_id, Demonstration.withdrawn_at.is_(None))
        .order_by(Demonstration.id.desc())
        .limit(LOOKED_BACK)
    )
    return warning_rules.usual([count_words(text) for text in latest])
