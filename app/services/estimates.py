"""What each part of a round will take, before it is started: memory by the model's sizes, time by the last such job.

Called by the launch page and the API. The arithmetic is training/config/estimate.py's; here its numbers are gathered.
What cannot be known yet is None, with the reason; nothing is made up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import mean
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Completion, Demonstration, Job, Project, Prompt, Ranking, Snapshot
from app.models.columns import JobState
from app.names import kind_name
from app.rules.programs import DEMONSTRATION_DATA, PROGRAMS, RANKING_DATA
from app.services import exports, pretraining
from app.services.base_models import find_folder
from app.services.pretraining_figures import look_at, read_limit
from app.services.recipes import read_recipe, recipe_of
from app.services.round_jobs import best_of_judge
from app.services.token_counts import tokens_of
from app.settings import get_settings
from app.translation import gettext as _
from training.config import BaseConfig, ConfigError, SampleConfig
from training.config.estimate import Data, Memory, flops, memory, seconds_like
from training.config.shape import ModelShape, read_shape

LOOKED_AT = 50  # texts whose tokens are counted
LONGEST_RESPONSE = SampleConfig.max_new_tokens


@dataclass(frozen=True)
class PartEstimate:
    """One job of a round."""

    kind: str
    name: str
    rows: int | None  # demonstrations, ranked comparisons or prompts that it reads
    memory: Memory | None
    seconds: float | None
    basis: str  # how the time is known, or why something is not
    job_id: int | None = None  # the job that the time was taken from


@dataclass(frozen=True)
class _Counts:
    """What the project's data are like now."""

    shape: ModelShape
    demonstrations: int
    comparisons: int  # ranked ones
    rankings: int
    prompts: int
    prompt_tokens: list[int]  # of some of them
    demonstration_tokens: list[int]  # answers alone
    response_tokens: float | None  # mean of the last samples; None before the first
    longest_response: int
    pretraining_tokens: list[float]  # about, of some texts; none where nothing asks for them


def estimate_round(session: Session, project: Project) -> list[PartEstimate]:
    """SFT, sampling, the reward model, and every algorithm that a round may go by."""
    counts = _count(session, project)
    return [_estimate(session, project, kind, counts) for kind, program in PROGRAMS.items() if program.phase]


def _estimate(session: Session, project: Project, kind: str, counts: _Counts | str) -> PartEstimate:
    if isinstance(counts, str):
        return PartEstimate(kind, kind_name(kind), None, None, None, counts)
    try:
        judged = kind == "sampling" and best_of_judge(session, project) is not None
        config = _config(kind, recipe_of(project, kind), judged)
    except ConfigError as error:
        return PartEstimate(kind, kind_name(kind), None, None, None, str(error))
    data = _data(project, kind, counts, config)
    if not data.rows:
        return PartEstimate(kind, kind_name(kind), 0, None, None, _("Not known: there is nothing to train on yet."))
    seconds, basis, job_id = _seconds(session, project, kind, flops(config, counts.shape, data), counts)
    needed = memory(config, counts.shape, data)
    return PartEstimate(kind, kind_name(kind), data.rows, needed, seconds, basis, job_id)


def _config(kind: str, recipe: dict[str, Any], judged: bool) -> BaseConfig:
    return read_recipe(kind, recipe if judged or kind != "sampling" else {**recipe, "best_of": 1})


def _seconds(
    session: Session, project: Project, kind: str, wanted: float, counts: _Counts
) -> tuple[float | None, str, int | None]:
    """Seconds for `wanted` operations, how they are known, and the job whose rate they go by."""
    last = _last_job(session, project, kind)
    if last is not None and last.started_at is not None and last.finished_at is not None:
        took = (last.finished_at - last.started_at).total_seconds()
        done = _flops_of(session, project, last, counts)
        if took > 0 and done:
            return seconds_like(done, took, wanted), _("at the rate of job %(id)s") % {"id": last.id}, last.id
    rate = get_settings().machine_tflops
    if rate is not None:
        return wanted / (rate * 1e12), _("at the stated rate of %(rate)s TFLOP/s") % {"rate": f"{rate:g}"}, None
    return None, _("no such job has ended here yet"), None


def _last_job(session: Session, project: Project, kind: str) -> Job | None:
    """The newest job that ran through at its first attempt: its time has no pause in it."""
    done = (Job.project_id == project.id, Job.kind == kind, Job.state == JobState.SUCCEEDED, Job.attempts == 1)
    query = select(Job).where(*done, Job.round_id.is_not(None)).order_by(Job.id.desc()).limit(1)
    return session.scalar(query)


