"""Turns, sources and warnings as stored and exported; tokens; prompts by labelers; edits of responses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import Conflict, Invalid, NotFound
from app.models import (
    Assignment,
    Checkpoint,
    Comparison,
    Completion,
    Demonstration,
    Job,
    Project,
    Prompt,
    Ranking,
    Slot,
    User,
)
from app.services import (
    assignments,
    demonstrations,
    edits,
    exports,
    outcomes,
    rankings,
    rounds,
    snapshots,
    token_counts,
    written_prompts,
)
from app.services.answers import Details
from app.services.rankings import RankingDraft
from app.services.written_prompts import PromptDraft
from app.settings import ROOT

MakeProject = Callable[..., Project]
MakeUser = Callable[..., User]
ROUND = [{"role": "user", "content": "And who eats it? "}, {"role": "assistant", "content": "The village."}]
SOURCE = {"url": "https://example.org/bread", "note": "The hours."}


def answer(session: Session, project: Project, user: User, text: str = "Marta.", **details: Any) -> Demonstration:
    task = assignments.claim_task(session, project, user, "demonstration")
    assert task is not None
    return demonstrations.submit_demonstration(
        session, task.assignment.id, user, uuid4(), text, details=Details(**details)
    )


def native(session: Session, project: Project, kind: str = "demonstrations") -> list[dict[str, Any]]:
    return [json.loads(line) for line in exports.stream_export(session, project, kind)]


def test_an_answer_keeps_its_turns_sources_and_what_was_noticed(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project = make_project(chat=True)
    stored = answer(session, project, make_user("ada"), turns=ROUND, sources=[SOURCE], pasted_share=1.7)
    session.commit()
    session.expire_all()
    assert stored.turns == [{"role": "user", "content": "And who eats it?"}, ROUND[1]]
    assert (stored.sources, stored.pasted_share, stored.warnings) == ([SOURCE], 1.0, ["pasted"])
    (row,) = native(session, project)
    assert {name: row[name] for name in ("response", "turns", "sources", "pasted_share", "warnings")} == {
        "response": "Marta.",
        "turns": stored.turns,
        "sources": [SOURCE],
        "pasted_share": 1.0,
        "warnings": ["pasted"],
    }


def test_a_plain_answer_exports_the_row_that_it_always_did(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project = make_project()
    stored = answer(session, project, make_user("ada"))
    (row,) = native(session, project)
    assert (stored.turns, stored.sources, stored.pasted_share, stored.warnings) == (None, [], None, [])
    assert not {"turns", "sources", "pasted_share", "warnings", "edited_completion", "prompt_kind"} & set(row)


@pytest.mark.parametrize(
    ("details", "word"),
    [
        ({"turns": ROUND}, "one answer"),
        ({"sources": [{"url": "javascript:alert(1)"}]}, "no address"),
        ({"sources": [SOURCE] * 11}, "10"),
    ],
)
def test_a_refused_answer_keeps_the_task_open(
    session: Session, make_project: MakeProject, make_user: MakeUser, details: dict[str, Any], word: str
) -> None:
    project, ada = make_project(), make_user("ada")
    with pytest.raises(Invalid) as refused:
        answer(session, project, ada, **details)
    assert word in refused.value.detail
    session.rollback()
    assert session.scalar(select(func.count()).select_from(Demonstration)) == 0


def test_far_too_short_is_measured_by_what_the_project_is_used_to(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project, ada = make_project(prompt_count=2), make_user("ada")
    prompt = session.scalars(select(Prompt).order_by(Prompt.id)).first()
    assert prompt is not None
    prompt.messages = [{"role": "user", "content": "Explain why bread rises."}]
    for _ in range(20):
        session.add(Demonstration(project_id=project.id, prompt_id=prompt.id, text="word " * 100, source="import"))
    session.flush()
    stored = answer(session, project, ada, "Because of the yeast in the dough.")
    assert stored.warnings == ["far_too_short"]


def test_a_chat_reaches_the_job_folder_as_it_was_frozen(
    session: Session, make_project: MakeProject, make_user: MakeUser, tmp_path: Path
) -> None:
    project, ada = make_project(chat=True), make_user("ada")
    answer(session, project, ada, turns=ROUND)
    answer(session, project, ada, "Nobody.")
    snapshot = snapshots.freeze_snapshot(session, project, rounds.current_round(session, project.id), "demonstration")
    job = Job(
        project_id=project.id, kind="sft", state="running", input_hash="0" * 64, progress={},
        spec={"parent": session.scalars(select(Checkpoint.id)).one(), "snapshot": snapshot.id},
    )  # fmt: skip
    session.add(job)
    session.flush()
    outcomes.prepare_folder(session, job, tmp_path / "job")
    written = (tmp_path / "job/data/demonstrations.jsonl").read_bytes()
    assert written == snapshots.snapshot_file(snapshot).read_bytes()
    rows = [json.loads(line) for line in written.splitlines()]
    assert [row["response"] for row in rows] == ["Marta.", "Nobody."]
    assert rows[0]["turns"][-1] == {"role": "assistant", "content": "The village."}


def test_tokens_are_those_of_the_models_own_tokenizer(session: Session, make_project: MakeProject) -> None:
    from tokenizers import Tokenizer

    project = make_project()
    project.base_model = "starter/model"
    text = "Old Marta bakes the bread."
    expected = len(Tokenizer.from_file(str(ROOT / "starter/model/tokenizer.json")).encode(text).ids)
    counted = token_counts.count_tokens(project, text, [{"role": "user", "content": text}])
    assert (counted.tokens, counted.prompt_tokens, counted.reason) == (expected, expected, None)
    assert expected > 4


def test_the_limit_is_the_recipes_or_the_models(session: Session, make_project: MakeProject) -> None:
    project = make_project()
    project.base_model = "starter/model"
    of_model = json.loads((ROOT / "starter/model/config.json").read_text())["max_position_embeddings"]
    project.recipe = {"sft": {"max_length": 64}}
    assert token_counts.token_limit(project) == 64
    project.recipe = {"sft": {"max_length": 10 * of_model}}
    assert token_counts.token_limit(project) == of_model


def test_without_a_tokenizer_at_hand_nothing_is_counted_and_the_reason_is_said(
    session: Session, make_project: MakeProject, base_model: str
) -> None:
    project = make_project()
    counted = token_counts.count_tokens(project, "text")
    assert counted.tokens is None
    assert "tokenizer.json" in (counted.reason or "")
    (Path(base_model) / "tokenizer.json").write_text("{broken")
    assert token_counts.count_tokens(project, "text").tokens is None
    project.base_model = "someone/some-model"
    assert "this machine" in (token_counts.count_tokens(project, "text").reason or "")
    assert counted.limit == 512


# ---- prompts by labelers


def few_shot(*queries: str) -> PromptDraft:
    pairs = [(query, f"answer to {query}") for query in queries]
    return PromptDraft("few_shot", "classification", instruction="Good or bad?", pairs=pairs)


def plain(text: str) -> PromptDraft:
    return PromptDraft("plain", "generation", text)


def test_a_written_prompt_gets_slots_as_an_imported_one_does(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project, ada = make_project(prompt_count=0, overlap=3, labelers_write_prompts=True), make_user("ada")
    (prompt,) = written_prompts.write_prompt(session, project, ada, uuid4(), plain("  Why does bread rise? "))
    assert prompt.messages == [{"role": "user", "content": "Why does bread rise?"}]
    assert (prompt.kind, prompt.author_id, prompt.source, prompt.split) == ("plain", ada.id, "labeler", "train")
    assert session.scalar(select(func.count()).select_from(Slot).where(Slot.prompt_id == prompt.id)) == 3
    assert assignments.claim_task(session, project, make_user("bea"), "demonstration") is not None


def test_a_few_shot_set_makes_prompts_with_answers_of_one_group_and_split(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project, ada = make_project(prompt_count=0, labelers_write_prompts=True), make_user("ada", group="held_out")
    stored = written_prompts.write_prompt(session, project, ada, uuid4(), few_shot("burnt", "warm", "late"))
    assert len(stored) == 3
    assert {prompt.split for prompt in stored} == {"validation"}
    assert len({prompt.group_key for prompt in stored}) == 1
    rows = session.scalars(select(Demonstration).order_by(Demonstration.prompt_id)).all()
    assert [row.text for row in rows] == ["answer to burnt", "answer to warm", "answer to late"]
    assert {(row.user_id, row.source, row.guideline_version) for row in rows} == {(ada.id, "labeler", 1)}
    assert assignments.claim_task(session, project, make_user("bea"), "demonstration") is None


def test_the_same_key_stores_a_set_once(session: Session, make_project: MakeProject, make_user: MakeUser) -> None:
    project, ada, key = make_project(prompt_count=0, labelers_write_prompts=True), make_user("ada"), uuid4()
    first = written_prompts.write_prompt(session, project, ada, key, few_shot("burnt", "warm"))
    again = written_prompts.write_prompt(session, project, ada, key, few_shot("burnt", "warm"))
    assert [prompt.id for prompt in first] == [prompt.id for prompt in again]
    assert session.scalar(select(func.count()).select_from(Demonstration)) == 2


def test_an_authors_later_prompts_stay_in_the_split_of_the_first(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project, ada = make_project(prompt_count=0, labelers_write_prompts=True), make_user("ada")
    written_prompts.write_prompt(session, project, ada, uuid4(), plain("One?"))
    ada.labeler_group = "held_out"
    session.flush()
    (second,) = written_prompts.write_prompt(session, project, ada, uuid4(), plain("Two?"))
    assert second.split == "train"


def test_what_the_project_has_and_what_opens_alike_is_refused(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project, ada, bea = make_project(labelers_write_prompts=True), make_user("ada"), make_user("bea")
    with pytest.raises(Invalid, match="in the project already"):
        written_prompts.write_prompt(session, project, ada, uuid4(), plain("Question 1?"))
    long = "Write a letter to the council about the bread. " * 6
    written_prompts.write_prompt(session, project, ada, uuid4(), plain(long + "One."))
    with pytest.raises(Invalid, match="same 200 characters"):
        written_prompts.write_prompt(session, project, ada, uuid4(), plain(long + "Two."))
    written_prompts.write_prompt(session, project, bea, uuid4(), plain(long + "Three."))  # of another author


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (plain(" "), "text"),
        (PromptDraft("plain", "poetry", "x"), "use_case"),
        (PromptDraft("plain", "", "x"), "use_case"),
        (PromptDraft("user_based", "chat", "x", use_case_text="Made up."), "use_case_text"),
        (few_shot("one"), "pairs"),
        (few_shot("same", "same"), "pairs"),
        (few_shot(*map(str, range(11))), "pairs"),
        (PromptDraft("few_shot", "chat", instruction="", pairs=[("a", "b"), ("c", "d")]), "instruction"),
        (PromptDraft("few_shot", "chat", instruction="x", pairs=[("a", ""), ("c", "d")]), "pairs.1"),
        (plain("a\x00b"), "text"),
        (plain("x" * 20_001), "text"),
    ],
)
def test_a_faulty_prompt_names_its_field(
    session: Session, make_project: MakeProject, make_user: MakeUser, draft: PromptDraft, field: str
) -> None:
    project = make_project(prompt_count=0, labelers_write_prompts=True, use_case_texts=["Letters."])
    with pytest.raises(Invalid) as refused:
        written_prompts.write_prompt(session, project, make_user("ada"), uuid4(), draft)
    assert field in [error["field"] for error in refused.value.extra["errors"]]


def test_a_user_based_prompt_keeps_what_it_was_written_from(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    project = make_project(prompt_count=0, labelers_write_prompts=True, use_case_texts=["Letters."])
    draft = PromptDraft("user_based", "rewrite", "Make it kinder.", use_case_text="Letters.")
    (prompt,) = written_prompts.write_prompt(session, project, make_user("ada"), uuid4(), draft)
    project.use_case_texts = []
    session.flush()
    assert (prompt.kind, prompt.use_case_text) == ("user_based", "Letters.")


def test_prompts_are_written_only_where_the_project_allows_it(
    session: Session, make_project: MakeProject, make_user: MakeUser
) -> None:
    with pytest.raises(Conflict):
        written_prompts.write_prompt(session, make_project(), make_user("ada"), uuid4(), plain("Why?"))


# ---- edits


@pytest.fixture
def ranked(
    session: Session, make_project: MakeProject, make_user: MakeUser, compare: Callable[..., Comparison]
) -> tuple[Project, User, list[Completion]]:
    """A comparison of two that ada has ranked."""
    project, ada = make_project(improves_responses=True), make_user("ada")
    compare(project, session.scalars(select(Prompt).order_by(Prompt.id)).first(), ["Marta.", "The miler."])
    task = assignments.claim_task(session, project, ada, "ranking")
    assert task is not None
    tiers = [[key] for key in task.assignment.order_shown]
    ratings = {key: {"overall": 4} for key in task.assignment.order_shown}
    rankings.submit_ranking(session, task.assignment.id, ada, uuid4(), RankingDraft(tiers, ratings))
    session.commit()
    return project, ada, list(session.scalars(select(Completion).order_by(Completion.sample_index)))


def test_an_edit_is_a_demonstration_and_a_ranking_above_its_original(
    session: Session, ranked: tuple[Project, User, list[Completion]]
) -> None:
    project, ada, (_, original) = ranked
    stored = edits.submit_edit(session, original.id, ada, uuid4(), "The miller, Tom. ", Details(sources=[SOURCE]), 30.0)
    session.commit()
    assert (stored.text, stored.source, stored.edited_completion_id) == ("The miller, Tom.", "edit", original.id)
    assert stored.prompt_id == original.prompt_id
    ranking = session.scalars(select(Ranking).where(Ranking.source == "edit")).one()
    (better,), (worse,) = [[session.get_one(Completion, UUID(key)) for key in tier] for tier in ranking.tiers]
    assert (better.text, better.checkpoint_id, better.author_id) == ("The miller, Tom.", None, ada.id)
    assert (worse.text, worse.checkpoint_id, worse.author_id) == (original.text, original.checkpoint_id, None)
    assert better.original_id == worse.original_id == original.id
    assert ranking.comparison_id == better.comparison_id == worse.comparison_id != original.comparison_id
    assert (ranking.round_id, ranking.seconds) == (session.get_one(Comparison, original.comparison_id).round_id, 30.0)
    assert snapshots.count_labels(session, project.id, "ranking") == 2
    exported = native(session, project, "comparisons")[1]
    assert exported["source"] == "edit"
    seen = zip(exported["responses"], exported["ranks"], strict=True)
    assert sorted((response["text"], response["checkpoint"], rank) for response, rank in seen) == [
        ("The miler.", original.checkpoint_id, 2),
        ("The miller, Tom.", None, 1),
    ]


def test_an_edit_with_one_key_is_stored_once_and_there_is_one_for_a_response(
    session: Session, ranked: tuple[Project, User, list[Completion]]
) -> None:
    _, ada, (first, second) = ranked
    key = uuid4()
    ids = {edits.submit_edit(session, first.id, ada, key, "Old Marta.", Details()).id for _ in range(3)}
    assert len(ids) == 1
    assert session.scalar(select(func.count()).select_from(Comparison)) == 2
    with pytest.raises(Conflict, match="another text"):
        edits.submit_edit(session, second.id, ada, key, "The miller.", Details())
    with pytest.raises(Conflict, match="already"):
        edits.submit_edit(session, first.id, ada, uuid4(), "Marta, the baker.", Details())


@pytest.mark.parametrize("text", ["The miler.", " The miler.\r\n", "", "x" * 100_001])
def test_an_edit_that_changes_nothing_or_cannot_be_stored_is_refused(
    session: Session, ranked: tuple[Project, User, list[Completion]], text: str
) -> None:
    _, ada, (_, original) = ranked
    with pytest.raises(Invalid):
        edits.submit_edit(session, original.id, ada, uuid4(), text, Details())


def test_only_who_has_ranked_a_response_may_better_it(
    session: Session, ranked: tuple[Project, User, list[Completion]], make_user: MakeUser
) -> None:
    project, ada, (original, _) = ranked
    with pytest.raises(NotFound):
        edits.load_editable(session, original.id, make_user("bea"))
    with pytest.raises(NotFound):
        edits.load_editable(session, uuid4(), ada)
    edits.submit_edit(session, original.id, ada, uuid4(), "Old Marta.", Details())
    for made in session.scalars(select(Completion).where(Completion.original_id.is_not(None))):
        with pytest.raises(NotFound):  # an edit is not edited again
            edits.load_editable(session, made.id, ada)
    project.improves_responses = False
    session.flush()
    with pytest.raises(NotFound):
        edits.load_editable(session, original.id, ada)


def test_a_response_that_is_not_ranked_yet_cannot_be_bettered(
    session: Session, make_project: MakeProject, make_user: MakeUser, compare: Callable[..., Comparison]
) -> None:
    project, ada = make_project(improves_responses=True), make_user("ada")
    compare(project, session.scalars(select(Prompt)).first(), ["Marta.", "Tom."])
    task = assignments.claim_task(session, project, ada, "ranking")
    assert task is not None
    with pytest.raises(NotFound):
        edits.load_editable(session, task.completions[0].id, ada)


def test_the_comparison_of_an_edit_is_nobody_elses_task(
    session: Session, ranked: tuple[Project, User, list[Completion]], make_user: MakeUser
) -> None:
    project, ada, (original, _) = ranked
    edits.submit_edit(session, original.id, ada, uuid4(), "Old Marta.", Details())
    assert assignments.claim_task(session, project, make_user("bea"), "ranking") is None
    assert assignments.claim_task(session, project, ada, "ranking") is None
    assert session.scalar(select(func.count()).select_from(Assignment).where(Assignment.submitted_at.is_(None))) == 0
