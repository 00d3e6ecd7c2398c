"""Pretraining text: versions, what is kept of them, and what a job that is given one reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session
from typer.testing import CliRunner, Result

from app.cli import app
from app.database import transaction
from app.errors import Conflict, Invalid, NotFound
from app.models import PretrainingSet, PretrainingText, Project, User
from app.services import pretraining
from app.services.pretraining_figures import list_readings, list_texts, look_at
from app.settings import get_settings


def give(session: Session, project: Project, content: str, **choice: object) -> PretrainingSet:
    values = {"format": "text"} | choice
    made = pretraining.import_texts(session, project, content.encode().splitlines(True), None, **values)  # type: ignore[arg-type]
    session.commit()
    return made


def texts_of(session: Session, found: PretrainingSet) -> list[str]:
    return [json.loads(line)["text"] for line in pretraining.stream_lines(session, found)]


@pytest.fixture
def project(make_project: Callable[..., Project]) -> Project:
    return make_project(prompt_count=0)


def test_an_import_makes_a_version_whose_hash_is_that_of_the_job_s_file(session: Session, project: Project) -> None:
    made = give(session, project, "One,\nand more.\n\nTwö.\n")
    assert (made.version, made.texts, made.characters) == (1, 2, 18)
    lines = "".join(pretraining.stream_lines(session, made))
    assert lines == '{"text":"One,\\nand more."}\n{"text":"Twö."}\n'
    assert hashlib.sha256(lines.encode()).hexdigest() == made.sha256
    rows = '{"text": "One,\\nand more.", "source": "x"}\n\n{"text": "Tw\\u00f6."}\n'
    assert give(session, project, rows, format="jsonl").sha256 == made.sha256  # the same texts, however they came


def test_texts_are_added_behind_those_of_the_version_before(
    session: Session, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretraining, "BATCH", 2)  # texts are stored while those before are still being read
    monkeypatch.setattr(pretraining, "READ", 1)
    first = give(session, project, "\n\n".join(f"text {number}" for number in range(7)))
    second = give(session, project, "text 7\n\ntext 8", add=True)
    assert texts_of(session, second) == [f"text {number}" for number in range(9)]
    assert (second.version, second.texts, pretraining.current_set(session, project.id)) == (2, 9, second)
    assert list_texts(session, second, after=7)[0].head == "text 7"
    assert first.retired_at is not None


def test_what_no_training_read_goes_and_what_one_read_stays(session: Session, project: Project, ada: User) -> None:
    unread = give(session, project, "unread")
    read = give(session, project, "read")
    assert pretraining.freeze_set(session, project, "ppo") == read
    present = give(session, project, "present")
    assert session.scalar(select(func.count()).select_from(PretrainingText)) == 2
    assert texts_of(session, read) == ["read"]
    with pytest.raises(NotFound, match="Version 1 was deleted before"):
        pretraining.stream_lines(session, unread)
    pretraining.delete_set(session, project, ada)
    assert pretraining.current_set(session, project.id) is None
    assert not pretraining.has_texts(present)
    assert texts_of(session, read) == ["read"]
    assert give(session, project, "later").version == 4  # no number is given twice
    project.recipe = {"rloo": {"ptx_coef": 1}}
    with pytest.raises(Conflict, match="RLOO ask for it"):
        pretraining.delete_set(session, project, ada)


@pytest.fixture
def ada(make_user: Callable[..., User]) -> User:
    return make_user("ada", "admin")


def test_a_refused_file_changes_nothing_and_names_its_lines(session: Session, project: Project) -> None:
    kept = give(session, project, "kept")
    for content, format, lines in (
        ('{"text": "fine"}\n{"text": 7}\nno json\n{"text": ""}\n', "jsonl", [2, 3, 4]),
        ("fine\n\nnot\x00fine\n", "text", [3]),
    ):
        with pytest.raises(Invalid) as refused, session.begin_nested():
            pretraining.import_texts(session, project, content.encode().splitlines(), None, format=format, add=True)
        assert [error["line"] for error in refused.value.extra["errors"]] == lines
    with pytest.raises(Invalid, match="no text in it"), session.begin_nested():
        pretraining.import_texts(session, project, [b"\n", b" "], None, format="text")
    session.expire_all()
    assert (pretraining.current_set(session, project.id), kept.retired_at) == (kept, None)
    assert texts_of(session, kept) == ["kept"]


def test_a_training_begins_on_the_present_version_while_the_next_is_being_imported(
    session: Session, project: Project
) -> None:
    present = give(session, project, "present")
    begun: list[PretrainingSet] = []

    def lines() -> Iterator[bytes]:
        yield b"next"
        with transaction() as other:
            other.execute(text("SET LOCAL lock_timeout = '5s'"))
            begun.append(pretraining.freeze_set(other, other.get_one(Project, project.id), "ppo"))

    made = pretraining.import_texts(session, project, lines(), None, format="text")
    session.commit()
    assert (begun[0].id, pretraining.current_set(session, project.id)) == (present.id, made)
    assert texts_of(session, present) == ["present"]  # it was frozen meanwhile


def test_the_command_line_imports_by_the_name_of_the_file(session: Session, project: Project, tmp_path: Path) -> None:
    plain, rows = tmp_path / "a.txt", tmp_path / "b.jsonl"
    plain.write_text("One\n\nTwo\n")
    rows.write_text('{"text": "Three"}\n')

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["import", "village", "pretraining", *map(str, arguments)])

    assert "Version 1 of the pretraining text of village: 2 texts." in run(plain).output
    assert "Version 2 of the pretraining text of village: 3 texts." in run(rows, "--add").output
    rows.write_text("{}\n")
    refused = run(rows)
    assert (refused.exit_code, "line 1: `text` must be a text" in refused.output) == (1, True)
    assert run(tmp_path).exit_code == 2


def test_an_import_has_its_limits(session: Session, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_settings(), "import_rows", 3)
    assert give(session, project, "1\n\n2\n\n3\n").texts == 3  # lines do not count, texts do
    with pytest.raises(Invalid) as refused, session.begin_nested():
        pretraining.import_texts(session, project, [b"4"], None, format="text", add=True)
    assert "More than 3 texts" in refused.value.extra["errors"][0]["message"]
    monkeypatch.setattr(get_settings(), "import_line", 1024)
    with pytest.raises(Invalid) as refused, session.begin_nested():
        pretraining.import_texts(session, project, [b"x" * 1025], None, format="text")
    assert "longer than 1024 bytes" in refused.value.extra["errors"][0]["message"]


def test_a_great_import_is_never_held_as_a_whole(
    session: Session, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretraining, "BATCH_CHARACTERS", 50_000)
    stored: list[int] = []
    text_count = select(func.count()).select_from(PretrainingText)

    def lines() -> Iterator[bytes]:
        for number in range(40):
            stored.append(number - (session.scalar(text_count) or 0))
            yield json.dumps({"text": "x" * 10_000}).encode()

    pretraining.import_texts(session, project, lines(), None, format="jsonl")
    assert max(stored) <= 5  # of those that were read, so many were not yet stored


def test_tokens_and_what_a_training_reads_of_a_text_are_told_by_a_look_at_some(
    session: Session, project: Project, tiny_model: object
) -> None:
    project.recipe = {"ppo": {"ptx_coef": 2.5, "max_prompt_tokens": 10, "max_new_tokens": 5}}
    found = give(session, project, "\n\n".join(["the cat sat"] * 150 + ["the cat sat " * 40] * 50))
    assert look_at(session, project, found).tokens is None  # its folder has no tokenizer
    project.base_model = str(tiny_model)
    figures = look_at(session, project, found)
    exact = look_at(session, project, give(session, project, "the cat sat on the mat"))
    assert figures.tokens is not None
    assert figures.tokens == pytest.approx(200 * sum(figures.lengths) / len(figures.lengths), rel=0.2)
    assert exact.tokens == round(exact.lengths[0])
    [reading] = list_readings(project, figures.lengths)
    assert (reading.kind, reading.weight, reading.texts, reading.limit) == ("ppo", 2.5, 16, 15)
    assert reading.longer == pytest.approx(0.25, abs=0.03)
