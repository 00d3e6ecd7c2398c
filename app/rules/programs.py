"""Every kind of job in one table: its program, what it is given, what it makes, and how pages speak of it.

Asked by services (which job a phase starts, what its folder holds), by plots and pages (names, curves, the figure that
stands for a checkpoint) and by forms (which settings of an algorithm they show). A new algorithm is a row here, and its
key in the closed sets of models/columns.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.rules import rounds
from app.translation import mark

Titled = tuple[str, str]  # a metric or a setting, and its title

POLICY_DATA, RANKING_DATA, DEMONSTRATION_DATA = "prompts", "rankings", "demonstrations"


@dataclass(frozen=True)
class Program:
    """A kind of job. `models` names the settings that are folders of checkpoints, and where the job's spec has each."""

    kind: str  # of the job and of its checkpoint; the part of a recipe
    module: str  # training.<module>, and the key of training.config.CONFIGS
    phase: str  # of the round that starts it; "" where an admin does
    name: str
    models: tuple[tuple[str, str], ...]
    reads: str  # one of the three above; empty for what services/ai_jobs.py writes
    curves: tuple[Titled, ...] = ()  # what is worth a curve, in the order in which a person would ask
    headline: Titled = ("", "")  # the one figure that stands for its checkpoint in a list
    subject: str = ""  # the name where a sentence begins with it, if it is another one
    about: str = ""
    settings: tuple[str, ...] = ()  # those that a project's form shows

    @property
    def needs_reward_model(self) -> bool:
        return any(place == "reward" for _, place in self.models)


_LOSS = ("loss", mark("Loss"))
_HELD_OUT_LOSS = ("loss/validation", mark("Loss on held-out"))
_HELD_OUT_ACCURACY = ("accuracy", mark("Accuracy on held-out"))
_SCORES = ("objective/scores", mark("Reward model score"))
_KL = ("objective/kl", mark("KL to SFT, nats"))
_VALUE_LOSS = ("loss/value", mark("Value loss"))
_CLIPPED = ("policy/clipfrac", mark("Clipped share"))
_PRETRAINING_LOSS = ("loss/ptx", mark("Loss on pretraining text"))
_ROLLOUT = (
    ("objective/rlhf_reward", mark("Score less KL penalty")),
    ("objective/entropy", mark("Entropy")),
    ("response/tokens", mark("Tokens a response")),
    ("response/ended", mark("Responses that ended")),
)
_KL_HEADLINE = ("objective/kl", mark("KL to SFT"))
_WITH_REWARD = (("policy", "parent"), ("reward_model", "reward"))
_ROLLOUT_SETTINGS = ("episodes", "batch_size", "minibatch_size", "samples_per_prompt")

