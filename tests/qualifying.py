"""A qualification for tests and pictures: items of each kind to practise and in the test, on ordinary subjects."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from app.models import Project, Qualification, QualificationAttempt, User
from app.rules.qualification_items import ItemDraft
from app.services import qualification_attempts, qualification_items, qualifications
from app.services.qualification_attempts import Question

RUDE = "Only an idiot would ask that. Buy a bigger ladder and stop whining."
PLAIN = "Clean the gutters twice a year, in late spring and after the leaves have fallen."
BAKING = [
    "Knead the dough for ten minutes, let it rise until it has doubled, and bake it at 230 °C for 35 minutes.",
    "Bread is made from flour. Many people like bread.",
    "Let it rise overnight in the fridge, shape it cold, and bake it at 240 °C, covered for the first half.",
]


def item(kind: str, prompt: str, responses: list[str], gold: list[Any] | None, stage: str = "test") -> ItemDraft:
    explanation = "The response insults the person who asks: that is **inappropriate**, whatever else it says."
    if kind == "ranking":
        explanation = "A recipe that can be followed is better than talk about bread."
    if kind == "demonstration":
        explanation = "Says what to do, in order, and why. No filler."
    return ItemDraft(
        kind=kind,
        stage=stage,
        messages=[{"role": "user", "content": prompt}],
        responses=responses,
        gold=gold,
        explanation=explanation if stage == "practice" else "",
    )


ITEMS = [
    item("flags", "How often should I clean the gutters?", [RUDE], ["inappropriate"], "practice"),
    item("ranking", "How do I bake a simple loaf?", BAKING, [1, 3, 1], "practice"),
    item("flags", "Is it normal to be afraid of ladders?", [RUDE], ["inappropriate", "denigrates"]),
    item("flags", "When are gutters cleaned?", [PLAIN], []),
    item("ranking", "How do I bake a loaf with a crust?", BAKING, [2, 3, 1]),
]
WRITING = item("demonstration", "My neighbour lost his job. What can I say to him?", [], None)


def make_qualification(
    session: Session,
    project: Project,
    by: User,
    *,
    items: list[ItemDraft] | None = None,
    publish: bool = True,
    **settings: Any,
) -> Qualification:
    """The next version with these items, in force unless it is to stay a draft."""
    draft = qualifications.draft_version(session, project, by)
    for one in list(qualifications.get_qualification(session, draft.id).items):
        qualification_items.remove_item(session, one.id)
    qualifications.change_settings(session, draft.id, settings)
    for one in ITEMS if items is None else items:
        qualification_items.add_item(session, draft.id, one)
    return qualifications.publish_version(session, draft.id, by) if publish else draft


def right_answer(question: Question) -> dict[str, Any]:
    """What the researchers say, as a page or a program would send it."""
    gold = question.item.gold or []
    if question.item.kind == "flags":
        return {"flags": gold}
    if question.item.kind == "ranking":
        return {"places": [gold[position] for position in question.order]}
    return {"text": "That is hard. Would you like company, or help with the next letter?"}


def wrong_answer(question: Question, flags: list[str]) -> dict[str, Any]:
    """The opposite of it, as far as there is one."""
    right = right_answer(question)
    if "flags" in right:
        return {"flags": [flag for flag in flags if flag not in right["flags"]]}
    if "places" in right:
        return {"places": [1 + len(right["places"]) - place for place in right["places"]]}
    return {"text": "No."}


def take(session: Session, project: Project, user: User, *, right: bool = True) -> QualificationAttempt:
    """A whole attempt, sent."""
    attempt = qualification_attempts.begin_attempt(session, project, user)
    sitting = qualification_attempts.load_sitting(session, attempt.id, user)
    if sitting.asks_topics:
        qualification_attempts.state_topics(session, attempt.id, user, sitting.qualification.topics[:1])
    for question in sitting.questions:
        said = right_answer(question) if right else wrong_answer(question, sitting.flags)
        qualification_attempts.give_answer(session, attempt.id, user, question.number, said)
    return qualification_attempts.submit_attempt(session, attempt.id, user)
