"""RELIABILITY, security 15 to 17: who may do what, on every route there is; blindness; tokens.

A new route fails here until it stands in one of the lists.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from app.models import Adjudicator, ApiToken, Comparison, Project, User
from app.models.columns import TaskKind
from app.services import assignments, demonstrations, passwords, qualification_attempts, qualifications, users
from tests.routes.walk import all_routes, fill

API = "/api/v1"
OPEN = {
    ("GET", "/health"),
    ("POST", "/display/language"),
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("POST", "/sign-out"),
    ("GET", "/invitations/{token}"),
    ("POST", "/invitations/{token}"),
}
LABELER = {
    ("GET", f"{API}/me"),
    ("GET", f"{API}/projects"),
    ("GET", f"{API}/projects/{{project}}"),
    ("GET", f"{API}/projects/{{project}}/guidelines"),
    ("GET", f"{API}/projects/{{project}}/guidelines/{{version}}"),
    ("POST", f"{API}/projects/{{project}}/guidelines/{{version}}/reading"),
    ("GET", f"{API}/projects/{{project}}/label-schema"),
    ("GET", f"{API}/projects/{{project}}/label-schemas/{{version}}"),
    ("POST", f"{API}/projects/{{project}}/assignments"),
    ("GET", f"{API}/assignments/{{assignment_id}}"),
    ("PUT", f"{API}/assignments/{{assignment_id}}/draft"),
    ("POST", f"{API}/assignments/{{assignment_id}}/renewal"),
    ("POST", f"{API}/assignments/{{assignment_id}}/ahead"),
    ("POST", f"{API}/assignments/{{assignment_id}}/release"),
    ("POST", f"{API}/assignments/{{assignment_id}}/leave"),
    ("POST", f"{API}/assignments/{{assignment_id}}/skip"),
    ("POST", f"{API}/assignments/{{assignment_id}}/submission"),
    ("POST", f"{API}/assignments/{{assignment_id}}/undo"),
    ("GET", f"{API}/labels/mine"),
    ("GET", f"{API}/me/work"),
    ("GET", "/me/work"),
    ("POST", f"{API}/assignments/{{assignment_id}}/report"),
    ("POST", "/assignments/{assignment_id}/report"),
    ("POST", f"{API}/projects/{{project}}/reviews/claim"),
    ("GET", f"{API}/reviews/{{review_id}}"),
    ("POST", f"{API}/reviews/{{review_id}}/decision"),
    ("POST", f"{API}/reviews/{{review_id}}/undo"),
    ("GET", "/projects/{slug}/review"),
    ("POST", "/projects/{slug}/review"),
    ("GET", "/reviews/{review_id}"),
    ("POST", "/reviews/{review_id}/submission"),
    ("POST", "/reviews/{review_id}/send"),
    ("POST", "/reviews/{review_id}/undo"),
    ("GET", "/reviews/{review_id}/order"),
    ("PUT", "/reviews/{review_id}/order/draft"),
    ("POST", "/reviews/{review_id}/order/submission"),
    ("POST", "/reviews/{review_id}/order/send"),
    *(
        (method, f"{API}/{kind}s/{{{kind}_id}}{action}")
        for kind in ("ranking", "demonstration")
        for method, action in (("PUT", ""), ("POST", "/withdraw"), ("POST", "/restore"), ("GET", "/revisions"))
    ),
    ("POST", f"{API}/assignments/{{assignment_id}}/warnings"),
    ("POST", f"{API}/completions/{{completion_id}}/edit"),
    ("POST", f"{API}/projects/{{project}}/prompts/write"),
    ("POST", f"{API}/projects/{{project}}/tokens"),
    ("POST", "/assignments/{assignment_id}/warnings"),
    ("GET", "/completions/{completion_id}/edit"),
    ("PUT", "/completions/{completion_id}/draft"),
    ("PUT", "/projects/{slug}/prompts/write/{kind}/draft"),
    ("POST", "/completions/{completion_id}/edit"),
    ("POST", "/completions/{completion_id}/submission"),
    ("GET", "/projects/{slug}/prompts/write"),
    ("POST", "/projects/{slug}/prompts/write"),
    ("POST", "/projects/{slug}/tokens"),
    ("GET", "/"),
    ("GET", "/history"),
    ("GET", "/history/{kind}/{label_id}"),
    ("GET", "/history/{kind}/{label_id}/edit"),
    ("PUT", "/history/{kind}/{label_id}/draft"),
    ("POST", "/history/{kind}/{label_id}/submission"),
    ("POST", "/history/{kind}/{label_id}/send"),
    ("POST", "/history/{kind}/{label_id}/discard"),
    ("POST", "/history/{kind}/{label_id}/withdraw"),
    ("POST", "/history/{kind}/{label_id}/restore"),
    ("GET", "/account"),
    ("POST", "/account/password"),
    ("GET", "/projects/{slug}"),
    ("GET", "/projects/{slug}/label"),
    ("GET", "/projects/{slug}/guidelines"),
    ("POST", "/projects/{slug}/guidelines/{version}/reading"),
    ("GET", "/projects/{slug}/rank"),
    ("POST", "/projects/{slug}/rank"),
    ("GET", "/projects/{slug}/write"),
    ("POST", "/projects/{slug}/write"),
    ("GET", "/assignments/{assignment_id}"),
    ("PUT", "/assignments/{assignment_id}/draft"),
    ("POST", "/assignments/{assignment_id}/lease"),
    ("POST", "/assignments/{assignment_id}/ahead"),
    ("POST", "/assignments/{assignment_id}/leave"),
    ("POST", "/assignments/{assignment_id}/resume"),
    ("POST", "/assignments/{assignment_id}/release"),
    ("POST", "/assignments/{assignment_id}/skip"),
    ("POST", "/assignments/{assignment_id}/submission"),
    ("POST", "/assignments/{assignment_id}/send"),
    ("POST", "/assignments/{assignment_id}/undo"),
    ("POST", "/preview"),
    ("GET", f"{API}/projects/{{project}}/qualification"),
    ("POST", f"{API}/projects/{{project}}/qualification-attempts"),
    ("GET", f"{API}/qualification-attempts/{{attempt_id}}"),
    ("PUT", f"{API}/qualification-attempts/{{attempt_id}}/topics"),
    ("PUT", f"{API}/qualification-attempts/{{attempt_id}}/items/{{number}}/draft"),
    ("PUT", f"{API}/qualification-attempts/{{attempt_id}}/items/{{number}}/answer"),
    ("POST", f"{API}/qualification-attempts/{{attempt_id}}/submission"),
    ("GET", "/projects/{slug}/qualification"),
    ("POST", "/projects/{slug}/qualification"),
    ("GET", "/qualification-attempts/{attempt_id}"),
    ("GET", "/qualification-attempts/{attempt_id}/topics"),
    ("POST", "/qualification-attempts/{attempt_id}/topics"),
    ("GET", "/qualification-attempts/{attempt_id}/items/{number}"),
    ("POST", "/qualification-attempts/{attempt_id}/items/{number}"),
    ("PUT", "/qualification-attempts/{attempt_id}/items/{number}/draft"),
    ("POST", "/qualification-attempts/{attempt_id}/send"),
}
RESEARCHER = {
    ("GET", f"{API}/projects/{{project}}/constitutions"),
    ("GET", f"{API}/projects/{{project}}/ai-labels"),
    ("GET", f"{API}/projects/{{project}}/ai-use"),
    ("GET", f"{API}/ai-labels/{{ai_label_id}}"),
    ("GET", "/projects/{slug}/ai"),
    ("GET", "/projects/{slug}/ai-labels"),
    ("GET", "/ai-labels/{ai_label_id}"),
    ("GET", f"{API}/projects/{{project}}/qualifications"),
    ("GET", f"{API}/qualifications/{{qualification_id}}"),
    ("GET", f"{API}/projects/{{project}}/qualification-attempts"),
    ("GET", f"{API}/projects/{{project}}/qualification-ratings"),
    ("GET", f"{API}/projects/{{project}}/qualification-grants"),
    ("PUT", f"{API}/qualification-answers/{{answer_id}}/rating"),
    ("GET", "/projects/{slug}/qualifications"),
    ("GET", "/projects/{slug}/qualifications/ratings"),
    ("GET", "/qualifications/{qualification_id}"),
    ("GET", "/qualifications/{qualification_id}/preview/{number}"),
    ("GET", "/qualification-attempts/{attempt_id}/review"),
    ("POST", "/qualification-answers/{answer_id}/rating"),
    ("GET", f"{API}/projects/{{project}}/positions"),
    ("GET", "/projects/{slug}/positions"),
    ("GET", f"{API}/projects/{{project}}/reviews"),
    ("GET", f"{API}/projects/{{project}}/agreement"),
    ("GET", f"{API}/projects/{{project}}/adjudicators"),
    ("GET", "/projects/{slug}/reviews"),
    ("GET", f"{API}/projects/{{project}}/settings"),
    ("GET", f"{API}/projects/{{project}}/label-schemas"),
    ("GET", f"{API}/projects/{{project}}/reliability"),
    ("GET", f"{API}/projects/{{project}}/gold-items"),
    ("POST", f"{API}/projects/{{project}}/gold-items"),
    ("DELETE", f"{API}/projects/{{project}}/gold-items/{{gold_item_id}}"),
    ("GET", "/projects/{slug}/labelers"),
    ("GET", "/projects/{slug}/gold-items/new"),
    ("GET", "/comparisons/{comparison_id}/gold"),
    ("POST", "/comparisons/{comparison_id}/gold"),
    ("POST", "/comparisons/{comparison_id}/gold/remove"),
    ("GET", f"{API}/projects/{{project}}/rounds"),
    ("GET", f"{API}/projects/{{project}}/estimates"),
    ("GET", f"{API}/projects/{{project}}/checkpoints"),
    ("GET", f"{API}/projects/{{project}}/jobs"),
    ("GET", f"{API}/projects/{{project}}/exports/{{kind}}.jsonl"),
    ("GET", f"{API}/checkpoints/{{checkpoint_id}}"),
    ("GET", f"{API}/checkpoints/{{checkpoint_id}}/lineage"),
    ("GET", f"{API}/jobs/{{job_id}}"),
    ("GET", f"{API}/jobs/{{job_id}}/events"),
    ("GET", f"{API}/demonstrations/{{demonstration_id}}/lineage"),
    ("GET", f"{API}/rankings/{{ranking_id}}/lineage"),
    ("GET", f"{API}/snapshots/{{snapshot_id}}"),
    ("GET", f"{API}/snapshots/{{snapshot_id}}/labels"),
    ("GET", "/projects/{slug}/checkpoints"),
    ("GET", "/projects/{slug}/data"),
    ("GET", "/projects/{slug}/exports/{kind}.jsonl"),
    ("GET", "/projects/{slug}/labels/{kind}"),
    ("GET", "/projects/{slug}/prompts"),
    ("GET", f"{API}/projects/{{project}}/pretraining"),
    ("GET", f"{API}/projects/{{project}}/pretraining-sets"),
    ("GET", f"{API}/pretraining-sets/{{set_id}}"),
    ("GET", f"{API}/pretraining-sets/{{set_id}}/texts.jsonl"),
    ("GET", "/projects/{slug}/pretraining"),
    ("GET", "/pretraining-sets/{set_id}"),
    ("GET", "/pretraining-sets/{set_id}/texts.jsonl"),
    ("GET", "/projects/{slug}/rounds"),
    ("GET", "/checkpoints/{checkpoint_id}"),
    ("GET", "/labels/{kind}/{label_id}"),
    ("GET", "/snapshots/{snapshot_id}"),
    ("GET", "/jobs/{job_id}"),
}
ADMIN = {
    ("POST", f"{API}/projects/{{project}}/constitutions"),
    ("POST", f"{API}/projects/{{project}}/ai-labels"),
    ("POST", "/projects/{slug}/ai/constitution"),
    ("POST", "/projects/{slug}/ai/weight"),
    ("POST", "/projects/{slug}/ai/jobs"),
    ("GET", f"{API}/projects/{{project}}/reports"),
    ("POST", f"{API}/projects/{{project}}/reports/{{prompt_id}}/resolution"),
    ("GET", "/projects/{slug}/reports"),
    ("POST", "/projects/{slug}/reports/{prompt_id}/keep"),
    ("POST", "/projects/{slug}/reports/{prompt_id}/retire"),
    ("POST", "/projects/{slug}/reports/{prompt_id}/restore"),
    ("PUT", f"{API}/projects/{{project}}/adjudicators/{{user_id}}"),
    ("DELETE", f"{API}/projects/{{project}}/adjudicators/{{user_id}}"),
    ("POST", "/projects/{slug}/adjudicators"),
    ("POST", "/projects/{slug}/adjudicators/{user_id}/remove"),
    ("POST", f"{API}/projects"),
    ("PATCH", f"{API}/projects/{{project}}/settings"),
    ("POST", f"{API}/projects/{{project}}/guidelines"),
    ("POST", f"{API}/projects/{{project}}/label-schema"),
    ("GET", f"{API}/projects/{{project}}/members"),
    ("PUT", f"{API}/projects/{{project}}/members/{{user_id}}"),
    ("DELETE", f"{API}/projects/{{project}}/members/{{user_id}}"),
    ("PATCH", f"{API}/users/{{user_id}}"),
    ("POST", f"{API}/projects/{{project}}/pause"),
    ("POST", f"{API}/projects/{{project}}/resume"),
    ("POST", f"{API}/projects/{{project}}/prompts"),
    ("POST", f"{API}/projects/{{project}}/demonstrations"),
    ("POST", f"{API}/projects/{{project}}/rounds"),
    ("POST", f"{API}/checkpoints/{{checkpoint_id}}/completions"),
    ("POST", f"{API}/jobs/{{job_id}}/cancel"),
    ("GET", f"{API}/users"),
    ("POST", f"{API}/users"),
    ("POST", f"{API}/users/{{user_id}}/link"),
    ("POST", f"{API}/users/{{user_id}}/disable"),
    ("POST", f"{API}/users/{{user_id}}/enable"),
    ("GET", f"{API}/tokens"),
    ("POST", f"{API}/tokens"),
    ("DELETE", f"{API}/tokens/{{token_id}}"),
    ("GET", "/users"),
    ("POST", "/users"),
    ("POST", "/users/{user_id}/link"),
    ("POST", "/users/{user_id}/disable"),
    ("POST", "/users/{user_id}/enable"),
    ("GET", "/projects/new"),
    ("POST", "/projects"),
    ("GET", "/projects/{slug}/members"),
    ("POST", "/projects/{slug}/members"),
    ("POST", "/projects/{slug}/members/{user_id}/remove"),
    ("GET", "/users/{user_id}/abilities"),
    ("POST", "/users/{user_id}/abilities"),
    ("GET", "/projects/{slug}/settings"),
    ("POST", "/projects/{slug}/settings"),
    ("POST", "/projects/{slug}/guidelines"),
    ("GET", "/projects/{slug}/label-schema"),
    ("POST", "/projects/{slug}/label-schema"),
    ("POST", "/projects/{slug}/prompts/import"),
    ("PUT", f"{API}/projects/{{project}}/pretraining"),
    ("POST", f"{API}/projects/{{project}}/pretraining"),
    ("DELETE", f"{API}/projects/{{project}}/pretraining"),
    ("POST", "/projects/{slug}/pretraining/import"),
    ("POST", "/projects/{slug}/pretraining/delete"),
    ("POST", "/projects/{slug}/pause"),
    ("POST", "/projects/{slug}/resume"),
    ("GET", "/projects/{slug}/rounds/new"),
    ("POST", "/projects/{slug}/rounds"),
    ("POST", "/jobs/{job_id}/cancel"),
    ("POST", "/labels/{kind}/{label_id}/withdraw"),
    ("POST", "/labels/{kind}/{label_id}/restore"),
    ("POST", f"{API}/projects/{{project}}/qualifications"),
    ("PATCH", f"{API}/qualifications/{{qualification_id}}"),
    ("DELETE", f"{API}/qualifications/{{qualification_id}}"),
    ("POST", f"{API}/qualifications/{{qualification_id}}/publish"),
    ("POST", f"{API}/qualifications/{{qualification_id}}/end"),
    ("POST", f"{API}/qualifications/{{qualification_id}}/items"),
    ("POST", f"{API}/qualifications/{{qualification_id}}/items/import"),
    ("PUT", f"{API}/qualification-items/{{item_id}}"),
    ("DELETE", f"{API}/qualification-items/{{item_id}}"),
    ("POST", f"{API}/qualification-items/{{item_id}}/move"),
    ("POST", f"{API}/qualification-attempts/{{attempt_id}}/withdraw"),
    ("POST", f"{API}/projects/{{project}}/qualification-grants"),
    ("POST", f"{API}/qualification-grants/{{grant_id}}/revoke"),
    ("POST", f"{API}/users/{{user_id}}/group"),
    ("POST", "/users/{user_id}/group"),
    ("POST", "/projects/{slug}/qualifications"),
    ("POST", "/projects/{slug}/qualification-grants"),
    ("POST", "/qualification-grants/{grant_id}/revoke"),
    ("POST", "/qualification-attempts/{attempt_id}/withdraw"),
    ("POST", "/qualifications/{qualification_id}"),
    ("POST", "/qualifications/{qualification_id}/publish"),
    ("POST", "/qualifications/{qualification_id}/end"),
    ("POST", "/qualifications/{qualification_id}/discard"),
    ("GET", "/qualifications/{qualification_id}/items/new"),
    ("POST", "/qualifications/{qualification_id}/items"),
    ("POST", "/qualifications/{qualification_id}/items/import"),
    ("GET", "/qualification-items/{item_id}"),
    ("POST", "/qualification-items/{item_id}"),
    ("POST", "/qualification-items/{item_id}/move"),
    ("POST", "/qualification-items/{item_id}/remove"),
}
SAFE = {"GET", "HEAD"}


@pytest.fixture
def values(world: dict[str, Any], session: Session, project: Project) -> Callable[[User], dict[str, Any]]:
    """What fills the addresses for a person: their own task, a demonstration of theirs, and one of everything else."""

    def of(user: User) -> dict[str, Any]:
        done = assignments.claim_task(session, project, user, TaskKind.DEMONSTRATION)
        assert done is not None
        session.add(Adjudicator(project_id=project.id, user_id=user.id))  # who is not gets 404: test_reviews.py
        own = demonstrations.submit_demonstration(session, done.assignment.id, user, uuid4(), "Mine.")
        task = assignments.claim_task(session, project, user, TaskKind.DEMONSTRATION)
        assert task is not None
        qualifications.publish_version(session, world["qualification_id"], user)
        attempt = qualification_attempts.begin_attempt(session, project, user)
        session.commit()
        mine = {"attempt_id": attempt.id, "assignment_id": task.assignment.id, "demonstration_id": own.id}
        return world | mine | {"ranking_id": 999_999}

    return of


def test_security_15_every_route_has_its_role(client: TestClient) -> None:
    routes = set(all_routes(client.app))
    assert routes - (OPEN | LABELER | RESEARCHER | ADMIN) == set()


def ask(client: TestClient, method: str, address: str, headers: dict[str, str]) -> Any:
    return client.request(method, address, headers=headers, content=b"")


@pytest.mark.parametrize("role", ["labeler", "researcher", "admin"])
def test_security_15_role_by_route(
    client: TestClient, session: Session, values: Any, make_person: Any, role: str
) -> None:
    """404 for looking and 403 for acting above one's role; at or below it neither."""
    person = make_person("pia", role)
    filled = values(person.user)
    allowed = LABELER | (RESEARCHER if role != "labeler" else set()) | (ADMIN if role == "admin" else set())
    cookie = {"Cookie": f"tutelage={users.start_session(session, person.user)}"}
    session.commit()
    for method, path in sorted(set(all_routes(client.app)) - OPEN):
        headers = {"Authorization": f"Bearer {person.token}"} if path.startswith(API) else cookie
        status = ask(client, method, fill(path, filled), headers).status_code
        if (method, path) not in allowed:
            assert status == (404 if method in SAFE else 403), (role, method, path, status)
        elif any(name in path for name in ("completion_id", "review_id")) or ("ranking_id" in path and method != "PUT"):
            # There is none; PUT asks for a body first.
            assert status in (404, 422), (role, method, path, status)
        else:
            assert status not in (401, 403, 404, 405), (role, method, path, status)
            assert status < 500, (role, method, path, status)


