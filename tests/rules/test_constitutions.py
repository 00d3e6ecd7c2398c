"""Principles out of a text as people write it; tiers out of ranks; what AI labels let an admin start."""

from __future__ import annotations

from app.rules.constitutions import principles_of
from app.rules.rankings import ranks_to_tiers, tiers_to_ranks
from app.rules.rounds import Facts, Step, launch_problem, next_step


def test_principles_are_the_lines_without_bullets_and_headings() -> None:
    text = "# Ours\r\n\r\n- Be kind.\n* Be true.\n 12. Do no harm.\n3) Be brief.\nSay - when in doubt - so.\n## More\n"
    assert principles_of(text) == ["Be kind.", "Be true.", "Do no harm.", "Be brief.", "Say - when in doubt - so."]
    assert principles_of("\n# Only a heading\n") == []


def test_ranks_become_tiers_and_back() -> None:
    assert ranks_to_tiers([2, 1, 2, 4], ["a", "b", "c", "d"]) == [["b"], ["a", "c"], ["d"]]
    assert tiers_to_ranks(ranks_to_tiers([2, 1, 2, 4], list("abcd")), list("abcd")) == [2, 1, 2, 4]


def test_ai_labels_start_no_training_by_themselves_but_an_admin_may_start_one_on_them() -> None:
    for phase, job in (("collecting_rankings", "reward"), ("collecting_demonstrations", "sft")):
        alone = Facts(ai_labels=500)
        assert next_step(phase, alone) == Step(phase)
        assert launch_problem(phase, alone) is None
        assert next_step(phase, Facts(ai_labels=500, launch_requested=True)) == Step(job, start_job=True)
        assert launch_problem(phase, Facts()) is not None
