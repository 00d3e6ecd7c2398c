"""RELIABILITY, security 19: safetensors only, no code of a model's own, known architectures only."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from app.errors import Invalid
from app.services.base_models import ARCHITECTURES, check_base_model
from app.settings import ROOT, get_settings

GOOD = {"architectures": ["LlamaForCausalLM"]}


def make_folder(path: Path, config: Any = GOOD, *names: str) -> str:
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    for name in names:
        (path / name).write_bytes(b"x")
    return str(path)


def test_security_19_safetensors_pass(tmp_path: Path) -> None:
    check_base_model(make_folder(tmp_path / "m", GOOD, "model.safetensors", "pytorch_model.bin"))


@pytest.mark.parametrize(
    ("config", "names", "word"),
    [
        (GOOD, ["pytorch_model.bin"], "pickled"),
        (GOOD, ["model.pt"], "pickled"),
        (GOOD, [], "no weights"),
        (GOOD | {"auto_map": {"AutoModel": "evil.Model"}}, ["model.safetensors"], "auto_map"),
        ({"architectures": ["EvilForCausalLM"]}, ["model.safetensors"], "EvilForCausalLM"),
        ({"architectures": []}, ["model.safetensors"], "no named architecture"),
        ({"architectures": [["LlamaForCausalLM"]]}, ["model.safetensors"], "can be trained"),
        ({}, ["model.safetensors"], "no named architecture"),
        ("[1]", ["model.safetensors"], "config.json"),
        ("{", ["model.safetensors"], "config.json"),
        ("[" * 100_000, ["model.safetensors"], "config.json"),
    ],
)
def test_security_19_what_cannot_be_loaded_safely_is_refused(
    tmp_path: Path, config: Any, names: list[str], word: str
) -> None:
    with pytest.raises(Invalid, match=word):
        check_base_model(make_folder(tmp_path / "m", config, *names))


def test_security_19_code_of_a_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m", GOOD, "model.safetensors")
    (tmp_path / "m" / "tokenizer_config.json").write_text('{"auto_map": {}}')
    with pytest.raises(Invalid, match="auto_map"):
        check_base_model(folder)


@pytest.mark.parametrize("path", ["/nowhere", "", " ", "a\0b", "../../etc", "x" * 5000, "org/model"])
def test_security_19_no_folder_and_no_hub(settings: Any, path: str) -> None:
    with pytest.raises(Invalid, match=r"no model folder|config\.json"):
        check_base_model(path)


def test_security_19_hub_only_where_it_is_switched_on(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUTELAGE_HUB_MODELS", "true")
    get_settings.cache_clear()
    check_base_model("org/model-1.5")
    with pytest.raises(Invalid):
        check_base_model("https://evil.example/model")


def test_security_19_refused_over_the_api(admin: Any, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m", GOOD, "pytorch_model.bin")
    answer = admin.api.post("/projects", json={"name": "T", "slug": "t", "base_model": folder})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "base_model"


def test_security_19_the_list_is_the_one_of_training() -> None:
    tree = ast.parse((ROOT / "training" / "models.py").read_text())
    listed = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ARCHITECTURES"
    )
    assert set(listed) == ARCHITECTURES
