"""Between a job's row and its folder: what training is given, and what becomes of what it leaves (docs/job-folder.md).

Called by the worker: `prepare_folder` before the child starts, `record_result` in the transaction that ends the job.
"""

from __future__ import annotations

import json
import random
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.errors import Invalid, NotFound
from app.models import Checkpoint, Comparison, Completion, Job, PretrainingSet, Project, Prompt, Round, Slot, Snapshot
from app.models.columns import JobKind
from app.rules.assignment import slots_in_queue_order
from app.rules.exports import to_line
from app.rules.programs import ALGORITHMS, POLICY_DATA, PROGRAMS
from app.rules.reviews import labelers_wanted
from app.services import ai_jobs, pretraining, rounds, snapshots
from app.settings import ROOT, get_settings
from training.config import CONFIGS


def program_of(job: Job) -> str:
    """The module that runs this kind of job."""
    return f"training.{PROGRAMS[job.kind].module}"


def job_folder(job: Job) -> Path:
    return get_settings().artifacts_folder / "jobs" / str(job.id)


def prepare_folder(session: Session, job: Job, folder: Path) -> None:
    """Write `config.json` and `data/`; a folder that is complete stays as it is, so that a rerun resumes."""
    if (folder / "config.json").exists():
        return
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    prepare = {"sampling": _prepare_sampling, "ai_ranking": _prepare_ai, "ai_revision": _prepare_ai}
    values = prepare.get(job.kind, _prepare_training)(session, job, data)
    config = CONFIGS[PROGRAMS[job.kind].module].from_dict({**job.spec.get("recipe", {}), **values})
    partial = folder / "config.json.partial"
    config.save(partial)
    partial.rename(folder / "config.json")  # last, so that its presence says that the folder is complete


def record_result(session: Session, job: Job, folder: Path) -> Any:
    """Turn what training left into rows; returns the job's result. The caller commits it with the job's end."""
    if job.kind == "sampling":
        return _record_completions(session, job, folder)
    if job.kind in (JobKind.AI_RANKING, JobKind.AI_REVISION):
        return ai_jobs.record_labels(session, job, folder)
    return _record_checkpoint(session, job, folder)


def model_path(checkpoint: Checkpoint) -> str:
    """The folder that holds a checkpoint; base models may lie in the repository or on the hub."""
    path = Path(checkpoint.path)
    if path.is_absolute():
        return checkpoint.path
    for root in (get_settings().artifacts_folder, ROOT):
        if (root / path / "config.json").exists() or (root / path / "reward.json").exists():
            return str(root / path)
    return checkpoint.path


