"""Qualifications over HTTP: the pages of those who build, a labeler's way through, and the JSON twin of both."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import (
    Comparison,
    Project,
    Qualification,
    QualificationAttempt,
    QualificationGrant,
    QualificationItem,
    User,
)
from app.services import qualification_attempts, users
from tests.qualifying import ITEMS, WRITING, make_qualification, right_answer, take

OVERVIEW = "/projects/village/qualifications"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def as_user(client: TestClient, session: Session) -> Callable[..., Any]:
    """Ask as somebody: a GET, or a POST of a form."""

    def of(user: User) -> Callable[..., Any]:
        cookie = {"Cookie": f"tutelage={users.start_session(session, user)}"}
        session.commit()

        def ask(path: str, form: dict[str, Any] | None = None, **options: Any) -> Any:
            if form is None and not options:
                return client.get(path, headers=cookie)
            return client.post(path, data=form, headers=cookie, **options)

        return ask

    return of


@pytest.fixture
def qualification(session: Session, project: Project, admin: Any) -> Qualification:
    made = make_qualification(session, project, admin.user, items=[*ITEMS, WRITING], topics=["Cooking", "Law"])
    session.commit()
    return made


def items_of(session: Session) -> list[QualificationItem]:
    session.expire_all()
    return list(session.scalars(select(QualificationItem).order_by(QualificationItem.ordinal)))


# Building


def test_an_admin_builds_publishes_and_ends_a_qualification(
    session: Session, project: Project, admin: Any, as_user: Any
) -> None:
    ask = as_user(admin.user)
    assert "There is none yet." in ask(OVERVIEW).text
    here = ask(OVERVIEW, {}).headers["location"]
    assert ask(OVERVIEW, {}).headers["location"] == here  # the draft that there is
    refused = ask(f"{here}/publish", {})
    assert refused.status_code == 422
    assert "at least one item" in refused.text
    form = {
        "kind": "flags",
        "stage": "test",
        "conversation": "Who?",
        "response.A": HOSTILE,
        "flag": ["violent", "sexual"],
    }
    assert ask(f"{here}/items", form).headers["location"] == f"{here}#items"
    ranking = {"kind": "ranking", "stage": "practice", "conversation": "=== system ===\nBe kind.\n=== user ===\nWho?"}
    answers = {"response.A": "Marta.", "place.A": "2", "response.C": "Old Marta.", "place.C": "1"}
    assert ask(f"{here}/items", ranking | answers | {"explanation": "Fuller."}).status_code == 303
    first, second = items_of(session)
    assert (first.kind, first.responses, first.gold) == ("ranking", ["Marta.", "Old Marta."], [2, 1])
    assert first.messages[0] == {"role": "system", "content": "Be kind."}
    assert (second.gold, second.ordinal) == (["sexual", "violent"], 2)
    shown = ask(here).text
    assert "Sexual content, Violent content" in shown
    assert HOSTILE not in ask(f"{here}/preview/2").text
    assert ask(f"{here}/publish", {}).headers["location"] == OVERVIEW
    session.refresh(project)
    assert f"/qualifications/{project.qualification_id}" == here
    assert ask(f"{here}/end", {}).status_code == 303
    session.refresh(project)
    assert project.qualification_id is None


def test_a_refused_item_comes_back_whole(session: Session, project: Project, admin: Any, as_user: Any) -> None:
    ask = as_user(admin.user)
    here = ask(OVERVIEW, {}).headers["location"]
    form = {"kind": "ranking", "stage": "practice", "conversation": HOSTILE, "response.A": "One.", "place.A": "7",
            "response.B": "Two.", "place.B": "x", "explanation": ""}  # fmt: skip
    answer = ask(f"{here}/items", form)
    assert answer.status_code == 422
    for words in ("A place is a whole number", "Explain the answer", "&lt;script&gt;", "Two.", 'value="7"'):
        assert words in answer.text
    assert items_of(session) == []


def test_settings_are_typed_in_percent_and_refused_ones_come_back(
    session: Session, project: Project, admin: Any, as_user: Any
) -> None:
    ask = as_user(admin.user)
    here = ask(OVERVIEW, {}).headers["location"]
    form = {"title": "Ours", "introduction": "Hello.", "topics": "Law\n\nCooking ", "flags": "rude: Rude",
            "flags_cutoff": "82.5", "ranking_cutoff": "", "demonstration_cutoff": "5.5", "ratings_needed": "2",
            "attempts_allowed": ""}  # fmt: skip
    assert ask(here, form).status_code == 303
    stored = session.scalars(select(Qualification)).one()
    assert (stored.flags_cutoff, stored.ranking_cutoff, stored.demonstration_cutoff) == (0.825, None, 5.5)
    assert (stored.topics, stored.flags) == (["Law", "Cooking"], [{"key": "rude", "label": "Rude"}])
    assert (stored.attempts_allowed, stored.exempts_held_out) == (None, False)
    for name, wrong in (("flags_cutoff", "120"), ("ratings_needed", "1.5"), ("attempts_allowed", "nan"), ("title", "")):
        answer = ask(here, form | {name: wrong, "introduction": "Kept <b>all</b> the same"})
        assert answer.status_code == 422, name
        assert "Kept &lt;b&gt;all&lt;/b&gt; the same" in answer.text
        assert f'id="{name}"' in answer.text
    session.expire_all()
    assert stored.introduction == "Hello."


def test_a_file_is_imported_whole_or_not_at_all(session: Session, project: Project, admin: Any, as_user: Any) -> None:
    ask = as_user(admin.user)
    here = ask(OVERVIEW, {}).headers["location"]
    good = json.dumps({"kind": "flags", "prompt": "Who?", "response": "Marta.", "gold": []})
    answer = ask(f"{here}/items/import", files={"file": ("items.jsonl", f"{good}\n{good[:-1]}\n{{}}\n")})
    assert answer.status_code == 422
    assert "Line 2: The line is no valid JSON" in answer.text
    assert "Line 3: Give either" in answer.text
    assert items_of(session) == []
    assert ask(f"{here}/items/import", files={"file": ("items.jsonl", f"{good}\n\n{good}")}).status_code == 303
    assert len(items_of(session)) == 2


def test_the_form_begins_with_a_comparison_of_the_project(
    session: Session, comparison: Comparison, admin: Any, as_user: Any
) -> None:
    ask = as_user(admin.user)
    here = ask(OVERVIEW, {}).headers["location"]
    assert f"comparison={comparison.id}" in ask(f"{here}/items/new?kind=ranking").text
    filled = ask(f"{here}/items/new?kind=ranking&comparison={comparison.id}").text
    for words in ("Question 0?", "Marta.", "The miller.", "Who asks?"):
        assert words in filled
    assert ask(f"{here}/items/new?kind=ranking&comparison=999").status_code == 404


def test_the_preview_compares_and_stores_nothing(
    session: Session, qualification: Qualification, researcher: Any, as_user: Any
) -> None:
    ask = as_user(researcher.user)
    at = f"/qualifications/{qualification.id}/preview"
    assert "Which of these apply" in ask(f"{at}/1").text
    shown = ask(f"{at}/1?answered=yes&flag=sexual").text
    assert "You agree in 6 of 8 boxes." in shown
    assert "insults the person" in shown
    assert "Give each response a place" in ask(f"{at}/2?answered=yes&place.A=1").text
    assert session.scalars(select(QualificationAttempt)).all() == []


# A labeler's way


def walk(ask: Any, session: Session, user: User, right: bool = True) -> str:
    """Through practice and test with forms alone; returns the attempt's address."""
    at = str(ask("/projects/village/qualification", {}).headers["location"]).split("/topics")[0].split("/items")[0]
    ask(f"{at}/topics", {"topic": ["Law"]})
    sitting = qualification_attempts.load_sitting(session, int(at.rsplit("/", 1)[1]), user)
    for question in sitting.questions:
        said = right_answer(question)
        form: dict[str, Any] = dict(said) if "text" in said else {"flag": said.get("flags", [])}
        for letter, place in zip("ABC", said.get("places", []), strict=False):
            form[f"place.{letter}"] = place if right else 4 - place
        if not right and "flags" in said:
            form["flag"] = ["sexual", "violent", "opinion"]
        assert ask(f"{at}/items/{question.number}", form).status_code == 303
    return at


