"""docker-compose.yml and the Dockerfile, as far as they can be judged without an engine. `make check` runs this too."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from app.settings import ROOT, Settings
from app.settings_table import rows

SCHEMA = Path(__file__).with_name("compose.schema.json")
SECRETS = ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "TUTELAGE_SECRET_KEY")


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / "docker-compose.yml").read_text()


@pytest.fixture(scope="module")
def compose(text: str) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(text)
    return parsed


def test_the_file_fits_the_schema(compose: dict[str, Any]) -> None:
    jsonschema.validate(compose, json.loads(SCHEMA.read_text()))


def test_no_secret_has_a_default(text: str) -> None:
    used = re.findall(r"\$\{(\w+)([^}]*)\}", text)
    for name in SECRETS:
        rests = [rest for used_name, rest in used if used_name == name]
        assert rests
        assert all(rest.startswith(":?") for rest in rests), name
    assert "trust" not in text.lower()


def test_only_the_web_server_is_published_and_to_this_host_only(compose: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert published == {"web": ["${TUTELAGE_LISTEN:-127.0.0.1:8400}:8400"]}
    assert compose["networks"]["stores"]["internal"] is True


def test_redis_asks_for_its_password(compose: dict[str, Any]) -> None:
    assert "requirepass %s" in compose["services"]["redis"]["command"][-1]


def test_what_is_waited_for_can_be_waited_for(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        for name, wait in service.get("depends_on", {}).items():
            assert name in services
            if wait["condition"] == "service_healthy":
                assert "test" in services[name]["healthcheck"]


def test_our_containers_know_only_settings_that_exist(compose: dict[str, Any]) -> None:
    known = {name for name, _, _ in rows()} | {"FORWARDED_ALLOW_IPS"}
    for name in ("migrate", "web", "worker", "worker-gpu"):
        assert set(compose["services"][name]["environment"]) <= known
    devices = [compose["services"][name]["environment"]["TUTELAGE_DEVICE"] for name in ("worker", "worker-gpu")]
    assert devices == ["cpu", "gpu"]
    assert Settings.model_fields["device"].default == "cpu"


def test_the_gpu_worker_starts_only_when_asked_for(compose: dict[str, Any]) -> None:
    worker = compose["services"]["worker-gpu"]
    assert worker["profiles"] == ["gpu"]
    [device] = worker["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_images_run_as_an_ordinary_user_and_say_how_they_are() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users[-1] == "tutelage"
    assert any(line.startswith("HEALTHCHECK --") for line in lines)
    assert {line.split()[-1] for line in lines if line.startswith("FROM ")} == {"assets", "web", "worker"}
