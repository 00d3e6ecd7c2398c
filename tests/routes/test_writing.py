"""Writing over HTTP: the API of it, and the pages without a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Comparison, Demonstration, Project, Prompt, Ranking

ROUND = [{"role": "user", "content": "And who eats it?"}, {"role": "assistant", "content": "The village."}]
WRITE = "/projects/village/prompts/write"


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


def claim(person: Any, kind: str = "demonstration") -> dict[str, Any]:
    answer = person.api.post("/projects/village/assignments", json={"kind": kind})
    assert answer.status_code == 201, answer.text
    task: dict[str, Any] = answer.json()
    return task


@pytest.fixture
def switch(session: Session, project: Project) -> Callable[..., None]:
    def change(**values: Any) -> None:
        for name, value in values.items():
            setattr(project, name, value)
        session.commit()

    return change


def test_a_token_submits_turns_and_sources(project: Project, labeler: Any, session: Session, switch: Any) -> None:
    switch(chat=True)
    task = claim(labeler)
    body = {"text": "Marta.", "turns": ROUND, "sources": [{"url": "https://example.org"}], "pasted_share": 3}
    answer = labeler.api.post(f"/assignments/{task['id']}/submission", json=body, headers=key())
    assert answer.status_code == 201, answer.text
    stored = session.get_one(Demonstration, answer.json()["id"])
    assert (stored.turns, stored.pasted_share) == (ROUND, 1.0)
    assert stored.sources == [{"url": "https://example.org", "note": ""}]


def test_the_settings_say_what_may_be_written(admin: Any, labeler: Any, project: Project) -> None:
    changes = {"chat": True, "labelers_write_prompts": True, "use_case_texts": ["Letters."], "improves_responses": True}
    assert admin.api.patch("/projects/village/settings", json=changes).status_code == 200
    seen = labeler.api.get("/projects/village").json()
    assert {name: seen[name] for name in changes} == changes
    assert admin.api.patch("/projects/village/settings", json={"use_case_texts": [" "]}).status_code == 422


def test_tokens_and_warnings_of_a_task_of_ones_own(project: Project, labeler: Any, make_person: Any) -> None:
    task = claim(labeler)
    counted = labeler.api.post("/projects/village/tokens", json={"text": "Marta.", "assignment_id": task["id"]})
    assert counted.status_code == 200
    assert set(counted.json()) == {"tokens", "prompt_tokens", "limit", "reason"}
    noticed = labeler.api.post(f"/assignments/{task['id']}/warnings", json={"text": "Marta.", "pasted_share": 0.5})
    assert [warned["key"] for warned in noticed.json()["warnings"]] == ["pasted"]
    other = make_person("olga")
    assert other.api.post(f"/assignments/{task['id']}/warnings", json={"text": "x"}).status_code == 404
    told = other.api.post("/projects/village/tokens", json={"text": "x", "assignment_id": task["id"]})
    assert told.status_code == 404


def test_a_token_writes_prompts_where_the_project_allows_it(
    project: Project, labeler: Any, session: Session, switch: Any
) -> None:
    body = {
        "kind": "few_shot", "use_case": "classification", "instruction": "Good or bad?",
        "pairs": [{"query": "burnt", "response": "bad"}, {"query": "warm", "response": "good"}],
    }  # fmt: skip
    assert labeler.api.post(WRITE, json=body, headers=key()).status_code == 409
    switch(labelers_write_prompts=True)
    header = key()
    answers = [labeler.api.post(WRITE, json=body, headers=header) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert [prompt["messages"][-1]["content"] for prompt in answers[0].json()["prompts"]] == ["burnt", "warm"]
    again = labeler.api.post(WRITE, json=body, headers=key())
    assert again.status_code == 422
    assert "already" in again.json()["detail"]


def test_only_who_is_in_the_pool_writes_prompts_for_a_closed_project(
    client: TestClient, project: Project, labeler: Any, admin: Any, sign_in: Any, switch: Any
) -> None:
    switch(labelers_write_prompts=True, open_to_all=False)
    body = {"use_case": "rewrite", "text": "Say it in fewer words."}
    refused = labeler.api.post(WRITE, json=body, headers=key())
    assert (refused.status_code, "some people only" in refused.json()["detail"]) == (403, True)
    sign_in(labeler.user)
    assert client.get(WRITE).status_code == 403
    assert client.put(f"{WRITE}/plain/draft", json={"text": "Say"}).status_code == 403
    assert client.post(WRITE, data=body | {"kind": "plain", "key": str(uuid4())}).status_code == 403
    admin.api.put(f"/projects/village/members/{labeler.user.id}")
    assert client.get(WRITE).status_code == 200
    assert labeler.api.post(WRITE, json=body, headers=key()).status_code == 201


def test_a_token_betters_a_response_that_its_person_has_ranked(
    comparison: Comparison, labeler: Any, session: Session, switch: Any, researcher: Any
) -> None:
    switch(improves_responses=True)
    task = claim(labeler, "ranking")
    ids = [completion["id"] for completion in task["completions"]]
    edit = f"/completions/{ids[0]}/edit"
    assert labeler.api.post(edit, json={"text": "Old Marta."}, headers=key()).status_code == 404
    ranking = {"tiers": [ids], "ratings": {each: {"overall": 4} for each in ids}}
    sent = labeler.api.post(f"/assignments/{task['id']}/submission", json=ranking, headers=key())
    assert sent.status_code == 201, sent.text
    assert researcher.api.post(edit, json={"text": "Old Marta."}, headers=key()).status_code == 404
    header = key()
    stored = [labeler.api.post(edit, json={"text": "Old Marta."}, headers=header) for _ in range(3)]
    assert [answer.status_code for answer in stored] == [201] * 3
    assert len({answer.json()["id"] for answer in stored}) == 1
    assert session.scalars(select(Ranking.source).order_by(Ranking.id)).all() == ["labeler", "edit"]
    label = researcher.api.get(f"/demonstrations/{stored[0].json()['id']}/lineage").json()["label"]
    assert (label["source"], label["edited_completion_id"]) == ("edit", ids[0])


# ---- pages


def test_a_form_without_scripts_carries_rounds_and_sources_and_comes_back_whole(
    client: TestClient, project: Project, labeler: Any, sign_in: Any, session: Session, switch: Any
) -> None:
    switch(chat=True)
    sign_in(labeler.user)
    url = client.post("/projects/village/write").headers["location"]
    form = {
        "text": "Marta.\r\nShe does.", "turn.1.user": "And who eats it?", "turn.1.assistant": "", "turn.2.user": " ",
        "source.1.url": "example.org", "source.1.note": "The “hours” <b>", "source.2.url": "",
    }  # fmt: skip
    refused = client.post(f"{url}/send", data=form)
    assert refused.status_code == 422
    assert "answer in round 2 is empty" in refused.text
    for kept in ("Marta.\nShe does.", "And who eats it?", 'value="example.org"', "The “hours” &lt;b&gt;"):
        assert kept in refused.text
    refused = client.post(f"{url}/send", data=form | {"turn.1.assistant": "The village."})
    assert "no address of a web page" in refused.text
    form |= {"turn.1.assistant": "The village.", "source.1.url": "http://example.org"}
    assert client.post(f"{url}/send", data=form).status_code == 303
    stored = session.scalars(select(Demonstration)).one()
    assert (stored.text, stored.turns, stored.pasted_share) == ("Marta.\nShe does.", ROUND, None)
    assert stored.sources == [{"url": "http://example.org", "note": "The “hours” <b>"}]


def test_any_json_may_be_a_draft_of_a_chat_and_the_page_still_opens(
    client: TestClient, project: Project, labeler: Any, sign_in: Any, switch: Any
) -> None:
    switch(chat=True)
    sign_in(labeler.user)
    url = client.post("/projects/village/write").headers["location"]
    for draft in ({"turns": 3, "sources": "x"}, {"turns": [1, {"content": 2}, {"content": "odd"}], "sources": [None]}):
        assert client.put(f"{url}/draft", json=draft).status_code == 200
        assert client.get(url).status_code == 200, draft
    assert ">odd</textarea>" in client.get(url).text


def test_the_label_page_shows_what_was_noted(
    client: TestClient, project: Project, labeler: Any, researcher: Any, sign_in: Any, switch: Any
) -> None:
    switch(chat=True)
    task = claim(labeler)
    body = {
        "text": "Marta.",
        "turns": ROUND,
        "pasted_share": 0.62,
        "sources": [{"url": "https://e.org/<b>", "note": "<i>"}],
    }
    stored = labeler.api.post(f"/assignments/{task['id']}/submission", json=body, headers=key()).json()["id"]
    sign_in(researcher.user)
    page = client.get(f"/labels/demonstration/{stored}").text
    for shown in ("The village.", "62 % of the characters", "pasted", "https://e.org/&lt;b&gt;", "&lt;i&gt;"):
        assert shown in page
    assert "noopener noreferrer nofollow" in page


def test_a_refused_prompt_form_comes_back_whole(
    client: TestClient, project: Project, labeler: Any, sign_in: Any, session: Session, switch: Any
) -> None:
    switch(labelers_write_prompts=True)
    sign_in(labeler.user)
    form = {
        "kind": "few_shot", "key": str(uuid4()), "use_case": "rewrite", "instruction": "Kinder, <please>.",
        "pair.1.query": "Go away.", "pair.1.response": "Not now.", "pair.4.query": "You again?",
    }  # fmt: skip
    refused = client.post(WRITE, data=form)
    assert refused.status_code == 422
    for kept in ("Kinder, &lt;please&gt;.", "Go away.", "Not now.", "You again?", "Pair 2 has no response.",
                 'value="rewrite" checked', form["key"]):  # fmt: skip
        assert kept in refused.text
    answer = client.post(WRITE, data=form | {"pair.4.response": "Good to see you."})
    assert answer.headers["location"] == f"{WRITE}?kind=few_shot&stored=2"
    assert "2 examples are stored" in client.get(answer.headers["location"]).text
    assert client.post(WRITE, data=form | {"pair.4.response": "Good to see you."}).status_code == 303  # the same key
    assert session.scalar(select(func.count()).select_from(Prompt).where(Prompt.author_id.is_not(None))) == 2


def test_home_offers_prompts_only_where_they_are_wanted(
    client: TestClient, project: Project, labeler: Any, sign_in: Any, switch: Any
) -> None:
    sign_in(labeler.user)
    assert WRITE not in client.get("/").text
    assert client.get(WRITE).status_code == 409
    switch(labelers_write_prompts=True)
    assert WRITE in client.get("/").text
    assert "kind=user_based" not in client.get(WRITE).text
    switch(use_case_texts=["Letters <b>."])
    assert "Letters &lt;b&gt;." in client.get(f"{WRITE}?kind=user_based").text


def test_an_edit_by_form(
    client: TestClient, comparison: Comparison, labeler: Any, sign_in: Any, session: Session, switch: Any
) -> None:
    switch(improves_responses=True)
    task = claim(labeler, "ranking")
    ids = [completion["id"] for completion in task["completions"]]
    sign_in(labeler.user)
    edit = f"/completions/{ids[0]}/edit"
    assert client.get(edit).status_code == 404
    ranking = {"tiers": [ids], "ratings": {each: {"overall": 4} for each in ids}}
    labeler.api.post(f"/assignments/{task['id']}/submission", json=ranking, headers=key())
    assert edit in client.get(f"/assignments/{task['id']}").text
    original = task["completions"][0]["text"]
    page = client.get(edit)
    assert original in page.text
    assert "checkpoint" not in page.text
    refused = client.post(edit, data={"text": f"{original}\r\n", "source.1.url": "https://e.org"})
    assert refused.status_code == 422
    assert "still the response as it was" in refused.text
    assert "https://e.org" in refused.text
    sent = client.post(edit, data={"text": "Old Marta, at four."})
    assert sent.headers["location"] == "/projects/village/rank"
    assert "You have written a better one" in client.get(edit).text
    assert session.scalars(select(Demonstration)).one().text == "Old Marta, at four."
    sent_ranking = f"/history/ranking/{session.scalars(select(Ranking.id).where(Ranking.source == 'edit')).one()}"
    assert "You can restore both" in client.get(sent_ranking).text
    assert "Your better response" in client.get(sent_ranking).text
    listed = client.get("/history?kind=demonstration").text
    assert listed.count("Old Marta, at four.") == listed.count("<b>Better response</b>") == 1
    assert "Old Marta" not in client.get("/history?kind=ranking").text
    (mine,) = labeler.api.get("/labels/mine?kind=demonstration").json()
    assert (mine["better_text"], mine["state"]) == ("Old Marta, at four.", "sent")
    client.post(f"{sent_ranking}/withdraw")
    assert "Both count nowhere" in client.get(sent_ranking).text
    assert "You have withdrawn the better one" in client.get(edit).text
