from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import Invalid, NotFound
from app.local import schema as migrations
from app.local import throwaway
from app.local.postgres import Postgres
from app.models import LabelSchema, Project, User
from app.rules.label_schemas import Fields, Flag
from app.services import label_schemas, projects

MIGRATION = "b3d7a1c95e20"
RUDE = Flag(key="rude", label="Rude")


def current(session: Session, project: Project) -> Fields:
    return label_schemas.fields_of(label_schemas.current_schema(session, project.id))


def test_a_project_begins_with_version_1_as_its_draft_asks(
    session: Session, make_project: Callable[..., Project]
) -> None:
    project = make_project(asks_ratings=False, response_flags=[RUDE])
    first = label_schemas.current_schema(session, project.id)
    assert (first.version, first.created_by_id) == (1, None)
    assert (first.fields["ratings"], first.fields["response_flags"], first.fields["confidence"]) == (
        False,
        [RUDE],
        False,
    )
    assert len(first.fields["prompt_flags"]) == 9


def test_a_project_with_flags_that_cannot_be_is_refused(session: Session, make_project: Callable[..., Project]) -> None:
    with pytest.raises(Invalid) as refused:
        make_project(response_flags=[RUDE, RUDE])
    assert {error["field"] for error in refused.value.extra["errors"]} == {"response_flags"}


def test_publishing_adds_a_version_and_says_what_changed(
    session: Session, make_project: Callable[..., Project], make_user: Callable[..., User]
) -> None:
    project, admin = make_project(response_flags=[RUDE]), make_user("ada", "admin")
    made = label_schemas.publish_schema(session, project, {**current(session, project), "confidence": True}, admin)
    session.commit()
    session.expire_all()
    (second, told), (first, nothing) = label_schemas.list_schemas(session, project.id)
    assert (second.version, first.version, made.version) == (2, 1, 2)
    assert (told, nothing) == (["Asks how sure the labeler is."], [])
    assert second.created_by is not None
    assert second.created_by.username == "ada"
    assert label_schemas.get_schema(session, project.id, 1).fields["confidence"] is False


def test_publishing_the_same_again_makes_no_version(session: Session, make_project: Callable[..., Project]) -> None:
    project = make_project()
    with pytest.raises(Invalid, match="version 1 stays in force"):
        label_schemas.publish_schema(session, project, current(session, project), None)
    assert session.scalar(select(func.count()).select_from(LabelSchema)) == 1


def test_an_unsound_version_is_not_published(session: Session, make_project: Callable[..., Project]) -> None:
    project = make_project()
    with pytest.raises(Invalid, match="twice"):
        label_schemas.publish_schema(session, project, {**current(session, project), "prompt_flags": [RUDE] * 2}, None)
    assert label_schemas.current_schema(session, project.id).version == 1


def test_a_version_that_is_not_there(session: Session, make_project: Callable[..., Project]) -> None:
    with pytest.raises(NotFound):
        label_schemas.get_schema(session, make_project().id, 2)


def test_settings_no_longer_change_what_is_asked(session: Session, make_project: Callable[..., Project]) -> None:
    with pytest.raises(Invalid, match="asks_ratings"):
        projects.update_project(session, make_project(), {"asks_ratings": False})


@pytest.fixture
def older(postgres: Postgres, settings: object) -> Iterator[str]:
    """A database of its own, as it was before this migration."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE older")
    url = postgres.url("older")
    with throwaway.pointed_at(url):
        before = ScriptDirectory.from_config(migrations.configuration()).get_revision(MIGRATION)
        assert before is not None
        command.upgrade(migrations.configuration(), str(before.down_revision))
        yield url
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("DROP DATABASE older WITH (FORCE)")


def test_what_a_project_asked_before_there_were_versions_is_version_1(older: str) -> None:
    with psycopg.connect(older) as connection:
        connection.execute(
            "INSERT INTO projects (slug, name, base_model, asks_ratings, response_flags, recipe)"
            """ VALUES ('old', 'Old', 'none', false, '[{"key": "rude", "label": "Rude"}]', '{}')"""
        )
    read = "SELECT version, fields FROM label_schemas"
    command.upgrade(migrations.configuration(), MIGRATION)
    with psycopg.connect(older) as connection:
        assert connection.execute(read).fetchall() == [
            (1, {"ratings": False, "response_flags": [RUDE], "prompt_flags": [], "confidence": False})
        ]
    command.downgrade(migrations.configuration(), "-1")
    with psycopg.connect(older) as connection:
        assert connection.execute("SELECT asks_ratings, response_flags FROM projects").fetchone() == (False, [RUDE])