def test_a_labeler_is_led_to_it_practises_with_feedback_and_waits(
    session: Session, qualification: Qualification, labeler: Any, as_user: Any, sign_in: Any
) -> None:
    sign_in(labeler.user)
    ask = as_user(labeler.user)
    assert "Qualify first" in ask("/").text
    assert "Qualify first" in ask("/projects/village/label").text
    assert ask("/projects/village/write", {}).headers["location"] == "/projects/village/qualification"
    start = ask("/projects/village/qualification").text
    assert "2 to flag, 1 to rank, 1 to write" in start
    at = ask("/projects/village/qualification", {}).headers["location"].removesuffix("/topics")
    assert ask(f"{at}/topics", {"topic": ["Law"]}).headers["location"] == f"{at}/items/1"
    assert ask(f"{at}/items/3").headers["location"] == at  # the test is shut until the practice is done
    assert ask(f"{at}/items/1", {"flag": ["sexual"]}).headers["location"] == f"{at}/items/1"
    feedback = ask(f"{at}/items/1").text
    for words in ("You agree in 6 of 8 boxes.", "insults the person", "left empty by both", "Try it again"):
        assert words in feedback
    again = ask(f"{at}/items/1?again=true").text
    assert "checked" not in again
    assert "insults the person" not in again
    refused = ask(f"{at}/items/2", {"place.A": "2", "place.B": "1"})
    assert refused.status_code == 422
    assert 'name="place.A" value="2" required checked' in refused.text
    assert walk(ask, session, labeler.user) == at
    assert "All answered." in ask(at).text
    assert ask(f"{at}/send", {}).headers["location"] == at
    assert "Researchers now read what you wrote" in ask(at).text
    assert ask(f"{at}/items/3").headers["location"] == at