@pytest.mark.parametrize(
    ("path", "english", "german"),
    [
        ("/projects", "Only an admin may do this.", "Das darf nur die Administration."),
        (
            "/comparisons/1/gold",
            "Only researchers and admins may do this.",
            "Das dürfen nur das Forschungsteam und die Administration.",
        ),
    ],
)
def test_security_15_a_refusal_says_who_may_in_the_readers_language(
    client: TestClient, sign_in: Any, labeler: Any, path: str, english: str, german: str
) -> None:
    """And names no role by the word that is stored."""
    sign_in(labeler.user)
    for language, said in (("en", english), ("de", german)):
        refused = client.post(path, data={}, headers={"Accept-Language": language})
        assert refused.status_code == 403
        assert said in refused.text
    answer = labeler.api.post("/projects", json={}, headers={"Accept-Language": "de"})
    assert answer.json()["detail"] == "Das darf nur die Administration. Dafür braucht es den Bereich „admin“."


def test_security_15_nobody_without_signing_in(client: TestClient, values: Any, labeler: Any) -> None:
    filled = values(labeler.user)
    for method, path in sorted(set(all_routes(client.app)) - OPEN):
        answer = ask(client, method, fill(path, filled), {})
        if path.startswith(API) or method not in SAFE:
            assert answer.status_code == 401, (method, path)
        else:
            assert answer.status_code == 303, (method, path)
            assert answer.headers["location"].startswith("/sign-in?next=")


