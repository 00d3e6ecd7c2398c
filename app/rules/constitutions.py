"""A constitution as people write it, and the principles in it. Asked by services/constitutions.py."""

from __future__ import annotations

import re

MOST_PRINCIPLES = 200
LONGEST_PRINCIPLE = 1000
_BULLET = re.compile(r"^(?:[-*+]|\d{1,3}[.)])\s+")


def principles_of(text: str) -> list[str]:
    """The principles of a Markdown text, in their order: one a line; bullets fall away, headings are for readers."""
    lines = (line.strip() for line in text.splitlines())
    return [_BULLET.sub("", line, count=1).strip() for line in lines if line and not line.startswith("#")]