def test_no_page_of_the_test_tells_a_gold_answer(
    session: Session, qualification: Qualification, labeler: Any, as_user: Any
) -> None:
    ask = as_user(labeler.user)
    at = walk(ask, session, labeler.user)
    for number in (3, 4, 5, 6):
        page = ask(f"{at}/items/{number}").text
        assert "Researchers</th>" not in page
        assert 'class="why"' not in page
    shown = labeler.api.get(at).json()
    for item in shown["items"]:
        assert (item["feedback"] is None) == (item["stage"] == "test")
        assert "gold" not in item


def test_whoever_fails_is_told_why_and_what_is_left(
    session: Session, qualification: Qualification, labeler: Any, as_user: Any
) -> None:
    ask = as_user(labeler.user)
    at = walk(ask, session, labeler.user, right=False)
    ask(f"{at}/send", {})
    told = ask(at).text
    for words in (
        "Not this time.",
        "75 % would have been needed",
        "You have 1 attempt left.",
        "could not change the outcome",
    ):
        assert words in told
    refused = labeler.api.post("/projects/village/assignments", json={"kind": "demonstration"})
    assert refused.status_code == 403
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["title"] == "Qualify first"
    assert refused.json()["qualification"] == "/projects/village/qualification"


def test_an_unfinished_test_is_not_sent(
    session: Session, qualification: Qualification, labeler: Any, as_user: Any
) -> None:
    ask = as_user(labeler.user)
    ask("/projects/village/qualification", {})
    attempt = session.scalars(select(QualificationAttempt)).one()
    at = f"/qualification-attempts/{attempt.id}"
    answer = ask(f"{at}/send", {})
    assert answer.status_code == 409
    assert "which topics" in answer.text
    ask(f"{at}/topics", {})
    assert "Not answered yet: 3, 4, 5, 6." in ask(f"{at}/send", {}).text


# Those who run the project