def test_security_15_an_unknown_project_is_404_for_everybody(client: TestClient, values: Any, admin: Any) -> None:
    filled = values(admin.user) | {"project": "nowhere"}
    for method, path in sorted(all_routes(client.app)):
        if "{project}" in path and method in SAFE:
            assert admin.api.request(method, fill(path, filled).removeprefix(API)).status_code == 404, path


def test_security_16_labelers_learn_no_model_and_no_labels_of_others(
    comparison: Comparison, labeler: Any, client: TestClient, session: Session
) -> None:
    """Nothing but ids, texts and their own work, in the JSON and on the page."""
    task = labeler.api.post("/projects/village/assignments", json={"kind": "ranking"})
    listed = json.dumps(task.json())
    for word in ("checkpoint", "model", "policy", "seed", "logprob", "sampl", "temperature", "LlamaForCausalLM"):
        assert word not in listed, word
    cookie = {"Cookie": f"tutelage={users.start_session(session, labeler.user)}"}
    session.commit()
    page = client.get(f"/assignments/{task.json()['id']}", headers=cookie)
    assert page.status_code == 200
    for word in ("checkpoint", "logprob", "temperature", "LlamaForCausalLM"):
        assert word not in page.text, word


def test_security_17_tokens_are_stored_hashed(labeler: Any, session: Session) -> None:
    assert session.scalar(select(ApiToken.token_hash)) == passwords.hash_token(labeler.token)
    assert labeler.token not in str(session.execute(text("SELECT * FROM api_tokens")).all())


