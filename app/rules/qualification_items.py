"""What an item of a qualification must hold, what an answer to one may say, and the rows of an import.

Asked by services/qualification_items.py and services/qualification_attempts.py.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypedDict

from app import figures
from app.rules.prompts import ROLES, messages_problem, row_messages, text_problem
from app.rules.qualifications import DEMONSTRATION, FLAGS, PARTS, RANKING
from app.translation import gettext as _
from app.translation import mark

STAGES = ("practice", "test")
MOST_ITEMS = 200
LONGEST = 20_000  # characters of a response, an explanation, an answer
FEWEST, MOST = {FLAGS: 1, RANKING: 2, DEMONSTRATION: 0}, {FLAGS: 1, RANKING: 9, DEMONSTRATION: 0}
COUNTS = {
    FLAGS: mark("An item of the kind flags takes one response; here are %(count)s."),
    RANKING: mark("An item of the kind ranking takes two to nine responses; here are %(count)s."),
    DEMONSTRATION: mark("An item of the kind demonstration takes no response; here are %(count)s."),
}
ROW_FIELDS = {"kind", "stage", "prompt", "messages", "response", "responses", "gold", "explanation"}
# Flags of the usual label schema that speak of sensitive content (InstructGPT, table 3).
SENSITIVE = (
    "inappropriate",
    "harmful_advice",
    "encourages_harm",
    "denigrates",
    "sexual",
    "violent",
    "opinion",
    "moral_judgment",
)


class ItemDraft(TypedDict):
    """An item as a person or an import states it."""

    kind: str
    stage: str
    messages: list[dict[str, str]]
    responses: list[str]
    gold: list[Any] | None  # keys of flags, or the place of each response
    explanation: str


def item_problems(item: ItemDraft, flags: Collection[str]) -> list[dict[str, str]]:
    """Everything that keeps an item from being stored, as {"field", "message"}; empty when it is sound."""
    problems: list[dict[str, str]] = []

    def refuse(field: str, message: str) -> None:
        problems.append({"field": field, "message": message})

    if item["kind"] not in PARTS:
        return [{"field": "kind", "message": _("Choose one of %(kinds)s.") % {"kinds": ", ".join(PARTS)}}]
    if item["stage"] not in STAGES:
        refuse("stage", _("Choose practice or test."))
    if problem := messages_problem(item["messages"]):
        refuse("messages", problem)
    for problem in _response_problems(item["kind"], item["responses"]):
        refuse("responses", problem)
    if problem := gold_problem(item, flags):
        refuse("gold", problem)
    if not _is_text(item["explanation"]):
        refuse("explanation", _("Give text of at most %(most)s characters.") % {"most": figures.number(LONGEST)})
    elif item["stage"] == "practice" and not item["explanation"].strip():
        refuse("explanation", _("Explain the answer: in practice the labeler reads it at once."))
    return problems


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST and "\x00" not in value


def _response_problems(kind: str, responses: Sequence[str]) -> list[str]:
    if not FEWEST[kind] <= len(responses) <= MOST[kind]:
        return [_(COUNTS[kind]) % {"count": len(responses)}]
    if any(not _is_text(text) or not text.strip() for text in responses):
        return [_("Each response must be text of 1 to %(most)s characters.") % {"most": figures.number(LONGEST)}]
    return [_("Two responses are the same.")] if len(set(responses)) < len(responses) else []


def gold_problem(item: ItemDraft, flags: Collection[str]) -> str | None:
    gold, kind = item["gold"], item["kind"]
    if kind == DEMONSTRATION:
        return None if gold is None else _("A demonstration has no gold answer: researchers rate it.")
    if not isinstance(gold, list):
        return _("Give the gold answer.")
    if kind == FLAGS:
        unknown = [flag for flag in gold if not isinstance(flag, str) or flag not in flags]
        named = ", ".join(map(str, unknown))
        return _("Not among the flags of this version: %(flags)s.") % {"flags": named} if unknown else None
    return ranks_problem(gold, len(item["responses"]))


def ranks_problem(ranks: Sequence[Any], count: int) -> str | None:
    if len(ranks) != count:
        return _("Give a place to each of the %(count)s responses.") % {"count": count}
    if not all(isinstance(rank, int) and not isinstance(rank, bool) and 1 <= rank <= count for rank in ranks):
        told = _("A place is a whole number from 1, the best, to %(count)s; equal places are ties.")
        return told % {"count": count}
    return None


def normal_ranks(places: Sequence[int]) -> list[int]:
    """Competition ranks (1, 2, 2, 4) of places as somebody gave them (1, 3, 3, 4)."""
    return [1 + sum(other < place for other in places) for place in places]


def normal_gold(item: ItemDraft, flags: Sequence[str]) -> list[Any] | None:
    """The gold answer as it is stored: flags once each, in the order of the boxes; ranks without gaps."""
    if item["gold"] is None or item["kind"] == DEMONSTRATION:
        return None
    if item["kind"] == FLAGS:
        return [flag for flag in flags if flag in item["gold"]]
    return list(normal_ranks(item["gold"]))


def answer_problem(kind: str, answer: Any, flags: Collection[str], count: int) -> str | None:
    """Why this is no answer to an item of the kind, as a sentence to the labeler; None when it is one."""
    if not isinstance(answer, Mapping):
        return _("The answer must be an object.")
    if kind == FLAGS:
        said = answer.get("flags")
        if not isinstance(said, list) or any(flag not in flags for flag in said):
            return _("Choose among the flags that are listed.")
        return None
    if kind == RANKING:
        ranks = answer.get("ranks")
        if not isinstance(ranks, list):
            return _("Give each response a place.")
        return ranks_problem(ranks, count)
    text = answer.get("text")
    if not isinstance(text, str) or not text.strip():
        return _("Write an answer first.")
    if not _is_text(text):
        return _("The answer must be text of at most %(most)s characters.") % {"most": figures.number(LONGEST)}
    return None


def normal_answer(kind: str, answer: Mapping[str, Any], flags: Sequence[str]) -> dict[str, Any]:
    if kind == FLAGS:
        return {"flags": [flag for flag in flags if flag in answer["flags"]]}
    if kind == RANKING:
        return {"ranks": normal_ranks(answer["ranks"])}
    return {"text": answer["text"]}


def row_item(row: Any) -> ItemDraft | str:
    """The item that an imported row states, or why it states none; `item_problems` looks further."""
    if not isinstance(row, dict):
        return _("Each line must be a JSON object.")
    if problem := text_problem(row):
        return problem
    if unknown := sorted(set(row) - ROW_FIELDS):
        return _("Unknown: %(fields)s.") % {"fields": ", ".join(unknown)}
    if ("messages" in row) == ("prompt" in row):
        return _("Give either `messages` or `prompt`.")
    if "response" in row and "responses" in row:
        return _("Give either `response` or `responses`.")
    responses = [row["response"]] if "response" in row else row.get("responses", [])
    if not isinstance(responses, list) or not all(isinstance(text, str) for text in responses):
        return _("`responses` must be a list of texts.")
    return ItemDraft(
        kind=str(row.get("kind", "")),
        stage=str(row.get("stage", "test")),
        messages=row_messages(row),
        responses=responses,
        gold=row.get("gold"),
        explanation=row.get("explanation", ""),
    )


def tiers_of(ranks: Sequence[int]) -> list[list[int]]:
    """Positions by place, best first."""
    return [[at for at, rank in enumerate(ranks) if rank == place] for place in sorted(set(ranks))]


_TURN = re.compile(rf"^=== ({'|'.join(ROLES)}) ===[ \t]*$", re.MULTILINE)


def parse_conversation(text: str) -> list[dict[str, str]]:
    """Messages as typed into one field: the user's alone, or each after a line such as `=== assistant ===`."""
    opening, *rest = _TURN.split(text)
    messages = [{"role": "user", "content": opening.strip("\n")}] if opening.strip() else []
    turns = zip(rest[::2], rest[1::2], strict=True)
    return messages + [{"role": role, "content": content.strip("\n")} for role, content in turns]


def conversation_text(messages: Sequence[Mapping[str, str]]) -> str:
    if len(messages) == 1 and messages[0]["role"] == "user":
        return messages[0]["content"]
    return "\n\n".join(f"=== {message['role']} ===\n{message['content']}" for message in messages)
