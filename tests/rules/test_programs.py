"""The one table of the kinds of job, against everything that must agree with it."""

from __future__ import annotations

import pytest

from app.models.columns import Algorithm, CheckpointKind, JobKind
from app.rules import programs
from app.rules.programs import ALGORITHMS, PROGRAMS, SETTING_TITLES, STANDARD
from app.services.recipes import GIVEN
from training.config import CONFIGS


def test_the_table_and_the_closed_sets_of_the_database_name_the_same_kinds() -> None:
    assert set(PROGRAMS) == set(JobKind)
    assert set(ALGORITHMS) == set(Algorithm)
    make = {kind for kind, program in PROGRAMS.items() if CONFIGS[program.module].makes_checkpoint}
    assert set(CheckpointKind) == make | {"base", "judge"}
    assert STANDARD == "ppo"


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_row_names_settings_that_its_program_has(kind: str) -> None:
    program = PROGRAMS[kind]
    config = CONFIGS[program.module].from_dict(GIVEN[kind])  # nothing else is required
    described = {row["name"] for row in config.describe()}
    assert {setting for setting, _ in program.models} <= described
    assert set(program.settings) <= described & set(SETTING_TITLES)
    assert program.headline[0] in ("", *(metric for metric, _ in program.curves))


def test_what_learns_from_labels_can_weigh_those_of_a_model() -> None:
    weighing = [kind for kind in PROGRAMS if programs.weighs_ai_labels(kind)]
    assert weighing == ["sft", "reward", "dpo"]
    for kind in weighing:
        assert "ai_weight" in {row["name"] for row in CONFIGS[PROGRAMS[kind].module].describe()}


def test_only_dpo_learns_without_a_reward_model() -> None:
    assert [kind for kind in ALGORITHMS if not programs.trains_reward_model(kind, extra=False)] == ["dpo"]
    assert programs.trains_reward_model("dpo", extra=True)
