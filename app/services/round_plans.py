"""How a round learns from its rankings: by the project's algorithm, or by the one that was chosen for this round alone.

Called by services/rounds.py, which fixes the plan when training on rankings begins, and by the pages that show it.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.errors import Invalid
from app.models import Project, Round
from app.names import kind_name
from app.rules import programs
from app.rules import rounds as rules
from app.translation import gettext as _


@dataclass(frozen=True)
class Plan:
    """How a round learns from its rankings."""

    algorithm: str
    extra_reward_model: bool = False

    @property
    def trains_reward_model(self) -> bool:
        return programs.trains_reward_model(self.algorithm, self.extra_reward_model)


def plan_of(project: Project, round_: Round) -> Plan:
    """What was chosen for this round, or fixed when its training began; else the project's."""
    extra = project.extra_reward_model if round_.extra_reward_model is None else round_.extra_reward_model
    return Plan(round_.algorithm or project.algorithm, extra)


def next_kind(project: Project, round_: Round) -> str:
    """The kind of job that the phase of a round starts."""
    kinds = programs.kinds_of_phase(round_.phase)
    return plan_of(project, round_).algorithm if round_.phase == rules.IMPROVEMENT else kinds[0]


def check_plan(round_: Round, plan: Plan) -> None:
    """Whether this round may still go by `plan`. Raises Invalid with what to do."""
    program = programs.ALGORITHMS.get(plan.algorithm)
    problem = None
    if program is None:
        problem = _("There is no algorithm “%(name)s”. Choose one of: %(known)s.") % {
            "name": plan.algorithm, "known": ", ".join(programs.ALGORITHMS)
        }  # fmt: skip
    elif program.needs_reward_model and round_.phase == rules.IMPROVEMENT and round_.reward_checkpoint_id is None:
        problem = _(
            "%(name)s needs a reward model, and this round has trained none. Choose DPO now, and another in a later "
            "round."
        ) % {"name": kind_name(plan.algorithm)}
    if problem:
        raise Invalid(problem, errors=[{"field": "algorithm", "message": problem}])
