"""A project in which people have been measured: labels, gold items, reviews and reports, for the checks of wording."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.models import Comparison, Project, Ranking, User
from app.services import assignments, gold_items, prompt_reports, rankings, reviews
from app.services.gold_items import GoldDraft
from app.services.rankings import RankingDraft
from app.services.reviews import Decision
from tests.browser.content import GREEK, PANDAS, TWO
from tests.seed import add_ranking_task, make_user

SETTINGS = {
    "overlap": 2, "review_above": 0.3, "gold_rate": 0.1, "repeat_rate": 0.05, "gold_feedback": True,
    "leaderboard": True,
}  # fmt: skip
NAMES = ["Walburga", "Xaver", "Rosa", "Ada"]


def fill(session: Session, project: Project) -> dict[str, User]:
    """Ten tasks: eight that two people label, four of them gold items, and two that both report and skip."""
    people = {name: make_user(session, name.lower(), name=name) for name in ("Walburga", "Xaver")}
    people |= {
        name: make_user(session, name.lower(), role) for name, role in (("Rosa", "researcher"), ("Ada", "admin"))
    }
    tasks = [PANDAS] * 8 + [GREEK, TWO]
    made = [add_ranking_task(session, project, task, priority=20 - at) for at, task in enumerate(tasks)]
    for name, way in (("Walburga", 1), ("Xaver", -1)):
        for number in range(8):
            _rank(session, project, people[name], way if number < 4 else 1)
        _report(session, project, people[name], "unclear")
        _report(session, project, people[name], "harmful")
    for comparison in made[4:8]:
        _make_gold(session, comparison, people["Rosa"])
    session.execute(update(Ranking).values(created_at=Ranking.created_at - timedelta(hours=1)))
    session.expire_all()
    for outcome in ("x", "both", "own"):
        _decide(session, project, people["Rosa"], outcome)
    reported = prompt_reports.list_reported(session, project)
    prompt_reports.retire_prompt(session, project, reported[-1].prompt.id, people["Ada"], "9")
    session.flush()
    return people


def _rank(session: Session, project: Project, user: User, way: int) -> None:
    assignment = assignments.claim_assignment(session, project, user, "ranking")
    assert assignment is not None
    ids = sorted(assignment.order_shown)[::way]
    ratings = {key: {"overall": 7 - place, "flags": ["hallucination"]} for place, key in enumerate(ids)}
    draft = RankingDraft([[key] for key in ids], ratings, "1.")
    rankings.submit_ranking(session, assignment.id, user, uuid4(), draft, 60)


def _report(session: Session, project: Project, user: User, reason: str) -> None:
    assignment = assignments.claim_assignment(session, project, user, "ranking")
    assert assignment is not None
    prompt_reports.report_prompt(session, assignment.id, user, reason, "2.")
    prompt_reports.skip_task(session, assignment.id, user, reason)


def _make_gold(session: Session, comparison: Comparison, by: User) -> None:
    """The labels of the comparison become answers to it; the order that it wants is not what everybody said."""
    ids = sorted(str(one.id) for one in gold_items.get_comparison(session, comparison.id).completions)
    ids = ids[::-1] if comparison.id % 2 else ids
    flags = {ids[0]: {"must": [], "must_not": ["hallucination"]}}
    gold_items.set_gold_item(session, comparison, by, GoldDraft([[key] for key in ids], {ids[0]: [1, 2]}, flags, "3."))
    wanted = select(Ranking.id).where(Ranking.comparison_id == comparison.id)
    session.execute(update(Ranking).where(Ranking.id.in_(wanted)).values(purpose="gold"))


def _decide(session: Session, project: Project, user: User, choice: str) -> None:
    review = reviews.claim_review(session, project, user)
    assert review is not None
    ids = reviews.load_review(session, review.id, user).task.assignment.order_shown
    order = RankingDraft([ids], {key: {"overall": 4, "flags": []} for key in ids}, "4.") if choice == "own" else None
    reviews.decide_review(session, review.id, user, uuid4(), Decision(choice, "4.", order), 9)
