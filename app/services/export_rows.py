"""What rows of people's labels and of AI labels have in common. Used by services/exports.py and ai_exports.py."""

from __future__ import annotations

from typing import Any

from app.models import Completion
from app.rules import exports as rules


def response_row(completion: Completion, key: bytes) -> dict[str, Any]:
    """A response as it was ranked: its text, and the checkpoint, sampling and seed or the person that it came from."""
    original = None if completion.original_id is None else str(completion.original_id)
    return {
        "id": str(completion.id),
        "text": completion.text,
        "checkpoint": completion.checkpoint_id,
        "sampling": completion.sampling,
        "seed": completion.seed,
        **rules.said(original=original, author=rules.pseudonym(completion.author_id, key)),
    }