def test_researchers_see_figures_and_rate_without_a_name(
    session: Session, project: Project, qualification: Qualification, labeler: Any, researcher: Any, as_user: Any
) -> None:
    attempt = take(session, project, labeler.user)
    session.commit()
    ask = as_user(researcher.user)
    assert "Rate 1 demonstration" in ask(OVERVIEW).text
    review = ask(f"/qualification-attempts/{attempt.id}/review").text
    assert "Held back" in review
    assert "Would you like company" not in review
    page = ask(f"{OVERVIEW}/ratings").text
    assert "Would you like company" in page
    assert "Lena" not in page
    (waiting,) = researcher.api.get("/projects/village/qualification-ratings").json()
    assert "lena" not in json.dumps(waiting).lower()
    form = f"/qualification-answers/{waiting['answer_id']}/rating"
    assert ask(form, {"rating": "9"}).status_code == 422
    assert ask(form, {"rating": "7"}).headers["location"] == f"{OVERVIEW}/ratings?rated=true"
    assert "That was the last one." in ask(f"{OVERVIEW}/ratings?rated=true").text
    assert "Rated 7 of 7." in ask(f"/qualification-attempts/{attempt.id}/review").text
    table = ask(OVERVIEW).text
    assert "1 passed" in table
    assert "Lena" in table


def test_an_admin_grants_revokes_and_withdraws_with_reasons(
    session: Session, project: Project, qualification: Qualification, labeler: Any, admin: Any, as_user: Any
) -> None:
    attempt = take(session, project, labeler.user)
    session.commit()
    ask = as_user(admin.user)
    grants = "/projects/village/qualification-grants"
    refused = ask(grants, {"username": "lena", "kind": "exemption", "reason": " "})
    assert refused.status_code == 422
    assert "Give the reason" in refused.text
    assert ask(grants, {"username": "lena", "kind": "exemption", "reason": "Worked here."}).status_code == 303
    grant = session.scalars(select(QualificationGrant)).one()
    assert "Worked here." in ask(OVERVIEW).text
    assert ask(f"/qualification-grants/{grant.id}/revoke", {"reason": "Over."}).status_code == 303
    assert ask(f"/qualification-grants/{grant.id}/revoke", {"reason": "Over."}).status_code == 409
    at = f"/qualification-attempts/{attempt.id}"
    assert ask(f"{at}/withdraw", {"reason": ""}).status_code == 422
    assert ask(f"{at}/withdraw", {"reason": "Shared."}).status_code == 303
    assert "Withdrawn: Shared." in as_user(labeler.user)(at).text


def test_an_admin_changes_the_group_on_the_page_and_by_api(
    session: Session, labeler: Any, admin: Any, as_user: Any
) -> None:
    ask = as_user(admin.user)
    path = f"/users/{labeler.user.id}/group"
    assert ask(path, {"group": "held_out"}).status_code == 303
    assert "Let train" in ask("/users").text
    assert ask(path, {"group": "other"}).status_code == 422
    assert admin.api.post(path, json={"group": "training"}).json()["group"] == "training"
    assert admin.api.post(path, json={"group": "other"}).status_code == 422


# The API


def test_a_program_builds_a_qualification(project: Project, admin: Any, labeler: Any) -> None:
    draft = admin.api.post("/projects/village/qualifications").json()
    here = f"/qualifications/{draft['id']}"
    changed = admin.api.patch(here, json={"title": "Ours", "flags_cutoff": None, "attempts_allowed": 3})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["title"], changed.json()["flags_cutoff"]) == ("Ours", None)
    assert admin.api.patch(here, json={"colour": "red"}).status_code == 422
    item = {
        "kind": "flags",
        "messages": [{"role": "user", "content": "Who?"}],
        "responses": ["Me."],
        "gold": ["violent"],
    }
    made = admin.api.post(f"{here}/items", json=item)
    assert made.status_code == 201, made.text
    wrong = admin.api.post(f"{here}/items", json=item | {"gold": ["shiny"]})
    assert wrong.json()["errors"][0]["field"] == "gold"
    rows = b'{"kind": "demonstration", "prompt": "Who?"}\n{"kind": "flags"}\n'
    refused = admin.api.post(f"{here}/items/import", content=rows)
    assert (refused.status_code, refused.json()["errors"][0]["line"]) == (422, 2)
    assert admin.api.post(f"{here}/items/import", content=rows.split(b"\n")[0]).json() == {"imported": 1}
    moved = admin.api.post(f"/qualification-items/{made.json()['id']}/move", json={"step": 1}).json()
    assert moved["ordinal"] == 2
    other = admin.api.put(f"/qualification-items/{moved['id']}", json=item | {"gold": []}).json()
    assert other["gold"] == []
    first = admin.api.get(here).json()["items"][0]
    assert admin.api.delete(f"/qualification-items/{first['id']}").status_code == 204
    assert admin.api.post(f"{here}/publish").json()["least_version"] == 1
    assert labeler.api.get("/projects/village/qualification").json()["qualified"] is False
    assert admin.api.delete(here).status_code == 409
    listed = admin.api.get("/projects/village/qualifications").json()["versions"]
    assert [(one["in_force"], one["items"]) for one in listed] == [(True, 1)]
    assert admin.api.post(f"{here}/end").status_code == 200
    assert labeler.api.get("/projects/village/qualification").json()["qualified"] is True


