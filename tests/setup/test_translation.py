"""The interface speaks every language of `locale/` completely, and each reader gets the one that she asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from fastapi.testclient import TestClient

from app.settings import ROOT
from app.translation import SOURCE, choose_language, gettext, languages, ngettext, read_catalog, speaking

TRANSLATED = [code for code in languages() if code != SOURCE]


def named(message: Message) -> tuple[str | None, str]:
    return message.context, message.id if isinstance(message.id, str) else message.id[0]


@pytest.fixture(scope="module")
def in_the_source(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str | None, str]]:
    """Every message that stands in the source now."""
    template = tmp_path_factory.mktemp("messages") / "tutelage.pot"
    extract = ["-q", "extract", "-F", "pyproject.toml", "--add-location=file", "--no-wrap", "-o", str(template), "."]
    subprocess.run([sys.executable, "-m", "babel.messages.frontend", *extract], cwd=ROOT, check=True)
    with template.open("rb") as file:
        return {named(message) for message in read_po(file) if message.id}


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_catalog_has_a_translation_of_every_message_and_of_nothing_else(
    code: str, in_the_source: set[tuple[str | None, str]]
) -> None:
    catalog = {named(message): message for message in read_catalog(code) if message.id}
    assert in_the_source == set(catalog), "run `make messages`"
    unsaid = [
        name for name, message in catalog.items()
        if message.fuzzy or not all([message.string] if isinstance(message.string, str) else message.string)
    ]  # fmt: skip
    assert unsaid == []


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_translation_keeps_the_placeholders_of_its_message(code: str) -> None:
    problems = [(message.id, str(error)) for message, errors in read_catalog(code).check() for error in errors]
    assert problems == []


@pytest.mark.parametrize(
    ("chosen", "accepted", "code"),
    [
        (None, "", "en"),
        (None, "de-AT,de;q=0.8,en;q=0.5", "de"),
        (None, "en-US,en;q=0.9,de;q=0.1", "en"),
        (None, "fr;q=0.9, de;q=0.4, en;q=0.2", "de"),
        (None, "de;q=0, en", "en"),
        (None, ";;;q=x,,\x00", "en"),
        ("de", "en-US,en", "de"),
        ("xx", "de", "de"),
    ],
)
def test_a_reader_gets_the_first_language_of_hers_that_there_is(chosen: str | None, accepted: str, code: str) -> None:
    assert choose_language(chosen, accepted) == code


def test_a_catalog_knows_the_plural_and_ends_with_its_request() -> None:
    with speaking("de"):
        assert gettext("Sign out") == "Abmelden"
        assert ngettext("no such message", "no such messages", 2) == "no such messages"
    assert gettext("Sign out") == "Sign out"


def test_pages_speak_the_language_that_was_picked(client: TestClient) -> None:
    asked = client.get("/sign-in", headers={"Accept-Language": "de"})
    assert '<html lang="de">' in asked.text
    assert "Zum Inhalt springen" in asked.text
    picked = client.post("/display/language", data={"language": "de", "next": "/history"}, follow_redirects=False)
    assert (picked.status_code, picked.headers["location"]) == (303, "/history")
    assert '<html lang="de">' in client.get("/sign-in", headers={"Accept-Language": "en"}).text
    client.post("/display/language", data={"language": "as the browser asks"})
    assert '<html lang="en">' in client.get("/sign-in").text


def test_a_language_cannot_lead_to_another_site(client: TestClient) -> None:
    answer = client.post(
        "/display/language", data={"language": "de", "next": "//elsewhere.example"}, follow_redirects=False
    )
    assert answer.headers["location"] == "/"


def test_no_catalog_lies_outside_of_its_place() -> None:
    assert {path.parts[-3:] for path in Path(ROOT / "locale").rglob("*.*")} == {
        (code, "LC_MESSAGES", "tutelage.po") for code in TRANSLATED
    }
