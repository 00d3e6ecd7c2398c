"""Reads for the pages that researchers leaf through: prompts, what a label says, what there is to export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from app.models import Comparison, Completion, Demonstration, Project, Prompt, Ranking
from app.services import exports

PAGE = 50


@dataclass(frozen=True)
class PromptCounts:
    """How many prompts a project has, by what they are for."""

    total: int
    by_split: dict[str, int]
    by_use_case: dict[str, int]


@dataclass(frozen=True)
class LabelCounts:
    """How many labels there are to export."""

    demonstrations: int
    simulated_demonstrations: int
    rankings: int
    simulated_rankings: int


@dataclass(frozen=True)
class LabelContent:
    """A label with what it was about. `tiers` holds the completions of a ranking, best first."""

    prompt: Prompt
    tiers: list[list[Completion]]


def count_prompts(session: Session, project: Project) -> PromptCounts:
    rows = session.execute(
        select(Prompt.split, Prompt.use_case, func.count())
        .where(Prompt.project_id == project.id)
        .group_by(Prompt.split, Prompt.use_case)
    ).all()
    by_split: dict[str, int] = {}
    by_use_case: dict[str, int] = {}
    for split, use_case, count in rows:
        by_split[split] = by_split.get(split, 0) + count
        by_use_case[use_case or "not said"] = by_use_case.get(use_case or "not said", 0) + count
    ordered = dict(sorted(by_use_case.items(), key=lambda item: -item[1]))
    return PromptCounts(sum(by_split.values()), by_split, ordered)


def list_prompts(session: Session, project: Project, before: int | None = None) -> Sequence[Prompt]:
    """A page of prompts, newest first; `before` is the last id of the page before."""
    query = select(Prompt).where(Prompt.project_id == project.id).order_by(Prompt.id.desc()).limit(PAGE)
    return session.scalars(query.where(Prompt.id < before) if before else query).all()


def count_labels(session: Session, project: Project) -> LabelCounts:
    def count(table: type[Demonstration] | type[Ranking]) -> tuple[int, int]:
        row = session.execute(
            select(func.count(), func.count().filter(table.simulated)).where(
                table.project_id == project.id, *exports.which_train(table)
            )
        ).one()
        return row[0], row[1]

    return LabelCounts(*count(Demonstration), *count(Ranking))


def list_recent(
    session: Session, project: Project, kind: str, before: int | None = None
) -> Sequence[Demonstration] | Sequence[Ranking]:
    """A page of labels of one kind, newest first; withdrawn ones are among them, marked by the page."""
    if kind == "demonstration":
        demonstrations = (
            select(Demonstration)
            .where(Demonstration.project_id == project.id)
            .order_by(Demonstration.id.desc())
            .limit(PAGE)
        )
        return session.scalars(demonstrations.where(Demonstration.id < before) if before else demonstrations).all()
    rankings = select(Ranking).where(Ranking.project_id == project.id).order_by(Ranking.id.desc()).limit(PAGE)
    return session.scalars(rankings.where(Ranking.id < before) if before else rankings).all()


def describe_label(session: Session, label: Demonstration | Ranking) -> LabelContent:
    """The prompt of a label, and of a ranking the completions in their tiers."""
    if isinstance(label, Demonstration):
        return LabelContent(session.get_one(Prompt, label.prompt_id), [])
    comparison = session.scalars(
        select(Comparison).options(selectinload(Comparison.completions)).where(Comparison.id == label.comparison_id)
    ).one()
    by_id = {str(completion.id): completion for completion in comparison.completions}
    tiers = [[by_id[key] for key in tier] for tier in label.tiers]
    return LabelContent(session.get_one(Prompt, comparison.prompt_id), tiers)
