"""What a row says besides its text or order: whose it is, its weight, by how much a response must win."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from training.job import JobError


@dataclass
class Label:
    """`group` of its labeler ("" where none is named); `margins` [K][K]: by how much response i must score above j."""

    group: str = ""
    weight: float = 1.0
    simulated: bool = False
    ai: bool = False
    margins: list[list[float]] | None = None


def read_label(row: dict[str, Any], kept: Sequence[int], where: str) -> Label:
    """The label of a row; of a ranking's responses those `kept` are used. Raises JobError."""
    return Label(
        group=str(row.get("labeler_group") or ""),
        weight=_number(row.get("weight", 1), "weight", where, 0),
        simulated=row.get("simulated") is True,
        ai=row.get("ai") is True,
        margins=_margins(row.get("margin"), len(row.get("responses", [])), kept, where),
    )


class Labelled(Protocol):
    """A ranking, or a conversation."""

    label: Label


R = TypeVar("R", bound=Labelled)


def weigh(rows: Sequence[R], ai_weight: float, simulated_weight: float = 1.0) -> list[R]:
    """The rows with what labels by models and by programs weigh; those of weight 0 are left out."""
    for row in rows:
        row.label.weight *= ai_weight if row.label.ai else 1.0
        row.label.weight *= simulated_weight if row.label.simulated else 1.0
    return [row for row in rows if row.label.weight > 0]


def by_people(rows: list[R]) -> list[R]:
    """What is held out: people's labels and programs', where there are any; a model's are no measure beside them."""
    return [row for row in rows if not row.label.ai] or rows


def _margins(value: Any, count: int, kept: Sequence[int], where: str) -> list[list[float]] | None:
    """`margin`: one number for all pairs, or K lists of K, [i][j] for "response i is better than response j"."""
    if value is None:
        return None
    if not isinstance(value, list):
        number = _number(value, "margin", where)
        return [[number] * len(kept) for _ in kept]
    if len(value) != count or not all(isinstance(line, list) and len(line) == count for line in value):
        raise JobError(f"{where}: margin must be a number, or {count} lists of {count} numbers, one for each pair.")
    return [[_number(value[i][j], "margin", where) for j in kept] for i in kept]


def _number(value: Any, name: str, where: str, minimum: float = -math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < minimum:
        words = "a number" if minimum == -math.inf else f"a number of {minimum:g} or more"
        raise JobError(f"{where}: {name} must be {words}, not {value!r}.")
    return float(value)
