"""Histories of assignment on a real Postgres, made by Hypothesis: whatever people do in whatever order, it stays exact.

HISTORIES=500 pytest tests/services/test_assignment_machine.py    takes minutes; without it, what fits in half of one
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from app.database import session_factory
from app.errors import AppError
from app.models import Assignment, Prompt, Slot, User
from app.rules import assignment as rules
from app.services import assignments, claims, demonstrations, projects, prompts, rankings, revisions, users
from app.services.rankings import RankingDraft
from tests.seed import add_comparison, base_model_folder

HISTORIES = int(os.environ.get("HISTORIES", "25"))
PEOPLE = 4
WHO, WHICH = st.integers(0, PEOPLE - 1), st.integers(0, 50)

LABELS = """
    SELECT l.id, l.assignment_id, l.withdrawn_at, a.slot_id, a.user_id, a.comparison_id, a.prompt_id, a.purpose
    FROM {table} l JOIN assignments a ON a.id = l.assignment_id WHERE l.project_id = :project
"""


class Histories(RuleBasedStateMachine):
    folder: Path  # where base models lie

    def __init__(self) -> None:
        super().__init__()
        self.session: Session = session_factory()()
        self.said: dict[int, str] = {}  # label id -> what it must say
        self.withdrawn: set[int] = set()
        self.keys: dict[int, Any] = {}  # assignment id -> the key under which its label was sent
        self.most = 0  # the highest overlap so far

    @initialize(kind=st.sampled_from(["ranking", "demonstration"]), overlap=st.integers(1, 3), tasks=st.integers(1, 3))
    def begin(self, kind: str, overlap: int, tasks: int) -> None:
        name = uuid4().hex[:12]
        draft = projects.ProjectDraft(
            name=name,
            slug=name,
            base_model=str(base_model_folder(self.folder / name)),
            asks_ratings=False,
            overlap=overlap,
        )
        self.project = projects.create_project(self.session, draft)
        self.people = [users.create_user(self.session, f"{name}-{n}", f"L{n}", "labeler") for n in range(PEOPLE)]
        self.admin = users.create_user(self.session, f"{name}-admin", "Admin", "admin")
        self.kind, self.most, self.names = kind, overlap, 0
        for _ in range(tasks):
            self.add_task(0, None, None, [])
        self.session.commit()

    # What happens

    @rule(
        priority=st.integers(0, 2),
        author=st.none() | WHO,
        language=st.sampled_from([None, "de", "en"]),
        skill=st.booleans(),
    )
    def task_appears(self, priority: int, author: int | None, language: str | None, skill: bool) -> None:
        self.add_task(priority, author, language, ["maths"] if skill else [])
        self.session.commit()

    @rule(who=WHO)
    def claim(self, who: int) -> None:
        user = self.people[who]
        expected = self.next_slot(user)
        got = assignments.claim_assignment(self.session, self.project, user, self.kind)
        self.session.commit()
        assert (got.slot_id if got else None) == expected
        if got is not None:
            assert got.expires_at > datetime.now(UTC)
            assert self.slot(got.slot_id).holder_id == user.id

    @rule(which=WHICH)
    def lease_ends(self, which: int) -> None:
        if open_ := self.mine("submitted_at IS NULL AND skipped_at IS NULL"):
            found = open_[which % len(open_)]
            past = datetime.now(UTC) - timedelta(minutes=1)
            self.session.execute(update(Assignment).where(Assignment.id == found.id).values(expires_at=past))
            held = (Slot.id == found.slot_id, Slot.holder_id == found.user_id, Slot.leased_until.is_not(None))
            self.session.execute(update(Slot).where(*held).values(leased_until=past))
            self.session.commit()

    @rule(which=WHICH)
    def heartbeat(self, which: int) -> None:
        self.act(which, lambda task, user: assignments.renew_lease(self.session, task.id, user))

    @rule(which=WHICH)
    def draft(self, which: int) -> None:
        self.act(which, lambda task, user: assignments.save_draft(self.session, task.id, user, {"text": "half"}))

    @rule(which=WHICH)
    def skip(self, which: int) -> None:
        self.act(which, lambda task, user: assignments.skip_task(self.session, task.id, user, "unclear"))

    @rule(which=WHICH)
    def release(self, which: int) -> None:
        self.act(which, lambda task, user: assignments.release_task(self.session, task.id, user))

    @rule(which=WHICH, times=st.sampled_from([1, 1, 3]))
    def submit(self, which: int, times: int) -> None:
        key = uuid4()

        def send(task: Any, user: User) -> None:
            self.names += 1
            word = f"word {self.names}"
            ids = set()
            for _ in range(times):  # each a request of its own
                ids.add(self.send(task.id, user, key, word))
                self.session.commit()
            assert len(ids) == 1
            self.withdrawn -= ids
            self.said[ids.pop()] = word
            self.keys[task.id] = key

        self.act(which, send)

    @rule(which=WHICH)
    def submit_an_old_one_again(self, which: int) -> None:
        """A repeat that comes late stores nothing, whatever has become of the label."""
        done = [row for row in self.mine("true") if row.id in self.keys]
        if done:
            task = done[which % len(done)]
            self.attempt(lambda: self.send(task.id, self.person(task.user_id), self.keys[task.id], "again"))

    @rule(which=WHICH)
    def edit(self, which: int) -> None:
        self.names += 1
        word = f"word {self.names}"

        def change(label: Any, user: User) -> None:
            if self.kind == "ranking":
                task = self.session.get_one(Assignment, label.assignment_id)
                rankings.edit_ranking(self.session, label.id, user, self.ranking(task, word))
            else:
                demonstrations.edit_demonstration(self.session, label.id, user, word)
            self.said[label.id] = word

        self.act_on_label(which, change)

    @rule(which=WHICH, admin=st.booleans())
    def withdraw(self, which: int, admin: bool) -> None:
        def take_out(label: Any, user: User) -> None:
            by = self.admin if admin else user
            locked = revisions.lock_label(self.session, self.kind, label.id, by, anybodys=admin)
            revisions.withdraw_label(self.session, locked, by)
            self.withdrawn.add(label.id)

        self.act_on_label(which, take_out)

    @rule(which=WHICH)
    def restore(self, which: int) -> None:
        def put_back(label: Any, user: User) -> None:
            locked = revisions.lock_label(self.session, self.kind, label.id, self.admin, anybodys=True)
            revisions.restore_label(self.session, locked, self.admin)
            self.withdrawn.discard(label.id)

        self.act_on_label(which, put_back)

    @rule(which=WHICH)
    def undo(self, which: int) -> None:
        def take_back(label: Any, user: User) -> None:
            revisions.undo_submission(self.session, label.assignment_id, user)
            self.withdrawn.add(label.id)

        self.act_on_label(which, take_back)

    @rule(overlap=st.integers(1, 4))
    def overlap_changes(self, overlap: int) -> None:
        projects.update_project(self.session, self.project, {"overlap": overlap})
        self.session.commit()
        self.most = max(self.most, overlap)
        self.session.expire_all()

    @rule(who=WHO)
    def account_is_shut_or_opened(self, who: int) -> None:
        change = users.enable_user if self.people[who].disabled_at else users.disable_user
        change(self.session, self.people[who], self.admin)
        self.session.commit()

    @rule(who=WHO, languages=st.sampled_from([[], ["de"], ["de", "en"]]), skills=st.sampled_from([[], ["maths"]]))
    def labeler_learns_or_forgets(self, who: int, languages: list[str], skills: list[str]) -> None:
        users.set_abilities(self.session, self.people[who], languages, skills, self.admin)
        self.session.commit()

    @precondition(lambda self: self.kind == "ranking")
    @rule(who=WHO, which=WHICH)
    def gold_appears(self, who: int, which: int) -> None:
        """A task that is there to measure one labeler, which nobody else may have."""
        slots = self.slots()
        like = slots[which % len(slots)]
        last = self.session.scalar(select(func.max(Slot.ordinal)).where(Slot.comparison_id == like.comparison_id)) or 0
        self.session.add(
            Slot(
                project_id=self.project.id, kind="ranking", prompt_id=like.prompt_id, comparison_id=like.comparison_id,
                ordinal=last + 1, purpose="gold", reserved_for_id=self.people[who].id, priority=1000,
            )
        )  # fmt: skip
        self.session.commit()

    # What must hold after each of them

    @invariant()
    def labels_are_kept_and_count_once(self) -> None:
        labels = self.labels()
        assert {label.id for label in labels} == set(self.said)
        assert {label.id for label in labels if label.withdrawn_at} == self.withdrawn
        standing = [label for label in labels if label.withdrawn_at is None]
        for label in labels:
            assert self.words(label.id) == self.said[label.id]
        tasks = [label.comparison_id or label.prompt_id for label in standing if label.purpose == "label"]
        assert all(tasks.count(task) <= self.most for task in tasks), "more labels than were ever asked for"
        held = [label.slot_id for label in standing]
        assert len(held) == len(set(held)), "two standing labels in one slot"
        filled = {s.id for s in self.slots() if s.submitted_at is not None}
        assert filled == set(held), "a slot is filled by exactly one standing label"

    @invariant()
    def nobody_has_a_task_twice(self) -> None:
        had = [(row.user_id, row.comparison_id or row.prompt_id) for row in self.mine("purpose = 'label'")]
        assert len(had) == len(set(had))

    @invariant()
    def a_live_hold_is_one_labelers(self) -> None:
        unfinished = {(row.slot_id, row.user_id) for row in self.mine("submitted_at IS NULL AND skipped_at IS NULL")}
        now = datetime.now(UTC)
        for slot in self.slots():
            if slot.submitted_at is None and slot.holder_id is not None:
                assert (slot.id, slot.holder_id) in unfinished
            if slot.submitted_at is None and slot.leased_until is not None and slot.leased_until > now:
                assert slot.holder_id is not None
            if slot.reserved_for_id is not None and slot.holder_id is not None:
                assert slot.holder_id == slot.reserved_for_id

    def teardown(self) -> None:
        self.session.rollback()
        self.session.close()

    # The rules of assignment once more, the slow way

    def next_slot(self, user: User) -> int | None:
        """Which slot she must get: what she holds, what she held last, what is reserved for her, the queue in order."""
        now, slots = datetime.now(UTC), self.slots()
        hers = self.mine(f"user_id = {user.id}")
        unfinished = {
            row.slot_id: row.expires_at for row in hers if row.submitted_at is None and row.skipped_at is None
        }
        own = [s for s in slots if s.holder_id == user.id and s.submitted_at is None and s.id in unfinished]
        own = [s for s in own if s.closed_at is None or (s.leased_until and s.leased_until > now)]
        if own:
            return max(own, key=lambda s: unfinished[s.id]).id
        able = rules.Labeler(user.id, frozenset(user.languages), frozenset(user.skills))
        queue = [
            s
            for s in slots
            if rules.may_claim(
                rules.SlotState(s.holder_id, s.leased_until, s.submitted_at is not None, s.closed_at is not None), now
            )
            and not any(self.keeps_her_from(row, s, now) for row in hers)
            and (s.reserved_for_id == user.id or (s.reserved_for_id is None and rules.may_label(able, self.needs(s))))
        ]
        queue.sort(key=lambda s: (s.reserved_for_id is None, -s.priority, s.id))
        return queue[0].id if queue else None

    def keeps_her_from(self, had: Any, slot: Any, now: datetime) -> bool:
        same_task = had.purpose == "label" and (had.comparison_id, had.prompt_id) == (
            slot.comparison_id,
            slot.prompt_id,
        )
        same = same_task if slot.purpose == "label" else had.slot_id == slot.id
        return same and (had.submitted_at is not None or had.skipped_at is not None or had.expires_at > now)

    def needs(self, slot: Any) -> rules.Needs:
        prompt = self.session.get_one(Prompt, slot.prompt_id)
        return rules.Needs(prompt.author_id, prompt.language, frozenset(prompt.skills))

    # Short words for the above

    def add_task(self, priority: int, author: int | None, language: str | None, skills: list[str]) -> None:
        line = json.dumps(
            {"prompt": f"Question {uuid4().hex}?", "skills": skills} | ({"language": language} if language else {})
        )
        prompts.import_prompts(self.session, self.project, [line.encode()])
        prompt = self.session.scalars(
            select(Prompt).where(Prompt.project_id == self.project.id).order_by(Prompt.id.desc())
        ).first()
        assert prompt is not None
        prompt.author_id = None if author is None else self.people[author].id
        if self.kind == "ranking":
            add_comparison(self.session, self.project, prompt, ["One.", "Two."], priority)
        else:
            self.session.execute(update(Slot).where(Slot.prompt_id == prompt.id).values(priority=priority))
        self.session.flush()

    def slots(self) -> Any:
        return self.session.execute(
            text("SELECT * FROM slots WHERE project_id = :p AND kind = :k ORDER BY id"),
            {"p": self.project.id, "k": self.kind},
        ).all()

    def slot(self, slot_id: int) -> Any:
        return next(slot for slot in self.slots() if slot.id == slot_id)

    def mine(self, condition: str) -> Any:
        query = f"SELECT * FROM assignments WHERE project_id = :p AND kind = :k AND {condition} ORDER BY id"
        return self.session.execute(text(query), {"p": self.project.id, "k": self.kind}).all()

    def labels(self) -> Any:
        query = LABELS.format(table=f"{self.kind}s") + " ORDER BY l.id"
        return self.session.execute(text(query), {"project": self.project.id}).all()

    def words(self, label_id: int) -> str:
        column = "comment" if self.kind == "ranking" else "text"
        return str(self.session.scalar(text(f"SELECT {column} FROM {self.kind}s WHERE id = :id"), {"id": label_id}))

    def person(self, user_id: int) -> User:
        return next(user for user in self.people if user.id == user_id)

    def attempt(self, act: Callable[[], object]) -> bool:
        """As a request does it: a refusal undoes everything, but for what it says that it has kept."""
        try:
            act()
        except AppError as error:
            self.session.commit() if error.keeps_work else self.session.rollback()
            return False
        else:
            self.session.commit()
            return True
        finally:
            self.session.expire_all()

    def act(self, which: int, what: Callable[[Any, User], object]) -> None:
        """Something that she does with a task of hers; whether it is allowed, the application says."""
        if rows := self.mine("true"):
            task = rows[which % len(rows)]
            self.attempt(lambda: what(task, self.person(task.user_id)))

    def act_on_label(self, which: int, what: Callable[[Any, User], None]) -> None:
        if labels := self.labels():
            label = labels[which % len(labels)]
            before = dict(self.said), set(self.withdrawn)
            if not self.attempt(lambda: what(label, self.person(label.user_id))):
                self.said, self.withdrawn = before

    def send(self, assignment_id: int, user: User, key: Any, word: str) -> int:
        if self.kind == "demonstration":
            return demonstrations.submit_demonstration(self.session, assignment_id, user, key, word).id
        task = self.session.get_one(Assignment, assignment_id)
        return rankings.submit_ranking(self.session, assignment_id, user, key, self.ranking(task, word)).id

    def ranking(self, task: Assignment, word: str) -> RankingDraft:
        return RankingDraft(tiers=[[key] for key in task.order_shown], comment=word)


@pytest.mark.timeout(3600)
def test_whatever_people_do_assignment_stays_exact(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "STRIDE", 1)  # so that places in the queue move in short histories too
    Histories.folder = tmp_path
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=40,
            deadline=None,
            derandomize="HISTORIES" not in os.environ,
            print_blob=True,
            report_multiple_bugs=False,
            phases=[Phase.generate] if os.environ.get("NOSHRINK") else [Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