def _prepare_training(session: Session, job: Job, data: Path) -> dict[str, Any]:
    """The frozen labels or the prompts that the program reads, and the checkpoints that it starts from."""
    for name in ("snapshot", "demonstration_snapshot"):
        if job.spec.get(name) is not None:
            _copy_snapshot(session, job.spec[name], data)
    program = PROGRAMS[job.kind]
    if program.reads == POLICY_DATA:
        _write_lines(data / "prompts.jsonl", _training_prompts(session, job.project_id))
    if job.spec.get("pretraining") is not None:
        with (data / "pretraining.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(pretraining.stream_lines(session, session.get_one(PretrainingSet, job.spec["pretraining"])))
    return {setting: _path(session, job.spec[place]) for setting, place in program.models}


def _prepare_ai(session: Session, job: Job, data: Path) -> dict[str, Any]:
    prepare = ai_jobs.prepare_ranking if job.kind == JobKind.AI_RANKING else ai_jobs.prepare_revision
    return {"judge": _path(session, job.spec["judge"]), **prepare(session, job, data)}


def _prepare_sampling(session: Session, job: Job, data: Path) -> dict[str, Any]:
    """`prompt_ids` names prompts of the project, `prompts` brings conversations along; ids in the file are strings."""
    if "prompts" in job.spec:
        rows: Iterable[dict[str, Any]] = (
            {"id": str(index), "messages": messages, "split": "train"}
            for index, messages in enumerate(job.spec["prompts"])
        )
    else:
        chosen = session.scalars(select(Prompt).where(Prompt.id.in_(job.spec["prompt_ids"])).order_by(Prompt.id))
        rows = ({"id": str(prompt.id), "messages": prompt.messages, "split": prompt.split} for prompt in chosen)
    counts = {str(entry["id"]): entry["count"] for entry in job.spec["checkpoints"]}
    listed = list(rows)
    _write_lines(data / "prompts.jsonl", listed)
    reward = job.spec.get("reward")  # without one there is no best of N
    return {
        "policies": [{"name": name, "path": _path(session, int(name))} for name in counts],
        "plan": {row["id"]: counts for row in listed},
        **({"best_of": 1} if reward is None else {"reward_model": _path(session, reward)}),
        **job.spec.get("settings", {}),
    }


def _training_prompts(session: Session, project_id: int) -> Iterator[dict[str, Any]]:
    asked = select(Prompt).where(Prompt.project_id == project_id, Prompt.split == "train", Prompt.retired_at.is_(None))
    query = asked.order_by(Prompt.id)
    for prompt in session.scalars(query.execution_options(yield_per=500)):
        yield {"id": str(prompt.id), "messages": prompt.messages, "split": prompt.split}


def _copy_snapshot(session: Session, snapshot_id: int, data: Path) -> None:
    source = snapshots.snapshot_file(session.get_one(Snapshot, snapshot_id))
    if not source.exists():
        raise NotFound(f"The file of snapshot {snapshot_id} is gone from the artifacts folder.")
    shutil.copyfile(source, data / source.name)


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(to_line(row) for row in rows)


def _path(session: Session, checkpoint_id: int) -> str:
    return model_path(session.get_one(Checkpoint, checkpoint_id))


def _record_checkpoint(session: Session, job: Job, folder: Path) -> dict[str, Any]:
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    checkpoint = Checkpoint(
        project_id=job.project_id,
        kind=job.kind,
        path=str((folder / "checkpoint").relative_to(get_settings().artifacts_folder)),
        parent_id=job.spec["parent"],
        reward_model_id=job.spec.get("reward"),
        snapshot_id=job.spec.get("snapshot"),
        pretraining_set_id=job.spec.get("pretraining"),
        round_id=job.round_id,
        job_id=job.id,
        config=run.get("config", {}),
        metrics=run.get("metrics", {}),
        files=_files(folder / "checkpoint"),
    )
    session.add(checkpoint)
    session.flush()
    _take_place(session, job, checkpoint)
    return {"checkpoint": checkpoint.id}


def _take_place(session: Session, job: Job, checkpoint: Checkpoint) -> None:
    """The round remembers its checkpoints, and the newest policy becomes the project's current one.

    A later SFT model does not replace an improved policy: it is what the next improvement starts from.
    """
    project = session.get_one(Project, job.project_id)
    current = session.get(Checkpoint, project.current_policy_id) if project.current_policy_id else None
    if job.kind in ALGORITHMS or (job.kind == "sft" and (current is None or current.kind not in ALGORITHMS)):
        project.current_policy_id = checkpoint.id
    round_ = session.get(Round, job.round_id) if job.round_id else None
    if round_ is not None:
        setattr(round_, rounds.CHECKPOINT_OF_PHASE[PROGRAMS[job.kind].phase], checkpoint.id)
    session.flush()


def _files(folder: Path) -> dict[str, Any]:
    """Name, size and hash of each file, from the manifest that training wrote beside them."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["sha256"]
    return {name: {"sha256": digest, "bytes": (folder / name).stat().st_size} for name, digest in manifest.items()}


def _record_completions(session: Session, job: Job, folder: Path) -> dict[str, Any]:
    rows = _read_completions(folder)
    if "prompts" in job.spec:
        return {"completions": [{**row, "prompt": int(row["prompt_id"])} for row in rows]}
    by_prompt: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_prompt[int(row["prompt_id"])].append(row)
    project = session.get_one(Project, job.project_id)
    retired = _retired(session, by_prompt)
    order = list(by_prompt)
    random.Random(job.id).shuffle(order)  # labelers meet the use-cases mixed
    comparisons = [
        Comparison(project_id=project.id, prompt_id=prompt_id, round_id=job.round_id, job_id=job.id)
        for prompt_id in order
    ]
    session.add_all(comparisons)
    session.flush()
    sampling = _sampling_settings(job, folder)
    completions = [
        _completion_values(job, comparison, row, sampling)
        for comparison in comparisons
        for row in by_prompt[comparison.prompt_id]
    ]
    session.execute(insert(Completion), completions)
    rounds.close_old_slots(session, project.id, job.round_id)
    session.execute(insert(Slot), list(_ranking_slots(session, project, job, comparisons, retired)))
    return {"comparisons": len(comparisons), "completions": len(completions)}


def _retired(session: Session, prompt_ids: Iterable[int]) -> dict[int, datetime | None]:
    """When each prompt was retired, if it was. A retirement that comes now waits, and then closes the new slots."""
    query = select(Prompt.id, Prompt.retired_at).where(Prompt.id.in_(prompt_ids)).order_by(Prompt.id)
    return {row.id: row.retired_at for row in session.execute(query.with_for_update(read=True))}


def _read_completions(folder: Path) -> list[dict[str, Any]]:
    with (folder / "completions.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    if not rows:
        raise Invalid("The sampling left no completion.")
    return rows


def _sampling_settings(job: Job, folder: Path) -> dict[str, Any]:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    settings = {name: config[name] for name in ("temperature", "top_p", "top_k", "greedy", "max_new_tokens")}
    if config.get("best_of", 1) > 1:
        settings |= {"best_of": config["best_of"], "reward_checkpoint": job.spec["reward"]}
    return settings


def _completion_values(
    job: Job, comparison: Comparison, row: dict[str, Any], sampling: dict[str, Any]
) -> dict[str, Any]:
    return {
        "comparison_id": comparison.id,
        "prompt_id": comparison.prompt_id,
        "checkpoint_id": int(row["checkpoint"]),
        "job_id": job.id,
        "sample_index": row["index"],
        "text": row["text"].replace("\x00", "�"),
        "sampling": sampling,
        "seed": row["seed"],
        "finish_reason": row["finish_reason"],
        "tokens": row["tokens"],
        "logprob": row["logprob"],
    }


def _ranking_slots(
    session: Session,
    project: Project,
    job: Job,
    comparisons: list[Comparison],
    retired: dict[int, datetime | None],
) -> Iterator[dict[str, Any]]:
    """Closed where the prompt was retired while the responses were written, as the retirement would have left them."""
    round_ = session.get(Round, job.round_id) if job.round_id else None
    key = get_settings().key()
    wanted = {
        each.id: labelers_wanted(key, each.id, project.overlap, project.second_label_rate) for each in comparisons
    }
    for comparison, ordinal in slots_in_queue_order(comparisons, range(1, project.overlap + 2)):
        if ordinal > wanted[comparison.id]:
            continue
        yield {
            "project_id": project.id,
            "kind": "ranking",
            "prompt_id": comparison.prompt_id,
            "comparison_id": comparison.id,
            "ordinal": ordinal,
            "priority": round_.number if round_ else 0,
            "closed_at": retired[comparison.prompt_id],
        }
