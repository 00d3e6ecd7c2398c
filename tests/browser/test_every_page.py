"""Every page there is, by everybody who may see it, in both themes, on a desktop and on a phone: no violation that axe
finds, none of the content policy, no error in the console, nothing wider than the window.

The pages are those of the router. A new one fails here until `ADDRESSES` says how to open it with something on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Page
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Checkpoint, JobEvent, Project, Round, User
from app.services import (
    assignments,
    demonstrations,
    guidelines,
    jobs,
    label_schemas,
    rankings,
    rounds,
    snapshots,
    users,
)
from app.services.rankings import RankingDraft
from tests.browser.axe import overflow, violations
from tests.browser.conftest import OpenContext
from tests.browser.content import ANSWER, GREEK, LETTER, NINE, PANDAS, TWO, user
from tests.routes.walk import all_routes
from tests.seed import add_prompt, add_ranking_task, add_writing_task, make_project, make_user, read_guidelines

SignIn = Callable[[Page, User], None]
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
NO_PAGES = {"/health", "/projects/{slug}/exports/{kind}.jsonl"}
NOBODY = "nobody"
EVERYBODY = ("labeler", "researcher", "admin")
STAFF = ("researcher", "admin")

# Route -> who may see it, and the addresses at which it has something to show; {names} are those of `World.names`.
ADDRESSES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "/": (EVERYBODY, ("/",)),
    "/sign-in": ((NOBODY,), ("/sign-in", "/sign-in?next=%2Fhistory")),
    "/invitations/{token}": ((NOBODY,), ("/invitations/{token}", "/invitations/nonsense")),
    "/account": (EVERYBODY, ("/account",)),
    "/users": (("admin",), ("/users",)),
    "/assignments/{assignment_id}": (
        ("labeler",),
        ("/assignments/{rank}", "/assignments/{write}", "/assignments/{sent}", "/assignments/{skipped}"),
    ),
    "/completions/{completion_id}/edit": (("labeler",), ("/completions/{completion}/edit",)),
    "/history": (EVERYBODY, ("/history", "/history?kind=ranking")),
    "/history/{kind}/{label_id}": (("labeler",), ("/history/ranking/{ranking}", "/history/demonstration/{answer}")),
    "/history/{kind}/{label_id}/edit": (
        ("labeler",),
        ("/history/ranking/{ranking}/edit", "/history/demonstration/{answer}/edit"),
    ),
    "/projects/new": (("admin",), ("/projects/new",)),
    "/projects/{slug}": (STAFF, ("/projects/house", "/projects/empty")),
    "/projects/{slug}/label": (EVERYBODY, ("/projects/house/label", "/projects/empty/label")),
    "/projects/{slug}/rank": (EVERYBODY, ("/projects/empty/rank",)),
    "/projects/{slug}/write": (EVERYBODY, ("/projects/empty/write",)),
    "/projects/{slug}/guidelines": (EVERYBODY, ("/projects/house/guidelines", "/projects/house/guidelines?version=1")),
    "/projects/{slug}/prompts/write": (
        EVERYBODY,
        tuple(f"/projects/house/prompts/write?kind={kind}" for kind in ("plain", "few_shot", "user_based")),
    ),
    "/projects/{slug}/prompts": (STAFF, ("/projects/house/prompts", "/projects/empty/prompts")),
    "/projects/{slug}/data": (STAFF, ("/projects/house/data", "/projects/empty/data")),
    "/projects/{slug}/labels/{kind}": (
        STAFF,
        ("/projects/house/labels/ranking", "/projects/house/labels/demonstration", "/projects/empty/labels/ranking"),
    ),
    "/projects/{slug}/checkpoints": (STAFF, ("/projects/house/checkpoints",)),
    "/projects/{slug}/rounds": (STAFF, ("/projects/house/rounds",)),
    "/projects/{slug}/settings": (("admin",), ("/projects/house/settings",)),
    "/projects/{slug}/label-schema": (("admin",), ("/projects/house/label-schema",)),
    "/checkpoints/{checkpoint_id}": (STAFF, ("/checkpoints/{checkpoint}",)),
    "/labels/{kind}/{label_id}": (STAFF, ("/labels/ranking/{ranking}", "/labels/demonstration/{answer}")),
    "/snapshots/{snapshot_id}": (STAFF, ("/snapshots/{snapshot}",)),
    "/jobs/{job_id}": (STAFF, ("/jobs/{running}", "/jobs/{failed}")),
}


@dataclass
class World:
    people: dict[str, User]
    names: dict[str, object] = field(default_factory=dict)


@pytest.fixture
def world(session: Session, tmp_path: Path) -> World:
    """A project in the midst of its work, one that has only just been made, and people who have done something."""
    people = {role: make_user(session, role, role, name=f"{role.capitalize()} of the village") for role in EVERYBODY}
    make_project(session, tmp_path / "base", name="Empty", slug="empty", labelers_write_prompts=True)
    project = make_project(
        session, tmp_path / "base", name="Household helper", slug="house", responses_per_prompt=4, chat=True,
        improves_responses=True, labelers_write_prompts=True, use_case_texts=["Answer letters to the council."],
    )  # fmt: skip
    guidelines.publish_guideline(session, project, "# Be *kind*\n\nRate each response alone.\n\n- Tie freely.")
    fields = label_schemas.fields_of(label_schemas.current_schema(session, project.id))
    label_schemas.publish_schema(session, project, {**fields, "confidence": True}, None)
    for example in (PANDAS, TWO, GREEK, NINE):
        add_ranking_task(session, project, example)
    for messages in (LETTER[0], [user("Why do leaves turn red?")], [user("<script>alert(1)</script> " + "w" * 300)]):
        add_writing_task(session, project, messages)
    add_prompt(session, project, [user("Why? " * 400)])
    for person in people.values():
        read_guidelines(session, person)
    made = World(people)
    label(session, project, made)
    train(session, project, made)
    invited = make_user(session, "invited", name="Somebody new")
    made.names["token"] = users.invite_user(session, invited, people["admin"]).rsplit("/", 1)[1]
    session.commit()
    return made


def label(session: Session, project: Project, world: World) -> None:
    """One of each sent, one answer edited, one task skipped, one of each in hand."""
    mara = world.people["labeler"]

    def claim(kind: str) -> assignments.Task:
        task = assignments.claim_task(session, project, mara, kind)
        assert task is not None
        return task

    task = claim("ranking")
    ids = [str(completion.id) for completion in task.completions]
    ratings = {key: {"overall": 4, "flags": ["hallucination"]} for key in ids}
    draft = RankingDraft([ids[:1], ids[1:]], ratings, "The first is *short*.", ["ambiguous"], 7)
    ranking = rankings.submit_ranking(session, task.assignment.id, mara, uuid4(), draft, 61.0)
    world.names |= {"ranking": ranking.id, "sent": task.assignment.id, "completion": ids[-1]}
    answer = claim("demonstration")
    written = demonstrations.submit_demonstration(session, answer.assignment.id, mara, uuid4(), ANSWER, 90.0)
    demonstrations.edit_demonstration(session, written.id, mara, f"{ANSWER}\n\nYours, the caretaker.", 5.0)
    skipped = claim("ranking").assignment
    assignments.skip_task(session, skipped.id, mara, "Outside what I can judge")
    world.names |= {
        "answer": written.id,
        "skipped": skipped.id,
        "rank": claim("ranking").assignment.id,
        "write": claim("demonstration").assignment.id,
    }
    imported = [b'{"prompt": "Who bakes?", "response": "The baker."}']
    demonstrations.import_demonstrations(session, project, imported)


def train(session: Session, project: Project, world: World) -> None:
    """A job that runs, one that failed, a frozen snapshot."""
    round_ = session.scalars(select(Round).where(Round.project_id == project.id)).one()
    running = jobs.create_job(session, project.id, "sft", {"parent": 1}, round_id=round_.id)
    failed = jobs.create_job(session, project.id, "sft", {"parent": 1, "again": 1}, round_id=round_.id)
    running.state, failed.state = "running", "failed"
    for job in (running, failed):
        job.started_at, job.owner, job.epoch, job.attempts = func.now(), "worker-1", 1, 1
    failed.error = "The GPU ran out of memory."
    session.flush()
    for step in range(1, 21):
        payload = {"step": step, "of": 100, "phase": "sft", "metrics": {"loss": 3 / step}}
        session.add(JobEvent(job_id=running.id, seq=step, payload=payload))
        running.progress = payload
    snapshot = snapshots.freeze_snapshot(session, project, rounds.current_round(session, project.id), "demonstration")
    base = session.scalars(select(Checkpoint.id).where(Checkpoint.project_id == project.id)).one()
    world.names |= {"running": running.id, "failed": failed.id, "snapshot": snapshot.id, "checkpoint": base}


def pages_of(app: object) -> set[str]:
    return {path for method, path in all_routes(app) if method == "GET" and not path.startswith("/api/")} - NO_PAGES


def test_every_page_of_the_router_is_looked_at() -> None:
    from app.main import create_app

    unknown = pages_of(create_app()) - set(ADDRESSES)
    assert not unknown, f"say in ADDRESSES who sees {sorted(unknown)}, and add to the world what it shows"


def look(page: Page, address: str) -> list[str]:
    """What is wrong with one page in light and in dark."""
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    answer = page.goto(address)
    assert answer is not None
    assert answer.status == (404 if "nonsense" in address else 200), f"{address} answers {answer.status}"
    page.wait_for_load_state("load")
    found = violations(page) + overflow(page)
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    found += [f"dark, {each}" for each in violations(page, ["wcag2aa", "wcag21aa"])]
    return [f"{address}: {each}" for each in found]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("role", [NOBODY, *EVERYBODY])
def test_no_page_has_a_violation(
    open_context: OpenContext, session: Session, sign_in: SignIn, world: World, role: str, size: str
) -> None:
    page, watch = open_context(*SIZES[size])
    watch.allow("404 (Not Found)")  # of the link that is no invitation; any other 404 fails in look()
    if role != NOBODY:
        sign_in(page, world.people[role])
    addresses = [
        address.format(**world.names) for roles, listed in ADDRESSES.values() if role in roles for address in listed
    ]
    found = [each for address in addresses for each in look(page, address)]
    assert not found, "\n".join(found)
    assert not watch.problems()