def test_a_program_takes_a_qualification(
    session: Session, qualification: Qualification, labeler: Any, researcher: Any, admin: Any
) -> None:
    begun = labeler.api.post("/projects/village/qualification-attempts")
    assert begun.status_code == 201, begun.text
    at = f"/qualification-attempts/{begun.json()['id']}"
    assert begun.json()["topics_asked"] == ["Cooking", "Law"]
    assert labeler.api.put(f"{at}/topics", json={"topics": ["Law"]}).json()["topics"] == ["Law"]
    assert labeler.api.put(f"{at}/items/3/answer", json={"flags": []}).status_code == 409
    assert labeler.api.put(f"{at}/items/1/draft", json={"any": ["thing"]}).status_code == 204
    assert labeler.api.put(f"{at}/items/1/answer", json={"places": [1]}).status_code == 422
    assert labeler.api.put(f"{at}/items/99/answer", json={"flags": []}).status_code == 404
    sitting = qualification_attempts.load_sitting(session, begun.json()["id"], labeler.user)
    for question in sitting.questions:
        answer = labeler.api.put(f"{at}/items/{question.number}/answer", json=right_answer(question))
        assert answer.status_code == 200, answer.text
        feedback = answer.json()["feedback"]
        assert (feedback is None) != question.practice
        if feedback and feedback["places"]:
            assert feedback["places"] == right_answer(question)["places"]
    sent = labeler.api.post(f"{at}/submission").json()
    assert sent["state"] == "waiting"
    assert labeler.api.post(f"{at}/submission").json() == sent
    (waiting,) = researcher.api.get("/projects/village/qualification-ratings").json()
    rating = f"/qualification-answers/{waiting['answer_id']}/rating"
    assert labeler.api.put(rating, json={"rating": 7}).status_code == 403
    assert researcher.api.put(rating, json={"rating": 7}).json() == {"state": "passed"}
    (listed,) = researcher.api.get("/projects/village/qualification-attempts?state=passed").json()["attempts"]
    assert (listed["username"], [figure["part"] for figure in listed["figures"]]) == (
        "lena",
        ["flags", "ranking", "demonstration"],
    )
    claim = labeler.api.post("/projects/village/assignments", json={"kind": "demonstration"})
    assert claim.status_code == 201
    taken = admin.api.post(f"{at}/withdraw", json={"reason": "Shared."})
    assert taken.json()["state"] == "withdrawn"
    assert labeler.api.post("/projects/village/assignments", json={"kind": "ranking"}).status_code == 403


def test_a_program_grants_and_revokes(qualification: Qualification, labeler: Any, admin: Any) -> None:
    body = {"username": "lena", "kind": "exemption", "reason": "Worked here."}
    made = admin.api.post("/projects/village/qualification-grants", json=body)
    assert made.status_code == 201, made.text
    assert labeler.api.post("/projects/village/assignments", json={"kind": "demonstration"}).status_code == 201
    assert (
        admin.api.post("/projects/village/qualification-grants", json=body | {"username": "nobody"}).status_code == 404
    )
    revoked = admin.api.post(f"/qualification-grants/{made.json()['id']}/revoke", json={"reason": "Over."})
    assert revoked.json()["revoke_reason"] == "Over."
    assert [one["kind"] for one in admin.api.get("/projects/village/qualification-grants").json()] == ["exemption"]
