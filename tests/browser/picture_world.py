"""What the pictures show: a project after two weeks of labeling, with everything that its pages can tell.

Nobody in it is a person: a labeler, another labeler, a researcher, an admin.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.models import (
    Checkpoint,
    Comparison,
    Completion,
    Demonstration,
    Project,
    Prompt,
    PromptReport,
    Ranking,
    Round,
    Slot,
    User,
)
from app.services import (
    assignments,
    demonstrations,
    gold_items,
    guidelines,
    members,
    prompt_reports,
    qualification_attempts,
    rankings,
    reviews,
    revisions,
    rounds,
    sign_ins,
    snapshots,
    users,
)
from app.services.gold_items import GoldDraft
from app.services.rankings import RankingDraft
from app.settings import ROOT
from tests.browser.content import GREEK, LETTER, PANDAS, Message, user
from tests.browser.picture_texts import (
    ANSWERS,
    BASIL,
    BROKEN,
    EXAMPLES,
    FIRST_GUIDELINES,
    KETTLE,
    PERSONAL,
    PODCAST,
    QUALIFICATION,
    REASONS,
    RICE,
    SECOND_GUIDELINES,
    TIN,
    UNCLEAR,
)
from tests.qualifying import make_qualification
from tests.seed import add_prompt, add_ranking_task, add_writing_task, make_project, make_user, read_guidelines

LABELERS = ("A labeler", "A second labeler", "A third labeler")
SLIPS = (0.1, 0.25, 0.5)  # how often each of them turns two neighbours round
DAYS = (2, 5, 3, 6, 0, 0, 4, 5, 3, 4)  # labels of the first labeler, today first


@dataclass
class PictureWorld:
    sessions: dict[str, str]  # role or name -> session token
    names: dict[str, Any]  # for addresses


def build(session: Session, folder: Path) -> PictureWorld:
    project = make_project(
        session, folder, responses_per_prompt=4, overlap=3, ranking_threshold=100, guidelines=FIRST_GUIDELINES,
        improves_responses=True, labelers_write_prompts=True, open_to_all=False, gold_feedback=True,
        demonstration_threshold=20, recipe={"sft": {"max_length": 2048}},
    )  # fmt: skip
    shutil.copy(ROOT / "starter" / "model" / "tokenizer.json", folder)  # so that tokens are counted
    labelers = [make_user(session, f"labeler-{n}", name=name) for n, name in enumerate(LABELERS, 1)]
    researcher = make_user(session, "researcher", "researcher", name="A researcher")
    admin = make_user(session, "admin", "admin", name="An admin")
    reader = make_user(session, "labeler-4", name="A fourth labeler")
    for one in (*labelers, reader):
        members.add_member(session, project, one, admin)
    users.set_abilities(session, labelers[1], ["de", "en"], [], admin)
    users.set_abilities(session, labelers[2], ["en"], ["maths", "python"], admin)
    read_guidelines(session, reader)  # the first version; the pictures show her the second one
    guidelines.publish_guideline(session, project, SECOND_GUIDELINES)
    for one in (*labelers, researcher, admin):
        read_guidelines(session, one)

    write(session, project, labelers[0])
    turn(session, project)
    rank(session, project, labelers, 2)
    measure(session, project, labelers, researcher)
    rank(session, project, labelers, 1)
    report(session, project, labelers)
    names = {"review": dispute(session, project, labelers[1:], researcher)}
    names |= screen(session, folder, labelers[0], admin)
    spread(session, project, labelers)
    touch(session, project, labelers[0])
    add_ranking_task(session, project, PANDAS, priority=9)
    add_ranking_task(session, project, KETTLE, priority=8)
    add_ranking_task(session, project, GREEK, priority=7)
    add_writing_task(session, project, LETTER[0], priority=9)
    people = {"labeler": labelers[0], "reader": reader, "researcher": researcher, "admin": admin}
    return PictureWorld({name: sign_ins.start_session(session, one) for name, one in people.items()}, names)


def set_rates(session: Session) -> None:
    """From now on labelers would be measured; until here every task was one of those that were put there."""
    session.execute(update(Project).where(Project.slug == "household-helper").values(gold_rate=0.1, repeat_rate=0.05))


def write(session: Session, project: Project, labeler: User) -> None:
    for question, answer in ANSWERS:
        add_writing_task(session, project, [user(question)])
        held = assignments.claim_assignment(session, project, labeler, "demonstration")
        assert held is not None
        demonstrations.submit_demonstration(session, held.id, labeler, uuid4(), answer, 340.0)

    written = [{"prompt": prompt[0]["content"], "response": best} for prompt, (best, *_) in EXAMPLES]
    demonstrations.import_demonstrations(session, project, [json.dumps(row).encode() for row in written])


def turn(session: Session, project: Project) -> None:
    """The demonstrations are frozen, SFT has trained on them, and its model has written what is ranked now."""
    round_ = rounds.current_round(session, project.id)
    base = session.scalars(select(Checkpoint).where(Checkpoint.project_id == project.id)).one()
    assert round_ is not None
    snapshot = snapshots.freeze_snapshot(session, project, round_, "demonstration")
    trained = Checkpoint(
        project_id=project.id, kind="sft", path=base.path, parent_id=base.id, snapshot_id=snapshot.id,
        round_id=round_.id, config={}, metrics={"loss/validation": 1.62}, files={},
    )  # fmt: skip
    session.add(trained)
    session.flush()
    project.current_policy_id = round_.sft_checkpoint_id = trained.id
    session.execute(update(Round).where(Round.id == round_.id).values(phase="collecting_rankings"))
    session.flush()


def rank(session: Session, project: Project, labelers: list[User], times: int) -> None:
    """Everybody ranks everything, some with more slips than others."""
    for number in range(times):
        for at, example in enumerate(EXAMPLES):
            add_ranking_task(session, project, example, priority=100 - 10 * number - at)
    for labeler, slips in zip(labelers, SLIPS, strict=True):
        chance = Random(f"{labeler.username} {times}")
        for _ in range(times * len(EXAMPLES)):
            send(session, project, labeler, chance, slips)


def send(session: Session, project: Project, labeler: User, chance: Random, slips: float) -> None:
    held = assignments.claim_assignment(session, project, labeler, "ranking")
    assert held is not None
    assert held.comparison_id is not None
    tiers = [[key] for key in best_first(session, held.comparison_id)]
    for at in range(len(tiers) - 1):
        drawn = chance.random()
        if drawn < slips:
            tiers[at], tiers[at + 1] = tiers[at + 1], tiers[at]
        elif drawn > 0.9:
            tiers[at], tiers[at + 1] = [*tiers[at], *tiers[at + 1]], []
    tiers = [tier for tier in tiers if tier]
    ratings: dict[str, Any] = {}
    for place, tier in enumerate(tiers):
        for key in tier:
            flags = ["hallucination"] if place == len(tiers) - 1 and len(tiers) > 2 else []
            ratings[key] = {"overall": max(1, 7 - 2 * place), "flags": flags}
    held.claimed_at -= timedelta(minutes=10)
    session.flush()
    reason = REASONS.get(session.get_one(Prompt, held.prompt_id).messages[-1]["content"])
    draft = RankingDraft(tiers, ratings, reason)
    rankings.submit_ranking(session, held.id, labeler, uuid4(), draft, chance.uniform(70, 200))


def best_first(session: Session, comparison_id: int) -> list[str]:
    """As the texts stand in the source: the best one first."""
    found = select(Completion.id).where(Completion.comparison_id == comparison_id).order_by(Completion.sample_index)
    return [str(completion_id) for completion_id in session.scalars(found)]


def measure(session: Session, project: Project, labelers: list[User], researcher: User) -> None:
    """Gold items that everybody has answered, and rankings that came again."""
    why = "The best one says what to do and why. The worst one is not true, however kindly it is said."
    for example, turned in ((RICE, False), (TIN, False), (EXAMPLES[3], False), (PODCAST, True), (EXAMPLES[2], False)):
        made = add_ranking_task(session, project, example)
        close(session, made.id)
        ids = best_first(session, made.id)
        ids = [*ids[2:], *ids[:2]] if turned else ids
        flags = {ids[-1]: {"must": ["hallucination"], "must_not": []}}
        draft = GoldDraft([[key] for key in ids], {ids[0]: [5, 7], ids[-1]: [1, 2]}, flags, why)
        gold_items.set_gold_item(session, gold_items.get_comparison(session, made.id), researcher, draft)
        for labeler in labelers:
            keep_for(session, made, labeler, "gold", 10)
    for labeler, slips in zip(labelers, SLIPS, strict=True):
        hers = select(Comparison).join(Ranking).where(Ranking.user_id == labeler.id, Ranking.purpose == "label")
        for comparison in session.scalars(hers.order_by(Comparison.id).limit(4)):
            keep_for(session, comparison, labeler, "repeat", 11)
        chance = Random(f"{labeler.username} again")
        for _ in range(9):
            send(session, project, labeler, chance, slips)


def keep_for(session: Session, comparison: Comparison, labeler: User, purpose: str, ordinal: int) -> None:
    task = {"project_id": comparison.project_id, "prompt_id": comparison.prompt_id, "comparison_id": comparison.id}
    slot = Slot(**task, kind="ranking", ordinal=10 * ordinal + labeler.id, purpose=purpose, reserved_for_id=labeler.id)
    session.add(slot)
    session.flush()


def report(session: Session, project: Project, labelers: list[User]) -> None:
    said: list[tuple[list[Message], str, list[str]]] = [
        (BROKEN, "broken", ["Half of the letters are missing."]),
        (PERSONAL, "personal", ["A real name and a date of birth."]),
        (UNCLEAR, "unclear", ["Make what better?", "Nothing is there to be made better."]),
    ]
    for messages, reason, notes in said:
        prompt = add_prompt(session, project, messages)
        for labeler, note in zip(labelers, notes, strict=False):
            session.add(
                PromptReport(
                    project_id=project.id, prompt_id=prompt.id, reporter_id=labeler.id, reason=reason, note=note
                )
            )
        session.flush()


def dispute(session: Session, project: Project, labelers: list[User], researcher: User) -> int:
    """Two of them order the same four responses in opposite ways, and a researcher has the review in hand."""
    project.review_above = 0.3
    session.flush()
    add_ranking_task(session, project, PANDAS, priority=200)
    said = (
        ([0, 3, 1, 2], "It is short, it works, and it says why the limit is 23. There is no skip_missing in pandas."),
        ([3, 2, 0, 1], "Easiest to read for somebody who is no programmer. The long one does not keep it short."),
    )
    for labeler, (order, reason) in zip(labelers, said, strict=True):
        held = assignments.claim_assignment(session, project, labeler, "ranking")
        assert held is not None
        assert held.comparison_id is not None
        ids = best_first(session, held.comparison_id)
        tiers = [[ids[at]] for at in order]
        flags = {ids[2]: ["hallucination"]} if order[-1] == 2 else {ids[1]: ["breaks_constraint"]}
        ratings = {tier[0]: {"overall": 6 - place, "flags": flags.get(tier[0], [])} for place, tier in enumerate(tiers)}
        rankings.submit_ranking(session, held.id, labeler, uuid4(), RankingDraft(tiers, ratings, reason), 150.0)
    review = reviews.claim_review(session, project, researcher)
    assert review is not None
    close(session, review.comparison_id)
    seen = reviews.load_review(session, review.id, researcher)
    choice = "x" if seen.x.user_id == labelers[0].id else "y"
    decision = {"choice": choice, "comment": "The long one is too long, but an option that does not exist is worse."}
    assignments.save_draft(session, seen.task.assignment.id, researcher, decision)
    project.review_above = None
    return review.id


def screen(session: Session, folder: Path, labeler: User, admin: User) -> dict[str, Any]:
    """A qualification of another project that she has in hand, and the draft of its next version."""
    project = make_project(session, folder, name="Night desk", slug="night-desk")
    introduction = "We would like to see that we judge alike. First some practice, then the test."
    make_qualification(session, project, admin, items=QUALIFICATION, introduction=introduction)
    attempt = qualification_attempts.begin_attempt(session, project, labeler)
    sitting = qualification_attempts.load_sitting(session, attempt.id, labeler)
    place = {0: 1, 1: 3, 2: 1}  # she calls the two good ones alike
    places = [place[position] for position in sitting.questions[0].order]
    qualification_attempts.give_answer(session, attempt.id, labeler, 1, {"places": places})
    draft = make_qualification(session, project, admin, items=QUALIFICATION, introduction=introduction, publish=False)
    return {"attempt": attempt.id, "draft": draft.id}


def spread(session: Session, project: Project, labelers: list[User]) -> None:
    """The labels came over two weeks and not in one second: the newest today, as many a day as `DAYS` says."""
    session.flush()
    for table in (Ranking, Demonstration):
        session.execute(update(table).values(created_at=table.created_at - timedelta(days=12)))
    days = [day for day, count in enumerate(DAYS) for _ in range(count)]
    for labeler in labelers:
        hers = select(Ranking.id).where(Ranking.user_id == labeler.id, Ranking.project_id == project.id)
        for at, ranking_id in enumerate(session.scalars(hers.order_by(Ranking.id.desc())).all()):
            back = timedelta(days=days[at] if at < len(days) else 10, minutes=40 + 4 * at)
            session.execute(update(Ranking).where(Ranking.id == ranking_id).values(created_at=func.now() - back))
    session.execute(
        update(Demonstration)
        .where(Demonstration.text == ANSWERS[1][1])
        .values(created_at=func.now() - timedelta(days=1, hours=1))
    )
    session.expire_all()


def touch(session: Session, project: Project, labeler: User) -> None:
    """She has changed one of her latest rankings, and taken another out."""
    latest = select(Ranking).where(Ranking.user_id == labeler.id, Ranking.purpose == "label")
    edited, withdrawn = session.scalars(latest.order_by(Ranking.created_at.desc()).offset(1).limit(3)).all()[::2]
    tiers = [*edited.tiers[:-2], edited.tiers[-1], edited.tiers[-2]]
    draft = RankingDraft(tiers, edited.ratings, "On reading them again: one of these two helps nobody.")
    rankings.edit_ranking(session, edited.id, labeler, draft)
    label = revisions.lock_label(session, "ranking", withdrawn.id, labeler)
    revisions.withdraw_label(session, label, labeler)
    close(session, withdrawn.comparison_id)
    made = add_ranking_task(session, project, BASIL, priority=300)
    held = assignments.claim_assignment(session, project, labeler, "ranking")
    assert held is not None
    prompt_reports.skip_task(session, held.id, labeler, "knowledge")
    close(session, made.id)


def close(session: Session, comparison_id: int) -> None:
    """Nobody is asked about it any more."""
    open_slots = (Slot.comparison_id == comparison_id, Slot.kind == "ranking", Slot.submitted_at.is_(None))
    session.execute(update(Slot).where(*open_slots).values(closed_at=func.now()))
