"""Items of a qualification: added one by one or as JSONL, changed, moved, taken out. Called by pages and the API."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from app import figures
from app.errors import Invalid, NotFound
from app.models import Comparison, Project, Prompt, Qualification, QualificationItem
from app.rules import qualification_items as rules
from app.rules.qualification_items import ItemDraft
from app.rules.qualifications import FLAGS, RANKING, careless_share, publish_problems
from app.services.prompts import ERRORS_SHOWN, get_prompt
from app.services.qualifications import lock_to_edit
from app.settings import get_settings
from app.translation import gettext as _
from app.translation import ngettext

OFFERED = 12  # prompts and comparisons that the form offers


def flag_keys(qualification: Qualification) -> list[str]:
    return [flag["key"] for flag in qualification.flags]


def get_item(session: Session, item_id: int) -> QualificationItem:
    item = session.get(QualificationItem, item_id)
    if item is None:
        raise NotFound(_("There is no such item."))
    return item


def add_item(session: Session, qualification_id: int, draft: ItemDraft) -> QualificationItem:
    """The last one of its stage. Raises Invalid with `errors`, and Conflict once somebody has begun an attempt."""
    qualification = lock_to_edit(session, qualification_id)
    _refuse_unsound(qualification, draft)
    if len(qualification.items) >= rules.MOST_ITEMS:
        raise Invalid(_full())
    item = _store(session, qualification, draft)
    _number(session, [*qualification.items, item])
    return item


def change_item(session: Session, item_id: int, draft: ItemDraft) -> QualificationItem:
    """The same for one that is there."""
    item = get_item(session, item_id)
    qualification = lock_to_edit(session, item.qualification_id)
    _refuse_unsound(qualification, draft)
    for name, value in _values(qualification, draft).items():
        setattr(item, name, value)
    _refuse_empty_test(qualification, qualification.items)
    _number(session, qualification.items)
    return item


def remove_item(session: Session, item_id: int) -> None:
    item = get_item(session, item_id)
    qualification = lock_to_edit(session, item.qualification_id)
    others = [other for other in qualification.items if other.id != item.id]
    _refuse_empty_test(qualification, others)
    session.delete(item)
    session.flush()
    _number(session, others)


def move_item(session: Session, item_id: int, step: int) -> None:
    """One place up (-1) or down (1) within its stage; at the end of it nothing happens."""
    item = get_item(session, item_id)
    items = list(lock_to_edit(session, item.qualification_id).items)
    at = items.index(item)
    to = at + (1 if step > 0 else -1)
    if 0 <= to < len(items) and items[to].stage == item.stage:
        items[at], items[to] = items[to], items[at]
    _number(session, items)


def import_items(session: Session, qualification_id: int, lines: Iterable[bytes]) -> int:
    """Add the items of a JSONL stream and return how many. Raises Invalid with `errors` [{"line", "message"}]: then
    none of them is stored, once the caller rolls back.
    """
    qualification = lock_to_edit(session, qualification_id)
    drafts: list[ItemDraft] = []
    errors: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        draft, problem = _read(qualification, line)
        if problem is None and len(qualification.items) + len(drafts) >= rules.MOST_ITEMS:
            problem = _full()
        if problem is not None or draft is None:
            errors.append({"line": number, "message": problem})
        else:
            drafts.append(draft)
        if len(errors) >= ERRORS_SHOWN:
            break
    if not errors and not drafts:
        errors = [{"line": 1, "message": _("There is no item.")}]
    if errors:
        told = ngettext(
            "Nothing was imported: %(count)s row is not valid.",
            "Nothing was imported: %(count)s rows are not valid.",
            len(errors),
        )
        raise Invalid(told % {"count": len(errors)}, errors=errors)
    stored = [_store(session, qualification, draft) for draft in drafts]
    _number(session, [*qualification.items, *stored])
    return len(stored)


def _full() -> str:
    return _("A qualification has at most %(most)s items.") % {"most": rules.MOST_ITEMS}


def _read(qualification: Qualification, line: bytes) -> tuple[ItemDraft | None, str | None]:
    if len(line) > get_settings().import_line:
        return None, _("The line is longer than %(most)s bytes.") % {"most": figures.number(get_settings().import_line)}
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None, _("The line is no valid JSON in UTF-8.")
    draft = rules.row_item(row)
    if isinstance(draft, str):
        return None, draft
    problems = rules.item_problems(draft, flag_keys(qualification))
    return draft, " ".join(each["message"] for each in problems) if problems else None


def _refuse_unsound(qualification: Qualification, draft: ItemDraft) -> None:
    if problems := rules.item_problems(draft, flag_keys(qualification)):
        told = " ".join(each["message"] for each in problems)
        raise Invalid(_("Not stored: %(problems)s") % {"problems": told}, errors=problems)


def _refuse_empty_test(qualification: Qualification, items: Sequence[QualificationItem]) -> None:
    """What labelers may be sent to must stay something that can be taken."""
    if qualification.published_at is not None and (
        problems := publish_problems([(item.kind, item.stage) for item in items])
    ):
        told = _("Version %(version)s is published. %(problems)s")
        raise Invalid(told % {"version": qualification.version, "problems": " ".join(problems)})


def _values(qualification: Qualification, draft: ItemDraft) -> dict[str, Any]:
    return {**draft, "gold": rules.normal_gold(draft, flag_keys(qualification))}


def _store(session: Session, qualification: Qualification, draft: ItemDraft) -> QualificationItem:
    item = QualificationItem(
        qualification_id=qualification.id, ordinal=rules.MOST_ITEMS + 1, **_values(qualification, draft)
    )
    session.add(item)
    return item


def _number(session: Session, items: Sequence[QualificationItem]) -> None:
    """1, 2, ...: practice first. The constraint is looked at when the transaction ends."""
    ordered = sorted(items, key=lambda item: rules.STAGES.index(item.stage))
    for ordinal, item in enumerate(ordered, start=1):
        item.ordinal = ordinal
    session.flush()


def careless_shares(qualification: Qualification) -> dict[str, float]:
    """Part -> what somebody would score in the test who does not look."""
    shares = {}
    for kind in (FLAGS, RANKING):
        golds = [item.gold or [] for item in qualification.items if item.stage == "test" and item.kind == kind]
        share = careless_share(kind, golds, flag_keys(qualification))
        if share is not None:
            shares[kind] = share
    return shares


def offered_prompts(session: Session, project: Project) -> Sequence[Prompt]:
    """The latest prompts, to make an item of."""
    return session.scalars(
        select(Prompt).where(Prompt.project_id == project.id).order_by(Prompt.id.desc()).limit(OFFERED)
    ).all()


def offered_comparisons(session: Session, project: Project) -> Sequence[Comparison]:
    """The latest comparisons with their prompts and responses."""
    query = select(Comparison).options(selectinload(Comparison.prompt), selectinload(Comparison.completions))
    return session.scalars(
        query.where(Comparison.project_id == project.id).order_by(Comparison.id.desc()).limit(OFFERED)
    ).all()


def from_prompt(session: Session, project: Project, prompt_id: int) -> tuple[list[dict[str, str]], list[str]]:
    """(messages, no responses) of a prompt of the project. Raises NotFound."""
    return get_prompt(session, project, prompt_id).messages, []


def from_comparison(session: Session, project: Project, comparison_id: int) -> tuple[list[dict[str, str]], list[str]]:
    """(messages, responses) of a comparison of the project. Raises NotFound."""
    comparison = session.scalar(
        select(Comparison)
        .options(selectinload(Comparison.prompt), selectinload(Comparison.completions))
        .where(Comparison.id == comparison_id, Comparison.project_id == project.id)
    )
    if comparison is None:
        raise NotFound(_("There is no such comparison in this project."))
    return comparison.prompt.messages, [completion.text for completion in comparison.completions]
