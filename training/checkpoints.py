"""Folders that are either whole or absent: written aside, hashed, synced and renamed; verified when read.

Both results (`checkpoint/`) and resume states (`state/step-...`) go through `write_folder`. A state is a nested
dict of tensors and JSON values, stored as safetensors plus JSON: nothing here reads or writes pickles.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

MANIFEST = "manifest.json"
KEEP_STATES = 2


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_folder(target: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary folder beside `target`, add a manifest, sync, and rename it into place.

    A folder that is already at `target` is replaced. After a crash at any moment `target` is absent, the old
    one, or the new one whole; `verify` tells.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp-{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    write(temporary)
    files = sorted(path for path in temporary.rglob("*") if path.is_file())
    manifest = {str(path.relative_to(temporary)): sha256(path) for path in files}
    (temporary / MANIFEST).write_text(json.dumps({"sha256": manifest}, indent=1), encoding="utf-8")
    for path in [*files, temporary / MANIFEST]:
        _sync(path)
    for folder in {path.parent for path in files} | {temporary}:
        _sync(folder)
    if target.exists():
        old = target.with_name(f".{target.name}.old-{os.getpid()}")
        shutil.rmtree(old, ignore_errors=True)
        target.rename(old)
        temporary.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    else:
        temporary.rename(target)
    _sync(target.parent)


def verify(folder: Path) -> bool:
    """True when every file of the manifest is there with its digest."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["sha256"]
        return all(sha256(folder / name) == digest for name, digest in manifest.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def identity(folder: Path) -> str:
    """One digest for a model folder: of its weight files and its configs (for `run.json`)."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".safetensors", ".json") and path.name != MANIFEST and path.is_file():
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + sha256(path).encode())
    return digest.hexdigest()


def save_state(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write `state` (nested dicts and lists of tensors and JSON values) as `folder/step-N`, keep the newest two."""
    tensors: dict[str, torch.Tensor] = {}
    plain = _split(state, "", tensors)

    def write(temporary: Path) -> None:
        save_file(tensors, temporary / "tensors.safetensors")
        (temporary / "state.json").write_text(json.dumps(plain), encoding="utf-8")

    write_folder(folder / f"step-{step:09d}", write)
    for old in sorted(folder.glob("step-*"))[:-KEEP_STATES]:
        shutil.rmtree(old, ignore_errors=True)


def load_state(folder: Path) -> dict[str, Any] | None:
    """The newest state that verifies, or None. Torn ones and leftovers of a crash are removed."""
    if not folder.is_dir():
        return None
    for leftover in folder.glob(".step-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    for path in sorted(folder.glob("step-*"), reverse=True):
        if verify(path):
            plain = json.loads((path / "state.json").read_text(encoding="utf-8"))
            merged = _merge(plain, load_file(path / "tensors.safetensors"))
            assert isinstance(merged, dict)
            return merged
        shutil.rmtree(path, ignore_errors=True)
    return None


def _split(value: Any, path: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Replace tensors by {"__tensor__": key}; integer dict keys are kept as such by a list of pairs."""
    if isinstance(value, torch.Tensor):
        tensors[path] = value.detach().cpu().contiguous().clone()
        return {"__tensor__": path}
    if isinstance(value, dict):
        pairs = [[key, _split(item, f"{path}/{key}", tensors)] for key, item in value.items()]
        return {"__dict__": pairs}
    if isinstance(value, (list, tuple)):
        return [_split(item, f"{path}/{index}", tensors) for index, item in enumerate(value)]
    return value


def _merge(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, dict):
        if "__tensor__" in value:
            return tensors[value["__tensor__"]]
        return {key: _merge(item, tensors) for key, item in value["__dict__"]}
    if isinstance(value, list):
        return [_merge(item, tensors) for item in value]
    return value


def rng_state() -> dict[str, Any]:
    """States of torch's generators, for `save_state`."""
    state: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore_rng(state: dict[str, Any]) -> None:
    """Undo `rng_state`."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
