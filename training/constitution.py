"""What a judge is asked, in words: which of two responses, a critique, a revision. For rlaif.py and critique.py.

The questions are those of Constitutional AI (arXiv 2212.08073): section 4.1 for the choice between (A) and (B), section
3.1 for critique and revision. They are the last turn of a chat, so that a judge reads them in its own template.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from training.data import Message

LABELS = ("(A)", "(B)")


def draw_principles(count: int, wanted: int, seed: int, key: str) -> list[int]:
    """`wanted` different ones of `count` principles, by their numbers; 0 takes all. A function of (seed, key) alone."""
    if not 0 < wanted < count:
        return list(range(count))
    hashed = sorted((hashlib.sha256(f"{seed}:{number}:{key}".encode()).digest(), number) for number in range(count))
    return [number for _, number in hashed[:wanted]]


def pair_question(messages: Sequence[Message], principle: str, first: str, second: str) -> list[Message]:
    """Which of two responses is better by a principle; the answer is one of LABELS."""
    said = "\n\n".join(f"{message['role'].capitalize()}: {message['content']}" for message in messages)
    text = (
        f"Consider the following conversation.\n\n{said}\n\n"
        f"Which of these two responses is better by this principle? {principle}\n\n"
        f"{LABELS[0]} {first}\n\n{LABELS[1]} {second}\n\n"
        f"Answer with {LABELS[0]} or {LABELS[1]} alone."
    )
    return [{"role": "user", "content": text}]


def critique_question(messages: Sequence[Message], answer: str, principle: str) -> list[Message]:
    """The conversation with its answer, and the request to criticise it."""
    text = f"Say specifically where your last answer falls short of this principle: {principle}"
    return [*messages, {"role": "assistant", "content": answer}, {"role": "user", "content": text}]


def revision_question(messages: Sequence[Message], answer: str, principle: str, critique: str) -> list[Message]:
    """The same with the critique, and the request to write the answer anew."""
    text = (
        f"Now write your answer to the conversation before it again, so that it keeps to this principle: {principle}"
        " Write the new answer alone."
    )
    return [
        *critique_question(messages, answer, principle),
        {"role": "assistant", "content": critique},
        {"role": "user", "content": text},
    ]
