"""The experiments, in the order of what they tell for their processor time."""

from benchmarks.paper.experiment import Experiment
from benchmarks.paper.experiments import (
    best_of_n,
    epochs,
    kwise,
    overoptimisation,
    pretraining,
    relatives,
    reward_model,
    small_model,
    truth,
    win_rates,
)

_MODULES = (
    reward_model,
    kwise,
    epochs,
    best_of_n,
    win_rates,
    truth,
    relatives,
    pretraining,
    overoptimisation,
    small_model,
)
EXPERIMENTS: dict[str, Experiment] = {module.EXPERIMENT.key: module.EXPERIMENT for module in _MODULES}