def _flops_of(session: Session, project: Project, job: Job, counts: _Counts) -> float | None:
    """The operations of a job that has ended, by what it was given and by the tokens of today's data."""
    try:
        config = _config(job.kind, job.spec.get("recipe", {}), "reward" in job.spec)
    except ConfigError:  # settings of an earlier version
        return None
    data = _data(project, job.kind, counts, config)
    rows = data.rows
    if job.kind == "sampling":
        rows = len(job.spec.get("prompt_ids", ()))
    elif (snapshot_id := job.spec.get("snapshot")) is not None:
        labels = session.get_one(Snapshot, snapshot_id).rows
        ranked = PROGRAMS[job.kind].reads == RANKING_DATA
        rows = round(labels * counts.comparisons / counts.rankings) if ranked and counts.rankings else labels
    return flops(config, counts.shape, replace(data, rows=rows))


def _data(project: Project, kind: str, counts: _Counts, config: BaseConfig) -> Data:
    """What a job of this kind would read now. Before the first samples a response is taken to be as long as it may."""
    settings: Any = config
    reads, prompt, longest_prompt = PROGRAMS[kind].reads, mean(counts.prompt_tokens), max(counts.prompt_tokens)
    if reads == DEMONSTRATION_DATA:
        answers = counts.demonstration_tokens or [0]
        return Data(counts.demonstrations, prompt, mean(answers), longest=longest_prompt + max(answers))
    most = getattr(settings, "max_new_tokens", LONGEST_RESPONSE)
    response = min(counts.response_tokens or most, most)
    if reads == RANKING_DATA:
        rows, each = counts.comparisons, project.responses_per_prompt
    elif kind == "sampling":
        rows, each = min(counts.prompts, project.comparisons_per_round), project.responses_per_prompt
    else:
        rows, each = counts.prompts, settings.samples_per_prompt
    longest = longest_prompt + min(max(counts.longest_response, response), most) + (each - 1) * response
    mixed_in = 0.0
    if getattr(settings, "ptx_coef", 0) and counts.pretraining_tokens:
        mixed_in = mean(min(length, read_limit(settings)) for length in counts.pretraining_tokens)
    return Data(rows, prompt, response, each, longest, mixed_in)


def _count(session: Session, project: Project) -> _Counts | str:
    """The numbers, or why they are not known."""
    folder = find_folder(project.base_model)
    shape = read_shape(folder) if folder is not None else None
    if shape is None:
        return _("Not known: the sizes of the model cannot be read on this machine.")
    asked = (Prompt.project_id == project.id, Prompt.split == "train", Prompt.retired_at.is_(None))
    messages = session.scalars(select(Prompt.messages).where(*asked).order_by(Prompt.id).limit(LOOKED_AT))
    train = (Demonstration.project_id == project.id, *exports.which_train(Demonstration))
    newest = select(Demonstration).where(*train).order_by(Demonstration.id.desc()).limit(LOOKED_AT)
    answers = ["\n".join([one.text, *(turn["content"] for turn in one.turns or ())]) for one in session.scalars(newest)]
    prompt_tokens = tokens_of(project, ("\n".join(m["content"] for m in each) for each in messages))
    answer_tokens = tokens_of(project, answers)
    if prompt_tokens is None or answer_tokens is None:
        return _("Not known: the model’s tokenizer cannot be read on this machine.")
    if not prompt_tokens:
        return _("Not known: there are no prompts yet.")
    ranked = (Ranking.project_id == project.id, *exports.which_train(Ranking))
    of_rankings = select(func.count(Ranking.comparison_id.distinct()), func.count()).select_from(Ranking).where(*ranked)
    comparisons, rankings = session.execute(of_rankings).one()
    last = _last_job(session, project, "sampling")
    lengths = select(func.avg(Completion.tokens), func.max(Completion.tokens))
    response_tokens, longest = session.execute(lengths.where(Completion.job_id == (last.id if last else None))).one()
    return _Counts(
        shape,
        demonstrations=session.scalar(select(func.count()).select_from(Demonstration).where(*train)) or 0,
        comparisons=comparisons,
        rankings=rankings,
        prompts=session.scalar(select(func.count()).select_from(Prompt).where(*asked)) or 0,
        prompt_tokens=prompt_tokens,
        demonstration_tokens=answer_tokens,
        response_tokens=float(response_tokens) if response_tokens else None,
        longest_response=longest or 0,
        pretraining_tokens=_pretraining_tokens(session, project),
    )


def _pretraining_tokens(session: Session, project: Project) -> list[float]:
    found = pretraining.current_set(session, project.id) if pretraining.asking_kinds(project.recipe) else None
    return look_at(session, project, found).lengths if found is not None else []
