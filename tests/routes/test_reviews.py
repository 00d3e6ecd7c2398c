"""Reviews over HTTP: the page without scripts, what it does not tell, and the same by token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Comparison, Project, Ranking, Review, User
from app.services import adjudication, assignments, rankings, reviews
from app.services.rankings import RankingDraft
from tests.routes.conftest import Person

WHY = "It answers what was asked."


@pytest.fixture
def disputed(session: Session, project: Project, comparison: Comparison, make_person: Callable[..., Person]) -> Review:
    """Two labelers say the opposite of three responses."""
    project.overlap, project.review_above = 2, 0.3
    session.add(_slot(comparison))
    for name, way, comment in (("walburga", 1, "A is best."), ("xaver", -1, "No, C.")):
        person = make_person(name)
        assignment = assignments.claim_assignment(session, project, person.user, "ranking")
        assert assignment is not None
        ids = sorted(assignment.order_shown)[::way]
        ratings = {key: {"overall": 7 - place, "flags": ["hallucination"]} for place, key in enumerate(ids)}
        draft = RankingDraft([[key] for key in ids], ratings, comment)
        rankings.submit_ranking(session, assignment.id, person.user, uuid4(), draft)
    session.commit()
    return session.scalars(select(Review)).one()


def _slot(comparison: Comparison) -> Any:
    from app.models import Slot

    return Slot(
        project_id=comparison.project_id, kind="ranking", prompt_id=comparison.prompt_id,
        comparison_id=comparison.id, ordinal=2,
    )  # fmt: skip


def start(client: TestClient, sign_in: Callable[[User], str], person: Person) -> str:
    sign_in(person.user)
    answer = client.post("/projects/village/review")
    assert answer.status_code == 303
    return str(answer.headers["location"])


def test_a_review_is_done_without_scripts(
    client: TestClient, session: Session, sign_in: Any, disputed: Review, researcher: Person
) -> None:
    here = start(client, sign_in, researcher)
    page = client.get(here)
    assert page.status_code == 200
    refused = client.post(f"{here}/send", data={"choice": "x", "comment": " "})
    assert refused.status_code == 422
    assert "Say why in a sentence" in refused.text
    assert 'value="x" checked' in refused.text
    done = client.post(f"{here}/send", data={"choice": "x", "comment": WHY, "seen": "1.1", "key": str(uuid4())})
    assert (done.status_code, done.headers["location"]) == (303, "/projects/village/review")
    session.expire_all()
    assert (disputed.comment, disputed.decided_by_id) == (WHY, researcher.user.id)
    assert "Label X is right." in client.get(here).text
    undone = client.post(f"{here}/undo")
    assert undone.headers["location"] == here
    session.expire_all()
    assert disputed.outcome is None
    assert WHY in client.get(here).text


def test_an_own_order_is_made_on_the_ranking_page(
    client: TestClient, session: Session, sign_in: Any, disputed: Review, researcher: Person
) -> None:
    here = start(client, sign_in, researcher)
    answer = client.post(f"{here}/send", data={"choice": "own", "comment": WHY})
    assert answer.headers["location"] == f"{here}/order"
    page = client.get(f"{here}/order")
    assert page.status_code == 200
    assert WHY in page.text
    ids = reviews.load_review(session, disputed.id, researcher.user).task.assignment.order_shown
    form = {"comment": WHY} | {f"rating.{key}": "4" for key in ids} | {f"place.{key}": "1" for key in ids}
    short = client.post(f"{here}/order/send", data={**form, f"place.{ids[0]}": ""})
    assert short.status_code == 422
    assert "Give a place to A." in short.text
    assert client.post(f"{here}/order/send", data=form).status_code == 303
    session.expire_all()
    assert disputed.outcome == "own"
    assert session.get_one(Ranking, disputed.ranking_id).tiers == [ids]


def test_the_page_and_the_api_tell_nobodys_name(
    client: TestClient, sign_in: Any, disputed: Review, researcher: Person
) -> None:
    task = researcher.api.post("/projects/village/reviews/claim")
    here = start(client, sign_in, researcher)
    for text in (client.get(here).text, task.text):
        for word in ("walburga", "Walburga", "xaver", "Xaver", "checkpoint", "user_id", "logprob"):
            assert word not in text, word


def test_a_labeler_who_is_no_adjudicator_finds_nothing(
    client: TestClient,
    session: Session,
    sign_in: Any,
    disputed: Review,
    labeler: Person,
    project: Project,
    admin: Person,
) -> None:
    assert labeler.api.post("/projects/village/reviews/claim").status_code == 404
    sign_in(labeler.user)
    assert client.get("/projects/village/review").status_code == 404
    assert client.get(f"/reviews/{disputed.id}").status_code == 404
    assert "Review labels" not in client.get("/").text
    assert admin.api.put(f"/projects/village/adjudicators/{labeler.user.id}").status_code == 204
    assert "Review labels of Village" in client.get("/").text
    assert client.get("/projects/village/review").status_code == 200
    assert labeler.api.post("/projects/village/reviews/claim").status_code == 200
    assert admin.api.delete(f"/projects/village/adjudicators/{labeler.user.id}").status_code == 204
    assert client.get(f"/reviews/{disputed.id}").status_code == 404


def test_the_whole_of_a_review_by_token(disputed: Review, researcher: Person, session: Session) -> None:
    api, key = researcher.api, str(uuid4())
    task = api.post("/projects/village/reviews/claim").json()
    assert (task["disagreement"], len(task["differing_pairs"])) == (1.0, 3)
    assert sorted(key for tier in task["x"]["tiers"] for key in tier) == sorted(
        each["id"] for each in task["completions"]
    )
    assert api.put(f"/assignments/{task['assignment_id']}/draft", json={"choice": "y"}).status_code == 204
    assert api.get(f"/assignments/{task['assignment_id']}").json()["kind"] == "review"
    at = f"/reviews/{task['id']}"
    headers = {"Idempotency-Key": key}
    assert api.post(f"{at}/decision", json={"choice": "maybe", "comment": "x"}, headers=headers).status_code == 422
    own = {"tiers": [[each["id"] for each in task["completions"]]], "ratings": {each["id"]: {"overall": 5} for each in task["completions"]}}  # fmt: skip  # noqa: E501
    body = {"choice": "own", "comment": WHY, "order": own, "seen": [1, 1]}
    for _ in range(2):
        assert api.post(f"{at}/decision", json=body, headers=headers).json() == {"id": disputed.id}
    listed = api.get("/projects/village/reviews?state=done").json()
    assert [(one["outcome"], one["comment"]) for one in listed] == [("own", WHY)]
    assert api.get("/projects/village/agreement").json()["outcomes"]["own"] == 1
    assert api.post(f"{at}/undo").json()["draft"]["choice"] == "own"
    assert api.get("/projects/village/reviews?state=done").json() == []


def test_a_ranking_cannot_be_submitted_for_a_review(disputed: Review, researcher: Person) -> None:
    task = researcher.api.post("/projects/village/reviews/claim").json()
    body = {"tiers": [[each["id"]] for each in task["completions"]]}
    at = f"/assignments/{task['assignment_id']}/submission"
    answer = researcher.api.post(at, json=body, headers={"Idempotency-Key": str(uuid4())})
    assert answer.status_code == 422
    assert "review" in answer.json()["detail"]


def test_the_labeler_reads_the_outcome_and_not_by_whom(
    client: TestClient, session: Session, sign_in: Any, disputed: Review, researcher: Person
) -> None:
    reviews.claim_review(session, session.get_one(Project, disputed.project_id), researcher.user)
    reviews.decide_review(session, disputed.id, researcher.user, uuid4(), reviews.Decision("x", WHY))
    session.commit()
    right = disputed.first_id if disputed.outcome == "first" else disputed.second_id
    for label_id in (disputed.first_id, disputed.second_id):
        label = session.get_one(Ranking, label_id)
        sign_in(session.get_one(User, label.user_id))
        page = client.get(f"/history/ranking/{label_id}").text
        assert ("Yours is right" in page) == (label_id == right)
        assert ("The other label is right" in page) == (label_id != right)
        assert WHY in page
        assert "Rosa" not in page
        assert "/edit" not in page
        assert "Reviewed" in client.get("/history").text


def test_researchers_see_all_reviews_and_admins_choose_who_reviews(
    client: TestClient,
    session: Session,
    sign_in: Any,
    disputed: Review,
    admin: Person,
    labeler: Person,
    project: Project,
) -> None:
    sign_in(admin.user)
    page = client.get("/projects/village/reviews")
    assert "Walburga" in page.text
    assert "Xaver" in page.text
    client.post("/projects/village/adjudicators", data={"user_id": labeler.user.id})
    assert [user.id for user in adjudication.list_adjudicators(session, project)] == [labeler.user.id]
    assert client.post("/projects/village/adjudicators", data={"user_id": admin.user.id}).status_code == 422
    client.post(f"/projects/village/adjudicators/{labeler.user.id}/remove")
    session.expire_all()
    assert adjudication.list_adjudicators(session, project) == []


def test_the_settings_are_typed_in_percent(
    client: TestClient, session: Session, sign_in: Any, project: Project, admin: Person
) -> None:
    sign_in(admin.user)
    form = {
        "name": "Village", "responses_per_prompt": "4", "overlap": "1", "demonstration_threshold": "2",
        "ranking_threshold": "3", "comparisons_per_round": "4", "second_label_rate": "12.5", "review_above": "35 %",
        "review_rate": "", "algorithm": "ppo",
    }  # fmt: skip
    assert client.post("/projects/village/settings", data=form).status_code == 303
    session.expire_all()
    assert (project.second_label_rate, project.review_above, project.review_rate) == (0.125, 0.35, 0.0)
    assert 'value="12.5"' in client.get("/projects/village/settings").text
    german = {"Accept-Language": "de"}
    assert 'value="12,5"' in client.get("/projects/village/settings", headers=german).text
    again = client.post("/projects/village/settings", data=form | {"second_label_rate": "12,5"}, headers=german)
    session.expire_all()
    assert (again.status_code, project.second_label_rate) == (303, 0.125)
    for wrong in ("101", "a lot", "-1"):
        refused = client.post("/projects/village/settings", data=form | {"review_rate": wrong})
        assert refused.status_code == 422, wrong
        assert f'value="{wrong}"' in refused.text
    assert admin.api.patch("/projects/village/settings", json={"review_above": None}).json()["review_above"] is None