def test_security_17_tokens_expire_and_are_revoked(labeler: Any, session: Session) -> None:
    assert labeler.api.get("/me").status_code == 200
    session.execute(update(ApiToken).values(expires_at=func.now()))
    session.commit()
    answer = labeler.api.get("/me")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    session.execute(update(ApiToken).values(expires_at=func.now() + text("interval '1 day'"), revoked_at=func.now()))
    session.commit()
    assert labeler.api.get("/me").status_code == 401


def test_security_17_a_scope_bounds_a_token(make_person: Any, project: Project) -> None:
    reader = make_person("ada", "admin", scopes=["read"])
    assert reader.api.get("/projects/village/rounds").status_code == 200
    for answer in (
        reader.api.post("/projects/village/rounds"),
        reader.api.post("/projects/village/assignments", json={"kind": "ranking"}),
        reader.api.post("/tokens", json={"name": "more"}),
    ):
        assert answer.status_code == 403
        assert "scope" in answer.json()["detail"]


def test_security_17_a_token_loses_what_its_person_loses(make_person: Any, session: Session) -> None:
    person = make_person("ada", "admin")
    assert person.api.get("/users").status_code == 200
    session.execute(update(User).values(role="labeler"))
    session.commit()
    assert person.api.get("/users").status_code == 404


def test_security_17_no_token_in_an_address(client: TestClient, labeler: Any) -> None:
    for name in ("token", "access_token", "api_key", "authorization"):
        assert client.get("/api/v1/me", params={name: labeler.token}).status_code == 401
    assert client.get("/api/v1/me", headers={"Cookie": f"tutelage={labeler.token}"}).status_code == 401


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer \x7f", "bearer nonsense", "token x"])
def test_security_17_malformed_headers_are_401(client: TestClient, header: str) -> None:
    assert client.get("/api/v1/me", headers={"Authorization": header}).status_code == 401


def test_the_cookie_opens_the_api_too(client: TestClient, session: Session, sign_in: Any, labeler: Any) -> None:
    sign_in(labeler.user)
    assert client.get("/api/v1/me").json()["username"] == "lena"
    assert client.get("/api/v1/users").status_code == 404
