"""How many tokens a text has for a project's model, and how many may be trained on.

Called by the writing pages and services/estimates.py.

Read from the base model's own tokenizer.json by the `tokenizers` package, which needs no torch. A model that is named
by its hub id lies on the workers only, so its tokens are not counted here, and the page says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from app.models import Project
from app.services.base_models import context_length, find_folder
from app.translation import gettext as _
from training.config import ConfigError, SFTConfig


@dataclass(frozen=True)
class TokenCount:
    """`tokens` is None where the model's tokenizer is not at hand; `limit` holds for prompt and answer together."""

    tokens: int | None
    prompt_tokens: int | None
    limit: int
    reason: str | None = None  # why there is no count


def count_tokens(project: Project, text: str, messages: Sequence[dict[str, str]] = ()) -> TokenCount:
    """Tokens of `text` and of the conversation before it, without the few that a chat template adds."""
    limit = token_limit(project)
    folder = find_folder(project.base_model)
    if folder is None:
        return TokenCount(None, None, limit, _("Tokens are not counted: the model does not lie on this machine."))
    tokenizer = _tokenizer(folder / "tokenizer.json")
    if tokenizer is None:
        return TokenCount(None, None, limit, _("Tokens are not counted: the model has no readable tokenizer.json."))
    prompt_tokens = sum(_length(tokenizer, message["content"]) for message in messages)
    return TokenCount(_length(tokenizer, text), prompt_tokens, limit)


def tokens_of(project: Project, texts: Iterable[str]) -> list[int] | None:
    """Tokens of each text; None where the model's tokenizer is not at hand."""
    folder = find_folder(project.base_model)
    tokenizer = _tokenizer(folder / "tokenizer.json") if folder is not None else None
    return None if tokenizer is None else [_length(tokenizer, text) for text in texts]


def token_limit(project: Project) -> int:
    """The longest prompt and answer that SFT keeps, or the longest input of the model where that is less."""
    try:
        config = SFTConfig.from_dict({"model": "x", **project.recipe.get("sft", {})})
    except ConfigError:  # a recipe of an earlier version
        config = SFTConfig.from_dict({"model": "x"})
    of_model = context_length(project.base_model)
    return min(config.max_length, of_model) if of_model else config.max_length


def _length(tokenizer: Any, text: str) -> int:
    return len(tokenizer.encode(text, add_special_tokens=False).ids)


def _tokenizer(file: Path) -> Any:
    """The tokenizer in `file`, read once for as long as the file stays the same; None when there is none."""
    try:
        return _read_tokenizer(file, file.stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=8)
def _read_tokenizer(file: Path, changed: int) -> Any:
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception:  # the package raises bare exceptions for a file that is none
        return None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
