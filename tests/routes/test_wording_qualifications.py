"""The pages of qualifications say nothing that cannot be translated, and what is stored stays English."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from app.models import Project, QualificationAttempt, User
from app.rules.label_schemas import DEFAULT_RESPONSE_FLAGS
from app.services import qualification_attempts, qualification_grants
from tests.qualifying import ITEMS, WRITING, make_qualification, take, wrong_answer
from tests.routes.conftest import Person
from tests.seed import make_user
from tests.wording import forgotten, prose, speak_wide

SignIn = Callable[..., str]
FLAGS = [text for flag in DEFAULT_RESPONSE_FLAGS for text in (flag["label"], flag["key"])]
PEOPLE = ("Petra", "Fay", "Wim", "Quin", "Rita", "Sue", "Scratch", "Ada")
STORED = (
    "Qualification for",
    "Village",
    "village",
    "Cooking",
    "A mistake",
    "By hand",
    "For the tests.",
    "items.jsonl",
    "Who asks?",
    "The miller.",
    "Marta.",
)
DATA = [*FLAGS, *PEOPLE, *[name.lower() for name in PEOPLE], *STORED]


@pytest.fixture
def places(session: Session, world: dict[str, Any], admin: Person) -> list[tuple[User, str]]:
    """(who, address) of every page of a qualification, in each of its states."""
    project, ada = session.query(Project).one(), admin.user
    petra, fay, wim, quin, rita, sue = (make_user(session, name.lower(), name=name) for name in PEOPLE[:6])
    make_qualification(session, project, ada, topics=["Cooking"], attempts_allowed=1)
    passed, failed = take(session, project, petra), take(session, project, fay, right=False)
    withdrawn = take(session, project, wim)
    qualification_grants.withdraw_attempt(session, withdrawn.id, ada, "A mistake")
    every = [*ITEMS, WRITING, {**WRITING, "stage": "practice", "explanation": "Says what to do."}]
    second = make_qualification(session, project, ada, items=every)  # type: ignore[arg-type]
    waiting = take(session, project, quin)
    begun = qualification_attempts.begin_attempt(session, project, rita)
    qualification_attempts.state_topics(session, begun.id, rita, [])
    sitting = qualification_attempts.load_sitting(session, begun.id, rita)
    for question in sitting.questions[:3]:
        said = wrong_answer(question, sitting.flags)
        qualification_attempts.give_answer(session, begun.id, rita, question.number, said)
    qualification_grants.grant(session, project, sue, "exemption", "By hand", ada)
    revoked = qualification_grants.grant(session, project, fay, "attempt", "By hand", ada)
    qualification_grants.revoke_grant(session, revoked.id, ada, "A mistake")
    draft = make_qualification(session, project, ada, items=every, publish=False)  # type: ignore[arg-type]
    session.commit()
    start, at = "/projects/village/qualification", "/qualification-attempts"
    hers = [(one, start) for one in (petra, fay, quin, rita, sue, ada)]
    hers += [(petra, f"{at}/{passed.id}"), (fay, f"{at}/{failed.id}"), (wim, f"{at}/{withdrawn.id}")]
    hers += [(quin, f"{at}/{waiting.id}"), (rita, f"{at}/{begun.id}"), (rita, f"{at}/{begun.id}/topics")]
    hers += [(rita, f"{at}/{begun.id}/items/{number}") for number in range(1, len(every) + 1)]
    reviews = [f"{at}/{one.id}/review" for one in (passed, failed, withdrawn, waiting, begun)]
    forms = [f"/qualifications/{draft.id}/items/new?kind={kind}" for kind in ("flags", "ranking", "demonstration")]
    theirs = [f"/qualifications/{one.id}" for one in (draft, second)]
    theirs += [f"{theirs[0]}/preview/{number}" for number in range(1, len(every) + 1)]
    theirs += [f"{theirs[0]}?saved=true&imported=2", f"{theirs[0]}/preview/1?answered=yes&flag=sexual"]
    theirs += [f"/qualification-items/{draft.items[0].id}", "/projects/village/qualifications/ratings?rated=true"]
    theirs += ["/projects/village/qualifications", *reviews, *forms]
    return [*hers, *((ada, path) for path in theirs)]


def test_pages_of_qualifications_say_only_what_is_marked(
    client: TestClient,
    places: list[tuple[User, str]],
    sign_in: SignIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    speak_wide(monkeypatch)
    said: dict[str, list[str]] = {}
    for user, path in places:
        sign_in(user)
        answer = client.get(path)
        assert answer.status_code == 200, path
        texts = prose(answer.text)
        assert any("ｅ" in text for text in texts), path
        if left := forgotten(texts, DATA):
            said[path] = left
    assert said == {}


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/qualifications/{draft}", {"title": "", "flags_cutoff": "900", "ratings_needed": "9", "topics": "1\n1"}),
        ("/qualifications/{draft}", {"title": "1", "flags_cutoff": "?"}),
        ("/qualifications/{draft}/items", {"kind": "flags", "stage": "?"}),
        ("/qualifications/{draft}/items", {"kind": "flags", "stage": "practice", "flag": "1", "conversation": "1"}),
        ("/qualifications/{draft}/items", {"kind": "ranking", "response.A": "1", "response.B": "1"}),
        ("/qualification-attempts/{attempt_id}/items/1", {"text": " "}),
        ("/projects/village/qualification-grants", {"username": "scratch", "kind": "?", "reason": "1"}),
        ("/projects/village/qualification-grants", {"username": "scratch", "kind": "attempt", "reason": ""}),
        ("/qualification-answers/{answer_id}/rating", {"rating": "8"}),
        ("/qualification-grants/{grant_id}/revoke", {"reason": " "}),
        ("/qualifications/{qualification_id}/end", {}),
    ],
)
def test_refusals_of_qualifications_say_only_what_is_marked(
    path: str,
    form: dict[str, str],
    client: TestClient,
    session: Session,
    world: dict[str, Any],
    admin: Person,
    sign_in: SignIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = session.query(Project).one()
    draft = make_qualification(session, project, admin.user, publish=False)
    session.commit()
    sign_in(admin.user)
    speak_wide(monkeypatch)
    answer = client.post(path.format(draft=draft.id, **world), data=form)
    assert answer.status_code >= 400
    assert forgotten(prose(answer.text), [*DATA, "ranking", "demonstration", "flags"]) == []


def test_an_import_that_is_refused_says_only_what_is_marked(
    client: TestClient,
    session: Session,
    world: dict[str, Any],
    admin: Person,
    sign_in: SignIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draft = make_qualification(session, session.query(Project).one(), admin.user, publish=False)
    session.commit()
    sign_in(admin.user)
    speak_wide(monkeypatch)
    lines = b'1\n{\n{"kind": "flags", "prompt": "1", "response": "1", "gold": 1}\n{"x1": 1}\n'
    answer = client.post(f"/qualifications/{draft.id}/items/import", files={"file": ("items.jsonl", lines)})
    assert answer.status_code == 422
    assert forgotten(prose(answer.text), DATA) == []


def test_reasons_are_stored_in_english_and_shown_in_the_readers_language(
    client: TestClient, session: Session, world: dict[str, Any], admin: Person, sign_in: SignIn
) -> None:
    project, fay = session.query(Project).one(), make_user(session, "fay")
    make_qualification(session, project, admin.user)
    attempt = qualification_attempts.begin_attempt(session, project, fay)
    sitting = qualification_attempts.load_sitting(session, attempt.id, fay)
    for question in sitting.questions:
        said = wrong_answer(question, sitting.flags)
        qualification_attempts.give_answer(session, attempt.id, fay, question.number, said)
    session.commit()
    german = {"Accept-Language": "de"}
    sign_in(fay)
    client.post(f"/qualification-attempts/{attempt.id}/send", headers=german)
    session.expire_all()
    stored = session.get_one(QualificationAttempt, attempt.id)
    assert stored.reason is not None
    assert stored.reason.startswith("Flags: 0 %, below the cut-off of 75 %.")
    assert stored.figures is not None
    assert "flags that apply were found" in stored.figures[0]["note"]
    result = client.get(f"/qualification-attempts/{attempt.id}", headers=german).text
    assert "0 von 2 zutreffenden Markierungen gefunden" in result
    assert "were found" not in result
    sign_in(admin.user)
    review = f"/qualification-attempts/{attempt.id}"
    assert "Markierungen: 0 %, unter der Schwelle von 75 %." in client.get(f"{review}/review", headers=german).text
    client.post(f"{review}/withdraw", data={"reason": "A mistake"}, headers=german)
    session.expire_all()
    assert session.get_one(QualificationAttempt, attempt.id).reason == "Withdrawn: A mistake"
    assert "Zurückgezogen: A mistake" in client.get(f"{review}/review", headers=german).text
