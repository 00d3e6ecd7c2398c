"""What a project's pretraining text amounts to, by a look at some of it: tokens in all, and what a training reads.

Called by the pretraining page, its JSON twin and services/estimates.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import PretrainingSet, PretrainingText, Project
from app.names import kind_name
from app.services.pretraining import asking_kinds
from app.services.recipes import read_recipe, recipe_of
from app.services.token_counts import tokens_of
from app.translation import gettext as _
from training.config import ConfigError

LOOKED_AT = 50  # texts, spread evenly over the set
HEAD = 2000  # characters of each whose tokens are counted
SHOWN = 20  # texts a page


@dataclass(frozen=True)
class PretrainingFigures:
    """About how many tokens there are, and about how long the texts are that were looked at."""

    tokens: int | None
    lengths: list[float]
    reason: str | None = None  # why there is no count


@dataclass(frozen=True)
class Reading:
    """How a kind of job reads pretraining text."""

    kind: str
    name: str
    weight: float
    texts: int  # an optimiser step
    limit: int  # tokens of a text that are read
    longer: float | None  # share of the texts that have more; None where tokens are not counted


@dataclass(frozen=True)
class ShownText:
    number: int
    head: str
    characters: int


def look_at(session: Session, project: Project, found: PretrainingSet) -> PretrainingFigures:
    numbers = {1 + place * found.texts // LOOKED_AT for place in range(LOOKED_AT)}
    columns = (func.char_length(PretrainingText.text), func.left(PretrainingText.text, HEAD))
    query = select(*columns).where(PretrainingText.set_id == found.id, PretrainingText.number.in_(numbers))
    rows = session.execute(query).all()
    counted = tokens_of(project, [head for _characters, head in rows])
    if counted is None:
        return PretrainingFigures(None, [], _("Tokens are not counted: the model does not lie on this machine."))
    if not rows:
        return PretrainingFigures(None, [], _("Its texts were deleted before any training read them."))
    seen = sum(len(head) for _characters, head in rows)
    lengths = [tokens * characters / len(head) for (characters, head), tokens in zip(rows, counted, strict=True)]
    return PretrainingFigures(round(found.characters * sum(counted) / seen), lengths)


def list_readings(project: Project, lengths: list[float]) -> list[Reading]:
    """The kinds of job that read it by the project's settings, and how."""
    readings = []
    for kind in asking_kinds(project.recipe):
        try:
            config: Any = read_recipe(kind, recipe_of(project, kind))
        except ConfigError:  # settings of an earlier version
            continue
        limit = read_limit(config)
        longer = sum(length > limit for length in lengths) / len(lengths) if lengths else None
        readings.append(Reading(kind, kind_name(kind), config.ptx_coef, config.ptx_batch_size, limit, longer))
    return readings


def read_limit(config: Any) -> int:
    """Tokens of a text that a training reads; the rest of a longer one is left out."""
    return int(config.max_prompt_tokens + config.max_new_tokens)


def list_texts(session: Session, found: PretrainingSet, after: int = 0) -> list[ShownText]:
    """A page of its texts, each cut to what a line of a table holds."""
    columns = (
        PretrainingText.number, func.left(PretrainingText.text, 300), func.char_length(PretrainingText.text),
    )  # fmt: skip
    query = select(*columns).where(PretrainingText.set_id == found.id, PretrainingText.number > after)
    return [ShownText(*row) for row in session.execute(query.order_by(PretrainingText.number).limit(SHOWN))]
