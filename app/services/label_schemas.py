"""What the ranking page asks, version by version. Called by the labeling pages, services/rankings.py and the API."""

from __future__ import annotations

from typing import cast

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session, joinedload

from app.errors import Invalid, NotFound
from app.models import LabelSchema, Project, User
from app.rules import label_schemas as rules
from app.rules.label_schemas import Fields, Flag, FlagKind
from app.translation import gettext as _

_VERSION = select(LabelSchema).where(
    LabelSchema.project_id == bindparam("project_id"), LabelSchema.version == bindparam("version")
)


def fields_of(schema: LabelSchema) -> Fields:
    return cast(Fields, schema.fields)


def current_schema(session: Session, project_id: int) -> LabelSchema:
    """The version in force: what tasks claimed from now on are asked."""
    schema = session.scalar(
        select(LabelSchema).where(LabelSchema.project_id == project_id).order_by(LabelSchema.version.desc()).limit(1)
    )
    if schema is None:
        raise NotFound(_("This project has no label schema."))
    return schema


def get_schema(session: Session, project_id: int, version: int) -> LabelSchema:
    """The version that an assignment or a label follows."""
    schema = session.scalar(_VERSION, {"project_id": project_id, "version": version})
    if schema is None:
        raise NotFound(_("There is no such version of the label schema."))
    return schema


def list_schemas(session: Session, project_id: int) -> list[tuple[LabelSchema, list[str]]]:
    """Every version with what it changed, newest first. The first one changed nothing."""
    schemas = session.scalars(
        select(LabelSchema)
        .options(joinedload(LabelSchema.created_by))
        .where(LabelSchema.project_id == project_id)
        .order_by(LabelSchema.version.desc())
    ).all()
    pairs = zip(schemas, [*schemas[1:], None], strict=True)
    return [(new, rules.describe_changes(fields_of(old), fields_of(new)) if old else []) for new, old in pairs]


def known_flags(session: Session, project_id: int, kind: FlagKind) -> list[Flag]:
    """The flags of all versions, newest last: whoever types an old label again gets its old key."""
    schemas = session.scalars(
        select(LabelSchema).where(LabelSchema.project_id == project_id).order_by(LabelSchema.version)
    )
    return [flag for schema in schemas for flag in fields_of(schema)[kind]]


def flag_labels(session: Session, project_id: int) -> dict[str, str]:
    """Key -> what the flag of a response is called, of all versions."""
    return {flag["key"]: flag["label"] for flag in known_flags(session, project_id, "response_flags")}


def publish_schema(session: Session, project: Project, fields: Fields, user: User | None) -> LabelSchema:
    """Add the next version; tasks claimed from now on follow it. Raises Invalid, also when nothing would change."""
    if problems := rules.field_problems(fields):
        listed = " ".join(each["message"] for each in problems)
        raise Invalid(_("Not published: %(problems)s") % {"problems": listed}, errors=problems)
    session.execute(select(Project.id).where(Project.id == project.id).with_for_update())
    current = current_schema(session, project.id)
    if not rules.describe_changes(fields_of(current), fields):
        raise Invalid(_("Nothing is different, so version %(version)s stays in force.") % {"version": current.version})
    schema = LabelSchema(
        project_id=project.id,
        version=current.version + 1,  # nobody else publishes: the project is locked
        fields=dict(fields),
        created_by_id=user.id if user else None,
    )
    session.add(schema)
    session.flush()
    return schema
