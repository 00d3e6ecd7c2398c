"""What stored values are called on pages: a key of the database in, words of the reader's language out.

The filter `named` of the templates; keys that stand in no list, such as a use-case of an import, are shown as they are.
"""

from __future__ import annotations

from app.rules.programs import PROGRAMS
from app.translation import gettext, mark

NAMES = {
    # states of a job
    "queued": mark("queued"),
    "running": mark("running"),
    "succeeded": mark("succeeded"),
    "failed": mark("failed"),
    "cancelled": mark("cancelled"),
    # splits and sources of prompts
    "train": mark("train"),
    "validation": mark("validation"),
    "evaluation": mark("evaluation"),
    "import": mark("import"),
    "api": mark("api"),
    "labeler": mark("labeler"),
    "starter": mark("starter"),
    # kinds and use-cases of prompts
    "plain": mark("plain"),
    "few_shot": mark("few-shot"),
    "user_based": mark("user-based"),
    "generation": mark("generation"),
    "open_qa": mark("open QA"),
    "closed_qa": mark("closed QA"),
    "brainstorming": mark("brainstorming"),
    "chat": mark("chat"),
    "rewrite": mark("rewrite"),
    "summarization": mark("summarization"),
    "classification": mark("classification"),
    "extraction": mark("extraction"),
    "other": mark("other"),
    "not said": mark("not said"),
    # groups of labelers
    "training": mark("training"),
    "held_out": mark("held out"),
    # who speaks in a conversation
    "user": mark("User"),
    "assistant": mark("Assistant"),
    "system": mark("System"),
    # warnings about an answer
    "other_language": mark("other language"),
    "far_too_short": mark("far too short"),
    "pasted": mark("pasted"),
}
FROM_ELSEWHERE = {"base": mark("Base model"), "judge": mark("Judge")}  # checkpoints that no job made


def named(key: str | None) -> str:
    """The words for a stored value; nothing for none."""
    if key is None:
        return ""
    return gettext(NAMES[key]) if key in NAMES else key.replace("_", " ")


def kind_name(kind: str) -> str:
    """What a kind of job or checkpoint is called."""
    return gettext(PROGRAMS[kind].name if kind in PROGRAMS else FROM_ELSEWHERE[kind])


def kind_subject(kind: str) -> str:
    """What it is called where a sentence begins with it."""
    return gettext(PROGRAMS[kind].subject) if PROGRAMS[kind].subject else kind_name(kind)
