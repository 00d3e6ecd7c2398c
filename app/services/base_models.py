"""Whether a model may be the base of a project: safetensors only, no code of its own, an architecture that we know.

Called when a project is made. Reads config.json and file names, nothing else; training checks again before it loads.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from app.errors import Invalid
from app.settings import ROOT, get_settings
from app.translation import gettext as _
from training.config.context import context_of

# The same list as training/models.py, which the application may not import; a test compares them.
ARCHITECTURES = frozenset(
    {
        "GPT2LMHeadModel",
        "GPTNeoXForCausalLM",
        "LlamaForCausalLM",
        "MistralForCausalLM",
        "Olmo2ForCausalLM",
        "OlmoForCausalLM",
        "Phi3ForCausalLM",
        "Qwen2ForCausalLM",
        "Qwen3ForCausalLM",
        "SmolLM3ForCausalLM",
    }
)
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


def check_base_model(path: str) -> None:
    """Raises Invalid with a sentence when `path` names no folder, or no hub id, that training could safely load."""
    if problem := base_model_problem(path):
        raise Invalid(problem, errors=[{"field": "base_model", "message": problem}])


def base_model_problem(path: str) -> str | None:
    folder = find_folder(path)
    if folder is not None:
        return _folder_problem(path, folder)
    if HUB_ID.fullmatch(path) is None:
        return _("There is no model folder “%(path)s” on this machine.") % {"path": path}
    if not get_settings().hub_models:
        message = _(
            "There is no model folder “%(path)s” on this machine, and models of the hub are switched off here "
            "(TUTELAGE_HUB_MODELS)."
        )
        return message % {"path": path}
    return None


def find_folder(path: str) -> Path | None:
    """The folder that `path` names: absolute, or under the artifacts folder or the repository."""
    if "\0" in path or not path.strip():
        return None
    for root in (get_settings().artifacts_folder, ROOT):
        folder = root / path  # an absolute path replaces the root
        try:
            if folder.is_dir():
                return folder
        except OSError:
            return None
    return None


def context_length(path: str) -> int | None:
    """Tokens that the model can take, prompt and response together; None where its folder does not say so here."""
    folder = find_folder(path)
    config = _read_config(folder / "config.json") if folder is not None else None
    return context_of(config or {})


def _folder_problem(path: str, folder: Path) -> str | None:
    config = _read_config(folder / "config.json")
    if config is None:
        return _("The folder “%(path)s” holds no config.json that can be read, so it is no model.") % {"path": path}
    tokenizer = _read_config(folder / "tokenizer_config.json") or {}
    if "auto_map" in config or "auto_map" in tokenizer:
        return _("The model in “%(path)s” brings code of its own (auto_map), which is never run here.") % {"path": path}
    architectures = config.get("architectures")
    name = str(architectures[0]) if isinstance(architectures, list) and architectures else None
    if name not in ARCHITECTURES:
        message = (
            _("The model in “%(path)s” is of no named architecture; the ones that can be trained are %(known)s.")
            if name is None
            else _("The model in “%(path)s” is %(name)s; the ones that can be trained are %(known)s.")
        )
        return message % {"path": path, "name": name, "known": ", ".join(sorted(ARCHITECTURES))}
    if any(folder.glob("*.safetensors")):
        return None
    if any(any(folder.glob(pattern)) for pattern in PICKLES):
        message = _("The folder “%(path)s” holds pickled weights only. Convert them to safetensors first.")
        return message % {"path": path}
    return _("The folder “%(path)s” holds no weights (*.safetensors).") % {"path": path}


def _read_config(file: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
