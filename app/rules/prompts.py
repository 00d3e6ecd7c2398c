"""What a prompt row must hold, the hash by which the same prompt is recognised, and how labelers' prompts are expanded.

Asked by services/prompts.py and services/written_prompts.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from app.rules.abilities import language_problem, skills_problem
from app.rules.languages import code_of
from app.translation import gettext as _

ROLES = ("system", "user", "assistant")
SPLITS = ("train", "validation", "evaluation")
MAX_MESSAGES = 200
MAX_NAME = 200
# What prompts are for (InstructGPT, table 1), the commonest first.
USE_CASES = (
    "generation",
    "open_qa",
    "brainstorming",
    "chat",
    "rewrite",
    "summarization",
    "classification",
    "other",
    "closed_qa",
    "extraction",
)
FEWEST_PAIRS, MOST_PAIRS = 2, 10
OPENING = 200  # characters: prompts of one author that open alike are one prompt (InstructGPT, A.1)


def messages_problem(messages: Any) -> str | None:
    """Why `messages` is no conversation that can be answered, as a sentence; None when it is one."""
    if not isinstance(messages, list) or not messages:
        return _("`messages` must be a list with at least one message.")
    if len(messages) > MAX_MESSAGES:
        sentence = _("`messages` has %(count)s turns; %(most)s is the limit.")
        return sentence % {"count": len(messages), "most": MAX_MESSAGES}
    for number, message in enumerate(messages, start=1):
        if not isinstance(message, dict) or set(message) != {"role", "content"}:
            return _("Message %(number)s must be an object with exactly `role` and `content`.") % {"number": number}
        if message["role"] not in ROLES:
            sentence = _("Message %(number)s has the role %(role)s; use system, user or assistant.")
            return sentence % {"number": number, "role": repr(message["role"])}
        if not isinstance(message["content"], str) or not message["content"].strip():
            return _("Message %(number)s has no text.") % {"number": number}
        if "\x00" in message["content"]:
            return _("Message %(number)s holds a zero byte, which no text may.") % {"number": number}
    if messages[-1]["role"] != "user":
        return _("The last message must be the user's: it is the turn to be answered.")
    return None


def row_problem(row: Any) -> str | None:
    """Why an imported row is refused; None when it is sound."""
    if not isinstance(row, dict):
        return _("Each line must be a JSON object.")
    if problem := text_problem(row):
        return problem
    if ("messages" in row) == ("prompt" in row):
        return _("Give either `messages` or `prompt`.")
    if "prompt" in row and not isinstance(row["prompt"], str):
        return _("`prompt` must be text; a conversation goes into `messages`.")
    if problem := messages_problem(row_messages(row)):
        return problem
    for name in ("id", "use_case"):
        value = row.get(name)
        if value is not None and not _is_name(value):
            return _("`%(name)s` must be a short text.") % {"name": name}
    if row.get("split", "train") not in SPLITS:
        return _("`split` is %(split)s; use train, validation or evaluation.") % {"split": repr(row["split"])}
    if row.get("language") is not None and (problem := language_problem(row["language"])):
        return problem
    return skills_problem(row.get("skills", []))


def _is_name(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return False
    return 0 < len(str(value)) <= MAX_NAME


def text_problem(row: Any, typed: bool = False) -> str | None:
    """Why a text cannot be stored, wherever it stands in the row, or `typed` by hand; None when all of it can."""
    for text in _texts(row):
        if "\x00" in text:
            sentence = _("The line holds a zero byte, which no text may.")
            return _("The text holds a zero byte, which no text may.") if typed else sentence
        try:
            text.encode()
        except UnicodeEncodeError:
            sentence = _("The line holds half a character (a lone surrogate).")
            return _("The text holds half a character (a lone surrogate).") if typed else sentence
    return None


def _texts(value: Any) -> Iterator[str]:
    """Every text in a parsed JSON value, names of members included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from _texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)


def row_messages(row: dict[str, Any]) -> Any:
    return row["messages"] if "messages" in row else [{"role": "user", "content": row["prompt"]}]


def row_language(row: dict[str, Any], messages: Sequence[dict[str, str]]) -> str | None:
    """What the row says, or else what the turn to be answered tells."""
    language: str | None = row.get("language")
    return language or code_of(messages[-1]["content"])


def content_hash(messages: list[dict[str, str]]) -> str:
    """SHA-256 of the conversation in one canonical form."""
    canonical = json.dumps([[message["role"], message["content"]] for message in messages], ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def opening(messages: Sequence[dict[str, str]]) -> str | None:
    """How the conversation opens, by which an author's near copies are found; None where it is too short to say."""
    text = messages[0]["content"][:OPENING]
    return text if len(text) == OPENING else None


def expand_few_shot(instruction: str, pairs: Sequence[tuple[str, str]]) -> list[tuple[list[dict[str, str]], str]]:
    """K pairs of query and response as K examples: each query once asked, after the other pairs as the conversation.

    Returns (messages, response) of each; the instruction opens the conversation (InstructGPT, A.1).
    """
    examples = []
    for asked, (query, response) in enumerate(pairs):
        shown = [pair for number, pair in enumerate(pairs) if number != asked]
        messages: list[dict[str, str]] = []
        for other_query, other_response in shown:
            messages.append({"role": "user", "content": other_query})
            messages.append({"role": "assistant", "content": other_response})
        messages.append({"role": "user", "content": query})
        messages[0] = {"role": "user", "content": f"{instruction}\n\n{messages[0]['content']}"}
        examples.append((messages, response))
    return examples


def written_split(earlier: str | None, labeler_group: str) -> str:
    """The split of a prompt that a labeler wrote: that of her earlier ones, so that an author never straddles splits.

    Her first follows her group: what held-out labelers write is held out (InstructGPT splits prompts by user).
    """
    if earlier is not None:
        return earlier
    return "validation" if labeler_group == "held_out" else "train"