PROGRAMS: dict[str, Program] = {
    program.kind: program
    for program in (
        Program(
            "sft", "sft", rounds.SFT, "SFT", (("model", "parent"),), DEMONSTRATION_DATA,
            (_LOSS, _HELD_OUT_LOSS), ("loss/validation", mark("held-out loss")),
        ),
        Program("sampling", "sample", rounds.SAMPLING, mark("Sampling"), (), POLICY_DATA, settings=("best_of",)),
        Program(
            "reward", "reward", rounds.REWARD, mark("Reward model"), (("model", "parent"),), RANKING_DATA,
            (_LOSS, ("accuracy/training", mark("Accuracy in training")), _HELD_OUT_ACCURACY, _HELD_OUT_LOSS),
            ("accuracy", mark("held-out accuracy")), subject=mark("The reward model"),
        ),
        Program(
            "ppo", "ppo", rounds.IMPROVEMENT, "PPO", _WITH_REWARD, POLICY_DATA,
            (_SCORES, _KL, _VALUE_LOSS, *_ROLLOUT, _CLIPPED, _PRETRAINING_LOSS), _KL_HEADLINE,
            about=mark("Samples from the policy, scores from the reward model, clipped steps. What InstructGPT used."),
            settings=(*_ROLLOUT_SETTINGS, "inner_epochs", "advantage", "lr", "kl_coef", "max_new_tokens", "ptx_coef"),
        ),
        Program(
            "a2c", "a2c", rounds.IMPROVEMENT, "A2C", _WITH_REWARD, POLICY_DATA,
            (_SCORES, _KL, _VALUE_LOSS, *_ROLLOUT, _PRETRAINING_LOSS), _KL_HEADLINE,
            about=mark("PPO with one step a rollout and no clipping; a value network is its baseline."),
            settings=(*_ROLLOUT_SETTINGS, "lr", "value_lr", "kl_coef", "max_new_tokens", "ptx_coef"),
        ),
        Program(
            "rloo", "rloo", rounds.IMPROVEMENT, "RLOO", _WITH_REWARD, POLICY_DATA,
            (_SCORES, _KL, *_ROLLOUT, _PRETRAINING_LOSS), _KL_HEADLINE,
            about=mark("A whole response is one action, the prompt’s other samples its baseline. No value network."),
            settings=(*_ROLLOUT_SETTINGS, "lr", "kl_coef", "max_new_tokens", "ptx_coef"),
        ),
        Program(
            "grpo", "grpo", rounds.IMPROVEMENT, "GRPO", _WITH_REWARD, POLICY_DATA,
            (_SCORES, _KL, ("loss/kl", mark("KL loss")), *_ROLLOUT, _CLIPPED, _PRETRAINING_LOSS), _KL_HEADLINE,
            about=mark("Scores normalised within a prompt’s samples, several clipped epochs, the KL as a loss."),
            settings=(*_ROLLOUT_SETTINGS, "inner_epochs", "cliprange", "lr", "kl_coef", "max_new_tokens", "ptx_coef"),
        ),
        Program(
            "dpo", "dpo", rounds.IMPROVEMENT, "DPO", (("policy", "parent"),), RANKING_DATA,
            (
                _LOSS, ("rewards/margins", mark("Margin of the better response")),
                ("accuracy/training", mark("Accuracy in training")), _HELD_OUT_ACCURACY, _KL, _HELD_OUT_LOSS,
                ("rewards/chosen", mark("Reward of better responses")),
                ("rewards/rejected", mark("Reward of worse responses")),
                ("loss/sft", mark("Loss of the SFT targets")), ("kto/reference_point", mark("KTO’s reference point")),
            ),
            ("accuracy", mark("held-out accuracy")),
            about=mark("Learns from the rankings themselves (or IPO, SLiC, KTO by its loss). Needs no reward model."),
            settings=("loss", "beta", "epochs", "batch_size", "lr", "max_length"),
        ),
        Program(
            "rejection", "rejection", rounds.IMPROVEMENT, mark("Rejection sampling"),
            (("model", "parent"), ("reward_model", "reward")), POLICY_DATA,
            (_SCORES, _LOSS, _HELD_OUT_LOSS), ("objective/scores", mark("score of the samples kept")),
            about=mark("Fine-tunes on the best of N samples, chosen by the reward model."),
            settings=("best_of", "samples_per_prompt", "epochs", "batch_size", "lr", "temperature", "max_new_tokens"),
        ),
        Program("ai_ranking", "rlaif", "", mark("AI ranking"), (("judge", "judge"),), ""),
        Program("ai_revision", "critique", "", mark("AI revision"), (("judge", "judge"),), ""),
    )
}  # fmt: skip

# Those that make a better policy of the SFT model; the first is the standard.
ALGORITHMS = {kind: one for kind, one in PROGRAMS.items() if one.phase == rounds.IMPROVEMENT}
STANDARD = next(iter(ALGORITHMS))

SETTING_TITLES = {
    "advantage": mark("Baseline of the advantage"),
    "batch_size": mark("Batch size"),
    "best_of": mark("Best of so many (N)"),
    "beta": mark("Beta: nearness to the SFT model"),
    "cliprange": mark("Clip range"),
    "episodes": mark("Responses sampled in all"),
    "epochs": mark("Passes over the data"),
    "inner_epochs": mark("Passes over a rollout"),
    "kl_coef": mark("KL coefficient"),
    "loss": mark("Loss"),
    "lr": mark("Peak learning rate"),
    "max_length": mark("Longest prompt and response, tokens"),
    "max_new_tokens": mark("Longest response, tokens"),
    "minibatch_size": mark("Responses a step"),
    "ptx_coef": mark("Weight of pretraining text (PPO-ptx)"),
    "samples_per_prompt": mark("Samples of a prompt"),
    "temperature": mark("Sampling temperature"),
    "value_lr": mark("Learning rate of the value network"),
}


def kinds_of_phase(phase: str) -> tuple[str, ...]:
    """The kinds of job that a phase may start; none where people work."""
    return tuple(program.kind for program in PROGRAMS.values() if program.phase == phase)


def weighs_ai_labels(kind: str) -> bool:
    """Whether a training learns from people's labels, beside which a model's weigh what the project says."""
    return PROGRAMS[kind].reads in (RANKING_DATA, DEMONSTRATION_DATA)


def trains_reward_model(algorithm: str, extra: bool) -> bool:
    """Whether a round trains a reward model: the algorithm needs one, or the project wants one all the same."""
    return extra or ALGORITHMS[algorithm].needs_reward_model
