from __future__ import annotations

import pytest

from app.rules.abilities import language_problem, parse_list, skill_problem, skills_problem
from app.rules.assignment import Labeler, Needs, is_in_pool, may_label, slots_in_queue_order
from app.rules.languages import code_of
from app.rules.prompts import row_language, row_problem

ANYBODY = Labeler(1)


@pytest.mark.parametrize(
    ("labeler", "needs", "allowed"),
    [
        (ANYBODY, Needs(), True),
        (ANYBODY, Needs(author_id=1), False),
        (ANYBODY, Needs(author_id=2), True),
        (ANYBODY, Needs(language="de"), True),
        (Labeler(1, languages=frozenset({"en"})), Needs(language="de"), False),
        (Labeler(1, languages=frozenset({"en", "de"})), Needs(language="de"), True),
        (Labeler(1, languages=frozenset({"en"})), Needs(language=None), True),
        (Labeler(1, languages=frozenset({"pt"})), Needs(language="pt-br"), True),
        (Labeler(1, languages=frozenset({"pt-br"})), Needs(language="pt"), True),
        (Labeler(1, languages=frozenset({"pt-br"})), Needs(language="pt-pt"), False),
        (Labeler(1, languages=frozenset({"zh-hant"})), Needs(language="zh-hant-tw"), True),
        (Labeler(1, languages=frozenset({"en"})), Needs(language="enm"), False),
        (ANYBODY, Needs(skills=frozenset({"maths"})), False),
        (Labeler(1, skills=frozenset({"maths"})), Needs(skills=frozenset({"maths"})), True),
        (Labeler(1, skills=frozenset({"maths"})), Needs(skills=frozenset({"maths", "python"})), False),
    ],
)
def test_who_may_label_what(labeler: Labeler, needs: Needs, allowed: bool) -> None:
    assert may_label(labeler, needs) is allowed


def test_a_project_is_for_everybody_or_for_its_members() -> None:
    assert is_in_pool(open_to_all=True, is_member=False)
    assert is_in_pool(open_to_all=False, is_member=True)
    assert not is_in_pool(open_to_all=False, is_member=False)


def test_every_task_gets_its_first_slot_before_any_gets_its_second() -> None:
    assert list(slots_in_queue_order(["a", "b"], range(1, 3))) == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]


def test_lists_are_read_as_people_type_them() -> None:
    assert parse_list(" Maths, python;  maths\nsecond  aid,, ") == ["maths", "python", "second aid"]
    assert parse_list("") == []


@pytest.mark.parametrize("code", ["de", "en", "pt-br", "yue", "zh-hant"])
def test_language_codes(code: str) -> None:
    assert language_problem(code) is None


@pytest.mark.parametrize("code", ["German", "d", "", "de_AT", "DE", 7, None, "de\n", "<b>"])
def test_what_is_no_language_code(code: object) -> None:
    assert language_problem(code) is not None


@pytest.mark.parametrize("skill", ["", "a" * 41, "Maths", "a,b", "a\nb", 3, "<script>"])
def test_what_is_no_skill(skill: object) -> None:
    assert skill_problem(skill) is not None


def test_skills_of_a_prompt_are_a_list() -> None:
    assert skills_problem(["maths", "c++", "c#"]) is None
    assert skills_problem("maths") is not None
    assert skills_problem(["x"] * 51) is not None


def test_an_import_row_is_refused_for_what_is_no_language_or_skill() -> None:
    assert row_problem({"prompt": "Hi?", "language": "de", "skills": ["maths"]}) is None
    assert "language code" in str(row_problem({"prompt": "Hi?", "language": "German"}))
    assert "skill" in str(row_problem({"prompt": "Hi?", "skills": ["Maths!"]}))


def test_a_prompt_says_its_language_or_its_text_tells() -> None:
    german = [
        {
            "role": "user",
            "content": "Was ist der Unterschied zwischen der Katze und dem Hund, und wie ist das mit den Vögeln?",
        }
    ]
    assert row_language({}, german) == "de"
    assert row_language({"language": "nl"}, german) == "nl"
    assert row_language({}, [{"role": "user", "content": "2 + 2?"}]) is None
    assert code_of("Что такое любовь и как она приходит к людям?") is None  # a script, not yet a language
